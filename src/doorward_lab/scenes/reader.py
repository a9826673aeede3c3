"""What reads one scene file by the table in `keys`: mappings, lists and terms, each refused at its own place.

What does not live here: what each kind of value looks like (`shapes`), what is read first and what last (`read`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from collections.abc import Mapping as Values
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from doorward.contracts.yaml_safe import Mapping, Node, Scalar, Sequence
from doorward_lab.errors import BadScene
from doorward_lab.scenes import terms
from doorward_lab.scenes.keys import RULE, VERSION, Key, Section
from doorward_lab.scenes.places import Places

MAX_ELEMENTS = 20_000
"""Most elements of one section."""
Shape: TypeAlias = "Callable[[Reader, Node, Key, tuple[str, ...]], Any]"


def close(got: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing."""
    near = difflib.get_close_matches(got, list(known), 1, 0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


@dataclass(slots=True)
class Reader:
    """Reads one file; remembers where each value stands."""

    file: str
    folder: Path | None
    shapes: Values[str, Shape]
    places: Places = field(init=False)

    def __post_init__(self) -> None:
        self.places = Places(self.file)

    # --- words of refusal

    def bad(self, node: Node | Scalar, message: str) -> BadScene:
        """An error at the place of a value."""
        return BadScene(f"{self.file}:{node.line}:{node.column}: {message}")

    def mapping(self, node: Node, what: str) -> Mapping:
        """The value as a mapping."""
        if not isinstance(node, Mapping):
            raise self.bad(node, f"got {said(node)}; expected {what}")
        return node

    def items(self, node: Node, what: str) -> list[Node]:
        """The value as a list."""
        if not isinstance(node, Sequence):
            raise self.bad(node, f"got {said(node)}; expected a list of {what}")
        return node.items

    def text(self, node: Node, what: str = "a text") -> str:
        """The value as a text; nothing is none."""
        if not isinstance(node, Scalar) or (node.plain and node.text in ("", "~", "null")):
            raise self.bad(node, f"got {said(node)}; expected {what}")
        return node.text

    def term(self, node: Node, what: str, parse: Callable[[str], Any]) -> Any:
        """The value as `parse` takes it; its ValueError gets the place."""
        text = self.text(node, what)
        try:
            return parse(text)
        except ValueError as error:
            raise self.bad(node, str(error)) from error

    def known(self, node: Mapping, keys: tuple[Key, ...], what: str) -> None:
        """Refuse keys that are unknown, and miss those that are required."""
        names = [key.name for key in keys]
        for name, place in node.keys.items():
            if name not in names:
                guess = close(name, names) or f"; expected {', '.join(names)}"
                raise self.bad(place, f"{name!r} is not a key of {what}{guess}")
        for key in keys:
            if key.required and key.name not in node.items:
                raise self.bad(node, f"{what} has no {key.name!r}; expected one: {key.doc}")

    # --- the parts

    def section(self, section: Section, node: Node) -> dict[str, Any]:
        """The elements of a section by name."""
        listed = self.mapping(node, f"a mapping from names to {section.name}")
        if len(listed.items) > MAX_ELEMENTS:
            raise self.bad(node, f"{len(listed.items):,} {section.name}; a scene may have {MAX_ELEMENTS:,}")
        found: dict[str, Any] = {}
        for name, item in listed.items.items():
            self.term(listed.keys[name], "a name", terms.name)
            path = (section.name, name)
            self.places.put(path, listed.keys[name])
            one = self.mapping(item, f"the keys of {section.name}.{name}")
            self.known(one, section.keys, f"{section.name}.{name}")
            found[name] = section.made(name, **self.with_vpc(section, self.values(one, section.keys, path)))
        return found

    def with_vpc(self, section: Section, values: dict[str, Any]) -> dict[str, Any]:
        """Elements that need a VPC have the empty name for one until the only one is known."""
        if any(key.name == "vpc" for key in section.keys):
            values.setdefault("vpc", "")
        return values

    def values(self, node: Mapping, keys: tuple[Key, ...], path: tuple[str, ...]) -> dict[str, Any]:
        """The fields of one mapping, by the table of its keys."""
        found: dict[str, Any] = {}
        for key in keys:
            if key.name in node.items:
                value = node.items[key.name]
                self.places.put((*path, key.name), value)
                found[key.field] = self.shapes[key.shape](self, value, key, (*path, key.name))
        return found

    def version(self, node: Node) -> int:
        """The language's version."""
        if self.text(node, f"version: {VERSION}") != str(VERSION):
            raise self.bad(node, f"got version {said(node)}; expected version: {VERSION}")
        return VERSION

    def each(self, node: Node, what: str, parse: Callable[[str], Any], path: tuple[str, ...]) -> tuple[Any, ...]:
        """A list of terms, each once."""
        found: dict[Any, Node] = {}
        for at, item in enumerate(self.items(node, what)):
            value = self.term(item, what, parse)
            if value in found:
                raise self.bad(item, f"{said(item)} stands twice: first in line {found[value].line}")
            found[value] = item
            self.places.put((*path, str(at)), item)
        return tuple(found)

    def rules(self, node: Node, egress: bool, path: tuple[str, ...]) -> tuple[Any, ...]:
        """Rules of a group, short or long, each once."""
        found: dict[Any, Node] = {}
        for at, item in enumerate(self.items(node, "rules")):
            line, described = item, ""
            if isinstance(item, Mapping):
                self.known(item, RULE, "a rule")
                line = item.items["rule"]
                described = self.text(item.items["description"]) if "description" in item.items else ""
            value = self.term(line, "a rule", lambda text, said=described: terms.rule(text, egress, said))  # type: ignore[misc]
            bare = replace(value, description="")
            if bare in found:
                raise self.bad(item, f"the rule {said(line)} stands twice: first in line {found[bare].line}")
            found[bare] = item
            self.places.put((*path, str(at)), item)
        return tuple(_described(one, found[one], self) for one in found)

    def entries(self, node: Node, egress: bool, path: tuple[str, ...]) -> tuple[Any, ...]:
        """Entries of an ACL, by number."""
        found = []
        for number, item in self.mapping(node, "entries by number, such as 100: allow all to 0.0.0.0/0").items.items():
            text = self.text(item, "an entry such as allow tcp/443 from 0.0.0.0/0")
            try:
                found.append(terms.entry(number, text, egress))
            except ValueError as error:
                raise self.bad(item, str(error)) from error
            self.places.put((*path, number), item)
        return tuple(sorted(found, key=lambda one: one.number))

    def routes(self, node: Node, path: tuple[str, ...]) -> dict[str, str]:
        """Routes by destination."""
        found: dict[str, str] = {}
        listed = self.mapping(node, "routes, such as 0.0.0.0/0: gateway:igw")
        for text, item in listed.items.items():
            destination = self.term(listed.keys[text], "a CIDR", terms.destination)
            if destination in found:
                raise self.bad(listed.keys[text], f"{text!r} stands twice, in two spellings")
            found[destination] = self.term(item, "a route's target", terms.target)
            self.places.put((*path, destination), item)
        return found

    def contracts(self, node: Node) -> str:
        """The text of the contracts file, read or inline."""
        text = self.text(node, "the path of a contracts file, or its contents as a block of text")
        if "\n" in text.strip():
            return text
        path = (self.folder or Path()) / text
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise self.bad(node, f"the contracts file {text!r} cannot be read: {error}") from error


def _described(bare: Any, node: Node, reader: Reader) -> Any:
    if isinstance(node, Mapping) and "description" in node.items:
        return replace(bare, description=reader.text(node.items["description"]))
    return bare


def said(node: Node) -> str:
    """A node in words."""
    if isinstance(node, Scalar):
        return repr(node.text) if node.text else "nothing"
    return "a list" if isinstance(node, Sequence) else "a mapping"
