"""Plans as ``terraform show -json`` prints them, from two lists of resources: those before and those after.

What lives here: ids, unknown values, references with their configuration, modules. What a plan means is for tests.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

PREFIX = {
    "aws_vpc": "vpc", "aws_subnet": "subnet", "aws_security_group": "sg", "aws_default_security_group": "sg",
    "aws_internet_gateway": "igw", "aws_nat_gateway": "nat", "aws_route_table": "rtb", "aws_network_acl": "acl",
    "aws_instance": "i", "aws_network_interface": "eni", "aws_ec2_managed_prefix_list": "pl", "aws_route": "r",
    "aws_vpc_peering_connection": "pcx", "aws_eip": "eipalloc", "aws_vpc_endpoint": "vpce",
    "aws_security_group_rule": "sgrule", "aws_vpc_security_group_ingress_rule": "sgr",
    "aws_vpc_security_group_egress_rule": "sgr",
}  # fmt: skip
LISTED = {
    "ingress": {
        "cidr_blocks": [], "ipv6_cidr_blocks": [], "prefix_list_ids": [], "security_groups": [], "self": False,
        "description": "",
    },
}  # fmt: skip
LISTED["egress"] = LISTED["ingress"]


@dataclass(frozen=True)
class Ref:
    """A reference such as ``aws_vpc.main.id``; ``written`` is what the configuration shows where it differs."""

    to: str
    written: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """What ``references`` of the plan's configuration holds."""
        if self.written:
            return list(self.written)
        found, text = [self.to], self.to
        while True:
            cut = text[:-1].rfind("[") if text.endswith("]") else text.rfind(".")
            text = text[:cut]
            if text.count(".") < (2 if text.startswith("data.") else 1):
                return found
            found.append(text)


@dataclass(frozen=True)
class Computed:
    """A value that the provider chooses: known once the resource exists. Not in the configuration."""

    value: Any


@dataclass(frozen=True)
class Unknown:
    """Not known before the apply, whatever it is read from."""

    written: tuple[str, ...] = ()


@dataclass
class Resource:
    """One resource instance."""

    type: str
    name: str
    values: dict[str, Any] = field(default_factory=dict)
    module: str = ""
    index: int | str | None = None
    mode: str = "managed"
    config: dict[str, Any] = field(default_factory=dict)
    """Further keys of its configuration, e.g. ``for_each_expression``."""
    expressions: dict[str, Any] | None = None
    id: str | None = None

    @property
    def local(self) -> str:
        head = "data." if self.mode == "data" else ""
        tail = "" if self.index is None else f"[{json.dumps(self.index)}]"
        return f"{head}{self.type}.{self.name}{tail}"

    @property
    def address(self) -> str:
        return f"{self.module}.{self.local}" if self.module else self.local

    @property
    def real(self) -> str:
        return self.id or f"{PREFIX.get(self.type, 'x')}-{zlib.crc32(self.address.encode()):08x}"


@dataclass
class Module:
    """A module call: what it is given and what it hands out (references relative to it)."""

    name: str
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    parent: str = ""
    call: dict[str, Any] = field(default_factory=dict)


def res(
    kind: str, label: str, /, *, at: str = "", index: int | str | None = None, mode: str = "managed", **values: Any
) -> Resource:
    """A resource; ``config_``, ``id_`` and ``expressions_`` are not its attributes."""
    extra = {key: values.pop(f"{key}_") for key in ("config", "id", "expressions") if f"{key}_" in values}
    return Resource(kind, label, values, at, index, mode, **extra)


_GONE = object()


class _Side:
    """One world of resources in which references are looked up."""

    def __init__(self, resources: Iterable[Resource], modules: Iterable[Module], ids: Mapping[str, str | None]) -> None:
        self.resources = {one.address: one for one in resources}
        self.modules = {
            f"{one.parent}.module.{one.name}" if one.parent else f"module.{one.name}": one for one in modules
        }
        self.ids = ids

    def look(self, to: str, module: str) -> Any:
        """The value of a reference, or _GONE while it is not known."""
        if to.startswith("var."):
            call = self.modules[module.split("[")[0] if module not in self.modules else module]
            return self.known(call.inputs[to.split(".")[1]], call.parent)
        if to.startswith("module."):
            _, name, output = to.split(".")[:3]
            inside = f"{module}.module.{name}" if module else f"module.{name}"
            call = self.modules[inside.split("[")[0] if inside not in self.modules else inside]
            return self.known(call.outputs[output], inside)
        address, _, attribute = to.rpartition(".")
        full = f"{module}.{address}" if module else address
        one = self.resources[full]
        if attribute not in one.values:
            id = self.ids.get(full, one.real)
            return _GONE if id is None else (id if attribute != "arn" else f"arn:aws:x:eu-west-1:111122223333:{id}")
        value = one.values[attribute]
        if isinstance(value, Computed):
            return _GONE if self.ids.get(full, one.real) is None else value.value
        return self.known(value, one.module)

    def known(self, value: Any, module: str) -> Any:
        if isinstance(value, Ref):
            return self.look(value.to, module)
        if isinstance(value, Unknown):
            return _GONE
        if isinstance(value, list):
            found = [self.known(one, module) for one in value]
            return _GONE if any(one is _GONE for one in found) else found
        return value

    def split(self, value: Any, module: str, fresh: bool) -> tuple[Any, Any]:
        """(value or _GONE, mark)."""
        if isinstance(value, Computed):
            return (_GONE, True) if fresh else (value.value, False)
        if isinstance(value, (Ref, Unknown)):
            found = self.known(value, module)
            return (_GONE, True) if found is _GONE else (found, False)
        if isinstance(value, dict):
            parts = {key: self.split(one, module, fresh) for key, one in value.items()}
            return (
                {key: one for key, (one, _) in parts.items() if one is not _GONE},
                {key: mark for key, (_, mark) in parts.items() if mark},
            )
        if isinstance(value, list):
            if value and all(isinstance(one, dict) for one in value):
                pairs = [self.split(one, module, fresh) for one in value]
                return [one for one, _ in pairs], [mark for _, mark in pairs]
            found = self.known(value, module)
            return (_GONE, True) if found is _GONE else (found, False)
        return value, False


