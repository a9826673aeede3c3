"""Limits that protect people from floods and never hide a broken contract. Pure: the time is given.

Each route has a bucket of tokens. A notice takes one; without one it waits for the route's next digest, which tells all
that waited in one message. Three things never wait and take no token: a notice with a broken contract, the
acknowledgement and end of an alert that was sent, and a digest.
Nothing is dropped: a digest that would be too long comes early.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from doorward.console.notify.notice import SEVERITIES, Notice, one_line, shorten

DIGEST = "digest/"
"""Fingerprints of digests begin with it."""


@dataclass(frozen=True, slots=True)
class Limit:
    """``burst`` notices at once, ``per_hour`` in the long run; what is over comes in a digest every ``every``, or as
    soon as ``most`` wait."""

    per_hour: float = 30.0
    burst: int = 10
    every: timedelta = timedelta(minutes=10)
    most: int = 100


class Waiting(NamedTuple):
    """The newest word on a fingerprint; ``open`` = the route has been told that it fires."""

    notice: Notice
    open: bool


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is remembered of a route: tokens at a moment, what waits (oldest fingerprint first), since when, and how
    many digests there were. A plain value: the daemon keeps it."""

    tokens: float
    at: datetime
    waiting: tuple[Waiting, ...] = ()
    since: datetime | None = None
    digests: int = 0

    @classmethod
    def full(cls, limit: Limit, now: datetime) -> Bucket:
        """A fresh one."""
        return cls(float(limit.burst), now)


def admit(bucket: Bucket, limit: Limit, notice: Notice, now: datetime) -> tuple[Bucket, bool]:
    """The bucket afterwards, and whether the notice is sent at once (else it waits in the bucket)."""
    bucket = _refilled(bucket, limit, now)
    held = next((one for one in bucket.waiting if one.notice.fingerprint == notice.fingerprint), None)
    ends = notice.status in ("acknowledged", "resolved")
    if notice.broken or notice.fingerprint.startswith(DIGEST) or (ends and (held is None or held.open)):
        return _without(bucket, notice.fingerprint), True
    if held is not None:
        swapped = tuple(one._replace(notice=notice) if one is held else one for one in bucket.waiting)
        return replace(bucket, waiting=swapped), False
    if bucket.tokens >= 1:
        return replace(bucket, tokens=bucket.tokens - 1), True
    one = Waiting(notice, open=notice.status != "firing")
    return replace(bucket, waiting=(*bucket.waiting, one), since=bucket.since or now), False


def due(bucket: Bucket, limit: Limit) -> datetime | None:
    """When the next digest is to be sent; None while nothing waits."""
    if bucket.since is None:
        return None
    return bucket.since if len(bucket.waiting) >= limit.most else bucket.since + limit.every


def flush(bucket: Bucket, limit: Limit, route: str, now: datetime) -> tuple[Bucket, Notice | None]:
    """The emptied bucket and the digest, when it is due; else the same bucket and None."""
    moment = due(bucket, limit)
    if moment is None or moment > now:
        return bucket, None
    number = bucket.digests
    return replace(bucket, waiting=(), since=None, digests=number + 1), (
        digest([one.notice for one in bucket.waiting], route, number, now, limit)
    )


def digest(waiting: Iterable[Notice], route: str, number: int, now: datetime, limit: Limit) -> Notice:
    """One notice that tells many: the worst severity, a line each, the newest state of each.

    Its fingerprint is the route's, so an incident system has at most one incident of digests open.
    """
    notices = sorted(waiting, key=lambda notice: (SEVERITIES.index(notice.severity), notice.starts, notice.fingerprint))
    worst = notices[0].severity
    lines = [
        f"{notice.severity} · {notice.status} · {shorten(one_line(notice.title), 160)} · {notice.place}"
        for notice in notices
    ]
    title = f"{len(notices)} more alerts, none with a broken contract"
    text = "\n".join(lines)
    return Notice(
        fingerprint=f"{DIGEST}{route}", sequence=number, status="firing", severity=worst, title=title, text=text,
        markdown="\n".join(f"- {line}" for line in lines), at=now, starts=min(notice.starts for notice in notices),
        ends=now + limit.every, labels=(("kind", "digest"),),
    )  # fmt: skip


def _refilled(bucket: Bucket, limit: Limit, now: datetime) -> Bucket:
    hours = max(0.0, (now - bucket.at).total_seconds()) / 3600
    tokens = min(float(limit.burst), bucket.tokens + hours * limit.per_hour)
    return replace(bucket, tokens=tokens, at=max(now, bucket.at))


def _without(bucket: Bucket, fingerprint: str) -> Bucket:
    held = tuple(one for one in bucket.waiting if one.notice.fingerprint != fingerprint)
    return replace(bucket, waiting=held, since=bucket.since if held else None)
