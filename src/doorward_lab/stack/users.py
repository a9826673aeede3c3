"""The users: an open-loop generator of logins, refreshes, standing sessions and service calls, from many addresses.

Each act has a client address of its own family and a user's patience. Not here: when they come (`workload`), what the
log tells (`outcomes`).
"""

from __future__ import annotations

import asyncio
import errno
import ssl
import time
from dataclasses import dataclass
from typing import Any, TextIO

import aiohttp
import msgspec
from aiohttp import web
from prometheus_client import Counter, Gauge, Histogram

from doorward_lab.stack import accounts
from doorward_lab.stack.outcomes import Outcome
from doorward_lab.stack.resolver import Resolver
from doorward_lab.stack.service import Knobs, Service, Settings, log, run
from doorward_lab.stack.workload import MIX, Arrival, Arrivals, Kind, clients

LOG = "users.jsonl"
_ROTATE_BYTES = 32 * 2**20
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0)
_PATHS: dict[Kind, str] = {"login": "/login", "refresh": "/refresh", "session": "/me", "admin": "/admin"}
_EARLY = 20.0  # seconds before its end at which a session's token is refreshed


class UsersSettings(Settings, kw_only=True, frozen=True):
    """`url` is the portal's, whose name is at `addresses`; `networks` are the clients' own."""

    url: str
    addresses: tuple[str, ...] = ()
    networks: tuple[str, ...]
    seed: str
    rate: float = 10.0  # acts per second
    accounts: int = 100
    clients: int = 200  # different client addresses
    sessions: int = 20  # users who stay logged in
    patience: float = 15.0  # seconds until a user gives up
    wrong: float = 0.02  # share of logins with a mistyped password
    mix: dict[Kind, float] = msgspec.field(default_factory=lambda: dict(MIX))
    ca: str = ""  # the root that users trust, a file
    most: int = 4000  # acts under way at once; more are shed, and counted


class UsersKnobs(Knobs, kw_only=True, frozen=True):
    """`rate`: acts per second; None: that of the settings; 0: nobody comes."""

    rate: float | None = None


@dataclass(slots=True)
class Session:
    """A user who stays logged in, with a connection of their own that is kept."""

    user: int
    http: aiohttp.ClientSession
    source: str
    token: str = ""
    refresh: str = ""
    until: float = 0.0  # monotonic
    busy: bool = False
    used: bool = False


