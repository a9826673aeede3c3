"""What each kind of value in a scene file looks like: `SHAPES`, by the names that `keys` uses.

What does not live here: the short forms of rules, entries and the like (`terms`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from doorward.contracts.yaml_safe import Node, Scalar, Sequence
from doorward_lab.scenes import terms
from doorward_lab.scenes.keys import STACK, Key
from doorward_lab.scenes.reader import Reader, Shape, close, said
from doorward_lab.scenes.scene import Stack


def _bool(reader: Reader, node: Node) -> bool:
    text = reader.text(node, "true or false")
    if text not in ("true", "false"):
        raise reader.bad(node, f"got {said(node)}; expected true or false")
    return text == "true"


def _count(reader: Reader, node: Node) -> int:
    text = reader.text(node, "a whole number")
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise reader.bad(node, f"got {said(node)}; expected a whole number")
    return int(text)


def _rate(reader: Reader, node: Node) -> float:
    text = reader.text(node, "a number")
    try:
        value = float(text)
    except ValueError as error:
        raise reader.bad(node, f"got {said(node)}; expected a number such as 10 or 2.5") from error
    if not 0 <= value <= 1e6:
        raise reader.bad(node, f"got {said(node)}; expected 0 to 1,000,000")
    return value


def _choice(reader: Reader, node: Node, key: Key) -> str:
    text = reader.text(node, f"one of {', '.join(key.choices)}")
    if text not in key.choices:
        guess = close(text, key.choices)
        raise reader.bad(node, f"got {said(node)}; expected one of {', '.join(key.choices)}{guess}")
    return text


def _auto(reader: Reader, node: Node, what: str, parse: Callable[[str], Any]) -> str:
    if isinstance(node, Scalar) and node.text in ("true", "false"):
        return "auto" if node.text == "true" else ""
    return str(reader.term(node, what, parse))


def _zone(text: str) -> str:
    if not (len(text) == 1 and text.isalpha() and text.islower()) and "-" not in text:
        raise ValueError(f"{text!r} is not a zone; expected a letter such as a, or a name such as eu-west-1a")
    return text


def _ipv6(reader: Reader, node: Node, path: tuple[str, ...]) -> tuple[str, ...]:
    def six(text: str) -> str:
        return terms.address(text, 6)

    if isinstance(node, Sequence):
        return reader.each(node, "IPv6 addresses", six, path)
    found = _auto(reader, node, "an IPv6 address, true or false", six)
    return (found,) if found else ()


def _one_or_many(reader: Reader, node: Node, path: tuple[str, ...]) -> tuple[str, ...]:
    def four(text: str) -> str:
        return str(terms.network(text, 4))

    if isinstance(node, Sequence):
        return reader.each(node, "IPv4 CIDRs", four, path)
    return (str(reader.term(node, "an IPv4 CIDR", four)),)


def _pair(reader: Reader, node: Node, path: tuple[str, ...]) -> tuple[str, ...]:
    found = reader.each(node, "two VPCs", terms.name, path)
    if len(found) != 2:
        raise reader.bad(node, f"got {len(found)} VPCs; expected two")
    return found


def _settings(reader: Reader, node: Node) -> dict[str, str]:
    listed = reader.mapping(node, "settings by name")
    return {name: reader.text(value) for name, value in listed.items.items()}


def _stack(reader: Reader, node: Node, path: tuple[str, ...]) -> Stack:
    listed = reader.mapping(node, "settings of the stack")
    reader.known(listed, STACK, "stack")
    return Stack(**reader.values(listed, STACK, path))


SHAPES: dict[str, Shape] = {
    "version": lambda reader, node, key, path: reader.version(node),
    "name": lambda reader, node, key, path: reader.term(node, "a name", terms.name),
    "names": lambda reader, node, key, path: reader.each(node, "names", terms.name, path),
    "pair": lambda reader, node, key, path: _pair(reader, node, path),
    "text": lambda reader, node, key, path: reader.text(node),
    "bool": lambda reader, node, key, path: _bool(reader, node),
    "count": lambda reader, node, key, path: _count(reader, node),
    "rate": lambda reader, node, key, path: _rate(reader, node),
    "port": lambda reader, node, key, path: reader.term(node, "a port", terms.port),
    "protocol": lambda reader, node, key, path: reader.term(node, "a protocol", terms.protocol),
    "choice": lambda reader, node, key, path: _choice(reader, node, key),
    "zone": lambda reader, node, key, path: reader.term(node, "a zone", _zone),
    "cidr4": lambda reader, node, key, path: reader.term(
        node, "an IPv4 CIDR", lambda text: str(terms.network(text, 4))),
    "cidrs4": lambda reader, node, key, path: _one_or_many(reader, node, path),
    "cidrs": lambda reader, node, key, path: reader.each(node, "CIDRs", lambda text: str(terms.network(text)), path),
    "block6": lambda reader, node, key, path: _auto(
        reader, node, "an IPv6 CIDR, true or false", lambda text: terms.network(text, 6)),
    "address4": lambda reader, node, key, path: reader.term(
        node, "an IPv4 address", lambda text: terms.address(text, 4)),
    "addresses4": lambda reader, node, key, path: reader.each(
        node, "IPv4 addresses", lambda text: terms.address(text, 4), path),
    "addresses6": lambda reader, node, key, path: _ipv6(reader, node, path),
    "public": lambda reader, node, key, path: _auto(
        reader, node, "an IPv4 address, true or false", lambda text: terms.address(text, 4)),
    "ingress": lambda reader, node, key, path: reader.rules(node, False, path),
    "egress": lambda reader, node, key, path: reader.rules(node, True, path),
    "acl-ingress": lambda reader, node, key, path: reader.entries(node, False, path),
    "acl-egress": lambda reader, node, key, path: reader.entries(node, True, path),
    "routes": lambda reader, node, key, path: reader.routes(node, path),
    "listeners": lambda reader, node, key, path: reader.each(node, "listeners", terms.listener, path),
    "settings": lambda reader, node, key, path: _settings(reader, node),
    "stack": lambda reader, node, key, path: _stack(reader, node, path),
    "contracts": lambda reader, node, key, path: reader.contracts(node),
}  # fmt: skip
