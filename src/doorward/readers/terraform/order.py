"""What Terraform waits for: the order in which the steps of an apply are bound to run.

Only what is guaranteed is claimed. A create or update runs after the creates and updates of what it refers to; a
delete runs after the deletes of what refers to it; and with create_before_destroy after their creates and updates too.
References through local values are not in a plan and claim nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from doorward.readers.terraform.configuration import references
from doorward.readers.terraform.document import Document, Path, module_path, tokens

Names = tuple[str, ...]
Node = tuple[Names, str]
"""A resource in the configuration: module call names, and ``type.name`` (``data.type.name`` for data sources)."""


class Order:
    """The resource graph of a plan."""

    def __init__(self, document: Document) -> None:
        self._edges: dict[Node, set[Node]] = {}
        self._modules: dict[Names, dict[str, Any]] = {}
        self._resources: dict[Names, list[str]] = {}
        self._values: dict[tuple[Names, str], frozenset[Node]] = {}
        self._reached: dict[Node, frozenset[Node]] = {}
        self._collect(document.configuration.get("root_module"))
        for names, module in self._modules.items():
            for item in _list(module.get("resources")):
                if isinstance(item, dict):
                    self._edges[names, _own_name(item)] = self._direct(names, item)
        for one in document.before.values():
            node = node_of(one.module, one.type, one.name, one.mode)
            for address in one.depends_on:
                self._edges.setdefault(node, set()).update(_state_nodes(address))

    def _collect(self, root: Any) -> None:
        stack: list[tuple[Names, Any]] = [((), root)]
        while stack:
            names, module = stack.pop()
            if not isinstance(module, dict):
                continue
            self._modules[names] = module
            items = [item for item in _list(module.get("resources")) if isinstance(item, dict)]
            self._resources[names] = [_own_name(item) for item in items]
            for name, call in _dict(module.get("module_calls")).items():
                stack.append(((*names, name), _dict(call).get("module")))

    def _direct(self, names: Names, item: dict[str, Any]) -> set[Node]:
        parts = [item.get(key) for key in ("expressions", "count_expression", "for_each_expression")]
        found = [(names, one) for one in references(parts)]
        found.extend((names, one) for one in _list(item.get("depends_on")) if isinstance(one, str))
        for end in range(1, len(names) + 1):
            call = _dict(_dict(self._modules.get(names[: end - 1], {}).get("module_calls")).get(names[end - 1]))
            own = [call.get(key) for key in ("count_expression", "for_each_expression")]
            given = [one for one in (*references(own), *_list(call.get("depends_on"))) if isinstance(one, str)]
            found.extend((names[: end - 1], one) for one in given)
        return self._ends(found)

    def _ends(self, work: list[tuple[Names, str]]) -> set[Node]:
        """The resources at the ends of references; ``seen`` makes cyclic ones end."""
        found: set[Node] = set()
        seen: set[tuple[Names, str]] = set()
        while work:
            at = work.pop()
            if at in seen:
                continue
            seen.add(at)
            names, reference = at
            parts = [part for part in tokens(reference) if isinstance(part, str)]
            head = parts[0] if parts else ""
            if head == "var" and names and len(parts) > 1:
                call = _dict(_dict(self._modules.get(names[:-1], {}).get("module_calls")).get(names[-1]))
                work.extend((names[:-1], one) for one in references(_dict(call.get("expressions")).get(parts[1])))
            elif head == "module" and len(parts) > 1:
                child = (*names, parts[1])
                outputs = _dict(self._modules.get(child, {}).get("outputs"))
                if len(parts) == 2:
                    found.update((child, one) for one in self._resources.get(child, []))
                for name in [parts[2]] if len(parts) > 2 else list(outputs):
                    work.extend((child, one) for one in references(_dict(outputs.get(name)).get("expression")))
            elif head == "data" and len(parts) > 2:
                found.add((names, ".".join(parts[:3])))
            elif head not in ("local", "each", "count", "path", "terraform", "self", "var", "") and len(parts) > 1:
                found.add((names, ".".join(parts[:2])))
        return found

    def reached(self, start: Node) -> frozenset[Node]:
        """Everything that a resource depends on, directly or not."""
        known = self._reached.get(start)
        if known is None:
            seen: set[Node] = set()
            work = list(self._edges.get(start, ()))
            while work:
                at = work.pop()
                if at not in seen:
                    seen.add(at)
                    work.extend(self._edges.get(at, ()))
            known = self._reached[start] = frozenset(seen - {start})
        return known


def same_branch(one: Path, other: Path) -> bool:
    """Instances of different copies of one module need not wait for each other: no claim."""
    for mine, theirs in zip(one, other, strict=False):
        if mine[0] != theirs[0]:
            return True
        if mine[1] != theirs[1]:
            return False
    return True


def node_of(module: Path, kind: str, name: str, mode: str = "managed") -> Node:
    """The configuration node of an instance."""
    return tuple(call for call, _ in module), f"data.{kind}.{name}" if mode == "data" else f"{kind}.{name}"


def _state_nodes(address: str) -> Iterable[Node]:
    path = module_path(address)
    parts = [part for part in tokens(address) if isinstance(part, str)][2 * len(path) :]
    if len(parts) >= 3 and parts[0] == "data":
        yield tuple(name for name, _ in path), ".".join(parts[:3])
    elif len(parts) >= 2:
        yield tuple(name for name, _ in path), ".".join(parts[:2])


def _own_name(item: dict[str, Any]) -> str:
    name = f"{item.get('type')}.{item.get('name')}"
    return f"data.{name}" if item.get("mode") == "data" else name


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
