"""Alertmanager: judged by the schema of its API, and by the real program where it is installed."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.console.notify.address import Guard
from doorward.console.notify.alertmanager import Alertmanager, payload
from doorward.console.notify.http import Poster
from doorward.console.notify.notice import SEVERITIES, STATUSES, Link
from doorward.console.notify.outcome import NotDelivered
from tests.console.notify.servers import T0, notice, receiver

NEAR = Poster(Guard(allow_private=True))
HOLD = timedelta(hours=24)
PROGRAM = next((p for p in map(shutil.which, ("prometheus-alertmanager", "alertmanager")) if p), None)


def judge(alerts: list[dict[str, Any]]) -> None:
    """``postableAlerts`` of api/v2/openapi.yaml, and the names that the data model of Prometheus admits."""
    assert alerts
    for alert in alerts:
        assert set(alert) <= {"labels", "annotations", "startsAt", "endsAt", "generatorURL"}
        assert alert["labels"]["alertname"]
        for name, value in [*alert["labels"].items(), *alert.get("annotations", {}).items()]:
            assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name)
            assert isinstance(value, str)
            assert value
        starts, ends = (datetime.fromisoformat(alert[key]) for key in ("startsAt", "endsAt"))
        assert starts <= ends


@given(
    st.sampled_from(STATUSES), st.sampled_from(SEVERITIES), st.integers(0, 9), st.text(max_size=80),
    st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=4),
)  # fmt: skip
def test_any_notice_is_a_valid_alert(
    status: Any, severity: Any, sequence: int, title: str, labels: dict[str, str]
) -> None:
    """Whatever a notice holds, its alerts fit the API's schema; and no label takes the place of an own one."""
    made = notice(status=status, severity=severity, sequence=sequence, title=title, labels=labels)
    alerts = json.loads(json.dumps(payload(made, T0, HOLD)))
    judge(alerts)
    assert ("4b1f0c99", severity) == (alerts[0]["labels"]["fingerprint"], alerts[0]["labels"]["severity"])


def test_labels_are_the_same_from_word_to_word() -> None:
    """Title, text, status and broken contracts may change: the identity does not."""
    first = payload(notice(), T0, HOLD)[0]["labels"]
    later = notice(status="updated", sequence=3, title="other", text="other", broken=(), at=T0 + timedelta(hours=1))
    assert first == payload(later, T0 + timedelta(hours=1), HOLD)[0]["labels"]
    assert (
        first == payload(notice(status="resolved", sequence=4, ends=True), T0 + timedelta(hours=2), HOLD)[0]["labels"]
    )


def test_it_fires_far_ahead_and_ends_when_it_is_over() -> None:
    """endsAt lies ahead while it fires, else Alertmanager would end it after resolve_timeout; in the end it is past."""
    firing = payload(notice(), T0, HOLD)[0]
    assert "2026-11-23T10:30:00.000Z" == firing["endsAt"]
    later = T0 + timedelta(hours=1)
    assert (
        "2026-11-22T10:35:00.000Z"
        == payload(notice(status="resolved", sequence=1, ends=True), later, HOLD)[0]["endsAt"]
    )


def test_every_member_is_told_and_one_is_enough() -> None:
    """Each member of a cluster gets the alert; with one down it is delivered, and the other is named."""
    with receiver() as one, receiver((500, {}, b"boom")) as two:
        route = Alertmanager("am", (one.url, two.url + "/base/"), NEAR)
        told = route.send(notice())
        assert ("1 of 2", True) == (told.receipt, "HTTP 500" in told.note)
        assert ["/api/v2/alerts", "/base/api/v2/alerts"] == [one.got[0].path, two.got[0].path]
        assert one.got[0].body == two.got[0].body
        judge(json.loads(one.got[0].body))


def test_all_members_refusing_is_a_failure() -> None:
    """400 is for good, 500 is passing; with both it is passing."""
    with receiver((400, {}, b'"bad label"')) as bad, receiver((503, {"Retry-After": "7"}, b"")) as busy:
        with pytest.raises(NotDelivered, match="bad label") as caught:
            Alertmanager("am", (bad.url,), NEAR).send(notice())
        assert not caught.value.passing
        with pytest.raises(NotDelivered) as caught:
            Alertmanager("am", (bad.url, busy.url), NEAR).send(notice())
        assert (True, 7.0) == (caught.value.passing, caught.value.after)


