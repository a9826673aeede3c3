"""Plans made in Python, in the shape of ``terraform show -json``: a test names only what it is about."""

from __future__ import annotations

import json
from typing import Any

from doorward.model.estate import Estate
from doorward.model.plan import Plan, Step
from doorward.model.rules import Rule
from doorward.readers.terraform import parse
from doorward.readers.terraform.document import module_path, tokens


def ref(*names: str) -> dict[str, Any]:
    """An expression with references, as Terraform writes them: each also without its attribute."""
    found: list[str] = []
    for name in names:
        found.append(name)
        parts = name.split(".")
        if len(parts) > 2 and parts[0] not in ("var", "local", "each", "count", "data", "path"):
            found.append(".".join(parts[:2]))
    return {"references": found}


def rule(port: int | None = None, *, to: int | None = None, protocol: str = "tcp", **peers: Any) -> dict[str, Any]:
    """An inline block; without a port: everything."""
    given = {
        "cidr_blocks": [],
        "ipv6_cidr_blocks": [],
        "prefix_list_ids": [],
        "security_groups": [],
        "self": False,
        "description": "",
    }
    if port is None:
        given |= {"from_port": 0, "to_port": 0, "protocol": "-1"}
    else:
        given |= {"from_port": port, "to_port": port if to is None else to, "protocol": protocol}
    return given | peers


class Maker:
    """A plan under construction."""

    def __init__(self) -> None:
        self.changes: list[dict[str, Any]] = []
        self.state: list[dict[str, Any]] = []
        self.root: dict[str, Any] = {"resources": [], "module_calls": {}}
        self.extra: dict[str, Any] = {}

    # --- resources ---------------------------------------------------------------------------------------------

    def change(
        self,
        address: str,
        actions: list[str],
        before: dict[str, Any] | None,
        after: dict[str, Any] | None,
        unknown: dict[str, Any] | None = None,
        config: dict[str, Any] | None = None,
        **more: Any,
    ) -> Maker:
        """Any change; ``config`` are the expressions: a plain value is a constant."""
        module, mode, kind, name, key = split(address)
        item: dict[str, Any] = {
            "address": address,
            "mode": mode,
            "type": kind,
            "name": name,
            "provider_name": "aws",
            "change": {"actions": actions, "before": before, "after": after, "after_unknown": unknown or {}},
        }
        if module:
            item["module_address"] = module
        if key is not None:
            item["index"] = key
        change_more = more.pop("change", {})
        item["change"] |= change_more
        self.changes.append(item | more)
        if before is not None:
            self.state.append(
                {k: v for k, v in item.items() if k not in ("change", "module_address")}
                | {"values": before, "depends_on": more.get("depends_on", []), "module": module}
            )
        if config is not None:
            self.configure(address, config)
        return self

    def existing(self, address: str, values: dict[str, Any], config: dict[str, Any] | None = None) -> Maker:
        """A resource that the plan leaves alone."""
        return self.change(address, ["no-op"], values, values, {}, config)

    def create(
        self,
        address: str,
        after: dict[str, Any],
        unknown: dict[str, Any] | None = None,
        config: dict[str, Any] | None = None,
    ) -> Maker:
        """A new resource; its id is unknown unless given."""
        return self.change(address, ["create"], None, after, {"id": True, **(unknown or {})}, config)

    def update(
        self,
        address: str,
        before: dict[str, Any],
        changed: dict[str, Any],
        unknown: dict[str, Any] | None = None,
        config: dict[str, Any] | None = None,
    ) -> Maker:
        """An update in place: ``changed`` lies over ``before``."""
        after = {key: value for key, value in (before | changed).items() if (unknown or {}).get(key) is not True}
        return self.change(address, ["update"], before, after, unknown, config)

    def delete(self, address: str, before: dict[str, Any], **more: Any) -> Maker:
        """A resource that goes."""
        return self.change(address, ["delete"], before, None, {}, None, **more)

    def replace(
        self,
        address: str,
        before: dict[str, Any],
        changed: dict[str, Any],
        unknown: dict[str, Any] | None = None,
        config: dict[str, Any] | None = None,
        *,
        create_first: bool = False,
    ) -> Maker:
        """A replacement: the id becomes unknown."""
        marks = {"id": True, **(unknown or {})}
        after = {key: value for key, value in (before | changed).items() if marks.get(key) is not True}
        actions = ["create", "delete"] if create_first else ["delete", "create"]
        return self.change(address, actions, before, after, marks, config)

    def data(self, address: str, values: dict[str, Any], config: dict[str, Any] | None = None) -> Maker:
        """A data source that was read while planning."""
        module, mode, kind, name, key = split(address)
        item = {"address": address, "mode": mode, "type": kind, "name": name, "values": values, "module": module}
        self.state.append(item if key is None else item | {"index": key})
        if config is not None:
            self.configure(address, config)
        return self

    # --- configuration -----------------------------------------------------------------------------------------

    def configure(self, address: str, expressions: dict[str, Any], **more: Any) -> Maker:
        """The resource's block; ``more``: depends_on, count_expression, for_each_expression."""
        module, mode, kind, name, _ = split(address)
        own = f"data.{kind}.{name}" if mode == "data" else f"{kind}.{name}"
        resources = self.module(module)["resources"]
        if not any(one["address"] == own for one in resources):
            item = {"address": own, "mode": mode, "type": kind, "name": name, "expressions": _expressions(expressions)}
            resources.append(item | more)
        return self

    def module(self, address: str) -> dict[str, Any]:
        """The configuration of a module."""
        at = self.root
        for name, _ in module_path(address):
            call = at["module_calls"].setdefault(
                name, {"expressions": {}, "module": {"resources": [], "module_calls": {}}}
            )
            at = call["module"]
        return at

    def call(self, address: str, expressions: dict[str, Any], **more: Any) -> Maker:
        """What a module is called with."""
        self.module(address)
        path = module_path(address)
        parent = ".".join(f"module.{name}" for name, _ in path[:-1])
        call = self.module(parent)["module_calls"][path[-1][0]]
        call["expressions"] |= _expressions(expressions)
        call |= more
        return self

    def output(self, address: str, name: str, *names: str) -> Maker:
        """An output of a module."""
        self.module(address).setdefault("outputs", {})[name] = {"expression": ref(*names)}
        return self

    # --- the result --------------------------------------------------------------------------------------------

    def document(self) -> dict[str, Any]:
        """The plan as JSON values."""
        modules: dict[str, list[dict[str, Any]]] = {}
        for one in self.state:
            modules.setdefault(one["module"], []).append({k: v for k, v in one.items() if k != "module"})
        root: dict[str, Any] = {"resources": modules.pop("", [])}
        root["child_modules"] = [{"address": name, "resources": held} for name, held in modules.items()]
        return {
            "format_version": "1.2",
            "terraform_version": "1.9.0",
            "planned_values": {},
            "resource_changes": self.changes,
            "prior_state": {"format_version": "1.0", "values": {"root_module": root}},
            "configuration": {"root_module": self.root},
        } | self.extra

    def read(self, estate: Estate | None = None) -> Plan:
        """Through the reader."""
        return parse(json.dumps(self.document()).encode(), "plan.json", estate)


