"""Bytes -> records, whatever they are wrapped in, within limits of size and depth; nothing here ever raises.

Known wrappings: a bare record, EventBridge's envelope, an SNS notification of either, a log file of S3 (``Records``),
each also gzipped. What does not live here: what a record means (``call`` and the modules of effects).
Source: CloudTrail User Guide, "CloudTrail record contents"; EventBridge User Guide, "AWS service events delivered via
CloudTrail".
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from doorward.model.change import UnreadableRecord

RECORD_MOST = 1 << 20
"""Bytes of one record. EventBridge and SQS carry at most 1 MiB, CloudTrail writes 256 KB or, extended, 1 MB."""
FILE_MOST = 1 << 26
"""Bytes of a log file, unpacked."""
RECORDS_MOST = 100_000
"""Records of one file."""
NAME_MOST = 256
"""Characters of an id or a name of an event."""
NOTHING = Raw(b"null")


class Record(Struct, gc=False):
    """One record. What is not needed is not named, and so is skipped by the decoder at the cost of a scan."""

    id: str = field(name="eventID", default="")
    at: datetime | None = field(name="eventTime", default=None)
    source: str = field(name="eventSource", default="")
    name: str = field(name="eventName", default="")
    region: str = field(name="awsRegion", default="")
    account: str = field(name="recipientAccountId", default="")
    address: str | None = field(name="sourceIPAddress", default=None)
    agent: str | None = field(name="userAgent", default=None)
    error: str | None = field(name="errorCode", default=None)
    reads_only: bool | None = field(name="readOnly", default=None)
    request_id: str | None = field(name="requestID", default=None)
    console: str | bool | None = field(name="sessionCredentialFromConsole", default=None)
    version: str | None = field(name="apiVersion", default=None)
    identity: Raw = field(name="userIdentity", default=NOTHING)
    request: Raw = field(name="requestParameters", default=NOTHING)
    response: Raw = field(name="responseElements", default=NOTHING)


class Outer(Record):
    """A record, or what may be wrapped around one."""

    detail: Record | None = None
    envelope_account: str | None = field(name="account", default=None)
    envelope_region: str | None = field(name="region", default=None)
    records: list[Raw] | None = field(name="Records", default=None)
    message: str | None = field(name="Message", default=None)


_outer = msgspec.json.Decoder(Outer).decode
_record = msgspec.json.Decoder(Record).decode
_anything = msgspec.json.Decoder().decode
_as_text = msgspec.json.encode
_BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_KEYS = {one.encode_name.lower(): one.encode_name for one in msgspec.structs.fields(Outer)}
_TEXTS = (
    "eventID", "eventSource", "eventName", "awsRegion", "recipientAccountId", "sourceIPAddress", "userAgent",
    "errorCode", "requestID", "apiVersion", "account", "region",
)  # fmt: skip


def unreadable(reason: str, data: bytes, learned: datetime) -> UnreadableRecord:
    """What is kept of bytes that cannot be read."""
    return UnreadableRecord(reason[:300], hashlib.sha256(data).hexdigest(), len(data), learned)


def unwrap(data: bytes, learned: datetime) -> Iterator[tuple[Record, bytes] | UnreadableRecord]:
    """All records in ``data``, each with its own bytes; what cannot be read is a value among them."""
    packed = data
    if data[:2] == b"\x1f\x8b":
        unpacked = _unpacked(data)
        if isinstance(unpacked, str):
            yield unreadable(unpacked, data, learned)
            return
        data = unpacked
    if len(data) > FILE_MOST:
        yield unreadable(f"has {len(data)} bytes, expected at most {FILE_MOST}", packed, learned)
        return
    yield from _unwrapped(data, learned, nested=False)


def _unwrapped(data: bytes, learned: datetime, *, nested: bool) -> Iterator[tuple[Record, bytes] | UnreadableRecord]:
    outer = _decoded(data)
    if isinstance(outer, str):
        yield unreadable(outer, data, learned)
    elif outer.records is not None:
        if len(outer.records) > RECORDS_MOST:
            yield unreadable(f"holds {len(outer.records)} records, expected at most {RECORDS_MOST}", data, learned)
            return
        for raw in outer.records:
            yield _one(bytes(raw), learned)
    elif len(data) > RECORD_MOST:
        yield unreadable(f"is one record of {len(data)} bytes, expected at most {RECORD_MOST}", data, learned)
    elif outer.detail is not None:
        inner = outer.detail
        inner.account = inner.account or outer.envelope_account or ""
        inner.region = inner.region or outer.envelope_region or ""
        yield inner, data
    elif outer.message is not None and not outer.id and not nested:
        yield from _unwrapped(outer.message.encode("utf-8", "replace"), learned, nested=True)
    else:
        yield outer, data


def _one(data: bytes, learned: datetime) -> tuple[Record, bytes] | UnreadableRecord:
    """One record of a log file."""
    if len(data) > RECORD_MOST:
        return unreadable(f"is one record of {len(data)} bytes, expected at most {RECORD_MOST}", data, learned)
    try:
        return _record(data), data
    except _BAD_JSON:
        read = _decoded(data)
        return unreadable(read, data, learned) if isinstance(read, str) else (read, data)


def _decoded(data: bytes) -> Outer | str:
    try:
        made = _outer(data)
    except msgspec.ValidationError as error:
        return _loosely(data, str(error))
    except RecursionError:
        return "is nested too deeply to be real"
    except UnicodeDecodeError as error:
        return f"is not UTF-8 text: {error.reason}"
    except msgspec.DecodeError as error:
        return f"is not JSON: {error}"
    if made.id or made.detail is not None or made.records is not None or made.message is not None:
        return made
    return _loosely(data, "has no eventID")


def _loosely(data: bytes, why: str) -> Outer | str:
    """Read what does not look as it should: keys in another case, numbers for texts. Else why it cannot be read."""
    try:
        told = _anything(data)
    except _BAD_JSON:
        return why
    made = _tidied(told)
    if made is None:
        return f"is not a record of CloudTrail: {why}"
    inner = _tidied(made.get("detail"))
    if inner is not None:
        made["detail"] = inner
    else:
        made.pop("detail", None)
    if not isinstance(made.get("Records"), list):
        made.pop("Records", None)
    if not isinstance(made.get("Message"), str):
        made.pop("Message", None)
    try:
        return _outer(_as_text(made))
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, TypeError) as error:
        return f"is not a record of CloudTrail: {error}"


def _tidied(told: Any) -> dict[str, Any] | None:
    if not isinstance(told, dict):
        return None
    made: dict[str, Any] = {}
    for key, value in told.items():
        name = _KEYS.get(key.lower())
        if name is not None:
            made.setdefault(name, value)
    for name in _TEXTS:
        value = made.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            made[name] = f"{value:012}" if name in ("recipientAccountId", "account") else str(value)
        elif not isinstance(value, str):
            made.pop(name, None)
    if not isinstance(made.get("readOnly"), bool):
        said = str(made.pop("readOnly", "")).lower()
        made |= {"readOnly": said == "true"} if said in ("true", "false") else {}
    if not isinstance(made.get("sessionCredentialFromConsole"), str | bool):
        made.pop("sessionCredentialFromConsole", None)
    at = _moment(made.pop("eventTime", None))
    return made | ({"eventTime": at} if at is not None else {})


def _moment(value: Any) -> datetime | None:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def _unpacked(data: bytes) -> bytes | str:
    """gzip's contents (all members), or why there are none. Never makes more than ``FILE_MOST`` bytes."""
    made: list[bytes] = []
    left, size = data, 0
    try:
        while left[:2] == b"\x1f\x8b":
            unpacker = zlib.decompressobj(wbits=31)
            part = unpacker.decompress(left, FILE_MOST + 1 - size)
            size += len(part)
            made.append(part)
            if size > FILE_MOST:
                return f"is more than {FILE_MOST} bytes when unpacked"
            if not unpacker.eof:
                return "is gzip that ends in the middle"
            left = unpacker.unused_data
    except zlib.error as error:
        return f"is not gzip, though it begins like it: {error}"
    return b"".join(made)
