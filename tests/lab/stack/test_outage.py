"""The outage by hand: a rule on the login service's hosts goes, real packets are dropped, users meet what they met."""

from __future__ import annotations

from typing import Any

import pytest

from doorward_lab.kernel import universe
from tests.lab.stack.harness import need


@pytest.fixture(autouse=True)
def kernel() -> None:
    """A universe and all programs, or a skip."""
    need("nginx", "postgres", "prometheus", "prometheus-alertmanager")
    if lacking := universe.check():
        pytest.skip("; ".join(lacking))


def failures(tally: dict[str, dict[str, int]], kind: str) -> dict[str, int]:
    """The outcomes of one kind of act that are failures."""
    return {o: n for o, n in tally.get(kind, {}).items() if o not in ("ok", "wrong-password")}


def test_no_new_login_when_the_rule_goes() -> None:
    """Portal without keep-alive: the first failing login begins within half a second of the rule's end, every later one
    fails with 504, standing sessions are served on (the portal verifies tokens itself); the alert fires; with the rule
    back, everybody is served. Users come over both families; monitoring reaches everything all the while."""
    found: dict[str, Any] = universe.run("tests.lab.stack.guests_outage:outage", 8.0, False, timeout=90)

    assert [4, 6] == found["families"]
    assert all(not failures(found["healthy"], kind) for kind in found["healthy"]), found
    assert found["first_failure_ms"] < 500
    assert {"http-504"} == set(failures(found["late"], "login"))
    assert 0 == found["late"]["login"].get("ok", 0)
    assert {} == failures(found["broken"], "session")
    assert "LoginErrors" in found["alerts"]
    assert {"1"} == set(found["up"].values())
    assert all(not failures(found["after"], kind) for kind in found["after"]), found["after"]
    assert found["after"]["login"]["ok"] > 5


@pytest.mark.nightly
def test_standing_connections_delay_the_outage() -> None:
    """Portal with keep-alive: connections that stand go on, as AWS documents of tracked connections, so logins succeed
    after the rule is gone, until connections are replaced."""
    found: dict[str, Any] = universe.run("tests.lab.stack.guests_outage:outage", 16.0, True, timeout=90)

    assert found["first_failure_ms"] > 1000
    assert found["broken"]["login"].get("ok", 0) > 0
    assert failures(found["late"], "login")
    assert all(not failures(found["after"], kind) for kind in found["after"]), found["after"]
