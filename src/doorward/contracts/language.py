"""The contract language: text of a contracts file → ``Contract`` values.

Every refusal names the file, line and column, the path of keys, what was got, what was expected and what to do next;
all contracts of a file are looked at, so that one run shows every mistake.
Written by hand and not with pydantic: see docs/adr/0002-contracts-are-validated-by-hand.md.
What does not live here: the tables of keys and forms (``shapes``), YAML itself (``yaml_safe``), whether a selector
matches anything (``selectors``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar, cast

from doorward.contracts.contract import Contract, Must, Selector, Severity
from doorward.contracts.schema import json_schema
from doorward.contracts.shapes import BY_NAME, MAX_TERM, MAX_TEXT, MUSTS, REQUIRED, SEVERITIES, TOP_KEYS, VERSION
from doorward.contracts.terms import hint_for, looks_typed, parse_selector, parse_service_term
from doorward.contracts.yaml_safe import MAX_BYTES, Mapping, Node, Scalar, Sequence, load
from doorward.errors import InvalidContract
from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.model.services import EPHEMERAL

__all__ = ["MAX_BYTES", "json_schema", "parse_contracts", "read_all"]

T = TypeVar("T")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def parse_contracts(data: bytes | memoryview | str, file: str = "contracts") -> tuple[Contract, ...]:
    """The contracts of one file, in its order.

    ``file`` is its name for messages and for ``Contract.file``. Raises ``Unreadable`` for what is no YAML text,
    ``InvalidContract`` for the first mistake (saying how many more there are).
    """
    contracts, mistakes = read_all(data, file)
    if mistakes:
        first = mistakes[0]
        if len(mistakes) == 1:
            raise first
        more = f"and {len(mistakes) - 1} more: doorward lint {file} lists all"
        raise InvalidContract(first.message, where=first.where, hint=f"{first.hint}; {more}" if first.hint else more)
    return contracts


def read_all(
    data: bytes | memoryview | str, file: str = "contracts"
) -> tuple[tuple[Contract, ...], list[InvalidContract]]:
    """The valid contracts and every mistake in the others. Raises ``Unreadable`` or ``InvalidContract`` for a file
    that is not a mapping of contracts at all."""
    reader = _Reader(file)
    return reader.contracts(load(data, file)), reader.mistakes


class _Reader:
    """Reads one file. Terms repeat in large files, so each text is parsed once."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.mistakes: list[InvalidContract] = []
        self.selectors: dict[str, Selector] = {}
        self.services: dict[str, Intervals] = {}

    def refuse(self, node: Node, path: str, message: str, hint: str | None = None) -> InvalidContract:
        text = f"{path}: {message}" if path else message
        return InvalidContract(text, where=f"{self.file}:{node.line}:{node.column}", hint=hint)

    def contracts(self, root: Node) -> tuple[Contract, ...]:
        if not isinstance(root, Mapping):
            raise self.refuse(root, "", f"got {_kind(root)}; expected the keys version and contracts",
                              "begin with version: 1")  # fmt: skip
        self.top(root)
        listed = root.items["contracts"]
        if not isinstance(listed, Mapping):
            raise self.refuse(listed, "contracts", f"got {_kind(listed)}; expected contracts by name",
                              "write each as name: {must: …, from: …, to: …, service: …}")  # fmt: skip
        if not listed.items:
            raise self.refuse(listed, "contracts", "got none; expected at least one",
                              "a check of nothing would always pass")  # fmt: skip
        found: list[Contract] = []
        for name, body in listed.items.items():
            contract = self.contract(name, listed.keys[name], body)
            if contract is not None:
                found.append(contract)
        return tuple(found)

    def top(self, root: Mapping) -> None:
        keys = root.items
        if "version" not in keys or "contracts" not in keys:
            other = _other_file(keys)
            if other:
                raise InvalidContract(f"this is {other}; expected a contracts file", where=self.file,
                                      hint="check the order of the arguments: contracts come first")  # fmt: skip
        for name in keys:
            if name not in TOP_KEYS:
                raise self.refuse(root.keys[name], "", f"the key {name!r} is not known; expected version and contracts",
                                  hint_for(name, TOP_KEYS))  # fmt: skip
        for name in TOP_KEYS:
            if name not in keys:
                raise self.refuse(root, "", f"the key {name} is missing",
                                  "add version: 1" if name == "version" else "add contracts:")  # fmt: skip
        version = keys["version"]
        if not isinstance(version, Scalar) or version.text != str(VERSION) or not version.plain:
            raise self.refuse(version, "version", f"got {_shown(version)}; expected {VERSION}",
                              f"write version: {VERSION}")  # fmt: skip

    def contract(self, name: str, key: Scalar, body: Node) -> Contract | None:
        path = f"contracts.{name}"
        if not name.strip() or len(name) > MAX_TEXT or _UNPRINTABLE.search(name):
            self.mistakes.append(
                self.refuse(key, "contracts", f"{name[:60]!r} is not a name; expected printable text",
                            "e.g. people-can-log-in")
            )  # fmt: skip
            return None
        if not isinstance(body, Mapping):
            self.mistakes.append(
                self.refuse(body, path, f"got {_kind(body)}; expected the keys must, from, to and service")
            )
            return None
        items = body.items
        known = len(self.mistakes)
        for word in items:
            if word not in BY_NAME:
                message = f"the key {word!r} is not known; expected one of {', '.join(BY_NAME)}"
                self.mistakes.append(self.refuse(body.keys[word], path, message, hint_for(word, BY_NAME)))
        for word in REQUIRED:
            if word not in items:
                self.mistakes.append(self.refuse(key, path, f"the key {word} is missing", _missing_hint(word)))
        must = self.of(items, "must", path, self.must) or "reach"
        sources = self.of(items, "from", path, self.selectors_of) or ()
        targets = self.of(items, "to", path, self.selectors_of) or ()
        services = self.of(items, "service", path, self.services_of) or EMPTY
        ephemeral = self.of(items, "ephemeral", path, self.ports) or EPHEMERAL
        why, owner = self.of(items, "why", path, self.text), self.of(items, "owner", path, self.text)
        severity = self.of(items, "severity", path, self.severity) or "high"
        if sources and targets and all(one.kind == "internet" for one in (*sources, *targets)):
            self.mistakes.append(
                self.refuse(body, path, "both from and to are the internet; expected one end in the estate")
            )
        if len(self.mistakes) > known:
            return None
        return Contract(
            name, must, sources, targets, services, ephemeral, why, owner, severity, line=key.line, file=self.file
        )  # fmt: skip

    def of(self, items: dict[str, Node], name: str, path: str, read: Callable[[Node, str], T]) -> T | None:
        """The value of a key, or None when it is absent or a mistake (which is then kept)."""
        node = items.get(name)
        if node is None:
            return None
        try:
            return read(node, f"{path}.{name}")
        except InvalidContract as mistake:
            self.mistakes.append(mistake)
            return None

    def must(self, node: Node, path: str) -> Must:
        return cast(Must, self.choice(node, path, MUSTS))

    def severity(self, node: Node, path: str) -> Severity:
        return cast(Severity, self.choice(node, path, SEVERITIES))

    def selectors_of(self, node: Node, path: str) -> tuple[Selector, ...]:
        return self.each(node, path, self.selector)

    def services_of(self, node: Node, path: str) -> Intervals:
        return _union(self.each(node, path, self.service))

    def each(self, node: Node, path: str, one: Callable[[Node, str], T]) -> tuple[T, ...]:
        """One term or a list of them."""
        if not isinstance(node, Sequence):
            return (one(node, path),)
        if not node.items:
            raise self.refuse(node, path, "got an empty list; expected at least one")
        return tuple(one(item, f"{path}[{at}]") for at, item in enumerate(node.items))

    def scalar(self, node: Node, path: str, expected: str, most: int) -> str:
        if not isinstance(node, Scalar):
            raise self.refuse(node, path, f"got {_kind(node)}; expected {expected}")
        if len(node.text) > most:
            raise self.refuse(node, path, f"got {len(node.text):,} characters; expected at most {most:,}")
        if not node.text:
            raise self.refuse(node, path, f"got nothing; expected {expected}", "fill it in, or remove the key")
        return node.text

    def selector(self, node: Node, path: str) -> Selector:
        text = self.scalar(node, path, "a selector such as group:auth, lb:web, 10.0.0.0/8 or internet", MAX_TERM)
        known = self.selectors.get(text)
        if known is None:
            parsed = parse_selector(text)
            if not isinstance(parsed, Selector):
                raise self.refuse(node, path, parsed.message, parsed.hint)
            known = self.selectors[text] = parsed
        return known

    def service(self, node: Node, path: str) -> Intervals:
        text = self.scalar(node, path, "a service such as tcp/443, udp/53, icmp/8 or all", MAX_TERM)
        known = self.services.get(text)
        if known is None:
            parsed = parse_service_term(text)
            if not isinstance(parsed, Intervals):
                raise self.refuse(node, path, parsed.message, parsed.hint)
            known = self.services[text] = parsed
        return known

    def choice(self, node: Node, path: str, choices: tuple[str, ...]) -> str:
        text = self.scalar(node, path, f"one of {', '.join(choices)}", MAX_TERM)
        if text not in choices:
            raise self.refuse(
                node, path, f"got {text!r}; expected one of {', '.join(choices)}", hint_for(text, choices)
            )
        return text

    def text(self, node: Node, path: str) -> str:
        text = self.scalar(node, path, "text", MAX_TEXT)
        typed = looks_typed(text) if isinstance(node, Scalar) and node.plain else None
        if typed:
            raise self.refuse(node, path, f"got {typed} {text}; expected text", f'put it in quotes: "{text}"')
        return text

    def ports(self, node: Node, path: str) -> Span:
        expected = "first-last, e.g. 1024-65535 or [1024, 65535]"
        if isinstance(node, Sequence):
            parts = [item.text if isinstance(item, Scalar) and item.plain else "" for item in node.items]
        else:
            parts = self.scalar(node, path, expected, MAX_TERM).split("-")
        if len(parts) != 2 or not all(re.fullmatch(r"[0-9]{1,5}", part.strip()) for part in parts):
            raise self.refuse(node, path, f"got {_shown(node)}; expected {expected}")
        first, last = int(parts[0]), int(parts[1])
        if not first <= last <= 65_535:
            raise self.refuse(node, path, f"got {_shown(node)}; expected ports 0 to 65535, the lower first",
                              f"write {last}-{first}" if last < first <= 65_535 else None)  # fmt: skip
        return first, last


