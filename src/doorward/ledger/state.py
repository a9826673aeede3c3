"""What is so now: approvals, maintenance windows, alerts, reverts; each transition also an entry of the chain.

A record is JSON under a kind and an id, with a version that counts its transitions. Who changes one says which version
the decision was made on; if it has moved since, nothing happens (`LedgerConflict`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from doorward.errors import InvalidInput, LedgerConflict
from doorward.ledger import codec, schema
from doorward.ledger.chain import Appended, Writer, appending
from doorward.ledger.entry import Entry, seal
from doorward.ledger.store import Database

STATE = "state"
APPROVAL = "approval"


@dataclass(frozen=True, slots=True)
class State:
    """A record as it is: ``version`` counts from 1, ``seq`` is the entry of its last transition."""

    kind: str
    id: str
    version: int
    value: Any
    seq: int


@dataclass(frozen=True, slots=True)
class Transition:
    """A record becomes ``value``, if its version is still ``expect`` (0: if there is none yet)."""

    kind: str
    id: str
    expect: int
    value: Any
    about: tuple[str, ...] = ()


def get(database: Database, kind: str, id: str) -> State | None:
    """The record, or None."""
    with database.reading() as connection:
        return _get(connection, kind, id)


def every(database: Database, kind: str) -> list[State]:
    """All records of a kind, by id."""
    table = schema.state.c
    with database.reading() as connection:
        rows = connection.execute(sa.select(*table).where(table.kind == kind).order_by(table.id)).all()
    return [_state(row) for row in rows]


def transition(
    database: Database, changes: Sequence[Transition], at: datetime, who: str = "", entries: Sequence[Entry] = ()
) -> tuple[list[State], Appended]:
    """Every transition, and the entries, in one transaction, or none of it.

    Raises `LedgerConflict` naming the first record whose version is another.
    """
    sealed = [seal(entry) for entry in entries]
    with appending(database) as writer:
        states = apply(writer, changes, at, who)
        return states, writer.extend(sealed)


def apply(writer: Writer, changes: Sequence[Transition], at: datetime, who: str) -> list[State]:
    """The transitions and their entries, in the transaction of `writer`."""
    states: list[State] = []
    for change in changes:
        now = _get(writer.connection, change.kind, change.id)
        version = 0 if now is None else now.version
        if version != change.expect:
            raise LedgerConflict(
                f"{change.kind} {change.id} is at version {version}, expected {change.expect}",
                hint="somebody else changed it first: read it again, and decide again",
            )
        seq = writer.extend([seal(entry_of(change, at, who))]).seqs[0]
        states.append(_store(writer.connection, State(change.kind, change.id, version + 1, change.value, seq)))
    return states


def entry_of(change: Transition, at: datetime, who: str, *, carried: bool = False) -> Entry:
    """The entry of a transition; ``carried`` over a pruning, it tells the same version again."""
    version = change.expect + 1
    body: dict[str, object] = {"kind": change.kind, "id": change.id, "version": version, "value": change.value}
    key = None if carried else f"state {change.kind} {change.id} {version}"
    if carried:
        body["carried"] = True
    return Entry(STATE, body, at, at, key, who, (f"{change.kind}:{change.id}", *change.about))


def use_approval(
    database: Database, id: str, change: str, at: datetime, who: str = "", entries: Sequence[Entry] = ()
) -> State:
    """The approval is used by the change, once; `entries` are appended with it, or not at all.

    ``at`` is when the change happened, and must lie in the approval's window (``since`` to ``until``, inclusive). Asked
    again for the same change, the answer is the same and nothing is written. Raises `LedgerConflict` when another
    change has used it, or it is withdrawn, out of its window or unknown.
    """
    sealed = [seal(entry) for entry in entries]
    with appending(database) as writer:
        now = _get(writer.connection, APPROVAL, id)
        if now is None:
            raise LedgerConflict(f"there is no approval {id}", hint="see `doorward approvals`")
        used = now.value.get("used")
        if used is not None and used.get("change") == change:
            return now
        if used is not None:
            raise LedgerConflict(
                f"approval {id} was used by {used.get('change')} already", hint="an approval serves once"
            )
        if now.value.get("withdrawn"):
            raise LedgerConflict(f"approval {id} was withdrawn")
        since, until = (_moment(now.value[name]) for name in ("since", "until"))
        if not since <= codec.utc(at) <= until:
            raise LedgerConflict(
                f"approval {id} holds from {since.isoformat()} to {until.isoformat()}, "
                f"the change was at {at.isoformat()}"
            )
        value = {**now.value, "used": {"change": change, "at": codec.utc(at).isoformat()}}
        (state,) = apply(writer, [Transition(APPROVAL, id, now.version, value)], at, who)
        writer.extend(sealed)
        return state


def approval(
    id: str, delta: object, principals: Sequence[str], since: datetime, until: datetime, more: Mapping[str, Any] | None
) -> Transition:
    """A new approval: an exact rule delta (JSON), who may apply it, from when until when; not yet used."""
    if codec.utc(since) > codec.utc(until):
        raise InvalidInput(f"an approval from {since.isoformat()} until {until.isoformat()} never holds")
    value = {
        **(more or {}),
        "delta": delta,
        "principals": list(principals),
        "since": codec.utc(since).isoformat(),
        "until": codec.utc(until).isoformat(),
        "used": None,
    }
    return Transition(APPROVAL, id, 0, value)


def restore(connection: sa.Connection, body: Mapping[str, Any], seq: int) -> None:
    """A record as an imported entry tells it."""
    _store(connection, State(body["kind"], body["id"], body["version"], body["value"], seq))


def _get(connection: sa.Connection, kind: str, id: str) -> State | None:
    table = schema.state.c
    row = connection.execute(sa.select(*table).where(table.kind == kind, table.id == id)).one_or_none()
    return None if row is None else _state(row)


def _state(row: sa.Row[Any]) -> State:
    return State(row.kind, row.id, row.version, msgspec.json.decode(row.value), row.seq)


def _store(connection: sa.Connection, state: State) -> State:
    table = schema.state
    text = codec.canonical(codec.plain({"": state.value})[""]).decode()
    values = {"version": state.version, "value": text, "seq": state.seq}
    where = (table.c.kind == state.kind, table.c.id == state.id)
    if connection.execute(sa.update(table).where(*where).values(values)).rowcount == 0:
        connection.execute(sa.insert(table).values(kind=state.kind, id=state.id, **values))
    return state


def _moment(text: str) -> datetime:
    return codec.utc(datetime.fromisoformat(text))
