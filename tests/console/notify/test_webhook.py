"""Signed webhooks: the signature, and what a receiver does with it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.console.notify.address import Guard
from doorward.console.notify.http import Poster
from doorward.console.notify.outcome import NotDelivered
from doorward.console.notify.secret import Secret
from doorward.console.notify.signature import BadSignature, Seen, Verified, headers, sign, verify
from doorward.console.notify.webhook import Webhook
from doorward.errors import InvalidInput
from tests.console.notify.servers import T0, notice, receiver

NEAR = Poster(Guard(allow_private=True))
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'


def test_the_published_vector() -> None:
    """The example that libraries of Standard Webhooks test themselves with."""
    made = sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, BODY)
    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == made


@given(st.binary(max_size=200), st.text("0123456789abcdef", min_size=1, max_size=32), st.integers(-300, 300))
def test_what_was_signed_is_verified(body: bytes, id: str, skew: int) -> None:
    """Round trip, within the window, with any of the receiver's secrets."""
    made = headers([SECRET], id, T0, body)
    assert id == verify(made, body, ["another-secret-of-ours", SECRET], T0 + timedelta(seconds=skew)).id


@given(st.binary(max_size=60), st.data())
def test_any_changed_bit_is_found(body: bytes, data: st.DataObject) -> None:
    """One flipped bit of id, time, body or signature, and the request is refused."""
    made = headers([SECRET], "msg1", T0, body)
    name = data.draw(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "body"]))
    raw = bytearray(body if name == "body" else made[name].encode())
    if not raw:
        raw = bytearray(b"x")
    else:
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place] ^= 1 << data.draw(st.integers(0, 6))
    changed = dict(made)
    if name != "body":
        changed[name] = raw.decode("latin-1")
        if name == "webhook-signature" and base64_equal(made[name], changed[name]):
            return
    with pytest.raises(BadSignature):
        verify(changed, bytes(raw) if name == "body" else body, [SECRET], T0)


def base64_equal(one: str, two: str) -> bool:
    """Whether two signatures are the same text."""
    return one == two


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
def test_an_old_request_is_refused(seconds: int) -> None:
    """A recorded request is worth nothing after the window; nor one from the future."""
    with pytest.raises(BadSignature, match="away"):
        verify(headers([SECRET], "a", T0, BODY), BODY, [SECRET], T0 + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "given", [{}, {"webhook-id": "a"}, {"webhook-id": "a", "webhook-timestamp": "1e9"},
              {"webhook-id": "a" * 500, "webhook-timestamp": "1"}, {"webhook-id": "a", "webhook-timestamp": "9" * 400},
              {"webhook-id": "ä", "webhook-timestamp": "1", "webhook-signature": "v1,ä"}],
)  # fmt: skip
def test_missing_and_odd_headers_are_refused(given: dict[str, str]) -> None:
    """Whatever the headers are, it is refused and nothing else."""
    with pytest.raises(BadSignature):
        verify(given, BODY, [SECRET], T0)


def test_header_names_in_any_case_and_two_keys() -> None:
    """Names are case-insensitive; while a key is changed, both sign, and either receiver verifies."""
    made = {name.title(): value for name, value in headers([SECRET, "the-older-secret-0"], "a", T0, BODY).items()}
    for secret in (SECRET, "the-older-secret-0"):
        assert Verified("a", int(T0.timestamp())) == verify(made, BODY, [secret], T0)


def test_the_second_copy_is_known() -> None:
    """Within the window, `Seen` tells a copy; its memory is bounded and refuses rather than doubles."""
    seen = Seen(most=2)
    one, two, three = (Verified(id, 0) for id in "abc")
    assert [True, False, True, False] == [seen.first(item, T0) for item in (one, one, two, three)]
    assert seen.first(three, T0 + timedelta(seconds=601))


@pytest.mark.parametrize("secret", ["short", "whsec_%%%", "whsec_c2hvcnQ="])
def test_weak_or_broken_secrets_are_refused_unseen(secret: str) -> None:
    """Too short or not base64: refused, and not repeated."""
    with pytest.raises(InvalidInput) as caught:
        sign(secret, "a", 1, b"")
    assert secret.removeprefix("whsec_") not in str(caught.value)


def test_a_route_sends_what_a_receiver_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a real connection: verified, complete, and with the same id at each try."""
    monkeypatch.setenv("HOOK", SECRET)
    monkeypatch.setenv("OLD", base64.b64encode(b"1" * 20).decode())
    with receiver((202, {}, b"")) as server:
        route = Webhook("hook", server.url + "/alerts?k=v", Secret("env:HOOK"), Secret("env:OLD"), NEAR)
        route.check()
        for _ in range(2):
            route.send(notice(links=()))
    first, second = server.got
    found = verify(first.headers, first.body, [SECRET], datetime.now(UTC))
    assert (found.id, first.body) == (verify(second.headers, second.body, [SECRET], datetime.now(UTC)).id, second.body)
    assert "/alerts?k=v" == first.path
    value = json.loads(first.body)
    assert (1, "doorward.notice.firing") == (value["version"], value["type"])
    assert {"id", "fingerprint", "sequence", "status", "severity", "title", "text", "markdown", "starts", "ends",
            "account", "region", "owner", "broken", "labels", "links", "revert"} == set(value["data"])  # fmt: skip
    assert found.id == value["data"]["id"]


@pytest.mark.parametrize(("status", "passing"), [(400, False), (401, False), (410, False), (302, False), (408, True),
                                                 (429, True), (500, True), (503, True), (501, False)])  # fmt: skip
def test_failures_for_good_and_passing_ones(status: int, passing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which answers are worth another try."""
    monkeypatch.setenv("HOOK", SECRET)
    with receiver((status, {"Retry-After": "9"}, b"")) as server, pytest.raises(NotDelivered) as caught:
        Webhook("hook", server.url, Secret("env:HOOK"), poster=NEAR).send(notice())
    assert (passing, 9.0) == (caught.value.passing, caught.value.after)
