"""Limits, retries and the table: pure, so scripts of values."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.console.notify.limit import Bucket, Limit, admit, due, flush
from doorward.console.notify.notice import SEVERITIES
from doorward.console.notify.retry import Retry, superseded
from doorward.console.notify.table import Rule, Table
from tests.console.notify.servers import T0, notice

LIMIT = Limit(per_hour=6, burst=2, every=timedelta(minutes=10), most=5)
STEP = st.tuples(
    st.integers(0, 5),
    st.sampled_from(["firing", "updated", "acknowledged", "resolved"]),
    st.booleans(),
    st.integers(0, 400),
)


@given(st.lists(STEP, max_size=60))
def test_nothing_is_dropped_and_nothing_broken_waits(steps: list[tuple[int, Any, bool, int]]) -> None:
    """Any history: a notice with a broken contract goes at once; every other one goes at once or its fingerprint's
    newest word is in a digest, at the latest `every` after it began to wait."""
    bucket, now = Bucket.full(LIMIT, T0), T0
    waiting: dict[str, Any] = {}
    since = None
    free = 0
    for sequence, (name, status, broken, seconds) in enumerate(steps):
        now += timedelta(seconds=seconds)
        bucket, digest = flush(bucket, LIMIT, "chat", now)
        if digest is not None:
            assert len(waiting) == len(digest.text.splitlines())
            for held in waiting.values():
                assert f"{held.severity} · {held.status} · {held.title}" in digest.text
            waiting, since = {}, None
        assert since is None or now - since < LIMIT.every
        made = notice(fingerprint=f"f{name}", status=status, sequence=sequence, severity="low", title=f"t{sequence}",
                      broken=("c",) if broken else (), at=now)  # fmt: skip
        bucket, sent = admit(bucket, LIMIT, made, now)
        assert sent or not broken
        if sent:
            waiting.pop(made.fingerprint, None)
            since = since if waiting else None
            free += not broken and status in ("firing", "updated")
        else:
            waiting[made.fingerprint] = made
            since = since or now
        assert [one.notice for one in bucket.waiting] == list(waiting.values())
    assert free <= LIMIT.burst + (now - T0).total_seconds() / 3600 * LIMIT.per_hour + 1e-6


def test_the_end_of_what_was_sent_is_sent() -> None:
    """An alert that the route has heard of is acknowledged and ended at once, however many others wait."""
    bucket, sent = admit(Bucket.full(LIMIT, T0), LIMIT, notice(broken=(), fingerprint="a"), T0)
    assert sent
    for number in range(4):
        bucket, _ = admit(bucket, LIMIT, notice(broken=(), fingerprint=f"b{number}"), T0)
    bucket, sent = admit(bucket, LIMIT, notice(broken=(), fingerprint="a", status="updated", sequence=1), T0)
    assert not sent
    bucket, sent = admit(bucket, LIMIT, notice(broken=(), fingerprint="a", status="resolved", sequence=2), T0)
    assert sent
    assert "a" not in {one.notice.fingerprint for one in bucket.waiting}
    bucket, sent = admit(bucket, LIMIT, notice(broken=(), fingerprint="b3", status="resolved", sequence=1), T0)
    assert not sent


def test_the_first_that_waits_sets_the_time() -> None:
    """Others that begin to wait later do not put the digest off."""
    bucket = Bucket(0, T0)
    for minutes in (0, 5, 9):
        made = notice(broken=(), fingerprint=f"f{minutes}")
        bucket, _ = admit(bucket, Limit(per_hour=0.1), made, T0 + timedelta(minutes=minutes))
    assert T0 + timedelta(minutes=10) == due(bucket, Limit())
    assert flush(bucket, Limit(), "chat", T0 + timedelta(minutes=10))[1] is not None


def test_a_full_digest_comes_early_and_names_the_worst() -> None:
    """When as many wait as fit, the digest is due at once; its severity is the worst, its fingerprint the route's."""
    bucket = Bucket(0, T0)
    assert due(bucket, LIMIT) is None
    for number in range(5):
        made = notice(broken=(), fingerprint=f"f{number}", severity="medium" if number == 3 else "low")
        bucket, _ = admit(bucket, LIMIT, made, T0)
    assert T0 == due(bucket, LIMIT)
    bucket, digest = flush(bucket, LIMIT, "chat", T0)
    assert digest is not None
    assert ("medium", "digest/chat", 5) == (digest.severity, digest.fingerprint, len(digest.text.splitlines()))
    assert (bucket, True) == admit(bucket, LIMIT, digest, T0)
    bucket, _ = admit(bucket, LIMIT, notice(broken=()), T0)
    bucket, second = flush(bucket, LIMIT, "chat", T0 + timedelta(hours=1))
    assert second is not None
    assert second.id != digest.id


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, 1e9))
def test_waits_are_bounded_and_obey(number: int, chance: float, after: float | None) -> None:
    """Full jitter below the ceiling; never earlier than Retry-After (up to `obey`); then it is given up."""
    retry = Retry()
    wait = retry.wait(number, chance, after)
    if number >= retry.attempts:
        assert wait is None
        return
    assert wait is not None
    least = min(after or 0.0, retry.obey)
    assert least <= wait <= least + min(retry.longest, retry.base * 2 ** (number - 1))


