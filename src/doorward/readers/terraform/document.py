"""The plan's document as resources: every instance before and after, with what is not known yet.

Here lives which instances exist on which side (prior state, changes, moves, imports, replacements). What a resource
means for the network is for the modules under ``families``; where an unknown value comes from for ``configuration``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from doorward.errors import InvalidInput

Side = Literal["before", "after"]
Key = str | int | None
_ACTIONS = frozenset({"no-op", "create", "read", "update", "delete", "forget", "open", "renew", "close"})
_ADOPTED = frozenset(
    {
        "aws_default_security_group", "aws_default_network_acl", "aws_default_route_table", "aws_default_vpc",
        "aws_default_subnet",
    }
)  # fmt: skip
"""What Terraform adopts and lets go of again, but neither makes nor deletes (provider documentation of each)."""
Path = tuple[tuple[str, Key], ...]
"""The way to a module instance: (call name, count or for_each key), outermost first."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One resource instance on one side of the plan."""

    address: str
    mode: str
    type: str
    name: str
    key: Key
    module: Path
    values: dict[str, Any]
    unknown: dict[str, Any] = field(default_factory=dict)
    """Mirrors ``values``: True where a value is known only after the apply."""
    depends_on: tuple[str, ...] = ()
    """Addresses that the state says it depends on."""

    @property
    def id(self) -> str:
        """Its id where known, else its Terraform address."""
        found = self.values.get("id")
        return found if isinstance(found, str) and found and not self.unknown.get("id") else self.address


@dataclass(frozen=True, slots=True)
class Change:
    """What the plan does to one managed instance."""

    address: str
    type: str
    name: str
    key: Key
    module: Path
    actions: tuple[str, ...]
    before: Instance | None
    after: Instance | None
    deposed: str | None = None
    previous: str | None = None

    @property
    def replaces(self) -> bool:
        """Deletes and creates."""
        return "delete" in self.actions and "create" in self.actions

    @property
    def creates_first(self) -> bool:
        """create_before_destroy."""
        return self.replaces and self.actions[0] == "create"


@dataclass(frozen=True, slots=True)
class Document:
    """All of a plan that the reader needs."""

    before: dict[str, Instance]
    after: dict[str, Instance]
    changes: tuple[Change, ...]
    drift: tuple[tuple[str, str], ...]
    """(address, type) of what was changed outside of Terraform."""
    deferred: tuple[tuple[str, str], ...]
    configuration: dict[str, Any]
    variables: dict[str, Any]
    terraform_version: str = ""
    complete: bool = True
    targets: bool = False


def read_document(raw: dict[str, Any]) -> Document:
    """Sort a decoded plan into instances. Raises ``InvalidInput`` for what Terraform could not have written."""
    state = {one.address: one for one in _state(_dict(_dict(raw.get("prior_state")).get("values")).get("root_module"))}
    before, after = dict(state), dict(state)
    changes: list[Change] = []
    for item in _list(raw.get("resource_changes")):
        change = _change(item, state)
        if change is None:
            continue
        if change.deposed is not None:
            if change.before is not None:
                before[change.before.address] = change.before
            changes.append(change)
            continue
        if change.previous is not None and change.previous != change.address:
            before.pop(change.previous, None)
            after.pop(change.previous, None)
        before.pop(change.address, None)
        after.pop(change.address, None)
        if change.before is not None:
            before[change.address] = change.before
        if change.after is not None:
            after[change.address] = change.after
        if _dict(item).get("mode") != "data":
            changes.append(change)
    variables = {
        name: _dict(value).get("value")
        for name, value in _dict(raw.get("variables")).items()
        if isinstance(value, dict)
    }
    return Document(
        before=before,
        after=after,
        changes=tuple(changes),
        drift=tuple(_named(raw.get("resource_drift"))),
        deferred=tuple(_named([_dict(one).get("resource_change") for one in _list(raw.get("deferred_changes"))])),
        configuration=_dict(raw.get("configuration")),
        variables=variables,
        terraform_version=_text(raw.get("terraform_version")),
        complete=raw.get("complete") is not False,
    )


