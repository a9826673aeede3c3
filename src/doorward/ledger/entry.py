"""Entries of the chain: what one is, how it is sealed, and how its hash is made.

Lives here: format 1 of the chain (docs/reference/ledger.md), without any database. Not here: where entries are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, Self

import msgspec

from doorward.errors import InvalidInput, LedgerBroken
from doorward.ledger import codec
from doorward.model.change import Change, Effect, Gone, Key, Member, Put, RuleAdded, RuleRemoved, RuleSet

FORMAT = 1
PREFIX = b"doorward-ledger-1"
ZERO = bytes(32)
"""The hash before the first entry."""
CHANGE = "change"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Envelope(msgspec.Struct, omit_defaults=True):
    """An entry as it is sealed: format, kind, times (microseconds since 1970, UTC), who, about, and the body."""

    v: int
    kind: str
    at: int
    learned: int
    body: object
    about: tuple[str, ...] = ()
    key: str | None = None
    who: str = ""


class _Opened(msgspec.Struct):
    v: int
    kind: str
    at: int
    learned: int
    body: msgspec.Raw
    about: tuple[str, ...] = ()
    key: str | None = None
    who: str = ""


_OPEN = msgspec.json.Decoder(_Opened)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be remembered.

    ``body`` is JSON values or, for the kind ``change``, a `Change`. ``at`` is when it happened, ``learned`` when we
    heard of it. Entries with the same ``key`` are one: the second is not stored. ``about`` names its subjects
    (`subject` for documents; ``contract:…``, ``approval:…``), ``who`` the actor's ARN: both can be asked for.
    """

    kind: str
    body: object
    at: datetime
    learned: datetime
    key: str | None = None
    who: str = ""
    about: tuple[str, ...] = ()

    @classmethod
    def of(cls, change: Change) -> Self:
        """The entry of a change: keyed by its id, about every document that it touches."""
        return cls(CHANGE, change, change.at, change.learned, change.id, change.who.arn, touched(change))

    @property
    def change(self) -> Change:
        """The change that it tells. Raises `InvalidInput` for an entry of another kind."""
        if not isinstance(self.body, Change):
            raise InvalidInput(f"an entry of kind {self.kind} tells no change")
        return self.body


class Sealed(NamedTuple):
    """An entry ready to be chained: all that can be computed before its place in the chain is known."""

    kind: str
    key: str | None
    at: int
    learned: int
    text: str
    digest: bytes
    terms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry in its place."""

    seq: int
    entry: Entry
    hash: bytes


def subject(key: Key) -> str:
    """The name of a document as a subject: ``group:sg-0a1b@111122223333/eu-west-1``."""
    return f"{key.kind}:{key.id}@{key.place.account}/{key.place.region}"


def effect_key(effect: Effect) -> Key:
    """The one document that an effect is about."""
    match effect:
        case RuleAdded(group) | RuleRemoved(group) | RuleSet(group):
            return group
        case Member(interface):
            return interface
        case Put(key) | Gone(key):
            return key
    return effect.key


def touched(change: Change) -> tuple[str, ...]:
    """The subjects of a change, each once."""
    if len(change.effects) == 1:
        return (subject(effect_key(change.effects[0])),)
    return tuple(dict.fromkeys(subject(effect_key(effect)) for effect in change.effects))


def micros(moment: datetime) -> int:
    """Microseconds since 1970, exactly. Raises `InvalidInput` for a time without a zone."""
    since = (moment if moment.tzinfo is UTC else codec.utc(moment)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment(micros: int) -> datetime:
    """The inverse of `micros`."""
    return _EPOCH + micros * _MICROSECOND


@lru_cache(maxsize=65_536)
def term(word: str) -> int:
    """What an index row holds instead of a word: the first eight bytes of its SHA-256, as a signed integer.

    Two words with one term cost a wasted look, never a wrong answer: what is found is compared word by word.
    """
    return int.from_bytes(hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True)


@lru_cache(maxsize=65_536)
def _about_term(name: str) -> int:
    return term(name.partition("@")[0])


@lru_cache(maxsize=4_096)
def _who_term(who: str) -> int:
    return term(f"who {who}")


def terms_of(kind: str, who: str, about: Iterable[str]) -> tuple[int, ...]:
    """The index terms of an entry, each once: its subjects without their place, its actor, its kind if not a change."""
    terms = [_about_term(name) for name in about]
    if who:
        terms.append(_who_term(who))
    if kind != CHANGE:
        terms.append(term(f"kind {kind}"))
    return tuple(terms) if len(terms) < 2 else tuple(dict.fromkeys(terms))


def seal(entry: Entry) -> Sealed:
    """Everything of an entry's row but its place. Raises `InvalidInput` for what cannot be written exactly."""
    body = entry.body
    if not entry.kind or not entry.kind.isprintable():
        raise InvalidInput(f"expected a word as an entry's kind, got {entry.kind[:50]!r}")
    if isinstance(body, Change):
        if entry.kind != CHANGE or (entry.key, entry.at, entry.learned) != (body.id, body.at, body.learned):
            raise InvalidInput("an entry of a change has its id and times", hint="make it by Entry.of(change)")
        body = codec.body_of(body)
    else:
        body = codec.plain({"": body})[""]
    return _seal(entry.kind, entry.key, entry.at, entry.learned, body, entry.about, entry.who)


def seal_change(change: Change) -> Sealed:
    """``seal(Entry.of(change))``, without the entry in between: this is done for every event."""
    about = touched(change)
    return _seal(CHANGE, change.id, change.at, change.learned, codec.body_of(change), about, change.who.arn)


def _seal(
    kind: str, key: str | None, at: datetime, learned: datetime, body: object, about: tuple[str, ...], who: str
) -> Sealed:
    happened, heard = micros(at), micros(learned)
    text = codec.canonical(Envelope(FORMAT, kind, happened, heard, body, about, key, who))
    digest = hashlib.sha256(text).digest()
    return Sealed(kind, column_key(key), happened, heard, text.decode(), digest, terms_of(kind, who, about))


def unseal(text: str | bytes) -> Entry:
    """The entry that was sealed. Raises `LedgerBroken` for text that no `seal` wrote."""
    try:
        opened = _OPEN.decode(text)
        if opened.v != FORMAT:
            raise LedgerBroken(
                f"an entry has format {opened.v}, this Doorward knows format {FORMAT}", hint="use a newer Doorward"
            )
        at, learned = moment(opened.at), moment(opened.learned)
        if opened.kind == CHANGE:
            body: object = codec.change_of(codec.read_body(opened.body), opened.key or "", at, learned)
        else:
            body = msgspec.json.decode(opened.body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, InvalidInput) as error:
        raise LedgerBroken(f"an entry cannot be read: {error}", hint="see `doorward ledger verify`") from error
    return Entry(opened.kind, body, at, learned, opened.key, opened.who, opened.about)


def column_key(key: str | None) -> str | None:
    """A key as the database holds it: as it is when short and printable, else its hash.

    Event ids come from outside; neither a megabyte nor a NUL (which PostgreSQL refuses) may stop the ledger.
    """
    if key is None or (0 < len(key) <= 200 and key.isprintable() and not key.startswith("sha256:")):
        return key
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def link(previous: bytes, seq: int, digest: bytes) -> bytes:
    """The hash of the entry `seq` whose sealed text has the SHA-256 `digest`."""
    return hashlib.sha256(PREFIX + previous + seq.to_bytes(8, "big") + digest).digest()
