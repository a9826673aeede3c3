"""YAML (and JSON, which is YAML) as located values, read defensively: what untrusted bytes may cost is bounded.

Steps, in order, each refusing before the next one pays for it:
1. size, 2. encoding, 3. events of libyaml (no object is ever built from a tag), 4. nesting, number of values and
expanded aliases, 5. keys: texts, each once in its mapping.

Scalars stay text with their position: what a text means is decided by whoever knows the field (``language``), so that
``443``, ``on`` and ``1e3`` are never turned into something that the author did not write.
What does not live here: what the keys mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import yaml

from doorward.errors import InvalidContract, Unreadable

MAX_BYTES = 8 << 20
"""Largest file that is read. 1,000 contracts are about 200 kB."""
MAX_DEPTH = 32
MAX_VALUES = 1_000_000
"""Values after aliases are expanded: a "billion laughs" stops here."""


class Scalar(NamedTuple):
    """A text as it was written, without quotes. ``plain`` = it had none."""

    text: str
    plain: bool
    line: int
    column: int
    size: int = 1


class Sequence(NamedTuple):
    """A list."""

    items: list[Node]
    line: int
    column: int
    size: int = 1


class Mapping(NamedTuple):
    """Keys, in order, each once; ``keys`` gives their positions."""

    items: dict[str, Node]
    keys: dict[str, Scalar]
    line: int
    column: int
    size: int = 1


Node: TypeAlias = Scalar | Sequence | Mapping


@dataclass(slots=True)
class _Open:
    """A list or mapping that has begun and not yet ended."""

    mapping: bool
    anchor: str | None
    line: int
    column: int
    items: list[Node] = field(default_factory=list)
    pairs: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Scalar] = field(default_factory=dict)
    key: Scalar | None = None
    size: int = 1


def load(data: bytes | memoryview | str, file: str) -> Node:
    """The one document of ``data``.

    Raises ``Unreadable`` for bytes that are no YAML text, ``InvalidContract`` for YAML that is refused.
    """
    text = decode(data, file)
    try:
        return _Builder(file).build(_parser(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed"
        at = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        raise Unreadable(f"not YAML: {problem}", where=at, hint=_yaml_hint(str(problem))) from error


def decode(data: bytes | memoryview | str, file: str) -> str:
    """UTF-8 text of bounded size, without byte order mark. Raises ``Unreadable``."""
    if len(data) > MAX_BYTES:
        raise Unreadable(
            f"{len(data):,} bytes; a contracts file may have {MAX_BYTES:,}", where=file, hint="split the file"
        )
    if isinstance(data, memoryview):
        data = bytes(data)
    if isinstance(data, bytes):
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise Unreadable("UTF-16 text; expected UTF-8", where=file, hint="save the file as UTF-8")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise Unreadable(
                f"byte 0x{data[error.start]:02x} is not UTF-8; expected YAML text",
                where=f"{file}:{line}", hint="save the file as UTF-8, or check that this is the contracts file",
            ) from error  # fmt: skip
    else:
        text = data.removeprefix("\ufeff")
    if "\0" in text:
        raise Unreadable("binary data; expected YAML text", where=file, hint="check that this is the contracts file")
    if not text.strip():
        raise Unreadable("the file is empty; expected version: 1 and contracts:", where=file,
                         hint="begin with version: 1")  # fmt: skip
    return text


def _parser(text: str) -> Callable[[], Any]:
    """What gives the next event; libyaml where it is built in, PyYAML's own parser elsewhere (twenty times slower)."""
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    next_event: Callable[[], Any] = loader(text).get_event
    return next_event


def _yaml_hint(problem: str) -> str:
    if "\\t" in problem or "cannot start any token" in problem:
        return "indent with spaces, not tabs, and quote a text that begins with a special character"
    if "mapping values are not allowed" in problem or "expected <block end>" in problem or "could not find" in problem:
        return "check the indentation, and quote a text that has ': ' in it"
    return "check quotes, brackets and indentation near that place"


