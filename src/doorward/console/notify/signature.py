"""Signatures of webhooks: made by the sender, verified by receivers; nothing but the standard library.

The scheme is Standard Webhooks (standard-webhooks/standard-webhooks, spec/standard-webhooks.md), so a receiver may take
any of its libraries. Three headers:

    webhook-id         names the message: the same for each retry, so a receiver does it once
    webhook-timestamp  when this try was signed: whole seconds since 1970
    webhook-signature  one or more, separated by spaces: "v1," + base64(HMAC-SHA256(key, "{id}.{timestamp}.{body}"))

The key is what follows ``whsec_`` in base64; a secret without that prefix is taken as it is, in UTF-8. Several
signatures mean that a key is being changed: one that fits is enough.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from doorward.errors import InvalidInput

PREFIX = "whsec_"
WINDOW = 300
"""Seconds that a signature is good for, before and after the receiver's time."""
LEAST = 16
"""Shortest key, in bytes."""


class BadSignature(InvalidInput):
    """A request that was not signed with our key, was changed on the way, is too old, or was seen before."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A genuine message: its id, and when it was signed (seconds since 1970)."""

    id: str
    timestamp: int


def key(secret: str) -> bytes:
    """The key of a secret as it is configured. Raises `InvalidInput`, without the secret."""
    problem = False
    made = b""
    if secret.startswith(PREFIX):
        try:
            made = base64.b64decode(secret[len(PREFIX) :], validate=True)
        except (binascii.Error, ValueError):
            problem = True
    else:
        made = secret.encode("utf-8", "surrogatepass")
    if problem:
        raise InvalidInput("a webhook secret with whsec_ that is not base64", hint="whsec_ and base64 of random bytes")
    if len(made) < LEAST:
        raise InvalidInput(f"a webhook secret of {len(made)} bytes; expected {LEAST} or more",
                           hint="make one from 32 random bytes, in base64")  # fmt: skip
    return made


def sign(secret: str, id: str, timestamp: int, body: bytes) -> str:
    """One signature, as it stands in the header."""
    mac = hmac.new(key(secret), f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


def headers(secrets: Sequence[str], id: str, moment: datetime, body: bytes) -> dict[str, str]:
    """The three headers; one signature a secret."""
    timestamp = int(moment.timestamp())
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(secret, id, timestamp, body) for secret in secrets),
    }


def verify(
    given: Mapping[str, str], body: bytes, secrets: Sequence[str], moment: datetime, *, window: int = WINDOW
) -> Verified:  # fmt: skip
    """For receivers: the message's id and time, or `BadSignature`. ``body`` are the bytes as they came.

    Steps: 1. the headers are there and can be read, 2. the time lies within the window (a recorded request cannot be
    sent again later), 3. one signature fits; each pair is compared in constant time, and all pairs are.
    Within the window, `Seen` refuses the second copy.
    """
    names = {name.lower(): value for name, value in given.items()}
    id, stamp, signatures = (names.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature"))
    if not id or len(id) > 200 or not id.isascii() or not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise BadSignature("the headers webhook-id and webhook-timestamp are missing or cannot be read")
    timestamp = int(stamp)
    if abs(moment.timestamp() - timestamp) > window:
        raise BadSignature(f"signed at {timestamp}, more than {window} s away from the receiver's time",
                           hint="check both clocks; refuse the request")  # fmt: skip
    found = [part.encode("utf-8", "replace") for part in signatures.split(" ")[:16]]
    fits = False
    for secret in secrets:
        expected = sign(secret, id, timestamp, body).encode()
        for signature in found:
            fits |= hmac.compare_digest(expected, signature)
    if not fits:
        raise BadSignature("no signature fits", hint="refuse the request; check that both sides have the same secret")
    return Verified(id, timestamp)


@dataclass(slots=True)
class Seen:
    """Ids within the window, so that a message is done once. In memory: one for each receiving process.

    ``most`` bounds the memory; when it is reached within one window, further messages are refused rather than doubled.
    """

    window: int = WINDOW
    most: int = 100_000
    _ids: dict[str, float] = field(default_factory=dict)

    def first(self, message: Verified, moment: datetime) -> bool:
        """Whether this is the first time; remembers it."""
        now = moment.timestamp()
        while self._ids:
            oldest = next(iter(self._ids))
            if now - self._ids[oldest] <= 2 * self.window:
                break
            del self._ids[oldest]
        if message.id in self._ids or len(self._ids) >= self.most:
            return False
        self._ids[message.id] = now
        return True
