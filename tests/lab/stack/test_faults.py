"""Each fault as users see it, with the evidence that monitoring has of it, and its healing."""

from __future__ import annotations

import os
import signal
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from doorward_lab.errors import LabError
from doorward_lab.stack import admin, switch
from tests.lab.stack.harness import PORTS, Site, ask, eventually


def statuses(site: Site, count: int = 20) -> list[int]:
    """What as many logins are answered."""
    return [site.login().status for _ in range(count)]


def healthy(site: Site) -> bool:
    """Whether logins work, several in a row."""
    return all(status == 200 for status in statuses(site, 3))


def healed(site: Site, name: str) -> None:
    """Turn everything back; logins work again soon."""
    site.stack[name].heal()
    eventually(lambda: healthy(site), 15)


def metric(site: Site, name: str, line: str) -> float:
    """One sample of a service's own metrics."""
    _, body = admin.request(site.stack[name].folder, "GET", "/metrics")
    found = [row for row in body.decode().splitlines() if row.startswith(line)]
    return sum(float(row.rpartition(" ")[2]) for row in found)


# The database


def test_a_slow_database_makes_logins_slow(site: Site) -> None:
    """Slow statements make logins as slow, and are seen as statements that run long."""
    site.stack["database"].turn(slow=0.6)

    reply = site.login()

    assert 200 == reply.status
    assert reply.seconds > 1.2  # two statements: the account, the refresh token
    healed(site, "database")
    assert site.login().seconds < 0.6


def test_a_locked_database_fails_logins(site: Site) -> None:
    """A long transaction that locks the accounts: statements are cancelled after 3 s, logins answer 503; the locks that
    are waited for are in the metrics."""
    site.stack["database"].turn(locked=True)

    assert 503 == site.login().status
    site.stack["users"].turn(rate=40)
    eventually(lambda: metric(site, "database", "pg_lock_waiting_sessions ") > 0)
    healed(site, "database")


def test_a_database_out_of_connections(site: Site) -> None:
    """With every connection taken the login service cannot renew its own: 503 once those it has are over; the count
    of sessions reaches the limit, and the exporter still gets in."""
    site.stack["database"].turn(exhausted=True)

    eventually(lambda: 503 in statuses(site, 2), 20)
    assert 1 == metric(site, "database", "pg_up ")
    assert metric(site, "database", "pg_stat_activity_count") >= 30
    healed(site, "database")


def test_a_database_that_is_down(site: Site) -> None:
    """A stopped server: 503 for logins at once, pg_up 0; standing sessions are served on, for tokens need no database;
    after the start logins work again."""
    token = site.token()
    site.stack["database"].turn(stopped=True)

    reply = site.login()

    assert 503 == reply.status
    assert reply.seconds < 5
    assert 200 == site.ask("GET", "/me", token=token).status
    assert 0 == metric(site, "database", "pg_up ")
    healed(site, "database")
    assert 1 == metric(site, "database", "pg_up ")


# The login service


def test_a_bad_version(site: Site) -> None:
    """A version that fails a share of requests fails about that share; the metrics name the version; the next deploy
    heals it. The other replica is not touched."""
    for name in ("login-1", "login-2"):
        site.stack[name].call("PUT", "/deploy", {"version": "2.0.0", "at": time.time(), "error_share": 0.5})
    try:
        seen = statuses(site, 60)
        assert {200, 500} == set(seen)
        assert 12 <= seen.count(500) <= 48
        assert 1 == metric(site, "login-1", 'login_build_info{version="2.0.0"}')
    finally:
        for name in ("login-1", "login-2"):
            site.stack[name].call("PUT", "/deploy", {"version": "1.0.0"})
    assert {200} == set(statuses(site))


def test_a_version_outlives_a_restart(site: Site) -> None:
    """What is deployed is in the deploy file: a restart of the process does not roll it back."""
    site.stack["login-2"].call("PUT", "/deploy", {"version": "2.1.0", "slow": 0.3})
    try:
        site.stack.restart("login-2")
        reply = ask(site.at["login-2"], PORTS.login, "GET", "/readyz")
        assert ({"version": "2.1.0"}, True) == (reply.json(), reply.seconds > 0.3)
    finally:
        site.stack["login-2"].call("PUT", "/deploy", {"version": "1.0.0"})


