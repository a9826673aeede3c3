"""The login service: authentication (password, refresh token, client secret) and authorisation (roles), in tokens.

Faults: a bad version (by the deploy file: a share of 500s, slowness), a signing key that verifiers do not know or
another key under a known id, a clock that is off, CPU that is burnt. Not here: the directory (`store`, `schema`), how
tokens are made (`tokens`).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import msgspec
from aiohttp import web
from prometheus_client import Counter, Gauge, Histogram

from doorward_lab.stack import accounts, tokens
from doorward_lab.stack.resolver import Resolver
from doorward_lab.stack.service import Knobs, Service, Settings, log, run
from doorward_lab.stack.store import Credentials, Reused, Store, Unavailable

DEPLOY_FILE = "deploy.json"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Deploy(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The deploy file: the version that runs, when it came (Unix seconds), and what is wrong with it."""

    version: str = "1.0.0"
    at: float = 0.0
    error_share: float = 0.0  # of answers that are 500
    slow: float = 0.0  # seconds added to each answer


class LoginSettings(Settings, kw_only=True, frozen=True):
    """`keys` is the file of signing keys that the replicas share; `resolver` the name servers to ask."""

    database: str  # a name or an address
    database_port: int = 5432
    secret: str
    keys: str
    issuer: str = "login"
    resolver: tuple[str, ...] = ()
    token_seconds: float = 300.0
    refresh_seconds: float = 3600.0
    pool_size: int = 8
    pool_lifetime: float = 20.0
    pool_wait: float = 3.0


class LoginKnobs(Knobs, kw_only=True, frozen=True):
    """`signing`: with which key; `clock_offset`: seconds added to the time in tokens; `cpu_burn`: share of a core."""

    signing: Literal["right", "unknown-id", "wrong-key"] = "right"
    clock_offset: float = 0.0
    cpu_burn: float = 0.0


class _Login(msgspec.Struct):
    user: str
    password: str


class _Refresh(msgspec.Struct):
    refresh_token: str


class _Client(msgspec.Struct):
    client_id: str
    client_secret: str
    scope: str


class _Authorize(msgspec.Struct):
    token: str
    role: str


def _refuse(status: int, error: str) -> web.Response:
    return web.json_response({"error": error}, status=status)