class _Builder:
    """Builds nodes from events with an own stack, so that depth is ours to bound."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.stack: list[_Open] = []
        self.anchors: dict[str, Node | None] = {}
        self.total = 0
        self.root: Node | None = None

    def refuse(self, message: str, mark: Any, hint: str | None = None) -> InvalidContract:
        return InvalidContract(message, where=f"{self.file}:{mark.line + 1}:{mark.column + 1}", hint=hint)

    def build(self, next_event: Callable[[], Any]) -> Node:
        scalar_event, put = yaml.ScalarEvent, self.put
        while (event := next_event()) is not None:
            kind = type(event)
            if kind is scalar_event:
                mark = event.start_mark
                node = Scalar(event.value, not event.style, mark.line + 1, mark.column + 1)
                if event.tag is not None:
                    self.tagged(event)
                if event.anchor is not None:
                    self.anchors[event.anchor] = node
                put(node, mark)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self.begin(event, kind is yaml.MappingStartEvent)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self.end()
            elif kind is yaml.AliasEvent:
                self.alias(event)
            elif kind is yaml.DocumentStartEvent and self.root is not None:
                raise self.refuse("a second document; expected one", event.start_mark, "remove the line '---'")
        if self.root is None:
            raise Unreadable("no document; expected version: 1 and contracts:", where=self.file)
        return self.root

    def tagged(self, event: Any) -> None:
        raise self.refuse(f"the tag {event.tag!r}; tags are not read", event.start_mark, "remove the tag")

    def begin(self, event: Any, mapping: bool) -> None:
        mark = event.start_mark
        if event.tag is not None:
            self.tagged(event)
        if len(self.stack) >= MAX_DEPTH:
            raise self.refuse(f"nested deeper than {MAX_DEPTH} levels", mark, "no contract needs more than four")
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self.stack.append(_Open(mapping, event.anchor, mark.line + 1, mark.column + 1))

    def end(self) -> None:
        top = self.stack.pop()
        node: Node
        if top.mapping:
            node = Mapping(top.pairs, top.keys, top.line, top.column, top.size)
        else:
            node = Sequence(top.items, top.line, top.column, top.size)
        if top.anchor is not None:
            self.anchors[top.anchor] = node
        self.put(node, None)

    def alias(self, event: Any) -> None:
        node = self.anchors.get(event.anchor)
        if node is None:
            what = "stands inside what it names" if event.anchor in self.anchors else "has no anchor before it"
            raise self.refuse(f"the alias *{event.anchor} {what}", event.start_mark, "write the value out")
        self.put(node, event.start_mark)

    def put(self, node: Node, mark: Any) -> None:
        self.total += node.size if mark is not None else 1
        if self.total > MAX_VALUES:
            at = f"{self.file}:{mark.line + 1}" if mark is not None else self.file
            raise InvalidContract(
                f"more than {MAX_VALUES:,} values once aliases are written out", where=at, hint="split the file"
            )
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        top.size += node.size
        if not top.mapping:
            top.items.append(node)
        elif top.key is None:
            top.key = self.as_key(node, top)
        else:
            top.pairs[top.key.text] = node
            top.keys[top.key.text] = top.key
            top.key = None

    def as_key(self, node: Node, top: _Open) -> Scalar:
        at = f"{self.file}:{node.line}:{node.column}"
        if not isinstance(node, Scalar):
            raise InvalidContract("a list or mapping as a key; expected a name", where=at, hint="quote the key")
        if node.text == "<<" and node.plain:
            raise InvalidContract("the merge key '<<'; it is not part of the language", where=at,
                                  hint="write the keys out, or use an alias for a whole value")  # fmt: skip
        if node.text in top.keys:
            first = top.keys[node.text]
            raise InvalidContract(
                f"the key {node.text!r} stands twice: first in line {first.line}", where=at,
                hint="give each its own name, or remove one",
            )  # fmt: skip
        return node
