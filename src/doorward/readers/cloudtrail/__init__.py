"""Records of CloudTrail -> changes: ``read`` for one record in whatever wrapping, ``read_all`` for files and batches.

A call's effects are exact where its record tells them, and questions (``Ask``) where it does not; a failed call, a dry
run and a call that only reads have none. What cannot be read is a value (``UnreadableRecord``), never an exception.
``wire`` takes bytes apart, ``who`` reads identities, ``catalogue`` says which call is read how, ``rules``,
``interfaces``, ``network`` and ``services`` do it, ``gaps`` fetches what was not delivered. What does not live here:
queues (``readers.queue``), the state that effects make (``duty``).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TypeAlias

from doorward.model.change import Change, Effect, Place, UnreadableRecord
from doorward.readers.cloudtrail import catalogue, rules
from doorward.readers.cloudtrail.call import Call, Handler, Unclear, kind_of
from doorward.readers.cloudtrail.lookup import KNOWS_NOTHING, KnowsNothing, Lookup
from doorward.readers.cloudtrail.who import account_of, read_who
from doorward.readers.cloudtrail.wire import NAME_MOST, Record, unreadable, unwrap

__all__ = ["KNOWS_NOTHING", "KnowsNothing", "Lookup", "Read", "UnreadableRecord", "read", "read_all"]

Read: TypeAlias = Change | UnreadableRecord

_VERSIONED = re.compile(r"(?<=[a-z])20[12]\d{5}(?:v\d+)?$")
_ACCOUNT = re.compile(r"\d{12}")
_REGION = re.compile(r"[a-z0-9-]{4,40}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]*")


def read(data: bytes | str, learned: datetime, lookup: Lookup = KNOWS_NOTHING) -> Read:
    """The change that one record tells: bare, in EventBridge's envelope or SNS's, or alone in a log file of S3.

    ``learned`` is when it came (UTC). ``lookup`` answers what records do not say; without it more is asked.
    """
    found = read_all(data, learned, lookup)
    if len(found) == 1:
        return found[0]
    given = data.encode("utf-8", "replace") if isinstance(data, str) else data
    return unreadable(f"holds {len(found)} records, expected one", given, learned)


def read_all(data: bytes | str, learned: datetime, lookup: Lookup = KNOWS_NOTHING) -> list[Read]:
    """All changes that ``data`` tells, in its order; a log file may hold none."""
    given = data.encode("utf-8", "replace") if isinstance(data, str) else data
    made: list[Read] = []
    for found in unwrap(given, learned):
        if isinstance(found, UnreadableRecord):
            made.append(found)
            continue
        record, bare = found
        change = _change(record, learned, lookup)
        made.append(unreadable(change, bare, learned) if isinstance(change, str) else change)
    return made


def _change(record: Record, learned: datetime, lookup: Lookup) -> Change | str:
    """The change of a record, or why there is none."""
    # 1. Every record says which event it is, when it was, and of what; one that does not is none.
    id, name, at = record.id, record.name, record.at
    if not id or not name or not record.source or at is None:
        return "lacks one of eventID, eventName, eventSource and eventTime (or it is no time)"
    if len(id) > NAME_MOST or len(name) > NAME_MOST or len(record.source) > NAME_MOST or not _NAME.fullmatch(name):
        return "has an eventID, eventName or eventSource that is none"
    at = _utc(at)
    if at is None:
        return "happened at no time"
    account = record.account or account_of(bytes(record.identity))
    if not _ACCOUNT.fullmatch(account) or not _REGION.fullmatch(record.region):
        return "does not say in which account and region"
    # 2. Who did it; a strange identity is an unknown one.
    place = Place(account, record.region)
    console = record.console is True or record.console == "true"
    who = read_who(bytes(record.identity), record.address or "", record.agent or "", console)
    # 3. What it did.
    service = record.source.removesuffix(".amazonaws.com")
    effects: tuple[Effect, ...] = ()
    notes: tuple[str, ...] = ()
    error = record.error or None
    if error is None and record.reads_only is not True:
        effects, notes = _effects(record, place, service, lookup)
    request = record.request_id or ""
    return Change(
        id, at, learned, place, f"{service}:{name}", who, effects, "event", request[:NAME_MOST],
        error[:NAME_MOST] if error is not None else None, None, notes,
    )  # fmt: skip


def _effects(record: Record, place: Place, service: str, lookup: Lookup) -> tuple[tuple[Effect, ...], tuple[str, ...]]:
    name = record.name if service == "ec2" else _VERSIONED.sub("", record.name)
    handle = catalogue.handler(service, name)
    if handle is None or catalogue.reads_only(name):
        return (), ()
    call = Call(place, service, name, record, lookup)
    try:
        if service == "ec2" and record.response == b"null":
            raise Unclear("the record has no answer")
        return tuple(handle(call)), ()
    except (Unclear, RecursionError) as error:
        why = f"{name}: {error}"[:240]
        return tuple(_unclear(call, handle, why)), (f"not told exactly, asked instead: {why}",)


def _unclear(call: Call, handle: Handler, why: str) -> list[Effect]:
    """Questions in place of effects: about what the record names; about every group for a call on rules of none."""
    call.strict = False
    try:
        if handle in (rules.authorize, rules.revoke, rules.modify, rules.create, rules.delete):
            ids = [id for id in rules.describes_group(call) if kind_of(id) == "group"]
            return call.ask("group", ids, why)
        asked = call.ask_named(why=why)
        return asked or catalogue.every(call, why)
    except RecursionError:
        return catalogue.every(call, why)


def _utc(at: datetime) -> datetime | None:
    if at.tzinfo is UTC:
        return at
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        return None