@pytest.mark.parametrize(("signing", "reason"), [("unknown-id", "unknown-key"), ("wrong-key", "signature")])
def test_a_signing_key_that_does_not_match(site: Site, signing: str, reason: str) -> None:
    """Logins succeed, and their tokens open nothing: the portal refuses them by the reason that the fault has. Tokens
    from before are good."""
    before = site.token()
    for name in ("login-1", "login-2"):
        site.stack[name].turn(signing=signing)

    reply = site.ask("GET", "/me", token=site.token())

    assert (401, {"error": f"token: {reason}"}) == (reply.status, reply.json())
    assert 200 == site.ask("GET", "/me", token=before).status
    site.stack["login-1"].heal()
    site.stack["login-2"].heal()
    assert 200 == site.ask("GET", "/me", token=site.token()).status


@pytest.mark.parametrize(("offset", "reason"), [(3600, "early"), (-3600, "expired")])
def test_a_clock_that_is_off(site: Site, offset: int, reason: str) -> None:
    """A login service whose clock is an hour off issues tokens that are not valid yet, or no more; its own clock is in
    the metrics."""
    for name in ("login-1", "login-2"):
        site.stack[name].turn(clock_offset=offset)

    reply = site.ask("GET", "/me", token=site.token())

    assert (401, {"error": f"token: {reason}"}) == (reply.status, reply.json())
    assert abs(metric(site, "login-1", "clock_seconds ") - time.time() - offset) < 5
    healed(site, "login-1")
    healed(site, "login-2")
    assert 200 == site.ask("GET", "/me", token=site.token()).status


def test_a_clock_within_tolerance(site: Site) -> None:
    """Ten seconds either way are tolerated, as between any two machines."""
    for offset in (10, -10):
        for name in ("login-1", "login-2"):
            site.stack[name].turn(clock_offset=offset)
        assert 200 == site.ask("GET", "/me", token=site.token()).status


def test_a_starved_process(site: Site) -> None:
    """CPU that is burnt delays the process' own wake-ups, which the metrics show."""
    site.stack["login-1"].turn(cpu_burn=0.9)
    eventually(lambda: metric(site, "login-1", "event_loop_lag_seconds ") > 0.01)
    before = metric(site, "login-1", "process_cpu_seconds_total ")
    eventually(lambda: metric(site, "login-1", "process_cpu_seconds_total ") - before > 0.3)
    healed(site, "login-1")


# Names


@pytest.mark.parametrize(("fault", "status"), [("nxdomain", 502), ("servfail", 502), ("silent", 504)])
def test_names_that_do_not_resolve(site: Site, fault: str, status: int) -> None:
    """A name server that denies, fails or says nothing: the portal finds no login service once its connections are
    renewed; healed, it does."""
    names = [f"{name}.lab.internal" for name in ("login-1", "login-2")]
    site.stack["dns"].turn(fault=fault, only=names)

    eventually(lambda: status in statuses(site, 2) or 502 in statuses(site, 2), 12)
    assert metric(site, "dns", f'dns_queries_total{{result="{fault}"}}') > 0
    healed(site, "dns")


def test_a_wrong_address_for_the_database(site: Site) -> None:
    """The database's name leads to a host that refuses: 503 once the pool's connections are renewed."""
    site.stack["dns"].turn(fault="wrong", only=["database.lab.internal"], wrong_address="127.255.255.1")

    eventually(lambda: 503 in statuses(site, 2), 20)
    healed(site, "dns")


# The edge


def test_an_expired_certificate(site: Site) -> None:
    """nginx is reloaded with an expired certificate: clients refuse it, for that reason; its end is in the metrics;
    healed, they accept it."""
    assert site.wiring.expired is not None
    certificate, key = site.wiring.expired
    site.stack["balancer"].turn(certificate=str(certificate), key=str(key))

    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        eventually_raises(site)
    assert metric(site, "balancer", "edge_certificate_expires_seconds ") < time.time()
    site.stack["users"].turn(rate=40)
    eventually(lambda: metric(site, "users", 'users_requests_total{kind="login",outcome="tls"}') > 0)
    healed(site, "balancer")


def eventually_raises(site: Site) -> None:
    """The old worker may still answer for a moment."""
    for _ in range(100):
        site.login()
        time.sleep(0.02)


def test_a_certificate_that_is_no_file_is_refused(site: Site) -> None:
    """A knob that nginx cannot serve with is refused with nginx's words, and changes nothing."""
    with pytest.raises(LabError, match="cannot load certificate"):
        site.stack["balancer"].turn(certificate="/nonexistent.pem")
    assert 200 == site.login().status