def test_backoff_doubles_to_its_ceiling() -> None:
    """2, 4, 8 … seconds, at most five minutes; the same input, the same wait."""
    retry = Retry()
    assert [2, 4, 8, 16, 300, 300] == [retry.ceiling(number) for number in (1, 2, 3, 4, 9, 69)]
    assert (1.0, 0.0, 7 + 1.0) == (retry.wait(1, 0.5), retry.wait(5, 0), retry.wait(1, 0.5, 7))
    expected = sum(retry.ceiling(number) / 2 for number in range(1, retry.attempts))
    assert 2 * 3600 < expected < 3 * 3600


def test_an_overtaken_word_is_superseded() -> None:
    """A late "firing" after "resolved" must not open an incident; a retry of the newest is not superseded."""
    assert superseded(notice(sequence=1), 2)
    assert not superseded(notice(sequence=2), 2)


def test_the_first_rule_that_fits_decides() -> None:
    """In order; ``go_on`` adds; the rest goes to ``otherwise``."""
    table = Table(("mail",), (
        Rule(("audit",), accounts=("1111*",), go_on=True),
        Rule(("pager", "chat"), at_least="high", broken=True),
        Rule(("chat",), owners=("team-*",), severities=("low",)),
    ))  # fmt: skip
    assert ("audit", "pager", "chat") == table.routes(notice())
    assert ("audit", "chat") == table.routes(notice(severity="low"))
    assert ("audit",) == table.routes(notice(severity="low", owner="x"))
    assert ("audit",) == table.routes(notice(broken=()))
    assert ("mail",) == Table(("mail",), table.rules[1:]).routes(notice(severity="low", owner="x"))


def test_a_route_hears_the_whole_story() -> None:
    """A route that was told stays in the story when other rules fit by now; but a new story is new."""
    table = Table(("mail",), (Rule(("pager",), at_least="high"),))
    low = notice(severity="low", status="resolved", sequence=2)
    assert ("pager", "mail") == table.routes(low, ("pager",))
    assert ("mail",) == table.routes(notice(severity="low"), ("pager",))


@given(st.sampled_from(SEVERITIES), st.booleans(), st.text(max_size=5))
def test_nothing_goes_nowhere(severity: Any, broken: bool, owner: str) -> None:
    """Every notice has a route, whatever the rules are."""
    table = Table(("mail",), (Rule(("a",), at_least="critical", owners=("x",)), Rule(("b",), contracts=("z",))))
    assert table.routes(notice(severity=severity, broken=("c",) if broken else (), owner=owner))


@pytest.mark.parametrize(("pattern", "fits"), [("people-*", True), ("*", True), ("People-*", False), ("other", False)])
def test_contracts_are_matched_by_pattern(pattern: str, fits: bool) -> None:
    """By any of the broken contracts; case counts."""
    assert fits is Rule(("a",), contracts=(pattern,)).fits(notice())
    assert not Rule(("a",), contracts=("*",)).fits(notice(broken=()))
