"""Where a value that is not known yet comes from: the plan's ``configuration``, followed through modules.

Terraform writes, for every expression, only what it refers to. From a resource's attribute this module follows those
references (variables upwards, outputs downwards, ``each.value`` to its collection) to the resource instances at their
ends. Local values are not in a plan: what one may stand for is bounded by what is visible in its module.
What a found instance means for an attribute is for ``values``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from doorward.readers.terraform.document import Document, Instance, Key, Path, tokens

MOST_STEPS = 20_000
"""References followed for one value; beyond, the value counts as not resolvable."""
MOST_STEPS_OF_PLAN = 5_000_000
"""The same for all values of a plan together."""
_KNOWN_HEADS = frozenset({"path", "terraform", "count", "self", "ephemeral", "provider"})


@dataclass(slots=True)
class Found:
    """The ends of the references of one expression."""

    hits: dict[tuple[str, str | None], bool] = field(default_factory=dict)
    """(instance address, attribute or None) → whether it is one of several that a count or for_each leaves open."""
    literals: list[Any] = field(default_factory=list)
    opaque: bool = False
    """Something on the way could not be followed."""
    choice: bool = False
    """References of several kinds meet, so one may only steer which other is taken."""
    through_local: bool = False


class Configuration:
    """The configuration tree of one plan, with the instances that exist after the apply."""

    def __init__(self, document: Document) -> None:
        self.root = _dict(document.configuration.get("root_module"))
        self.variables = document.variables
        self.left = MOST_STEPS_OF_PLAN
        self._by_name: dict[tuple[Path, str, str, str], list[Instance]] = {}
        self._in_module: dict[Path, list[Instance]] = {}
        self._modules: dict[tuple[Path, str], set[Key]] = {}
        self._resources: dict[int, dict[tuple[str, str, str], dict[str, Any]]] = {}
        for one in document.after.values():
            self._by_name.setdefault((one.module, one.mode, one.type, one.name), []).append(one)
            self._in_module.setdefault(one.module, []).append(one)
            for end in range(len(one.module)):
                name, key = one.module[end]
                self._modules.setdefault((one.module[:end], name), set()).add(key)

    def module(self, path: Path) -> dict[str, Any]:
        """The configuration of the module at ``path``; empty when the plan does not have it."""
        at = self.root
        for name, _ in path:
            at = _dict(_dict(_dict(at.get("module_calls")).get(name)).get("module"))
        return at

    def call(self, path: Path) -> dict[str, Any]:
        """The call that makes the module at ``path``."""
        return _dict(_dict(self.module(path[:-1]).get("module_calls")).get(path[-1][0])) if path else {}

    def resource(self, instance: Instance) -> dict[str, Any]:
        """The configuration of a resource; empty when the plan does not have it."""
        module = self.module(instance.module)
        index = self._resources.get(id(module))
        if index is None:
            index = {}
            for item in map(_dict, _list(module.get("resources"))):
                name = (str(item.get("mode")), str(item.get("type")), str(item.get("name")))
                index[name] = item
            self._resources[id(module)] = index
        return index.get((instance.mode, instance.type, instance.name), {})

    def expression(self, instance: Instance, path: tuple[str | int, ...]) -> Any:
        """The expression at an attribute path, or None when the configuration has none (or no such block)."""
        at: Any = self.resource(instance).get("expressions")
        for part in path:
            if isinstance(at, dict) and ("references" in at or "constant_value" in at):
                return at
            if isinstance(part, int):
                if isinstance(at, list):
                    at = at[part] if len(at) > part else at
            elif isinstance(at, dict):
                at = at.get(part)
            elif isinstance(at, list):
                at = [one[part] for one in at if isinstance(one, dict) and part in one] or None
            else:
                return None
        return at

    def configured(self, instance: Instance, attribute: str) -> bool | None:
        """Whether the configuration gives this top-level attribute; None when the plan does not have the resource."""
        item = self.resource(instance)
        if not item:
            return None
        return attribute in _dict(item.get("expressions"))

    def sources(self, instance: Instance, expression: Any) -> Found:
        """Everything that an expression of ``instance`` may take its value from."""
        found = Found()
        walk = _Walk(self, found)
        walk.expression(expression, instance.module, instance.key, self.resource(instance))
        return found

    # --- what exists -------------------------------------------------------------------------------------------

    def instances(self, module: Path, mode: str, kind: str, name: str) -> list[Instance]:
        """The instances of one resource in one module instance."""
        return self._by_name.get((module, mode, kind, name), [])

    def children(self, module: Path, name: str) -> set[Key]:
        """The keys of a module call's instances; {None} when it is single or has no resources."""
        return self._modules.get((module, name), {None})

    def within(self, module: Path) -> list[Instance]:
        """All instances directly in a module instance."""
        return self._in_module.get(module, [])


