"""The estate's documents at any moment, as known at any moment; and checkpoints that make that fast.

What happened at ``at`` and was learned at ``known_at`` or before, folded in the order of happening, is the estate as it
was known. A checkpoint keeps the result of a fold up to some moment; only documents that differ from the checkpoint
before are stored, so the size of checkpoints follows the changes, not the estate. Entries that were learned after a
checkpoint and happened before it are *late*: the documents that they touch are folded anew from their own history.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from doorward.errors import InvalidInput, LedgerBroken, LedgerPruned
from doorward.ledger import codec, index, schema
from doorward.ledger.chain import HEAD_COLUMNS, Head, appending
from doorward.ledger.entry import CHANGE, effect_key, micros, moment, subject, term, unseal
from doorward.ledger.fold import Document, Fold
from doorward.ledger.store import Database
from doorward.model.change import Change, Key

LAG = 15 * 60 * 1_000_000
"""A checkpoint stays this far behind the newest event (microseconds): CloudTrail's records come within ten minutes."""
_KEY = msgspec.json.Decoder(Key)


class Checkpoint(NamedTuple):
    """A row of `schema.checkpoint`."""

    number: int
    seq: int
    at: int
    learned: int
    digest: bytes


def documents_at(database: Database, fold: Fold, at: datetime, known_at: datetime | None = None) -> dict[Key, Document]:
    """The documents as they were at `at`, as known at `known_at` (default: as known now).

    Raises `LedgerPruned` for a moment before the retention's edge.
    """
    when = micros(at)
    known = None if known_at is None else micros(known_at)
    with database.reading() as connection:
        head = read_head(connection)
        base = _base(connection, head)
        if head.base_at is not None and (when < head.base_at or (known is not None and base and known < base.learned)):
            edge = moment(max(head.base_at, base.learned if base and known is not None else head.base_at))
            raise LedgerPruned(
                f"what was so at {at.isoformat()} is no longer kept: the ledger was pruned up to {edge.isoformat()}",
                where=database.name,
                hint="ask for a later moment, or look into the export that was made before pruning",
            )
        point = _newest(connection, when, known)
        found: dict[Key, Document] = {} if point is None else _load(connection, point.number)
        if point is not None:
            # Late ones: known, happened before the checkpoint's moment, and not in it.
            for key in _touched_late(connection, point, known, head):
                document = _alone(connection, fold, base, key, point.at, known)
                _set(found, key, document)
        _apply(found, fold, _changes(connection, point, when, known))
    return found


def document_at(
    database: Database, fold: Fold, key: Key, at: datetime, known_at: datetime | None = None
) -> Document | None:
    """One document, as `documents_at` would tell it; from its own history."""
    when = micros(at)
    known = None if known_at is None else micros(known_at)
    with database.reading() as connection:
        head = read_head(connection)
        base = _base(connection, head)
        if head.base_at is not None and when < head.base_at:
            raise LedgerPruned(f"the ledger was pruned up to {moment(head.base_at).isoformat()}", where=database.name)
        return _alone(connection, fold, base, key, when, known)


def make_checkpoint(database: Database, fold: Fold, until: int | None = None) -> Checkpoint | None:
    """Keep the documents at `until` (default: `LAG` behind the newest event); None when there is nothing new.

    Folding happens outside of the chain's lock; another process that makes the same checkpoint first wins.
    """
    with database.reading() as connection:
        head = read_head(connection)
        last = _last(connection)
        newest = connection.execute(sa.select(sa.func.max(schema.entry.c.at))).scalar()
        if newest is None:
            return None
        at = newest - LAG if until is None else until
        if last is not None and at <= last.at:
            return None
        late = [] if last is None else _touched_late(connection, last, None, head)
        changes = list(_changes(connection, last, at, None))
        learned = max([0 if last is None else last.learned, *(micros(change.learned) for change in changes)])
        effects = [effect for change in changes for effect in change.effects]
        touched: dict[Key, Document | None] = {key: None for effect in effects for key in (effect_key(effect),)}
        if last is not None:
            touched.update(_load(connection, last.number, touched))
            base = _base(connection, head)
            touched.update((key, _alone(connection, fold, base, key, last.at, None)) for key in late)
        for effect in effects:
            key = effect_key(effect)
            touched[key] = fold(touched[key], effect)
        if last is not None and late:
            query = sa.select(sa.func.max(schema.entry.c.learned)).where(
                schema.entry.c.seq.in_(sa.select(schema.late.c.seq).where(schema.late.c.seq > last.seq))
            )
            learned = max(learned, connection.execute(query).scalar() or 0)
        if not touched:
            return None
    number = 1 if last is None else last.number + 1
    rows = [
        {"subject": key_text(key), "checkpoint": number, "document": None if document is None else _text(document)}
        for key, document in touched.items()
    ]
    digest = rows_digest((row["subject"], row["document"]) for row in rows)
    point = Checkpoint(number, head.seq, at, learned, digest)
    with appending(database) as writer:
        connection = writer.connection
        if _last(connection) != last:
            return None
        connection.execute(sa.insert(schema.document), rows)
        connection.execute(sa.insert(schema.checkpoint), [point._asdict()])
        unknown = (
            sa.select(schema.entry.c.seq, schema.entry.c.at)
            .where(schema.entry.c.seq > head.seq, schema.entry.c.at <= at)
            .where(schema.entry.c.seq.not_in(sa.select(schema.late.c.seq)))
        )
        connection.execute(sa.insert(schema.late).from_select(["seq", "at"], unknown))
        connection.execute(sa.update(schema.head).values(horizon=at))
    return point