class Users(Service[UsersSettings, UsersKnobs]):
    """Those who want to log in."""

    settings_type = UsersSettings
    knobs_type = UsersKnobs

    def __init__(self, settings: UsersSettings) -> None:
        super().__init__(settings)
        host = settings.url.partition("://")[2].partition("/")[0]
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        self._resolver = Resolver((), fixed={name.strip("[]"): settings.addresses} if settings.addresses else None)
        families = {":" in address for address in settings.addresses} or {False}
        sources = [c for c in clients(settings.networks, settings.clients, settings.seed) if (":" in c) in families]
        self._arrivals = Arrivals(settings.seed, sources, settings.accounts, mix=settings.mix, wrong=settings.wrong)
        self._tls = ssl.create_default_context(cafile=settings.ca) if settings.ca else None
        self._sources = sources
        self._people = accounts.directory(settings.accounts)
        self._admins = [i for i, person in enumerate(self._people) if "admin" in person.roles]
        self._sessions: list[Session] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._wall = time.time() - time.monotonic()
        self._log: TextIO | None = None
        self._task: asyncio.Task[None] | None = None
        self._turned = asyncio.Event()
        self._requests = Counter("users_requests", "Acts", ["kind", "outcome"], registry=self.registry)
        self._seconds = Histogram("users_seconds", "Time from due", ["kind"], buckets=_BUCKETS, registry=self.registry)
        self._outstanding = Gauge("users_outstanding", "Acts under way", registry=self.registry)
        self._outstanding.set_function(lambda: len(self._under_way))
        self._late = Gauge("users_late_seconds", "How late the last act began", registry=self.registry)

    @property
    def rate(self) -> float:
        """Acts per second at this moment."""
        return self.settings.rate if self.knobs.rate is None else self.knobs.rate

    async def turned(self, before: UsersKnobs) -> None:
        """Refuses rates that no lab bears."""
        if not 0 <= self.rate <= 2000:
            raise ValueError(f"rate is {self.rate}; expected 0 to 2000 acts per second")
        self._turned.set()

    async def open(self) -> None:
        """Open the log."""
        self._log = (self.folder / LOG).open("a", buffering=1)

    async def opened(self) -> None:
        """Begin."""
        for i in range(self.settings.sessions):
            source = self._sources[i % len(self._sources)]
            # Every fifth is an admin, so that roles are asked for all the time.
            user = self._admins[i % len(self._admins)] if i % 5 == 0 else i % len(self._people)
            self._sessions.append(Session(user, self._client(source), source))
        self._task = asyncio.create_task(self._generate())

    async def close(self) -> None:
        """Everybody leaves."""
        tasks = [*self._under_way, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for session in self._sessions:
            await session.http.close()
        if self._log is not None:
            self._log.close()

    def _client(self, source: str) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            local_addr=(source, 0), resolver=_OfFamily(self._resolver, ":" in source), use_dns_cache=False, limit=0,
            ssl=self._tls or True, happy_eyeballs_delay=None,
        )  # fmt: skip
        return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))

    async def _generate(self) -> None:
        """Let each act begin when it is due, whatever became of those before."""
        due = time.monotonic()
        while True:
            if self.rate == 0:
                self._turned.clear()
                await self._turned.wait()
                due = time.monotonic()
                continue
            arrival = self._arrivals.next(self.rate)
            due += arrival.gap
            self._turned.clear()
            while (wait := due - time.monotonic()) > 0:
                try:
                    await asyncio.wait_for(self._turned.wait(), wait)
                except TimeoutError:
                    break
                # A new rate holds from now: what was drawn for the old one may lie far ahead.
                self._turned.clear()
                due = min(due, time.monotonic() + 1 / self.rate) if self.rate else due
            if len(self._under_way) >= self.settings.most:
                self._record(arrival.kind, due, time.monotonic(), "shed", None, arrival.source, "", True)
                continue
            task = asyncio.create_task(self._act(arrival, due))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _act(self, arrival: Arrival, due: float) -> None:
        self._late.set(time.monotonic() - due)
        if arrival.kind == "login":
            await self._login(arrival.user, arrival.source, arrival.wrong, due)
        elif arrival.kind == "service":
            await self._service(arrival.source, due)
        else:
            await self._in_session(arrival, due)

    # The acts

    async def _login(self, user: int, source: str, wrong: bool, due: float) -> None:
        """A new login, over a connection of its own."""
        async with self._client(source) as http:
            await self._try("login", due, http, source, user, "POST", self._words(user, wrong), wrong=wrong)

    def _words(self, user: int, wrong: bool = False) -> dict[str, str]:
        name = self._people[user].name
        right = accounts.password(self.settings.seed, name)
        return {"user": name, "password": right[::-1] if wrong else right}

    async def _service(self, source: str, due: float) -> None:
        """A partner's machine: a token by its own secret, then the report."""
        words = {
            "client_id": "billing",
            "client_secret": accounts.password(self.settings.seed, "billing"),
            "scope": "report",
        }
        began = time.monotonic()
        async with self._client(source) as http:
            outcome, status, given = await self._request(http, "POST", "/token", due, json=words)
            if outcome == "ok":
                bearer = {"Authorization": f"Bearer {given['access_token']}"}
                outcome, status, _ = await self._request(http, "GET", "/api/report", due, headers=bearer)
            self._record("service", due, began, outcome, status, source, "billing", True)

    async def _in_session(self, arrival: Arrival, due: float) -> None:
        """Somebody who is logged in does something; who is not yet, or no more, logs in."""
        wants = arrival.kind
        free = [s for s in self._sessions if not s.busy and (wants != "admin" or s.user in self._admins)]
        if not free:
            await self._login(arrival.user, arrival.source, False, due)
            return
        session = free[arrival.user % len(free)]
        session.busy = True
        try:
            kind: Kind = wants
            if not session.token:
                kind = "login"
            elif time.monotonic() > session.until - _EARLY:
                kind = "refresh"
            await self._use(session, kind, due)
        finally:
            session.busy = False

    async def _use(self, session: Session, kind: Kind, due: float) -> None:
        http, source, user = session.http, session.source, session.user
        fresh, session.used = not session.used, True
        if kind in ("session", "admin"):
            bearer = {"Authorization": f"Bearer {session.token}"}
            outcome, _ = await self._try(kind, due, http, source, user, "GET", headers=bearer, fresh=fresh)
            if outcome == "denied":
                session.token = ""  # logs in again
            return
        words = {"refresh_token": session.refresh} if kind == "refresh" else self._words(user)
        session.token = session.refresh = ""  # whatever comes now, the old ones are used up
        outcome, given = await self._try(kind, due, http, source, user, "POST", words, fresh=fresh)
        if outcome == "ok":
            session.token, session.refresh = given["access_token"], given["refresh_token"]
            session.until = time.monotonic() + given["expires_in"]

    async def _try(
        self,
        kind: Kind,
        due: float,
        http: aiohttp.ClientSession,
        source: str,
        user: int,
        method: str,
        json: object = None,
        *,
        headers: dict[str, str] | None = None,
        wrong: bool = False,
        fresh: bool = True,
    ) -> tuple[str, Any]:
        began = time.monotonic()
        outcome, status, given = await self._request(http, method, _PATHS[kind], due, json=json, headers=headers)
        if wrong:
            # A wrong password that is let in is a failure of its own kind.
            outcome = {"denied": "wrong-password", "ok": "let-in"}.get(outcome, outcome)
        self._record(kind, due, began, outcome, status, source, self._people[user].name, fresh)
        return outcome, given

    async def _request(
        self, http: aiohttp.ClientSession, method: str, path: str, due: float, **options: Any
    ) -> tuple[str, int | None, Any]:
        """One request within what is left of the user's patience: outcome, status, body."""
        patience = max(0.001, due + self.settings.patience - time.monotonic())
        try:
            async with (
                asyncio.timeout(patience),
                http.request(method, self.settings.url + path, allow_redirects=False, **options) as response,
            ):
                body = await response.read()
                if response.status == 200:
                    return "ok", 200, msgspec.json.decode(body)
                outcome = "denied" if response.status in (401, 403) else f"http-{response.status}"
                return outcome, response.status, None
        except TimeoutError:
            return "timeout", None, None
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError):
            return "tls", None, None
        except aiohttp.ClientConnectorError as error:
            return ("refused" if error.os_error.errno == errno.ECONNREFUSED else "unreachable"), None, None
        except (aiohttp.ClientError, ConnectionError):
            return "reset", None, None
        except OSError as error:
            log.warning("%s", error)
            return "unreachable", None, None

    def _record(
        self, kind: str, due: float, began: float, outcome: str, status: int | None, source: str, user: str, fresh: bool
    ) -> None:
        now = time.monotonic()
        self._requests.labels(kind, outcome).inc()
        self._seconds.labels(kind).observe(now - due)
        if self._log is None:
            return
        line = Outcome(
            due=due + self._wall, began=began + self._wall, ms=round((now - due) * 1000, 1), kind=kind,
            outcome=outcome, status=status, source=source, user=user, fresh=fresh,
        )  # fmt: skip
        self._log.write(msgspec.json.encode(line).decode() + "\n")
        if self._log.tell() > _ROTATE_BYTES:
            self._log.close()
            path = self.folder / LOG
            path.rename(path.with_suffix(path.suffix + ".1"))
            self._log = path.open("a", buffering=1)

    def admin_routes(self) -> list[web.RouteDef]:
        """GET /rate."""
        return [web.get("/rate", self._get_rate)]

    async def _get_rate(self, _: web.Request) -> web.Response:
        return web.json_response({"rate": self.rate, "under_way": len(self._under_way)})


class _OfFamily(aiohttp.abc.AbstractResolver):
    """Only the addresses that a client of one family can reach."""

    def __init__(self, resolver: Resolver, six: bool) -> None:
        self._resolver = resolver
        self._six = six

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[aiohttp.abc.ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        return [item for item in found if (":" in item["host"]) == self._six]

    async def close(self) -> None:
        await self._resolver.close()


if __name__ == "__main__":
    run(Users)
