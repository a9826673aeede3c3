"""CloudTrail's event history against a port that behaves like it."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from doorward.errors import CloudError, InvalidInput
from doorward.model.change import Change, UnreadableRecord
from doorward.readers.cloudtrail import gaps
from doorward.readers.cloudtrail.gaps import Pace, look_up
from tests.readers.cloudtrail.given import GROUP, LEARNED, record

SINCE = LEARNED - timedelta(minutes=10)


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FakeHistory:
    """Pages of events, with the times of the calls; errors come first."""

    def __init__(self, clock: Clock, events: list[Any], errors: list[Exception] | None = None) -> None:
        self.clock, self.events, self.errors = clock, events, errors or []
        self.calls: list[tuple[float, dict[str, Any]]] = []

    def lookup_events(self, **arguments: Any) -> dict[str, Any]:
        self.calls.append((self.clock.now, dict(arguments)))
        if self.errors:
            raise self.errors.pop(0)
        first = int(arguments.get("NextToken", 0))
        end = first + arguments["MaxResults"]
        more = {"NextToken": str(end)} if end < len(self.events) else {}
        return {"Events": self.events[first:end]} | more


def event(number: int) -> dict[str, Any]:
    """An element of a page."""
    made = record("DeleteSecurityGroup", {"groupId": GROUP}, {"_return": True}, eventID=f"event-{number}")
    return {"EventId": f"event-{number}", "CloudTrailEvent": json.dumps(made)}


def pace(clock: Clock) -> Pace:
    """Two calls a second of this clock."""
    return Pace(clock=clock.read, sleep=clock.sleep)


def test_all_pages_come_at_two_calls_a_second() -> None:
    """Every event of the gap is read once, page by page, and no second has more than two calls."""
    clock = Clock()
    history = FakeHistory(clock, [event(number) for number in range(230)])
    found = list(look_up(history, SINCE, LEARNED, LEARNED, pace=pace(clock)))
    assert [f"event-{number}" for number in range(230)] == [one.id for one in found if isinstance(one, Change)]
    times = [at for at, _ in history.calls]
    assert 5 == len(times)
    assert all(later - earlier >= 0.5 for earlier, later in itertools.pairwise(times))
    first = history.calls[0][1]
    assert (SINCE, LEARNED) == (first["StartTime"], first["EndTime"])
    assert [{"AttributeKey": "ReadOnly", "AttributeValue": "false"}] == first["LookupAttributes"]


def test_throttling_is_waited_out() -> None:
    """Refusals that pass are followed by longer and longer pauses, and lose nothing."""
    throttled = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "LookupEvents")
    clock = Clock()
    history = FakeHistory(clock, [event(1)], [throttled, EndpointConnectionError(endpoint_url="x"), throttled])
    assert 1 == len(list(look_up(history, SINCE, LEARNED, LEARNED, pace=pace(clock))))
    times = [at for at, _ in history.calls]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert sorted(pauses) == pauses and pauses[0] >= 0.5


def test_what_fails_for_good_is_raised() -> None:
    """Missing rights at once, throttling after the last attempt."""
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "LookupEvents")
    throttled = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "LookupEvents")
    for error, calls in ((denied, 1), (throttled, gaps.ATTEMPTS)):
        clock = Clock()
        history = FakeHistory(clock, [], [error] * 20)
        with pytest.raises(CloudError, match="could not look up"):
            list(look_up(history, SINCE, LEARNED, LEARNED, pace=pace(clock)))
        assert calls == len(history.calls)


def test_a_strange_event_is_a_value() -> None:
    """An event without its record, or with one that cannot be read, is unreadable and stops nothing."""
    clock = Clock()
    history = FakeHistory(clock, [{"EventId": "x"}, {"CloudTrailEvent": "{"}, event(3)])
    found = list(look_up(history, SINCE, LEARNED, LEARNED, pace=pace(clock)))
    assert [UnreadableRecord, UnreadableRecord, Change] == [type(one) for one in found]


def test_too_many_pages_are_not_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap with more events than can be fetched is an error, never taken for all there is."""
    monkeypatch.setattr(gaps, "PAGES_MOST", 2)
    clock = Clock()
    history = FakeHistory(clock, [event(number) for number in range(200)])
    with pytest.raises(CloudError, match="more than 2 pages"):
        list(look_up(history, SINCE, LEARNED, LEARNED, pace=pace(clock)))


def test_a_time_that_is_none_is_refused() -> None:
    """A gap that ends before it begins, or is older than the history."""
    history = FakeHistory(Clock(), [])
    for since, until in ((LEARNED, SINCE), (LEARNED - timedelta(days=91), LEARNED)):
        with pytest.raises(InvalidInput):
            list(look_up(history, since, until, LEARNED))
    assert [] == history.calls
