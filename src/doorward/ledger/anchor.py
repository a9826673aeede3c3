"""Anchors: the chain's head, noted outside of the database, where who rewrites the chain cannot rewrite it too.

With a key, an anchor is signed (HMAC-SHA256), so that who can write the file but has no key cannot forge one.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from doorward.errors import InvalidInput, LedgerBroken, Unreadable
from doorward.ledger import codec

SMALLEST_KEY = 16


@dataclass(frozen=True, slots=True)
class Anchor:
    """The entry ``seq`` of the ledger named ``ledger`` had this ``hash`` at the time ``at``."""

    ledger: str
    seq: int
    hash: bytes
    at: datetime


class _Line(msgspec.Struct, omit_defaults=True):
    ledger: str
    seq: int
    hash: str
    at: datetime
    signature: str | None = None


def write(path: Path, anchor: Anchor, key: bytes | None = None) -> None:
    """Add the anchor to a file, one a line. Raises `InvalidInput` for a file that cannot be written or a short key."""
    line = _Line(anchor.ledger, anchor.seq, anchor.hash.hex(), codec.utc(anchor.at))
    if key is not None:
        line.signature = _signature(line, key)
    try:
        with path.open("ab") as file:
            file.write(codec.canonical(line) + b"\n")
    except OSError as error:
        raise InvalidInput(f"an anchor cannot be written: {error.strerror}", where=str(path)) from error


def read(path: Path, key: bytes | None = None) -> list[Anchor]:
    """The anchors of a file. Raises `Unreadable`, and with a key `LedgerBroken` for one that it did not sign."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InvalidInput(f"anchors cannot be read: {error.strerror}", where=str(path)) from error
    anchors: list[Anchor] = []
    for number, text in enumerate(lines, 1):
        where = f"{path}:{number}"
        try:
            line = msgspec.json.decode(text, type=_Line)
            digest = bytes.fromhex(line.hash)
        except (msgspec.MsgspecError, ValueError) as error:
            raise Unreadable(f"not an anchor: {error}", where=where) from error
        if key is not None:
            signature, line.signature = line.signature or "", None
            if not hmac.compare_digest(signature.encode(), _signature(line, key).encode()):
                raise LedgerBroken("the anchor is not signed with this key", where=where)
        anchors.append(Anchor(line.ledger, line.seq, digest, line.at))
    return anchors


def _signature(line: _Line, key: bytes) -> str:
    if len(key) < SMALLEST_KEY:
        raise InvalidInput(f"expected a key of {SMALLEST_KEY} bytes or more, got {len(key)}")
    return hmac.new(key, codec.canonical(line), hashlib.sha256).hexdigest()