class Served:
    """A real Alertmanager."""

    def __init__(self, url: str) -> None:
        self.url = url

    def alerts(self, fingerprint: str = "") -> list[Any]:
        """What it holds as firing."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as answer:  # noqa: S310 - our own
            found: list[Any] = json.load(answer)
            return [alert for alert in found if alert["labels"]["fingerprint"].startswith(fingerprint)]

    def within(self, seconds: float, expected: int) -> list[Any]:
        """Its alerts, once there are so many."""
        end = time.monotonic() + seconds
        while len(found := self.alerts("4b1f0c99")) != expected and time.monotonic() < end:
            time.sleep(0.1)
        return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The program on a port of its own, ended afterwards."""
    if PROGRAM is None:
        pytest.skip("prometheus-alertmanager is not installed")
    folder = Path(tmp_path_factory.mktemp("am"))
    config = folder / "am.yml"
    config.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [PROGRAM, f"--config.file={config}", f"--storage.path={folder}", f"--web.listen-address=127.0.0.1:{port}",
         "--cluster.listen-address="], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    found = Served(f"http://127.0.0.1:{port}")
    try:
        end = time.monotonic() + 30
        while True:
            try:
                found.alerts()
                break
            except OSError:
                if time.monotonic() > end or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield found
    finally:
        process.terminate()
        process.wait(10)


def test_the_real_alertmanager_takes_all_words(served: Served) -> None:
    """Firing, told again, worse, and resolved: at every moment at most one alert, and none in the end."""
    now = datetime.now(UTC)
    route = Alertmanager("am", (served.url,), NEAR)
    odd = {"change set": "tf-7", "9": "é", "owner": "x", "severity": "low"}
    route.send(notice(severity="high", labels=odd, at=now))
    (alert,) = served.within(5, 1)
    assert ("high", "active") == (alert["labels"]["severity"], alert["status"]["state"])
    assert ("tf-7", "é", "x", "team-identity") == tuple(
        alert["labels"][name] for name in ("change_set", "_9", "x_owner", "owner")
    )
    assert "https://wiki.example.com/a?b=1&c=<2>" == alert["generatorURL"]
    route.send(notice(severity="high", labels=odd, at=now))
    assert 1 == len(served.within(2, 1))
    route.send(notice(severity="critical", status="updated", sequence=1, labels=odd, at=now))
    (alert,) = served.within(5, 1)
    assert "critical" == alert["labels"]["severity"]
    assert datetime.fromisoformat(alert["endsAt"]) > now + timedelta(hours=23)
    route.send(notice(severity="critical", status="resolved", sequence=2, labels=odd, ends=True, at=now))
    assert [] == served.within(5, 0)
    route.send(notice(severity="critical", status="firing", sequence=3, labels=odd, at=now))
    assert 1 == len(served.within(5, 1))
    route.send(notice(severity="low", status="resolved", sequence=4, labels=odd, ends=True, at=now))
    assert [] == served.within(5, 0)


ODD_LINKS = ["https://a.example/%zz", "https://a.example:x/", "javascript:alert(1)", "https://", "https://a b/", "é",
             "", "https://[::1/", "https://a.example/%20?<>", "//a", "https://a.example/{}|^`",
             "https://%41.example/"]  # fmt: skip


@pytest.mark.parametrize("url", ODD_LINKS)
def test_an_odd_link_costs_no_alert(served: Served, url: str) -> None:
    """The real program refuses an alert whose link is no URI; so such a link is left out, and the alert gets in."""
    made = notice(fingerprint=f"odd {url}", links=(Link("odd", url),), at=datetime.now(UTC))
    Alertmanager("am", (served.url,), NEAR).send(made)
    assert f"odd {url}".strip() in {alert["labels"]["fingerprint"] for alert in served.alerts()}