@pytest.mark.parametrize(
    ("service", "knobs", "words"),
    [
        ("login-1", {"clock": 1}, "unknown field `clock`"),
        ("login-1", {"clock_offset": "x"}, "Expected `float`"),
        ("login-1", {"cpu_burn": 2}, "expected 0 or more"),
        ("login-1", {"signing": "left"}, "Invalid enum value 'left'"),
        ("database", {"slow": -1}, "expected 0 to 60"),
        ("dns", {"wrong_address": "x"}, "does not appear to be an IPv4 or IPv6 address"),
        ("users", {"rate": 1e9}, "expected 0 to 2000"),
    ],
)
def test_wrong_knobs_are_refused(site: Site, service: str, knobs: dict[str, object], words: str) -> None:
    """An unknown knob, or a value that it cannot have, is refused with the reason, and nothing is turned."""
    before = site.stack[service].call("GET", "/knobs")

    with pytest.raises(LabError, match=words):
        site.stack[service].turn(**knobs)

    assert before == site.stack[service].call("GET", "/knobs")


# Dead processes, and the second stack


def test_a_dead_portal_is_502_at_once(site: Site) -> None:
    """A process that is gone refuses connections: the balancer answers 502 within a second, not after a timeout."""
    site.stack["portal"].popen.kill()
    site.stack["portal"].popen.wait()
    try:
        reply = site.ask("GET", "/healthz")
        assert (502, True) == (reply.status, reply.seconds < 1)
        eventually(lambda: "unhealthy" == site.stack["balancer"].call("GET", "/targets")[0]["TargetHealth"]["State"])
        # With no healthy target left, the balancer fails open: the answer is still the target's refusal.
        assert 502 == site.ask("GET", "/healthz").status
    finally:
        site.stack.restart("portal")
    eventually(lambda: "healthy" == site.stack["balancer"].call("GET", "/targets")[0]["TargetHealth"]["State"])
    assert 200 == site.login().status


def test_the_second_stack_takes_over(site: Site) -> None:
    """With both replicas of the first login stack frozen, logins fail with 504; switched on, the second stack, with a
    database and keys of its own, logs users in and its tokens open the portal; tokens of both are good; afterwards the
    portal returns to the first."""
    token = site.token()
    frozen = [site.stack[name].popen.pid for name in ("login-1", "login-2")]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert 504 == site.login().status
        switch.on(site.stack, site.wiring)
        # Two at once meet the first stack's silence; those after them are not sent there any more.
        with ThreadPoolExecutor(2) as two:
            assert [200, 200] == [reply.status for reply in two.map(lambda _: site.login(), range(2))]
        assert healthy(site)
        assert site.login().seconds < 1  # nobody waits for the first any more
        assert 1 == metric(site, "portal", "portal_on_second_stack ")
        other = site.token()
        assert 200 == site.ask("GET", "/me", token=other).status
        assert 200 == site.ask("GET", "/me", token=token).status
        assert 200 == site.ask("GET", "/admin", token=site.token("user-0000")).status
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    eventually(lambda: site.login().status == 200 and metric(site, "portal", "portal_on_second_stack ") == 0, 15)
    assert {"login-b", "database-b"} <= set(site.stack.names())
    eventually(lambda: site.query("up").get("login-b") == 1)
    switch.off(site.stack, site.wiring)
    assert not {"login-b", "database-b"} & set(site.stack.names())
    assert 401 == site.ask("GET", "/me", token=other).status  # switched off, its tokens are strangers'


def test_connection_refused_is_not_silence(site: Site) -> None:
    """Both login replicas gone: the portal answers 502 at once and says refused."""
    for name in ("login-1", "login-2"):
        site.stack[name].stop()
    try:
        reply = site.login()
        assert (502, {"error": "login service: refused"}) == (reply.status, reply.json())
        assert reply.seconds < 1
    finally:
        for name in ("login-1", "login-2"):
            site.stack.restart(name)
    eventually(lambda: healthy(site))


def test_an_admin_endpoint_is_for_its_owner_only(site: Site) -> None:
    """What turns knobs is no network service: it is a socket in a folder that only its owner can enter."""
    folder = site.stack["login-1"].folder
    assert 0o700 == folder.stat().st_mode & 0o777
    for name, port in (("login-1", PORTS.login), ("portal", PORTS.portal), ("database", PORTS.database)):
        assert 404 == ask(site.at[name], port, "PUT", "/knobs", {}).status
