"""Export to JSON lines and import from them: the same chain, entry by entry, hash by hash.

The first line names the ledger and its ends; then come the documents that a pruning kept, then the entries in their
order, each with the very text that its hash is of. A file ending in ``.gz`` is compressed.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import sqlalchemy as sa

from doorward.errors import InvalidInput, LedgerBroken, Unreadable
from doorward.ledger import codec, schema
from doorward.ledger.chain import Writer, appending
from doorward.ledger.documents import Checkpoint, read_head, rows_digest
from doorward.ledger.entry import Sealed, column_key, link, micros, terms_of, unseal
from doorward.ledger.state import STATE, restore
from doorward.ledger.store import Database

FORMAT = 1
BATCH = 1000


class _Header(msgspec.Struct):
    doorward_ledger: int
    ledger: str
    seq: int
    hash: str
    base_seq: int
    base_hash: str
    base: dict[str, Any] | None
    documents: int


class _Document(msgspec.Struct):
    subject: str
    document: str


class _Line(msgspec.Struct):
    seq: int
    hash: str
    entry: msgspec.Raw


def export(database: Database, path: Path) -> int:
    """Write the whole chain to a file, which replaces an older one when it is complete. How many entries."""
    partial = path.with_name(f".{path.name}.part")
    try:
        with database.reading() as connection, _create(partial, path.suffix == ".gz") as file:
            count = _export(connection, file)
        partial.replace(path)
    except OSError as error:
        raise InvalidInput(f"the export cannot be written: {error.strerror}", where=str(path)) from error
    finally:
        partial.unlink(missing_ok=True)
    return count


def _export(connection: sa.Connection, file: IO[bytes]) -> int:
    head = read_head(connection)
    base: Checkpoint | None = None
    rows: list[_Document] = []
    if head.base_at is not None:
        table = schema.checkpoint.c
        base = Checkpoint(*connection.execute(sa.select(*table).order_by(table.number).limit(1)).one())
        kept = schema.document.c
        query = sa.select(kept.subject, kept.document).where(kept.checkpoint == base.number).order_by(kept.subject)
        rows = [_Document(*row) for row in connection.execute(query)]
    told = None if base is None else {**base._asdict(), "digest": bytes(base.digest).hex(), "edge": head.base_at}
    header = _Header(
        FORMAT,
        head.ledger,
        head.seq,
        bytes(head.hash).hex(),
        head.base_seq,
        bytes(head.base_hash).hex(),
        told,
        len(rows),
    )
    for line in (header, *rows):
        file.write(codec.canonical(line) + b"\n")
    entry = schema.entry.c
    chain = sa.select(entry.seq, entry.hash, entry.sealed).order_by(entry.seq)
    count = 0
    for seq, digest, sealed in connection.execute(chain.execution_options(yield_per=BATCH)):
        file.write(b'{"entry":%b,"hash":"%b","seq":%d}\n' % (sealed.encode(), bytes(digest).hex().encode(), seq))
        count += 1
    return count


def import_(database: Database, path: Path) -> int:
    """Read an export into an empty ledger; every hash is checked. How many entries.

    Raises `InvalidInput` for a ledger that is not empty, `Unreadable` for a file that is no export, `LedgerBroken` for
    one whose chain does not hold; nothing is then stored.
    """
    try:
        with _open(path) as file, appending(database) as writer:
            return _import(writer, file, str(path))
    except (OSError, EOFError) as error:
        raise InvalidInput(f"the export cannot be read: {error}", where=str(path)) from error


def _import(writer: Writer, file: IO[bytes], where: str) -> int:
    connection = writer.connection
    if writer.head.seq:
        raise InvalidInput(f"the ledger has {writer.head.seq} entries, expected none", hint="import into a new ledger")
    header = _decode(file.readline(), _Header, f"{where}:1")
    if header.doorward_ledger != FORMAT:
        raise Unreadable(f"format {header.doorward_ledger} of exports is unknown, expected {FORMAT}", where=where)
    values: dict[str, object] = {"ledger": header.ledger, "base_seq": header.base_seq}
    values["base_hash"] = previous = bytes.fromhex(header.base_hash)
    if header.base is not None:
        values.update(
            _base(connection, header, [_decode(file.readline(), _Document, where) for _ in range(header.documents)])
        )
    connection.execute(sa.update(schema.head).values(values))
    writer.head = writer.head._replace(seq=header.base_seq, hash=previous)
    batch: list[Sealed] = []
    hashes: list[bytes] = []
    seq = base_seq = int(header.base_seq)
    for number, line in enumerate(file, 2 + header.documents):
        one = _decode(line, _Line, f"{where}:{number}")
        text = bytes(one.entry)
        digest = hashlib.sha256(text).digest()
        seq, previous = seq + 1, link(previous, seq + 1, digest)
        if one.seq != seq or one.hash != previous.hex():
            raise LedgerBroken(
                f"entry {one.seq} is not what was written as entry {seq}",
                where=f"{where}:{number}",
                hint="nothing was imported",
            )
        entry = unseal(text)
        terms = terms_of(entry.kind, entry.who, entry.about)
        batch.append(
            Sealed(
                entry.kind, column_key(entry.key), micros(entry.at), micros(entry.learned), text.decode(), digest, terms
            )
        )
        hashes.append(previous)
        if entry.kind == STATE:
            restore(connection, cast(dict[str, Any], entry.body), seq)
        if len(batch) == BATCH:
            _flush(writer, batch, hashes, seq)
    _flush(writer, batch, hashes, seq)
    if (seq, previous.hex()) != (header.seq, header.hash):
        raise LedgerBroken(f"it ends at entry {seq}, expected {header.seq}", where=where, hint="the file is cut off")
    return seq - base_seq


def _flush(writer: Writer, batch: list[Sealed], hashes: list[bytes], seq: int) -> None:
    if batch:
        writer.head = writer.head._replace(seq=seq, hash=hashes[-1])
        writer.insert(seq - len(batch) + 1, batch, hashes)
        batch.clear()
        hashes.clear()


def _base(connection: sa.Connection, header: _Header, rows: list[_Document]) -> dict[str, object]:
    assert header.base is not None
    base = header.base
    if rows_digest((row.subject, row.document) for row in rows).hex() != base["digest"]:
        raise LedgerBroken(
            "the documents that pruning kept are not those that were written", hint="nothing was imported"
        )
    number = base["number"]
    if rows:
        values = [{"subject": row.subject, "checkpoint": number, "document": row.document} for row in rows]
        connection.execute(sa.insert(schema.document), values)
    point = Checkpoint(number, base["seq"], base["at"], base["learned"], bytes.fromhex(base["digest"]))
    connection.execute(sa.insert(schema.checkpoint), [point._asdict()])
    return {"base_at": base["edge"], "horizon": base["at"]}


def _decode(line: bytes, kind: type[Any], where: str) -> Any:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Unreadable(
            f"not an export of a ledger: {error}", where=where, hint="expected what `export` wrote"
        ) from error


@contextmanager
def _create(path: Path, compressed: bool) -> Iterator[IO[bytes]]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if compressed:
            with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
                yield cast(IO[bytes], packed)
        else:
            yield file
        file.flush()
        os.fsync(descriptor)


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")
