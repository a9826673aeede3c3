"""What all routes have in common: the promise that each keeps, and how an HTTP answer becomes an outcome.

What does not live here: any one route.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeAlias
from urllib.parse import urlsplit

from doorward.console.notify.http import Answer
from doorward.console.notify.notice import Notice
from doorward.console.notify.outcome import Delivered, NotDelivered
from doorward.console.notify.secret import safe

Clock: TypeAlias = Callable[[], datetime]


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class Route(Protocol):
    """One way to one receiver."""

    @property
    def name(self) -> str:
        """Its name in the settings."""
        ...

    @property
    def resend(self) -> timedelta | None:
        """How often a notice that still fires must be sent again, None for a receiver that remembers by itself."""
        ...

    def send(self, notice: Notice) -> Delivered:
        """Tells the receiver. Sending the same notice again makes no second incident. Raises `NotDelivered`."""
        ...

    def check(self) -> None:
        """Reads what will be needed (secrets, certificates, libraries) without sending. Raises `InvalidInput`."""
        ...


def judge(
    answer: Answer, name: str, secrets: Iterable[str], *, said: str = "", clock: Clock = now
) -> NotDelivered:  # fmt: skip
    """The failure that an answer means; ``said`` is what the receiver tells of it, shown if it repeats no secret."""
    secrets = list(secrets)
    detail = safe(said, secrets) if said.strip() else ""
    hint = None
    if answer.status in (401, 403):
        hint = "check the route's secret and what it may do"
    elif 300 <= answer.status < 400:
        hint = "give the final URL"
    elif answer.status in (404, 410):
        hint = "check the route's URL: the receiver does not know it (any more)"
    return NotDelivered(
        answer.says + (f": {detail}" if detail else ""), passing=answer.passing, after=answer.after(clock()),
        where=name, hint=hint,
    )  # fmt: skip


def encode(value: object) -> bytes:
    """JSON, compact, the same bytes for the same value."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode("utf-8")


def telling(url: str) -> list[str]:
    """The parts of a URL that are as good as a secret: path, query, and each longer segment of them."""
    parts = urlsplit(url)
    rest = parts.path + (f"?{parts.query}" if parts.query else "")
    pieces = [piece for piece in rest.replace("?", "/").replace("&", "/").replace("=", "/").split("/") if piece]
    return [piece for piece in pieces if len(piece) >= 4]
