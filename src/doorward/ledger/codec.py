"""Changes as JSON and back, exactly: what is decoded equals what was encoded.

Lives here: the shape of a change in JSON, and the canonical form of JSON (docs/reference/ledger.md, format 1). Not
here: what surrounds a change in the chain (`entry`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec

from doorward.errors import InvalidInput, Unreadable
from doorward.model.change import (
    Ask,
    Change,
    Effect,
    Gone,
    Key,
    Member,
    Place,
    Put,
    RuleAdded,
    RuleFact,
    RuleRemoved,
    RuleSet,
    Source,
    Who,
)

LARGEST = 1 << 63
"""Whole numbers beyond ±2⁶³ are refused: most readers of JSON would round them."""
DEEPEST = 100
"""Documents nested deeper are refused; those of a cloud's API stay below twenty."""


class _Rule(msgspec.Struct, omit_defaults=True):
    egress: bool
    protocol: str
    ports: tuple[int, int] | None = None
    cidr: str | None = None
    group: str | None = None
    prefix_list: str | None = None
    id: str | None = None
    description: str | None = None


class _Added(msgspec.Struct, tag_field="effect", tag="rule-added"):
    group: Key
    rule: _Rule


class _Removed(msgspec.Struct, tag_field="effect", tag="rule-removed", omit_defaults=True):
    group: Key
    id: str | None = None
    rule: _Rule | None = None


class _Set(msgspec.Struct, tag_field="effect", tag="rule-set"):
    group: Key
    id: str
    rule: _Rule


class _Member(msgspec.Struct, tag_field="effect", tag="member"):
    interface: Key
    groups: tuple[str, ...]


class _Put(msgspec.Struct, tag_field="effect", tag="put", omit_defaults=True):
    key: Key
    document: dict[str, object]
    part: bool = False


class _Gone(msgspec.Struct, tag_field="effect", tag="gone"):
    key: Key


class _Ask(msgspec.Struct, tag_field="effect", tag="ask"):
    key: Key
    why: str


_Effect: TypeAlias = _Added | _Removed | _Set | _Member | _Put | _Gone | _Ask


class _Who(msgspec.Struct, omit_defaults=True):
    arn: str
    kind: str
    session: str = ""
    source_identity: str = ""
    service: str = ""
    access_key: str = ""
    address: str = ""
    agent: str = ""
    console: bool = False


class ChangeBody(msgspec.Struct, omit_defaults=True):
    """A change as it stands in JSON. Inside an entry, what the entry itself tells (id, times) is left out."""

    place: Place
    call: str
    who: _Who
    effects: tuple[_Effect, ...] = ()
    source: Source = "event"
    request: str = ""
    error: str | None = None
    revert: str | None = None
    notes: tuple[str, ...] = ()
    id: str = ""
    at: datetime | None = None
    learned: datetime | None = None


ENCODER = msgspec.json.Encoder(order="sorted")
_BODY = msgspec.json.Decoder(ChangeBody)


def canonical(value: object) -> bytes:
    """`value` in canonical JSON: UTF-8, no blanks, keys in the order of their bytes, defaults left out.

    Raises `InvalidInput` for what JSON has no exact word for: text that is no Unicode, numbers beyond 64 bits.
    """
    try:
        return ENCODER.encode(value)
    except (UnicodeEncodeError, OverflowError, TypeError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidInput(
            f"cannot be written as JSON: {error}", hint="the ledger holds JSON values only: give text for anything else"
        ) from error


def dumps(change: Change) -> str:
    """A change as one line of canonical JSON. Raises `InvalidInput` for values that JSON cannot hold exactly."""
    body = body_of(change)
    body.id, body.at, body.learned = change.id, utc(change.at), utc(change.learned)
    return canonical(body).decode()


def loads(text: str | bytes) -> Change:
    """The change that `dumps` wrote. Raises `Unreadable`."""
    body = read_body(text)
    if body.at is None or body.learned is None:
        raise Unreadable("a change without its times", hint="expected at and learned, as `dumps` writes them")
    return change_of(body, body.id, body.at, body.learned)


def read_body(text: str | bytes | msgspec.Raw) -> ChangeBody:
    """The decoded shape. Raises `Unreadable`."""
    try:
        return _BODY.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"not a change: {error}") from error


