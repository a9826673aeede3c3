"""Reading the chain: entries by kind, subject, actor and either time, page by page.

A page is one short transaction, so that a slow reader holds nothing up; since entries never change, pages fit together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import sqlalchemy as sa

from doorward.errors import InvalidInput
from doorward.ledger import index, schema
from doorward.ledger.entry import CHANGE, Stored, micros, subject, term, unseal
from doorward.ledger.store import Database
from doorward.model.change import Key

Order: TypeAlias = Literal["learned", "happened"]
"""``learned``: in the order of the chain. ``happened``: in the order of events, late ones in their place."""
PAGE = 500


@dataclass(frozen=True, slots=True)
class Question:
    """Which entries. Everything that is given must hold; times are inclusive at both ends.

    ``subject`` is a `Key`, or a subject's name with or without its place (``group:sg-0a1b``). ``known_at`` leaves out
    what was learned later. ``after`` is the sequence number to go on after.
    """

    kind: str | None = None
    subject: Key | str | None = None
    who: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    known_at: datetime | None = None
    after: int = 0
    limit: int | None = None
    order: Order = "learned"


def entries(database: Database, question: Question) -> Iterator[Stored]:
    """The entries that `question` asks for. Those that are appended meanwhile may or may not be among them."""
    if question.limit is not None and question.limit < 0:
        raise InvalidInput(f"expected a limit of 0 or more, got {question.limit}")
    left = question.limit
    where = _conditions(question)
    about = None if question.subject is None else _name(question.subject)
    table = schema.entry.c
    columns = (table.seq, table.at, table.sealed, table.hash)
    order = (table.seq,) if question.order == "learned" else (table.at, table.seq)
    last: tuple[int, ...] | None = None
    size = min(PAGE, left or PAGE)
    while left is None or left > 0:
        query = sa.select(*columns).where(*where).order_by(*order).limit(size)
        if last is not None:
            query = query.where(sa.tuple_(*order) > last if len(order) > 1 else table.seq > last[0])
        with database.reading() as connection:
            rows = connection.execute(query).all()
        for seq, at, sealed, digest in rows:
            last = (seq,) if question.order == "learned" else (at, seq)
            stored = Stored(seq, unseal(sealed), bytes(digest))
            if about is not None and not _is_about(stored, about):
                continue
            if question.who is not None and stored.entry.who != question.who:
                continue
            yield stored
            if left is not None:
                left -= 1
                if left == 0:
                    return
        if len(rows) < size:
            return
        size = PAGE


def _conditions(question: Question) -> list[sa.ColumnElement[bool]]:
    table = schema.entry.c
    where: list[sa.ColumnElement[bool]] = []
    words: list[str] = []
    if question.kind is not None:
        where.append(table.kind == question.kind)
        if question.kind != CHANGE:
            words.append(f"kind {question.kind}")
    if question.who is not None:
        words.append(f"who {question.who}")
    if question.subject is not None:
        words.append(_name(question.subject).partition("@")[0])
    for word in words:
        where.append(table.seq.in_(index.seqs(term(word), question.after)))
    if question.after:
        where.append(table.seq > question.after)
    if question.since is not None:
        where.append(table.at >= micros(question.since))
    if question.until is not None:
        where.append(table.at <= micros(question.until))
    if question.known_at is not None:
        where.append(table.learned <= micros(question.known_at))
    return where


def _name(about: Key | str) -> str:
    return about if isinstance(about, str) else subject(about)


def _is_about(stored: Stored, about: str) -> bool:
    """Terms are hashes, and know no places: the words themselves decide."""
    if "@" in about:
        return about in stored.entry.about
    return any(name.partition("@")[0] == about for name in stored.entry.about)