def keep(connection: sa.Connection, fold: Fold, head: Head, at: int) -> Checkpoint:
    """For pruning: one checkpoint, whole, of the moment `at`, in the place of all others.

    Later checkpoints go too, since they hang on earlier rows; the next `make_checkpoint` makes a new one.
    """
    point = _newest(connection, at, None)
    found: dict[Key, Document] = {} if point is None else _load(connection, point.number)
    base = _base(connection, head)
    if point is not None:
        for key in _touched_late(connection, point, None, head):
            _set(found, key, _alone(connection, fold, base, key, point.at, None))
    _apply(found, fold, _changes(connection, point, at, None))
    last = _last(connection)
    number = 1 if last is None else last.number + 1
    rows = [{"subject": key_text(key), "checkpoint": number, "document": _text(value)} for key, value in found.items()]
    table = schema.entry.c
    query = sa.select(sa.func.max(table.learned)).where(table.kind == CHANGE, table.at <= at)
    learned = max(connection.execute(query).scalar() or 0, 0 if base is None else base.learned)
    for gone in (schema.document, schema.checkpoint, schema.late):
        connection.execute(sa.delete(gone))
    digest = rows_digest((row["subject"], row["document"]) for row in rows)
    kept = Checkpoint(number, head.seq, at, learned, digest)
    if rows:
        connection.execute(sa.insert(schema.document), rows)
    connection.execute(sa.insert(schema.checkpoint), [kept._asdict()])
    connection.execute(sa.update(schema.head).values(horizon=at))
    return kept


def read_head(connection: sa.Connection) -> Head:
    """The head's row."""
    return Head(*connection.execute(sa.text(f"SELECT {HEAD_COLUMNS} FROM ledger_head WHERE id = 1")).one())  # noqa: S608


def key_text(key: Key) -> str:
    """A document's name as checkpoints hold it: canonical JSON."""
    return codec.canonical(key).decode()


def rows_digest(rows: Iterable[tuple[object, object]]) -> bytes:
    """The SHA-256 over a checkpoint's rows, sorted by subject, as canonical JSON lines."""
    digest = hashlib.sha256()
    for name, document in sorted(rows, key=lambda row: str(row[0])):
        digest.update(codec.canonical([name, document]) + b"\n")
    return digest.digest()


def _changes(connection: sa.Connection, point: Checkpoint | None, until: int, known: int | None) -> Iterator[Change]:
    """Changes that happened after the checkpoint and not after `until`, in the order of happening."""
    table = schema.entry.c
    query = sa.select(table.sealed).where(table.kind == CHANGE, table.at <= until).order_by(table.at, table.seq)
    if point is not None:
        query = query.where(table.at > point.at)
    if known is not None:
        query = query.where(table.learned <= known)
    for (sealed,) in connection.execute(query.execution_options(yield_per=1000)):
        yield unseal(sealed).change


def _alone(
    connection: sa.Connection, fold: Fold, base: Checkpoint | None, key: Key, until: int, known: int | None
) -> Document | None:
    """One document from its own history, on top of what pruning kept of it."""
    table = schema.entry.c
    name = subject(key).partition("@")[0]
    query = (
        sa.select(table.sealed)
        .where(table.seq.in_(index.seqs(term(name))))
        .where(table.kind == CHANGE, table.at <= until)
        .order_by(table.at, table.seq)
    )
    document: Document | None = None
    if base is not None:
        query = query.where(table.at > base.at)
        document = _load(connection, base.number, (key,)).get(key)
    if known is not None:
        query = query.where(table.learned <= known)
    for (sealed,) in connection.execute(query).all():
        for effect in unseal(sealed).change.effects:
            if effect_key(effect) == key:
                document = fold(document, effect)
    return document


