"""Who made a call: ``userIdentity`` -> ``Who``.

Source: CloudTrail User Guide, "CloudTrail userIdentity element". For a role's session the role is who did it (its
issuer's ARN) and the session's name says which session; the ARN of the session itself changes with every session.
"""

from __future__ import annotations

from typing import Any

import msgspec

from doorward.model.change import Who

_CACHED = 4096
_CACHED_UP_TO = 4096
_KEPT = 512
"""Characters kept of what the caller may choose (user agent, session name)."""
_seen: dict[tuple[bytes, str, str, bool], Who] = {}
_decode = msgspec.json.Decoder().decode


def read_who(identity: bytes, address: str, agent: str, console: bool) -> Who:
    """Who is described by the JSON of a ``userIdentity``; a missing or strange one is ``Unknown``, never an error.

    Equal identities are one object: a session makes many calls.
    """
    key = identity, address, agent, console
    found = _seen.get(key)
    if found is None:
        found = _read(identity, address, agent, console)
        if len(identity) <= _CACHED_UP_TO:
            if len(_seen) >= _CACHED:
                _seen.clear()
            _seen[key] = found
    return found


def account_of(identity: bytes) -> str:
    """The account of an identity, or the empty string."""
    return _text(_lowered(identity), "accountid")


def _read(identity: bytes, address: str, agent: str, console: bool) -> Who:
    told = _lowered(identity)
    context = _part(told, "sessioncontext")
    issuer = _part(context, "sessionissuer")
    kind = _text(told, "type") or "Unknown"
    own, principal = _text(told, "arn"), _text(told, "principalid")
    service = _text(told, "invokedby")
    session = ""
    if kind in ("AssumedRole", "FederatedUser") or issuer:
        session = own.rpartition("/")[2] if "/" in own else principal.partition(":")[2]
    arn = _text(issuer, "arn") or own
    if kind == "AssumedRole" and not issuer and ":assumed-role/" in own:
        # Without an issuer the role's path is not told: the name alone, as IAM writes it without a path.
        front, _, rest = own.partition(":assumed-role/")
        arn = f"{front.replace(':sts:', ':iam:')}:role/{rest.partition('/')[0]}"
    arn = arn or (service if kind in ("AWSService", "Unknown") else "") or principal or _text(told, "username")
    return Who(
        arn or _text(told, "accountid"), kind, session[:_KEPT],
        _text(context, "sourceidentity") or _text(told, "sourceidentity"), service, _text(told, "accesskeyid"),
        address[:_KEPT], agent[:_KEPT], console,
    )  # fmt: skip


def _lowered(identity: bytes) -> dict[str, Any]:
    try:
        told = _decode(identity)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return {}
    return {key.lower(): value for key, value in told.items()} if isinstance(told, dict) else {}


def _part(told: dict[str, Any], name: str) -> dict[str, Any]:
    part = told.get(name)
    return {key.lower(): value for key, value in part.items()} if isinstance(part, dict) else {}


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    if isinstance(value, str):
        return value[:2048]
    if name == "accountid" and isinstance(value, int) and 0 <= value < 10**12:
        return f"{value:012}"
    return ""