class Login(Service[LoginSettings, LoginKnobs]):
    """Who are you, and what may you do."""

    settings_type = LoginSettings
    knobs_type = LoginKnobs

    def __init__(self, settings: LoginSettings) -> None:
        super().__init__(settings)
        self._keys = tokens.read(Path(settings.keys))
        self._stranger = tokens.generate("stranger")  # a key that nobody was told of
        self.store = Store(
            settings.database,
            settings.database_port,
            settings.secret,
            Resolver(settings.resolver),
            size=settings.pool_size,
            lifetime=settings.pool_lifetime,
            wait=settings.pool_wait,
        )
        self.deploy = Deploy()
        self._hashing = ThreadPoolExecutor(2, "scrypt")
        self._random = random.Random()  # noqa: S311 - which answers a bad version breaks is no secret
        self._tasks: list[asyncio.Task[None]] = []
        self._requests = Counter("login_requests", "Answers", ["route", "code"], registry=self.registry)
        self._seconds = Histogram("login_seconds", "Time", ["route"], buckets=_BUCKETS, registry=self.registry)
        self._failures = Counter("login_database_failures", "Database", ["reason"], registry=self.registry)
        self._lookups = Gauge("login_lookup_failures", "Failed look-ups, ever", ["reason"], registry=self.registry)
        self._pool = Gauge("login_pool", "The pool of database connections", ["what"], registry=self.registry)
        self._build = Gauge("login_build_info", "The version that runs", ["version"], registry=self.registry)
        self._deployed = Gauge("login_deployed_at_seconds", "When it was deployed", registry=self.registry)

    def now(self) -> float:
        """The time, and how far the clock is off."""
        return time.time() + (self.knobs.clock_offset if hasattr(self, "knobs") else 0.0)

    async def open(self) -> None:
        """Read the deploy file, open the pool."""
        self._read_deploy()
        await self.store.open()
        self._tasks = [asyncio.create_task(self._burn()), asyncio.create_task(self._purge())]

    async def close(self) -> None:
        """Close the pool."""
        for task in self._tasks:
            task.cancel()
        await self.store.close()
        self._hashing.shutdown(cancel_futures=True)

    async def ready(self) -> str | None:
        """Whether the database answers."""
        try:
            await self.store.ping()
        except Unavailable as error:
            return f"database: {error}"
        return None

    def middlewares(self) -> list[Any]:
        """Count, time, and be as bad as the deployed version is."""

        @web.middleware
        async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
            began = time.monotonic()
            resource = request.match_info.route.resource
            route = resource.canonical if resource is not None else "unknown"
            probe = route in ("/metrics", "/healthz")
            if not probe and self.deploy.slow:
                await asyncio.sleep(self.deploy.slow)
            try:
                if not probe and self._random.random() < self.deploy.error_share:
                    response: web.StreamResponse = _refuse(500, f"version {self.deploy.version} fails")
                else:
                    response = await handler(request)
            except web.HTTPException as error:
                response = error
            except Unavailable as error:
                self._failures.labels(error.reason).inc()
                log.warning("%s: database %s: %s", route, error.reason, error)
                response = _refuse(503, f"database: {error.reason}")
            except (msgspec.ValidationError, msgspec.DecodeError) as error:
                response = _refuse(400, str(error))
            response.headers["X-Version"] = self.deploy.version
            self._requests.labels(route, str(response.status)).inc()
            self._seconds.labels(route).observe(time.monotonic() - began)
            return response

        return [measured]

    def routes(self) -> list[web.RouteDef]:
        """The service's API."""
        return [
            web.post("/login", self._login),
            web.post("/refresh", self._refresh),
            web.post("/token", self._token),
            web.post("/authorize", self._authorize),
            web.get("/.well-known/jwks.json", self._jwks),
            web.get("/healthz", self._healthz),
            web.get("/readyz", self._readyz),
        ]

    def admin_routes(self) -> list[web.RouteDef]:
        """PUT /deploy: write the deploy file, and run what it says."""
        return [web.put("/deploy", self._put_deploy)]

    # Authentication

    async def _matches(self, secret: str, stored: Credentials | None) -> bool:
        # An unknown name costs what a known one costs, so that time does not tell which names exist.
        known = stored or Credentials(b"\0" * 16, b"", 2048, ())
        loop = asyncio.get_running_loop()
        right = await loop.run_in_executor(
            self._hashing, accounts.matches, secret, known.salt, known.cost, known.digest
        )
        return right and stored is not None

    def _sign(self, subject: str, audience: str, **claims: object) -> str:
        now = self.now()
        right = self._keys[0]
        key = {
            "right": right,
            "unknown-id": self._stranger,
            "wrong-key": tokens.Key(right.kid, self._stranger.private),
        }[self.knobs.signing]
        times = {"iat": int(now), "nbf": int(now), "exp": int(now + self.settings.token_seconds)}
        return tokens.sign(key, {"iss": self.settings.issuer, "sub": subject, "aud": audience, **times, **claims})

    def _session(self, name: str, roles: tuple[str, ...], refresh: str) -> web.Response:
        return web.json_response(
            {
                "access_token": self._sign(name, tokens.AUDIENCE_USER, roles=list(roles)),
                "refresh_token": refresh,
                "token_type": "Bearer",
                "expires_in": self.settings.token_seconds,
            }
        )

    async def _login(self, request: web.Request) -> web.Response:
        asked = msgspec.json.decode(await request.read(), type=_Login)
        stored = await self.store.account(asked.user)
        if not await self._matches(asked.password, stored) or stored is None:
            return _refuse(401, "wrong user or password")
        return self._session(
            asked.user, stored.grants, await self.store.issue(asked.user, self.settings.refresh_seconds)
        )

    async def _refresh(self, request: web.Request) -> web.Response:
        asked = msgspec.json.decode(await request.read(), type=_Refresh)
        try:
            fresh = await self.store.rotate(asked.refresh_token, self.settings.refresh_seconds)
        except Reused:
            log.warning("a refresh token was used twice; its family is revoked")
            return _refuse(401, "refresh token reused")
        if fresh is None:
            return _refuse(401, "refresh token unknown or expired")
        return self._session(fresh.name, fresh.roles, fresh.token)

    async def _token(self, request: web.Request) -> web.Response:
        """Client credentials (RFC 6749 §4.4), in JSON."""
        asked = msgspec.json.decode(await request.read(), type=_Client)
        stored = await self.store.client(asked.client_id)
        if not await self._matches(asked.client_secret, stored) or stored is None:
            return _refuse(401, "wrong client or secret")
        if asked.scope not in stored.grants:
            return _refuse(403, f"{asked.client_id} may not have scope {asked.scope}")
        token = self._sign(asked.client_id, tokens.AUDIENCE_SERVICE, scope=asked.scope)
        return web.json_response({"access_token": token, "expires_in": self.settings.token_seconds})

    # Authorisation

    def _own_keys(self) -> dict[str, Any]:
        return {"keys": [key.jwk() for key in self._keys]}

    def _verify(self, token: str, audience: str) -> dict[str, Any]:
        return tokens.verify(token, tokens.public_keys(self._own_keys()), audience=audience, now=self.now())

    async def _authorize(self, request: web.Request) -> web.Response:
        """May the bearer of this user token act in this role? Asked by services, which prove themselves first."""
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        try:
            service = self._verify(bearer if scheme == "Bearer" else "", tokens.AUDIENCE_SERVICE)
        except tokens.BadToken as error:
            return _refuse(401, f"service token: {error.reason}")
        if service.get("scope") != "authorize":
            return _refuse(403, "the service may not ask")
        asked = msgspec.json.decode(await request.read(), type=_Authorize)
        try:
            user = self._verify(asked.token, tokens.AUDIENCE_USER)
        except tokens.BadToken as error:
            return _refuse(401, f"user token: {error.reason}")
        # The directory decides, not the token: a role that was taken away is gone at once.
        roles = await self.store.roles(user["sub"])
        if roles is None or asked.role not in roles:
            return _refuse(403, f"{user['sub']} has not the role {asked.role}")
        return web.json_response({"user": user["sub"], "role": asked.role})

    async def _jwks(self, _: web.Request) -> web.Response:
        return web.json_response(self._own_keys())

    # Health, deploys, faults

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"version": self.deploy.version})

    async def _readyz(self, _: web.Request) -> web.Response:
        await self.store.ping()
        return web.json_response({"version": self.deploy.version})

    def _read_deploy(self) -> None:
        path = self.folder / DEPLOY_FILE
        self.deploy = msgspec.json.decode(path.read_bytes(), type=Deploy) if path.exists() else Deploy()
        self._build.clear()
        self._build.labels(self.deploy.version).set(1)
        self._deployed.set(self.deploy.at)

    async def _put_deploy(self, request: web.Request) -> web.Response:
        try:
            deploy = msgspec.json.decode(await request.read(), type=Deploy)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            return _refuse(400, str(error))
        (self.folder / DEPLOY_FILE).write_bytes(msgspec.json.encode(deploy))
        self._read_deploy()
        log.info("version %s deployed", deploy.version)
        return web.json_response(msgspec.to_builtins(deploy))

    async def turned(self, before: LoginKnobs) -> None:
        """Refuses shares that are none."""
        if not 0 <= self.knobs.cpu_burn < 1:
            raise ValueError(f"cpu_burn is {self.knobs.cpu_burn}; expected 0 or more, and less than 1")

    async def _burn(self) -> None:
        """Spend a share of each 100 ms in the event loop: what a starved process looks like to its clients."""
        while True:
            busy = self.knobs.cpu_burn * 0.1
            until = time.monotonic() + busy
            while time.monotonic() < until:
                pass
            await asyncio.sleep(0.1 - busy)

    async def _purge(self) -> None:
        while True:
            await asyncio.sleep(60)
            try:
                await self.store.purge()
            except Unavailable as error:
                log.info("expired tokens stay: %s", error)

    async def metrics(self, request: web.Request) -> web.Response:
        """With the pool's figures of this moment."""
        stats = self.store.pool.get_stats()
        for what in ("pool_size", "pool_available", "requests_waiting", "connections_errors", "requests_errors"):
            self._pool.labels(what).set(stats.get(what, 0))
        for reason, count in self.store.lookup_failures.items():
            self._lookups.labels(reason).set(count)
        return await super().metrics(request)


if __name__ == "__main__":
    run(Login)