def split(address: str) -> tuple[str, str, str, str, Any]:
    """(module address, mode, type, name, key)."""
    path = module_path(address)
    parts = tokens(address)
    at = sum(2 if key is None else 3 for _, key in path)
    own = parts[at:]
    mode = "managed"
    if own[0] == "data":
        mode, own = "data", own[1:]
    key = own[2][0] if len(own) > 2 and isinstance(own[2], tuple) else None
    module = ".".join(f"module.{name}" + (f"[{json.dumps(one)}]" if one is not None else "") for name, one in path)
    return module, mode, str(own[0]), str(own[1]), key


def _expressions(given: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, dict) and ("references" in value or "constant_value" in value):
            made[name] = value
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            made[name] = [_expressions(one) for one in value]
        else:
            made[name] = {"constant_value": value}
    return made


# --- reading results -----------------------------------------------------------------------------------------------


def seen(estate: Estate, group: str) -> set[tuple[Any, ...]]:
    """What a group allows: (direction, service, peer, certain)."""
    return {(one.direction, one.service, one.peer, one.certain) for one in estate.groups[group].rules}


def step(plan: Plan, id: str) -> Step:
    """The step of that id."""
    return next(one for one in plan.steps if one.id == id)


def keys(rules: tuple[tuple[str, Rule], ...]) -> set[tuple[str, Any, Any]]:
    """(group, service, peer) of a step's rules."""
    return {(group, one.service, one.peer) for group, one in rules}