def expression(value: Any) -> Any:
    """The configuration's form of an attribute."""
    if isinstance(value, (Ref, Unknown)):
        return {"references": value.names() if isinstance(value, Ref) else list(value.written)}
    if isinstance(value, dict):
        return {key: expression(one) for key, one in value.items() if not isinstance(one, Computed)}
    if isinstance(value, list):
        if value and all(isinstance(one, dict) for one in value):
            return [expression(one) for one in value]
        named = [name for one in value if isinstance(one, (Ref, Unknown)) for name in expression(one)["references"]]
        return {"references": named} if named else {"constant_value": value}
    return {"constant_value": value}


def _full(one: Resource, side: _Side) -> dict[str, Any]:
    """An instance's values with what the schema fills in."""
    values = dict(one.values)
    if one.type in ("aws_security_group", "aws_default_security_group"):
        for name in ("ingress", "egress"):
            given = values.get(name)
            if isinstance(given, list):
                values[name] = [{**LISTED[name], **block} for block in given]
            elif given is None:
                values[name] = Computed(_mirror(one, name, side))
        values.setdefault("name", one.name)
        values.setdefault("description", "Managed by Terraform")
    values.setdefault("id", Computed(one.real))
    values.setdefault("arn", Computed(f"arn:aws:x:eu-west-1:111122223333:{one.real}"))
    return values


def _mirror(group: Resource, direction: str, side: _Side) -> list[dict[str, Any]]:
    """Rules of standalone resources as the group's computed attributes show them after a refresh."""
    found = []
    for one in side.resources.values():
        old_style = one.type == "aws_security_group_rule" and one.values.get("type") == direction
        new_style = one.type == f"aws_vpc_security_group_{direction}_rule"
        if not (old_style or new_style) or side.known(one.values["security_group_id"], one.module) != group.real:
            continue
        bare = {key: side.known(value, one.module) for key, value in one.values.items()}
        source = bare.get("source_security_group_id" if old_style else "referenced_security_group_id")
        keys = ("from_port", "to_port", "protocol", "cidr_blocks", "self")
        block = {**LISTED["ingress"], **{key: bare[key] for key in keys if key in bare}}
        if new_style:
            block |= {
                "protocol": bare["ip_protocol"],
                "cidr_blocks": [bare["cidr_ipv4"]] if "cidr_ipv4" in bare else [],
            }
        found.append({**block, "security_groups": [source] if source else []})
    return found