def references(expression: Any) -> list[str]:
    """All references below an expression, those that another one extends left out (``a.b.id`` makes ``a.b`` idle)."""
    found: list[str] = []
    stack = [expression]
    while stack:
        at = stack.pop()
        if isinstance(at, dict):
            given = at.get("references")
            if isinstance(given, list):
                found.extend(one for one in given if isinstance(one, str))
            stack.extend(value for key, value in at.items() if key not in ("references", "constant_value"))
        elif isinstance(at, list):
            stack.extend(at)
    whole = set(found)
    idle: set[str] = set()
    for one in whole:
        for at, mark in enumerate(one):
            if mark in ".[":
                idle.add(one[:at])
    return sorted(whole - idle)


def constants(expression: Any) -> Iterator[Any]:
    """All constants below an expression."""
    stack = [expression]
    while stack:
        at = stack.pop()
        if isinstance(at, dict):
            if "constant_value" in at:
                yield at["constant_value"]
            stack.extend(value for key, value in at.items() if key not in ("references", "constant_value"))
        elif isinstance(at, list):
            stack.extend(at)


class _Walk:
    """One search; ``seen`` makes cyclic references end."""

    def __init__(self, configuration: Configuration, found: Found) -> None:
        self.configuration = configuration
        self.found = found
        self.seen: set[tuple[Path, Key, str]] = set()
        self.work: list[tuple[str, Path, Key, dict[str, Any]]] = []

    def expression(self, expression: Any, module: Path, key: Key, owner: dict[str, Any]) -> None:
        self._push(expression, module, key, owner)
        steps = 0
        while self.work:
            steps += 1
            self.configuration.left -= 1
            if steps > MOST_STEPS or self.configuration.left < 0:
                self.found.opaque = True
                return
            reference, where, at, owning = self.work.pop()
            mark = (where, at, reference)
            if mark in self.seen:
                continue
            self.seen.add(mark)
            self._follow(reference, where, at, owning)

    def _push(self, expression: Any, module: Path, key: Key, owner: dict[str, Any], keep: bool = False) -> None:
        self.found.literals.extend(constants(expression))
        given = references(expression)
        heads = [_head(one) for one in given]
        ends = sum(head in ("resource", "module") for head in heads)
        others = sum(head in ("var", "local", "data", "each") for head in heads)
        if others and len(given) > 1 and (ends or others > 1):
            self.found.choice = True
        if ends > 1 and _steered(expression):
            self.found.choice = True
        keyed = keep or any(head in ("each", "count") for head in heads)
        for one in given:
            self.work.append((one, module, key if keyed or _head(one) in ("each", "local") else None, owner))

    def _follow(self, reference: str, module: Path, key: Key, owner: dict[str, Any]) -> None:
        parts = tokens(reference)
        head = parts[0] if parts else ""
        if not isinstance(head, str) or head in _KNOWN_HEADS:
            return
        if head == "each":
            if parts[1:2] == ["value"]:
                self._push(owner.get("for_each_expression"), module, key, {}, keep=True)
                if not owner.get("for_each_expression"):
                    self.found.opaque = True
        elif head == "var":
            self._variable(parts, module)
        elif head == "local":
            self._local(module)
        elif head == "module":
            self._output(parts, module, key)
        elif head == "data" and len(parts) >= 3:
            self._resource("data", parts[1:], module, key)
        elif len(parts) >= 2:
            self._resource("managed", parts, module, key)
        else:
            self.found.opaque = True

    def _variable(self, parts: list[str | tuple[Key]], module: Path) -> None:
        name = parts[1] if len(parts) > 1 and isinstance(parts[1], str) else ""
        if not module:
            if name in self.configuration.variables:
                self.found.literals.append(self.configuration.variables[name])
            return
        call = self.configuration.call(module)
        given = _dict(call.get("expressions"))
        if name in given:
            self._push(given[name], module[:-1], module[-1][1], call)
        elif not call:
            self.found.opaque = True
        else:
            declared = _dict(_dict(_dict(call.get("module")).get("variables")).get(name))
            if "default" in declared:
                self.found.literals.append(declared["default"])

    def _local(self, module: Path) -> None:
        """A local value can only be made of what its module sees: its resources, calls' outputs and variables."""
        self.found.through_local = True
        for one in self.configuration.within(module):
            self.found.hits.setdefault((one.address, None), True)
        content = self.configuration.module(module)
        for name in _dict(content.get("module_calls")):
            self.work.append((f"module.{name}", module, None, {}))
        if module:
            for name in _dict(self.configuration.call(module).get("expressions")):
                self.work.append((f"var.{name}", module, None, {}))

    def _output(self, parts: list[str | tuple[Key]], module: Path, key: Key) -> None:
        name = parts[1] if len(parts) > 1 and isinstance(parts[1], str) else ""
        at = 2
        keys = self.configuration.children(module, name)
        if at < len(parts) and isinstance(parts[at], tuple):
            wanted = parts[at][0]
            at += 1
            keys = {wanted} if wanted is not None else keys
        elif key is not None and key in keys:
            keys = {key}
        output = parts[at] if at < len(parts) else None
        content = self.configuration.module((*module, (name, None)))
        outputs = _dict(content.get("outputs"))
        if not outputs or (output is not None and output not in outputs):
            self.found.opaque = True
            return
        names = [output] if isinstance(output, str) else list(outputs)
        for one in sorted(keys, key=str):
            for each in names:
                self._push(_dict(outputs[each]).get("expression"), (*module, (name, one)), None, {})

    def _resource(self, mode: str, parts: list[str | tuple[Key]], module: Path, key: Key) -> None:
        kind, name = parts[0], parts[1]
        if not isinstance(kind, str) or not isinstance(name, str):
            self.found.opaque = True
            return
        instances = self.configuration.instances(module, mode, kind, name)
        at = 2
        if at < len(parts) and isinstance(parts[at], tuple):
            wanted = parts[at][0]
            at += 1
            if wanted is not None:
                instances = [one for one in instances if one.key == wanted]
        elif key is not None and any(one.key == key for one in instances):
            instances = [one for one in instances if one.key == key]
        attribute = parts[at] if at < len(parts) and isinstance(parts[at], str) else None
        for one in instances:
            self.found.hits[one.address, attribute if isinstance(attribute, str) else None] = len(instances) > 1


