"""Reading files that others made, safely: what is not text, not whole or not JSON is refused in words, and early.

Shared by all readers of files. What does not live here: what the contents mean (the readers themselves).
"""

from __future__ import annotations

import json
import mmap
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec

from doorward.errors import DoorwardError, InvalidInput, Unreadable

Buffer: TypeAlias = bytes | memoryview
"""Contents of a file. A ``memoryview`` of a large file keeps its mapping alive for as long as anything refers to it."""

T = TypeVar("T")

MAP_FROM = 1 << 20
"""Files of at least this many bytes are mapped, not copied into memory."""
DEEP_CHECK_UP_TO = 1 << 18
"""Files of at most this many bytes are searched for keys that are given twice at any depth."""
_HEAD = 4096
_BLANKS = b" \t\r\n"


def read_bytes(path: Path) -> Buffer:
    """The contents of a regular file without a UTF-8 byte order mark.

    Large files are mapped: they must not be cut short by others meanwhile. Raises ``Unreadable`` when the file is
    missing, empty, not a regular file, or not UTF-8 text, as far as its beginning tells.
    """
    where = str(path)
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Unreadable("is not a regular file", where=where, hint="give a JSON file or a folder of them")
            if status.st_size == 0:
                raise Unreadable(
                    "is empty", where=where, hint="the command that should have written it failed; run it again"
                )
            if status.st_size < MAP_FROM:
                data: Buffer = stream.read()
            else:
                data = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    except IsADirectoryError as error:
        raise Unreadable("is a folder, expected a file", where=where) from error
    except FileNotFoundError as error:
        raise Unreadable("does not exist", where=where, hint="check the path") from error
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be read: {error}", where=where) from error
    _refuse_other_formats(bytes(data[:_HEAD]), where)
    return data[3:] if bytes(data[:3]) == b"\xef\xbb\xbf" else data


def _refuse_other_formats(head: bytes, where: str) -> None:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or (len(head) > 3 and 0 in head[:2] and head[:2] != b"\0\0"):
        raise Unreadable(
            "is UTF-16 or UTF-32 text, expected UTF-8", where=where,
            hint="save it as UTF-8; in PowerShell write it with `| Out-File -Encoding utf8`",
        )  # fmt: skip
    if head[:2] == b"\x1f\x8b":
        raise Unreadable("is compressed (gzip), expected JSON text", where=where, hint="decompress it first")
    if head[:2] == b"PK":
        raise Unreadable("is a zip archive, expected JSON text", where=where, hint="unpack it first")
    if 0 in head:
        raise Unreadable("is binary, expected JSON text", where=where)


def looks_like_object(data: Buffer) -> bool:
    """Whether the first character that is not blank opens a JSON object."""
    return bytes(data[:_HEAD]).lstrip(_BLANKS)[:1] == b"{"


def decoded(decode: Callable[[Buffer], T], data: Buffer, where: str, expected: str) -> T:
    """``decode(data)`` with every fault of the input as ``InvalidInput`` or ``Unreadable`` that names the place."""
    try:
        return decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise fault(error, where, expected) from error


def fault(error: Exception, where: str, expected: str) -> DoorwardError:
    """A decoder's exception in words: ``Unreadable`` for bytes that are not JSON, ``InvalidInput`` for wrong JSON."""
    if isinstance(error, msgspec.ValidationError):
        return InvalidInput(f"does not look like {expected}: {error}", where=where)
    if isinstance(error, RecursionError):
        return Unreadable("is nested too deeply to be real", where=where, hint=f"expected {expected}")
    if isinstance(error, UnicodeDecodeError):
        return Unreadable(f"is not UTF-8 text: {error.reason}", where=where, hint="save it as UTF-8")
    text = str(error)
    if "truncated" in text:
        return Unreadable("ends in the middle of its JSON", where=where, hint="it was cut off; write it again")
    return Unreadable(f"is not JSON: {text}", where=where, hint=f"expected {expected}")


def refuse_double_keys(data: Buffer, where: str) -> None:
    """Raise ``InvalidInput`` when an object, at any depth, gives a key twice: JSON readers would disagree."""

    def once(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) != len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    raise InvalidInput(
                        f"gives the key {key!r} twice in one object", where=where, hint="keep one of them"
                    )
                seen.add(key)

    try:
        json.loads(str(data, "utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise fault(error, where, "JSON") from error