def make(
    old: Iterable[Resource],
    new: Iterable[Resource],
    *,
    modules: Iterable[Module] = (),
    replace: Mapping[str, str] | None = None,
    moved: Mapping[str, str] | None = None,
    imported: Iterable[str] = (),
    depends: Mapping[str, list[str]] | None = None,
    variables: Mapping[str, Any] | None = None,
    hide_configuration: bool = False,
) -> dict[str, Any]:
    """The plan from ``old`` to ``new``.

    ``replace``: address → "delete" or "create", what comes first. ``moved``: new address → old one.
    """
    replace, moved, imported = dict(replace or {}), dict(moved or {}), set(imported)
    old, new, modules = list(old), list(new), list(modules)
    was = {one.address: one for one in old}
    ids_old: dict[str, str | None] = {one.address: one.real for one in old}
    ids_new: dict[str, str | None] = {}
    for one in new:
        origin = moved.get(one.address, one.address)
        stays = (origin in was and one.address not in replace) or one.mode == "data" or one.address in imported
        ids_new[one.address] = (was[origin].real if origin in was else one.real) if stays else None
    before, after = _Side(old, modules, ids_old), _Side(new, modules, ids_new)
    changes = []
    planned: list[tuple[Resource, dict[str, Any]]] = []
    done: set[str] = set()
    for one in new:
        origin = moved.get(one.address, one.address)
        done.add(origin)
        prior = was.get(origin)
        fresh = ids_new[one.address] is None
        full = _full(one, after)
        if not fresh:
            known = {"id": ids_new[one.address], "arn": f"arn:aws:x:eu-west-1:111122223333:{ids_new[one.address]}"}
            full.update({key: value for key, value in known.items() if key not in one.values})
            if prior is not None:
                shown, _ = before.split(_full(prior, before), prior.module, False)
                full.update(
                    {key: shown[key] for key, value in full.items() if isinstance(value, Computed) and key in shown}
                )
        value, mark = after.split(full, one.module, fresh)
        planned.append((one, value))
        if one.mode == "data":
            continue
        gone = before.split(_full(prior, before), prior.module, False)[0] if prior is not None else None
        if one.address in imported:
            gone = value
        if gone is None:
            actions = ["create"]
        elif one.address in replace:
            actions = ["delete", "create"] if replace[one.address] == "delete" else ["create", "delete"]
        else:
            actions = ["no-op"] if gone == value and not mark else ["update"]
        item = _head(one) | {"change": {"actions": actions, "before": gone, "after": value, "after_unknown": mark}}
        if one.address in moved:
            item["previous_address"] = moved[one.address]
        if one.address in imported:
            item["change"]["importing"] = {"id": one.real}
        changes.append(item)
    for address, prior in was.items():
        if address not in done and prior.mode == "managed":
            gone = before.split(_full(prior, before), prior.module, False)[0]
            change = {"actions": ["delete"], "before": gone, "after": None, "after_unknown": {}}
            changes.append(_head(prior) | {"change": change})
    state = [(one, before.split(_full(one, before), one.module, False)[0]) for one in old]
    state += [(one, value) for one, value in planned if one.mode == "data" and one.address not in was]
    plan: dict[str, Any] = {
        "format_version": "1.2", "terraform_version": "1.9.5", "planned_values": {"root_module": _tree(planned)},
        "resource_changes": changes, "timestamp": "2024-02-15T10:00:00Z", "applyable": True, "complete": True,
        "errored": False,
    }  # fmt: skip
    if variables:
        plan["variables"] = {name: {"value": value} for name, value in variables.items()}
    if state:
        plan["prior_state"] = {
            "format_version": "1.0", "terraform_version": "1.9.5",
            "values": {"root_module": _tree(state, depends or {})},
        }  # fmt: skip
    if not hide_configuration:
        plan["configuration"] = {
            "provider_config": {"aws": {"name": "aws", "full_name": "registry.terraform.io/hashicorp/aws"}},
            "root_module": _configuration("", new, modules),
        }
    return plan


def _head(one: Resource) -> dict[str, Any]:
    made: dict[str, Any] = {"address": one.address}
    if one.module:
        made["module_address"] = one.module
    made |= {"mode": one.mode, "type": one.type, "name": one.name}
    if one.index is not None:
        made["index"] = one.index
    return made | {"provider_name": "registry.terraform.io/hashicorp/aws"}


def _tree(
    items: list[tuple[Resource, dict[str, Any]]], depends: Mapping[str, list[str]] | None = None
) -> dict[str, Any]:
    """``root_module`` of a values tree."""
    root: dict[str, Any] = {}
    modules: dict[str, dict[str, Any]] = {"": root}

    def module(address: str) -> dict[str, Any]:
        if address not in modules:
            modules[address] = {"address": address}
            parent = address.rpartition(".module.")[0]
            module(parent).setdefault("child_modules", []).append(modules[address])
        return modules[address]

    for one, values in items:
        item = {key: value for key, value in _head(one).items() if key != "module_address"}
        item |= {"schema_version": 1, "values": values, "sensitive_values": {}}
        if depends and one.address in depends:
            item["depends_on"] = depends[one.address]
        module(one.module).setdefault("resources", []).append(item)
    return root


def _plain(module: str) -> str:
    """A module's address without keys."""
    text = module
    while "[" in text:
        at = text.index("[")
        text = text[:at] + text[text.index("]", at) + 1 :]
    return text


def _configuration(path: str, resources: list[Resource], modules: list[Module]) -> dict[str, Any]:
    made: dict[str, Any] = {"resources": [], "module_calls": {}, "outputs": {}, "variables": {}}
    seen: set[str] = set()
    for one in resources:
        plain = f"{one.mode}.{one.type}.{one.name}"
        if _plain(one.module) != path or plain in seen:
            continue
        seen.add(plain)
        given = one.expressions if one.expressions is not None else expression(one.values)
        head = "data." if one.mode == "data" else ""
        made["resources"].append({
            "address": f"{head}{one.type}.{one.name}", "mode": one.mode, "type": one.type, "name": one.name,
            "provider_config_key": "aws", "expressions": given, "schema_version": 1, **one.config,
        })  # fmt: skip
    for call in modules:
        if call.parent != path:
            continue
        inside = f"{path}.module.{call.name}" if path else f"module.{call.name}"
        content = _configuration(inside, resources, modules)
        content["outputs"] = {name: {"expression": expression(value)} for name, value in call.outputs.items()}
        content["variables"] = {name: {} for name in call.inputs}
        made["module_calls"][call.name] = {
            "source": f"./{call.name}", "expressions": {k: expression(v) for k, v in call.inputs.items()},
            "module": content, **call.call,
        }  # fmt: skip
    return {key: value for key, value in made.items() if value}