def body_of(change: Change) -> ChangeBody:
    """The shape of `change` without its id and times."""
    who = change.who
    return ChangeBody(
        change.place,
        change.call,
        _Who(
            who.arn,
            who.kind,
            who.session,
            who.source_identity,
            who.service,
            who.access_key,
            who.address,
            who.agent,
            who.console,
        ),
        tuple(_shape(effect) for effect in change.effects),
        change.source,
        change.request,
        change.error,
        change.revert,
        change.notes,
    )


def change_of(body: ChangeBody, id: str, at: datetime, learned: datetime) -> Change:
    """The change that `body` is the shape of."""
    who = body.who
    return Change(
        id,
        at,
        learned,
        body.place,
        body.call,
        Who(
            who.arn,
            who.kind,
            who.session,
            who.source_identity,
            who.service,
            who.access_key,
            who.address,
            who.agent,
            who.console,
        ),
        tuple(_effect(shape) for shape in body.effects),
        body.source,
        body.request,
        body.error,
        body.revert,
        body.notes,
    )


def utc(moment: datetime) -> datetime:
    """The moment in UTC. Raises `InvalidInput` for one that does not say where its clock stands."""
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise InvalidInput(
            f"the time {moment.isoformat()} has no zone", hint="give times in UTC, e.g. 2024-02-15T10:30Z"
        )
    return moment.astimezone(UTC)


def _shape(effect: Effect) -> _Effect:
    match effect:
        case RuleAdded(group, rule):
            return _Added(group, _rule(rule))
        case RuleRemoved(group, id, removed):
            return _Removed(group, id, None if removed is None else _rule(removed))
        case RuleSet(group, id, rule):
            return _Set(group, id, _rule(rule))
        case Member(interface, groups):
            return _Member(interface, groups)
        case Put(key, document, part):
            return _Put(key, plain(document), part)
        case Gone(key):
            return _Gone(key)
        case Ask(key, why):
            return _Ask(key, why)


def _effect(shape: _Effect) -> Effect:
    match shape:
        case _Added():
            return RuleAdded(shape.group, _fact(shape.rule))
        case _Removed():
            return RuleRemoved(shape.group, shape.id, None if shape.rule is None else _fact(shape.rule))
        case _Set():
            return RuleSet(shape.group, shape.id, _fact(shape.rule))
        case _Member():
            return Member(shape.interface, shape.groups)
        case _Put():
            return Put(shape.key, shape.document, shape.part)
        case _Gone():
            return Gone(shape.key)
        case _Ask():
            return Ask(shape.key, shape.why)


def _rule(rule: RuleFact) -> _Rule:
    return _Rule(
        rule.egress,
        rule.protocol,
        rule.ports,
        rule.cidr,
        rule.group,
        rule.prefix_list,
        rule.id,
        rule.description,
    )


def _fact(rule: _Rule) -> RuleFact:
    return RuleFact(
        rule.egress,
        rule.protocol,
        rule.ports,
        rule.cidr,
        rule.group,
        rule.prefix_list,
        rule.id,
        rule.description,
    )


def plain(document: Mapping[str, object]) -> dict[str, object]:
    """`document` as a dict of JSON values; a copy. Raises `InvalidInput` naming what JSON has no exact word for."""
    value = _plain(document, "$", 0)
    assert isinstance(value, dict)
    return value


def _plain(value: object, where: str, depth: int) -> object:
    if depth > DEEPEST:
        raise InvalidInput(f"nested deeper than {DEEPEST}", where=where)
    match value:
        case str() | bool() | None:
            return value
        case int() if -LARGEST <= value < LARGEST:
            return value
        case float() if math.isfinite(value):
            return value
        case Mapping():
            result: dict[str, object] = {}
            for key, inner in value.items():
                if not isinstance(key, str):
                    raise InvalidInput(f"expected text as a key, got {key!r}", where=where)
                result[key] = _plain(inner, f"{where}.{key}", depth + 1)
            return result
        case list():
            return [_plain(inner, f"{where}[{index}]", depth + 1) for index, inner in enumerate(value)]
    raise InvalidInput(
        f"JSON has no exact word for {value!r}"[:200], where=where, hint="give text, numbers of 64 bits, lists, objects"
    )