def _touched_late(connection: sa.Connection, point: Checkpoint, known: int | None, head: Head) -> list[Key]:
    """The documents that changes touched which happened before the checkpoint and were not known to it.

    What lies before the retention's edge has no place any more: it stays in the history alone.
    """
    late, table = schema.late.c, schema.entry.c
    query = (
        sa.select(table.sealed)
        .where(table.seq.in_(sa.select(late.seq).where(late.seq > point.seq, late.at <= point.at)))
        .where(table.kind == CHANGE)
        .order_by(table.seq)
    )
    if head.base_at is not None:
        query = query.where(table.at > head.base_at)
    if known is not None:
        query = query.where(table.learned <= known)
    keys: dict[Key, None] = {}
    for (sealed,) in connection.execute(query):
        for effect in unseal(sealed).change.effects:
            keys[effect_key(effect)] = None
    return list(keys)


def _newest(connection: sa.Connection, at: int, known: int | None) -> Checkpoint | None:
    table = schema.checkpoint.c
    query = sa.select(*table).where(table.at <= at).order_by(table.number.desc()).limit(1)
    if known is not None:
        query = query.where(table.learned <= known)
    row = connection.execute(query).one_or_none()
    return None if row is None else Checkpoint(row.number, row.seq, row.at, row.learned, bytes(row.digest))


def _last(connection: sa.Connection) -> Checkpoint | None:
    table = schema.checkpoint.c
    row = connection.execute(sa.select(*table).order_by(table.number.desc()).limit(1)).one_or_none()
    return None if row is None else Checkpoint(row.number, row.seq, row.at, row.learned, bytes(row.digest))


def _base(connection: sa.Connection, head: Head) -> Checkpoint | None:
    """The checkpoint that pruning kept: the oldest one, of the edge's moment."""
    if head.base_at is None:
        return None
    table = schema.checkpoint.c
    row = connection.execute(sa.select(*table).order_by(table.number).limit(1)).one_or_none()
    return None if row is None else Checkpoint(row.number, row.seq, row.at, row.learned, bytes(row.digest))


def _load(connection: sa.Connection, number: int, keys: Iterable[Key] | None = None) -> dict[Key, Document]:
    """The documents as a checkpoint has them: of each, the newest row up to it."""
    if keys is None:
        return _rows(connection, number, None)
    found: dict[Key, Document] = {}
    names = [key_text(key) for key in keys]
    for start in range(0, len(names), 500):
        found.update(_rows(connection, number, names[start : start + 500]))
    return found


def _rows(connection: sa.Connection, number: int, names: list[str] | None) -> dict[Key, Document]:
    table = schema.document.c
    newest = sa.select(table.subject, sa.func.max(table.checkpoint).label("number")).where(table.checkpoint <= number)
    if names is not None:
        newest = newest.where(table.subject.in_(names))
    latest = newest.group_by(table.subject).subquery()
    query = sa.select(table.subject, table.document).join(
        latest, sa.and_(latest.c.subject == table.subject, latest.c.number == table.checkpoint)
    )
    found: dict[Key, Document] = {}
    for name, document in connection.execute(query.execution_options(yield_per=1000)):
        if document is not None:
            try:
                found[_KEY.decode(name)] = msgspec.json.decode(document)
            except msgspec.MsgspecError as error:
                raise LedgerBroken(
                    f"the checkpoint of {name[:100]} cannot be read: {error}", hint="see `doorward ledger verify`"
                ) from error
    return found


def _text(document: Document) -> str:
    try:
        return codec.canonical(codec.plain(document)).decode()
    except InvalidInput as error:
        raise LedgerBroken(f"a document cannot be kept: {error}") from error


def _set(documents: dict[Key, Document], key: Key, document: Document | None) -> None:
    if document is None:
        documents.pop(key, None)
    else:
        documents[key] = document


def _apply(documents: dict[Key, Document], fold: Fold, changes: Iterable[Change]) -> None:
    for change in changes:
        for effect in change.effects:
            key = effect_key(effect)
            _set(documents, key, fold(documents.get(key), effect))
