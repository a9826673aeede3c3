"""Parameters and answers as plain trees: the spellings that CloudTrail has for one thing made one.

Older EC2 calls write lists as ``{"items": [...]}`` and empty ones as ``{}``; newer ones are wrapped as
``<Api>Request``, in Pascal case, one element as an object, several as a list, each with a ``tag``; other services lower
the first letter and write plain lists. A plain tree has camel case and Python lists. ``described`` turns one into the
words of the describe calls. What does not live here: what the trees mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

Tree: TypeAlias = dict[str, Any]

DEEPEST = 48
"""Levels of nesting; real records have fewer than fifteen."""
_WRAPS = ({"items"}, {"item"}, {"member"})
_NOTHING: tuple[object, ...] = (None, "", {})


class TooDeep(ValueError):
    """Parameters that are nested more deeply than any real ones."""


def plain(value: Any, api: str) -> Tree:
    """The plain tree of request parameters or response elements of the call ``api``. Raises ``TooDeep``."""
    if not isinstance(value, dict):
        return {}
    for wrapper in (f"{api}Request", f"{api}Response"):
        inner = value.get(wrapper)
        if inner is not None:
            made = _plain(inner, 0, newer=True)
            return made if isinstance(made, dict) else {}
    made = _plain(value, 0, newer=False)
    return made if isinstance(made, dict) else {}


def _plain(value: Any, depth: int, *, newer: bool) -> Any:
    if depth > DEEPEST:
        raise TooDeep(f"nested more than {DEEPEST} levels deep")
    if isinstance(value, list):
        return [_plain(inner, depth + 1, newer=newer) for inner in value]
    if not isinstance(value, dict):
        return value
    if newer and "tag" in value and isinstance(value["tag"], int):
        if value.keys() == {"tag", "content"}:
            return _plain(value["content"], depth + 1, newer=newer)
        value = {key: inner for key, inner in value.items() if key != "tag"}
    if len(value) == 1 and value.keys() in _WRAPS:
        (inner,) = value.values()
        return [_plain(one, depth + 1, newer=newer) for one in (inner if isinstance(inner, list) else [inner])]
    made = {}
    for key, inner in value.items():
        name = key[:1].lower() + key[1:]
        made[name] = [] if name.endswith("Set") and inner in _NOTHING else _plain(inner, depth + 1, newer=newer)
    return made


def many(value: Any) -> list[Any]:
    """A value as a list: one element may stand for itself, nothing has several spellings."""
    if isinstance(value, list):
        return value
    return [] if value in _NOTHING else [value]


def text(tree: Any, *path: str) -> str | None:
    """The text (or number, as text) at a path of names; None when there is none."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, dict) else None
    if isinstance(tree, str):
        return tree or None
    return str(tree) if isinstance(tree, int | float) and not isinstance(tree, bool) else None


def texts(value: Any, field: str | None = None) -> list[str]:
    """Texts of a list whose elements are texts, or objects with the text in ``field``."""
    found = (text(one, field) if isinstance(one, dict) and field else text({"": one}, "") for one in many(value))
    return [one for one in found if one]


def scalars(value: Any) -> Iterator[str]:
    """All texts anywhere in a tree."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from scalars(inner)


_NAMES = {
    "tagSet": "Tags", "groupSet": "Groups", "privateIpAddressesSet": "PrivateIpAddresses",
    "ipv6AddressesSet": "Ipv6Addresses", "ipv4PrefixSet": "Ipv4Prefixes", "ipv6PrefixSet": "Ipv6Prefixes",
    "routeSet": "Routes", "associationSet": "Associations", "entrySet": "Entries", "attachmentSet": "Attachments",
    "propagatingVgwSet": "PropagatingVgws", "natGatewayAddressSet": "NatGatewayAddresses", "default": "IsDefault",
}  # fmt: skip
"""Names that CloudTrail takes from EC2's XML -> names of the describe calls' JSON, where they are not simply spelled
with a capital letter (EC2 API Reference: the response elements of the calls)."""
_TEXTS = frozenset(("protocol", "ipProtocol", "ownerId", "key", "value", "description"))
_NOT_A_STATE = re.compile(r"(Time|requestId|xmlns)$")


def described(tree: Tree) -> Tree:
    """A plain tree in the words of the describe calls; times are left out, as they change nothing."""
    return {_name(key): _value(key, value) for key, value in tree.items() if not _NOT_A_STATE.search(key)}


def _name(key: str) -> str:
    return _NAMES.get(key) or key[:1].upper() + key[1:]


def _value(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return described(value)
    if isinstance(value, list):
        return [described(one) if isinstance(one, dict) else one for one in value]
    if key in _TEXTS and value is not None and not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, int) and not -(1 << 63) < value < 1 << 63:
        return None
    return value
