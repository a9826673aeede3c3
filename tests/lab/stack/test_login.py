"""Logging in, end to end: nginx → portal → login service → PostgreSQL, all real, on loopback."""

from __future__ import annotations

import os
import resource
import time

import pytest

from doorward_lab.stack import accounts, postgres, schema, tokens
from doorward_lab.stack.wiring import Options
from tests.lab.stack.harness import PORTS, SEED, Site, ask, need, running


def test_the_right_password_logs_in(site: Site) -> None:
    """The right password gives a token with which the portal knows the user and the roles, a cookie with it, and TLS
    is verified against the lab's CA."""
    reply = site.login("user-0000")

    assert 200 == reply.status
    assert "session=" in reply.headers["Set-Cookie"] and "Secure" in reply.headers["Set-Cookie"]
    me = site.ask("GET", "/me", token=reply.json()["access_token"])
    assert {"user": "user-0000", "roles": ["admin", "editor", "member"]} == me.json()


@pytest.mark.parametrize(
    ("user", "password"), [("user-0001", "wrong"), ("user-0001", ""), ("nobody", "x"), ("' or 1=1 --", "x")]
)
def test_a_wrong_password_does_not(site: Site, user: str, password: str) -> None:
    """A wrong password and an unknown user get the same 401, and no token."""
    reply = site.login(user, password)

    assert 401 == reply.status
    assert {"error": "wrong user or password"} == reply.json()


def test_roles_decide_beyond_the_token(site: Site) -> None:
    """Authorisation is a second question: a member's valid token opens /me and not /admin, an admin's both; and the
    directory is asked at that moment, so a role that was taken away is gone at once, with the same token."""
    member, admin = site.token("user-0001"), site.token("user-0020")

    assert 200 == site.ask("GET", "/me", token=member).status
    assert 403 == site.ask("GET", "/admin", token=member).status
    assert 200 == site.ask("GET", "/admin", token=admin).status

    cluster = postgres.Cluster(site.stack.folder / "database", (), PORTS.sql)
    with cluster.connect(postgres.SUPERUSER, schema.DATABASE) as connection:
        connection.execute("delete from account_role where name = 'user-0020' and role = 'admin'")
    try:
        assert 403 == site.ask("GET", "/admin", token=admin).status
    finally:
        with cluster.connect(postgres.SUPERUSER, schema.DATABASE) as connection:
            connection.execute("insert into account_role values ('user-0020', 'admin')")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
def test_no_token_no_entry(site: Site, token: str) -> None:
    """Without a token, or with one that nobody signed (alg none too), nothing opens."""
    assert 401 == site.ask("GET", "/me", token=token).status
    assert 401 == site.ask("GET", "/admin", token=token).status
    assert 401 == site.ask("GET", "/api/report", token=token).status


def test_a_token_of_a_stranger_is_refused(site: Site) -> None:
    """A token that is right but for its signer is refused."""
    now = int(time.time())
    claims = {"iss": "login", "sub": "user-0000", "aud": "portal", "iat": now, "nbf": now, "exp": now + 300}

    reply = site.ask("GET", "/me", token=tokens.sign(tokens.generate("login-1"), claims))

    assert (401, {"error": "token: signature"}) == (reply.status, reply.json())


def test_refresh_rotates_and_reuse_revokes_the_family(site: Site) -> None:
    """A refresh token works once; used twice, the whole family is revoked, the newest token included (RFC 9700
    §4.14.2)."""
    first = site.login().json()
    second = site.ask("POST", "/refresh", {"refresh_token": first["refresh_token"]})
    assert 200 == second.status
    assert first["refresh_token"] != second.json()["refresh_token"]
    assert 200 == site.ask("GET", "/me", token=second.json()["access_token"]).status

    assert 401 == site.ask("POST", "/refresh", {"refresh_token": first["refresh_token"]}).status
    assert 401 == site.ask("POST", "/refresh", {"refresh_token": second.json()["refresh_token"]}).status
    assert 401 == site.ask("POST", "/refresh", {"refresh_token": "never issued"}).status


def test_services_have_tokens_of_their_own(site: Site) -> None:
    """A partner's machine gets a token for its scope only, which opens the report and no user's page; a user's token
    does not open the report."""
    secret = accounts.password(SEED, "billing")

    def token(scope: str, secret: str) -> tuple[int, str]:
        words = {"client_id": "billing", "client_secret": secret, "scope": scope}
        reply = site.ask("POST", "/token", words)
        return reply.status, reply.json().get("access_token", "")

    status, given = token("report", secret)
    assert 200 == status
    assert 200 == site.ask("GET", "/api/report", token=given).status
    assert 401 == site.ask("GET", "/me", token=given).status
    assert 401 == site.ask("GET", "/api/report", token=site.token()).status
    assert 403 == token("authorize", secret)[0]
    assert 401 == token("report", "wrong")[0]


def test_authorize_is_for_services(site: Site) -> None:
    """The login service answers questions about roles to services that may ask, not to users."""
    user = site.token("user-0000")

    reply = ask(site.at["login-1"], PORTS.login, "POST", "/authorize", {"token": user, "role": "admin"}, token=user)

    assert (401, {"error": "service token: audience"}) == (reply.status, reply.json())


def test_malformed_requests_are_refused(site: Site) -> None:
    """A body that is no JSON object of words is 400, never 500."""
    bodies: tuple[object, ...] = ([], {"user": 1}, "x", {"user": "a"})
    for body in bodies:
        assert 400 == ask(site.at["login-1"], PORTS.login, "POST", "/login", body).status
    assert 400 == site.ask("POST", "/refresh", []).status
    assert 404 == site.ask("GET", "/nothing").status


def _children() -> float:
    """Seconds of computing of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_whole_stack_is_ready_in_time() -> None:
    """Everything from an empty folder to the first login takes less than nine seconds of two idle cores, so less than
    eighteen of computing when the machine is busy with other things; no service is left when it is stopped."""
    need("nginx", "postgres", "prometheus", "prometheus-alertmanager")
    names = ["dns", "database", "login-1", "login-2", "portal", "balancer", "monitor", "users"]
    idle = os.getloadavg()[0] < (os.cpu_count() or 1) / 2
    began, spent = time.monotonic(), _children()
    with running(names, Options(seed=SEED, rate=1.0, networks=("127.77.0.0/16",))) as site:
        assert 200 == site.login().status
        took = time.monotonic() - began
        processes = [site.stack[name].popen for name in site.stack.names()]
        assert set(names) == set(site.stack.names())
    assert _children() - spent < 18
    assert took < 9 or not idle
    assert all(process.poll() is not None for process in processes)