def _steered(expression: Any) -> bool:
    """Whether a workspace or a count can decide between references: ``terraform.workspace == "x" ? a : b``.

    Terraform writes references in the order of the text, so ``a[count.index]`` has its count right behind the bare
    ``a``; anywhere else the count is compared or reckoned with.
    """
    stack = [expression]
    while stack:
        at = stack.pop()
        if isinstance(at, list):
            stack.extend(at)
        elif isinstance(at, dict):
            stack.extend(value for key, value in at.items() if key not in ("references", "constant_value"))
            given = [one for one in _list(at.get("references")) if isinstance(one, str)]
            for place, one in enumerate(given):
                if one.startswith("terraform."):
                    return True
                if _head(one) == "count":
                    collection = given[place - 1] if place else ""
                    longer = given[place - 2] if place > 1 else ""
                    bare = collection and _head(collection) in ("resource", "data", "module", "var", "local", "each")
                    if not bare or longer.startswith((f"{collection}.", f"{collection}[")):
                        return True
    return False


def _head(reference: str) -> str:
    """resource, module, var, local, data, each, count or known."""
    word = reference.partition(".")[0].partition("[")[0]
    if word in ("module", "var", "local", "data", "each", "count"):
        return word
    return "known" if word in _KNOWN_HEADS else "resource"


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