def _change(item: Any, state: dict[str, Instance]) -> Change | None:
    item = _dict(item)
    change = _dict(item.get("change"))
    address, kind = _text(item.get("address")), _text(item.get("type"))
    if not kind or not change:
        return None
    module_text = _text(item.get("module_address"))
    name, key = _text(item.get("name")), item.get("index")
    key = key if isinstance(key, (str, int)) and not isinstance(key, bool) else None
    if not address:
        address = ".".join(part for part in (module_text, kind, name) if part)
    module = module_path(module_text)
    actions = tuple(_text(one) for one in _list(change.get("actions"))) or ("no-op",)
    for action in actions:
        if action not in _ACTIONS:
            raise odd(action, f"one of {', '.join(sorted(_ACTIONS))}", f"an action of {address}")
    deposed = item.get("deposed") if isinstance(item.get("deposed"), str) else None
    mode = _text(item.get("mode")) or "managed"
    here = f"{address}#deposed-{deposed}" if deposed else address
    known = state.get(address) or state.get(_text(item.get("previous_address")))
    depends = known.depends_on if known else ()

    def instance(values: Any, unknown: Any) -> Instance | None:
        marks = {} if unknown is True or unknown is False else _dict(unknown)
        if values is None and not (marks and ("create" in actions or "read" in actions)):
            return None
        return Instance(here, mode, kind, name, key, module, _dict(values), marks, depends)

    before = instance(change.get("before"), None)
    after = instance(change.get("after"), change.get("after_unknown"))
    stays = kind in _ADOPTED and before is not None and before.values.get("force_destroy") is not True
    if ("delete" in actions and "create" not in actions) or deposed:
        after = before if stays else None
    if "forget" in actions and "create" not in actions:
        after = before  # Terraform lets go of it; it stays as it is
    if actions == ("no-op",) and after is None:
        after = before
    previous = item.get("previous_address")
    return Change(
        here, kind, name, key, module, actions, before, after, deposed,
        previous if isinstance(previous, str) else None,
    )  # fmt: skip


def _state(root: Any) -> Iterator[Instance]:
    """All resources of a values tree, with an own stack: modules may nest as deep as they like."""
    stack = [_dict(root)]
    while stack:
        module = stack.pop()
        path = module_path(_text(module.get("address")))
        for item in map(_dict, _list(module.get("resources"))):
            kind, name = _text(item.get("type")), _text(item.get("name"))
            if not kind or "deposed_key" in item:
                continue
            key = item.get("index")
            key = key if isinstance(key, (str, int)) and not isinstance(key, bool) else None
            mode = _text(item.get("mode")) or "managed"
            own = _text(item.get("address"))
            prefix = _text(module.get("address"))
            # Terraform 0.12 wrote data sources of modules without the module's address.
            address = own if not prefix or own.startswith(prefix + ".") else f"{prefix}.{own}"
            if not own:
                continue
            if key is not None and not own.endswith("]"):
                address += f'["{key}"]' if isinstance(key, str) else f"[{key}]"
            depends = tuple(one for one in _list(item.get("depends_on")) if isinstance(one, str))
            yield Instance(address, mode, kind, name, key, path, _dict(item.get("values")), {}, depends)
        stack.extend(_dict(child) for child in _list(module.get("child_modules")))


def _named(items: Any) -> Iterator[tuple[str, str]]:
    for item in map(_dict, _list(items)):
        kind = _text(item.get("type"))
        address = _text(item.get("address")) or f"{kind}.{_text(item.get('name'))}"
        if kind and _text(item.get("mode")) != "data":
            yield address, kind


def tokens(address: str) -> list[str | tuple[Key]]:
    """Split a traversal at dots and brackets: ``a.b["x.y"].c[0]`` → ``a b ("x.y",) c (0,)``. Never raises."""
    found: list[str | tuple[Key]] = []
    at, size = 0, len(address)
    while at < size:
        mark = address[at]
        if mark == ".":
            at += 1
        elif mark == "[":
            if address[at + 1 : at + 2] == '"':
                end = at + 2
                while end < size and address[end] != '"':
                    end += 2 if address[end] == "\\" else 1
                text = address[at + 2 : end].replace('\\"', '"').replace("\\\\", "\\")
                found.append((text,))
                at = end + 2
            else:
                end = address.find("]", at)
                end = size if end < 0 else end
                text = address[at + 1 : end]
                found.append((int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None,))
                at = end + 1
        else:
            end = at
            while end < size and address[end] not in ".[":
                end += 1
            found.append(address[at:end])
            at = end
    return found


def module_path(address: str) -> Path:
    """``module.a[0].module.b`` → ``(("a", 0), ("b", None))``."""
    path: list[tuple[str, Key]] = []
    parts = tokens(address)
    at = 0
    while at + 1 < len(parts) and parts[at] == "module":
        name = parts[at + 1]
        if not isinstance(name, str):
            break
        at += 2
        key: Key = None
        if at < len(parts) and isinstance(parts[at], tuple):
            key = parts[at][0]
            at += 1
        path.append((name, key))
    return tuple(path)


def odd(value: Any, expected: str, where: str = "") -> InvalidInput:
    """The error for a value of a type that Terraform never writes there: reading on could lose something."""
    text = repr(value)
    shown = text if len(text) <= 60 else text[:57] + "..."
    place = f"{where} is" if where else "found"
    return InvalidInput(f"{place} {shown}, expected {expected}", hint="expected the output of show -json, unchanged")


def _dict(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise odd(value, "an object")
    return value


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise odd(value, "a list")
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise odd(value, "a text")
    return value
