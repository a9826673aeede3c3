"""What was not delivered, fetched: CloudTrail's own event history, by LookupEvents, for the time of a gap.

For gaps of minutes after an outage of the queue or the rule, not for watching: the call is limited to two a second for
each account and region, and the history comes late, by minutes. What does not live here: finding gaps (``duty``),
duplicates of what came meanwhile (the ledger knows event ids). Source: CloudTrail API Reference, *LookupEvents*.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Protocol

from doorward.errors import CloudError, InvalidInput
from doorward.readers.cloudtrail import KNOWS_NOTHING, Lookup, Read, read
from doorward.readers.cloudtrail.wire import unreadable

PER_SECOND = 2
"""Calls a second at most (CloudTrail User Guide, "Quotas in AWS CloudTrail"; the same source for the next)."""
OLDEST = timedelta(days=90)
"""How far the history goes back."""
PAGE = 50
PAGES_MOST = 2_000
"""Pages of one gap: 100,000 events, about a quarter of an hour of calls."""
ATTEMPTS = 6
_THROTTLED = ("Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException")


class History(Protocol):
    """boto3's client of CloudTrail, as far as it is needed."""

    def lookup_events(self, **arguments: Any) -> dict[str, Any]:
        """One page of events, newest first."""


class Pace:
    """At most so many calls a second, whoever makes them; share one for each account and region."""

    def __init__(
        self,
        per_second: float = PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.between = 1 / per_second
        self._clock, self._sleep = clock, sleep
        self._next = clock()

    def wait(self, more: float = 0) -> None:
        """Wait until the next call may be made, ``more`` seconds longer after a refusal."""
        now = self._clock()
        start = max(now, self._next) + more
        self._next = start + self.between
        if start > now:
            self._sleep(start - now)


def look_up(
    history: History,
    since: datetime,
    until: datetime,
    learned: datetime,
    lookup: Lookup = KNOWS_NOTHING,
    pace: Pace | None = None,
) -> Iterator[Read]:
    """All changes that the history has of a time (both ends included), newest first, as it tells them.

    Calls that only read are left out. Raises ``CloudError`` when a page cannot be fetched, or there are more than
    ``PAGES_MOST``: what came until then is not all. Raises ``InvalidInput`` for a time that is none or too long ago.
    """
    if since > until:
        raise InvalidInput(f"the gap begins at {since:%F %T} and ends before, at {until:%F %T}")
    if learned - since > OLDEST:
        raise InvalidInput(
            f"the gap begins at {since:%F %T}; CloudTrail's event history goes back {OLDEST.days} days",
            hint="read the log files of the trail's bucket, or take a snapshot",
        )
    pace = pace or Pace()
    asked: dict[str, Any] = {
        "StartTime": since,
        "EndTime": until,
        "MaxResults": PAGE,
        "LookupAttributes": [{"AttributeKey": "ReadOnly", "AttributeValue": "false"}],
    }
    for _ in range(PAGES_MOST):
        page = _page(history, asked, pace)
        for event in page.get("Events", ()):
            told = event.get("CloudTrailEvent")
            if isinstance(told, str):
                yield read(told, learned, lookup)
            else:
                id = str(event.get("EventId", ""))[:64]
                yield unreadable(f"event {id} of the history has no CloudTrailEvent", id.encode(), learned)
        token = page.get("NextToken")
        if not token:
            return
        asked["NextToken"] = token
    raise CloudError(
        f"the event history has more than {PAGES_MOST} pages between {since:%F %T} and {until:%F %T}",
        hint="take a snapshot: that is quicker than so many events",
    )


def _page(history: History, asked: dict[str, Any], pace: Pace) -> dict[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

    for attempt in range(ATTEMPTS):
        pace.wait(more=0 if attempt == 0 else min(30.0, 0.5 * 2**attempt))
        last = attempt == ATTEMPTS - 1
        try:
            return history.lookup_events(**asked)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            if last or not (code in _THROTTLED or status >= 500):
                raise CloudError(
                    f"could not look up events: {error}", hint="the role needs cloudtrail:LookupEvents"
                ) from error
        except (HTTPClientError, ConnectionError) as error:
            if last:
                raise CloudError(f"could not look up events: {error}", hint="check the network") from error
        except BotoCoreError as error:
            raise CloudError(f"could not look up events: {error}", hint="check the credentials") from error
    raise AssertionError("the last attempt returns or raises")