def _union(parts: tuple[Intervals, ...]) -> Intervals:
    found = parts[0]
    for part in parts[1:]:
        found |= part
    return found


def _kind(node: Node) -> str:
    if isinstance(node, Mapping):
        return "a mapping"
    return "a list" if isinstance(node, Sequence) else _shown(node)


def _shown(node: Node) -> str:
    if isinstance(node, Scalar):
        if not node.text and node.plain:
            return "nothing"
        text = node.text if len(node.text) <= 60 else node.text[:57] + "..."
        return text if node.plain and text.isprintable() else repr(text)
    if isinstance(node, Sequence) and len(node.items) <= 4 and all(isinstance(item, Scalar) for item in node.items):
        return "[" + ", ".join(_shown(item) for item in node.items) + "]"
    return _kind(node)


def _missing_hint(name: str) -> str:
    return {
        "must": "add must: reach, never-reach or only-from",
        "from": "add from: internet, a CIDR, group:…, lb:… or a list",
        "to": "add to: group:…, lb:…, a CIDR or a list",
        "service": "add service: tcp/443, a list, or all",
    }[name]


def _other_file(keys: dict[str, Node]) -> str | None:
    """What a file that has no contracts seems to be instead."""
    if "resource_changes" in keys or "planned_values" in keys:
        return "a Terraform plan"
    if any(name[:1].isupper() and name.isalnum() for name in keys):
        return "an answer of the AWS API"
    return None
