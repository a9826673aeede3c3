"""The portal: the pages and the API that users see; it holds no passwords and no roles, it asks the login service.

Tokens are verified here, with the login service's public keys. When the second, independent login stack is switched
on, the portal turns to it while the first fails. Not here: how the login service is called (`upstream`).
"""

from __future__ import annotations

import asyncio
import html
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from prometheus_client import Counter, Gauge, Histogram

from doorward_lab.stack import tokens
from doorward_lab.stack.resolver import Resolver
from doorward_lab.stack.service import Knobs, Service, Settings, log, run
from doorward_lab.stack.upstream import Answer, Breaker, Failed, Upstream

_KEYS_SECONDS = 30.0  # between two reads of the public keys
_JWKS_PAUSE = 2.0  # seconds between two reads of the public keys, however many unknown ids come
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PortalSettings(Settings, kw_only=True, frozen=True):
    """`login` and `second` are base URLs of the replicas; `secret` is the portal's own, for service tokens.

    `use_second`: the second login stack is on, unless the knob says otherwise.
    """

    login: tuple[str, ...]
    second: tuple[str, ...] = ()
    use_second: bool = False
    secret: str
    resolver: tuple[str, ...] = ()
    connect_timeout: float = 3.0
    timeout: float = 6.0
    keepalive: bool = True
    keepalive_time: float = 10.0


class PortalKnobs(Knobs, kw_only=True, frozen=True):
    """`second`: whether the second login stack is on; None: as in the settings.

    `clock_offset`: seconds by which the portal's clock is off.
    """

    second: bool | None = None
    clock_offset: float = 0.0


class Stack:
    """One login stack as the portal knows it: how to ask it, its public keys, the portal's own token from it."""

    def __init__(self, name: str, upstream: Upstream, secret: str) -> None:
        self.name = name
        self.upstream = upstream
        self.keys: dict[str, Ed25519PublicKey] = {}
        self._secret = secret
        self._read = -_JWKS_PAUSE
        self._token = ""
        self._token_until = 0.0

    async def key(self, kid: str) -> None:
        """Read the public keys when this id is unknown. Raises `Failed`."""
        if kid not in self.keys and time.monotonic() - self._read >= _JWKS_PAUSE:
            await self.read_keys()

    async def read_keys(self) -> None:
        """Read the public keys. Raises `Failed`."""
        answer = await self.upstream.ask("GET", "/.well-known/jwks.json")
        if answer.status != 200:
            raise Failed("connection", f"{self.name}: public keys: {answer.status}")
        self.keys = tokens.public_keys(answer.json())
        self._read = time.monotonic()

    async def service_token(self) -> str:
        """The portal's own token. Raises `Failed`."""
        if time.monotonic() >= self._token_until:
            asked = {"client_id": "portal", "client_secret": self._secret, "scope": "authorize"}
            answer = await self.upstream.ask("POST", "/token", asked)
            if answer.status != 200:
                raise Failed("connection", f"{self.name}: service token: {answer.status}")
            given = answer.json()
            self._token = given["access_token"]
            self._token_until = time.monotonic() + given["expires_in"] / 2
        return self._token

    def forget_token(self) -> None:
        """The login service refused it."""
        self._token_until = 0.0


def _refuse(status: int, error: str) -> web.Response:
    return web.json_response({"error": error}, status=status)


def _pass_on(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, content_type="application/json")


def _page(title: str, body: str) -> web.Response:
    text = f"<!doctype html><html lang=en><title>{html.escape(title)}</title><h1>{html.escape(title)}</h1>{body}</html>"
    return web.Response(text=text, content_type="text/html")


class Portal(Service[PortalSettings, PortalKnobs]):
    """What users see."""

    settings_type = PortalSettings
    knobs_type = PortalKnobs

    def __init__(self, settings: PortalSettings) -> None:
        super().__init__(settings)
        self._resolver = Resolver(settings.resolver)
        self._first = Stack("login", self._upstream(settings.login), settings.secret)
        self._second = Stack("login-b", self._upstream(settings.second), settings.secret)
        self._breaker = Breaker()
        self._keeping: asyncio.Task[None] | None = None
        self._requests = Counter("portal_requests", "Answers", ["route", "code"], registry=self.registry)
        self._seconds = Histogram("portal_seconds", "Time", ["route"], buckets=_BUCKETS, registry=self.registry)
        self._calls = Counter("portal_login_calls", "Calls", ["stack", "outcome"], registry=self.registry)
        self._bad = Counter("portal_bad_tokens", "Tokens refused", ["reason"], registry=self.registry)
        self._on_second = Gauge("portal_on_second_stack", "Whether it turns to the second", registry=self.registry)

    def now(self) -> float:
        """The time, and how far the clock is off."""
        return time.time() + (self.knobs.clock_offset if hasattr(self, "knobs") else 0.0)

    def _upstream(self, urls: tuple[str, ...]) -> Upstream:
        settings = self.settings
        return Upstream(
            urls,
            self._resolver,
            connect=settings.connect_timeout,
            total=settings.timeout,
            keepalive=settings.keepalive,
            keepalive_time=settings.keepalive_time,
        )

    async def opened(self) -> None:
        """Learn the public keys."""
        self._keeping = asyncio.create_task(self._keep_keys())

    async def close(self) -> None:
        """Close the connections."""
        if self._keeping is not None:
            self._keeping.cancel()
        await self._first.upstream.close()
        await self._second.upstream.close()

    async def turned(self, before: PortalKnobs) -> None:
        """Refuses to turn to a stack that is not configured."""
        if self.knobs.second and not self.settings.second:
            raise ValueError("no second login stack is configured")

    # The two stacks

    @property
    def _both(self) -> bool:
        """Whether the second stack is on."""
        return self.settings.use_second if self.knobs.second is None else self.knobs.second

    def _stacks(self) -> tuple[Stack, ...]:
        return (self._first, self._second) if self._both else (self._first,)

    async def _keep_keys(self) -> None:
        """Read the public keys when the login service appears, and now and then: to verify a token needs nobody."""
        while True:
            for stack in self._stacks():
                try:
                    await stack.read_keys()
                except Failed as error:
                    log.info("public keys: %s", error)
            known = all(stack.keys for stack in self._stacks())
            await asyncio.sleep(_KEYS_SECONDS if known else _JWKS_PAUSE)

    async def _call(self, stack: Stack, method: str, path: str, body: object, **options: Any) -> Answer:
        try:
            answer = await stack.upstream.ask(method, path, body, **options)
        except Failed as error:
            self._calls.labels(stack.name, error.reason).inc()
            raise
        self._calls.labels(stack.name, str(answer.status)).inc()
        return answer

    async def _ask(self, method: str, path: str, body: object) -> Answer:
        """Ask the first stack; the second while the first fails, if it is switched on. Raises `Failed`."""
        if not self._both:
            return await self._call(self._first, method, path, body)
        now = time.monotonic()
        if not self._breaker.open(now):
            if self._breaker.failures >= self._breaker.limit:
                # One request tries whether the first is back; the others do not wait for it.
                self._breaker = self._breaker.failed(now)
            try:
                answer = await self._call(self._first, method, path, body)
            except Failed as error:
                log.warning("first login stack: %s", error)
            else:
                if answer.status < 500:
                    self._breaker = self._breaker.succeeded()
                    self._on_second.set(0)
                    return answer
            self._breaker = self._breaker.failed(time.monotonic())
        self._on_second.set(1)
        return await self._call(self._second, method, path, body)

    async def _claims(self, request: web.Request, audience: str) -> tuple[dict[str, Any], str, Stack]:
        """The claims of the request's token, the token, and the stack that signed it. Raises `BadToken`, `Failed`."""
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        token = bearer if scheme == "Bearer" else request.cookies.get("session", "")
        kid = tokens.key_id(token)
        stacks = self._stacks()
        signer = next((s for s in stacks if kid in s.keys), None)
        failed: Failed | None = None
        for stack in stacks if signer is None else ():
            try:
                await stack.key(kid)
            except Failed as error:
                failed = error
            if kid in stack.keys:
                signer = stack
                break
        if signer is None:
            if failed is not None:
                raise failed
            signer = self._first
        return tokens.verify(token, signer.keys, audience=audience, now=self.now()), token, signer

    # Routes

    def middlewares(self) -> list[Any]:
        """Count and time; failures of the login service become 502 and 504."""

        @web.middleware
        async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
            began = time.monotonic()
            resource = request.match_info.route.resource
            route = resource.canonical if resource is not None else "unknown"
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = error
            except tokens.BadToken as error:
                self._bad.labels(error.reason).inc()
                response = _refuse(401, f"token: {error.reason}")
            except Failed as error:
                log.warning("%s: %s", route, error)
                response = _refuse(error.status, f"login service: {error.reason}")
            except (msgspec.ValidationError, msgspec.DecodeError) as error:
                response = _refuse(400, str(error))
            self._requests.labels(route, str(response.status)).inc()
            self._seconds.labels(route).observe(time.monotonic() - began)
            return response

        return [measured]

    def routes(self) -> list[web.RouteDef]:
        """Pages and API."""
        return [
            web.get("/", self._home),
            web.get("/login", self._form),
            web.post("/login", self._login),
            web.post("/refresh", self._forward),
            web.post("/token", self._forward),
            web.get("/me", self._me),
            web.get("/admin", self._admin),
            web.get("/api/report", self._report),
            web.get("/healthz", self._healthz),
        ]

    async def _home(self, _: web.Request) -> web.Response:
        return _page("Portal", "<p><a href=/login>Log in</a>")

    async def _form(self, _: web.Request) -> web.Response:
        return _page(
            "Log in",
            "<form method=post><label>User <input name=user></label> "
            "<label>Password <input name=password type=password></label> <button>Log in</button></form>",
        )

    async def _login(self, request: web.Request) -> web.Response:
        if request.content_type == "application/json":
            body = msgspec.json.decode(await request.read(), type=dict[str, str])
        else:
            body = {name: str(value) for name, value in (await request.post()).items()}
        answer = await self._ask("POST", "/login", {k: body.get(k, "") for k in ("user", "password")})
        response = _pass_on(answer)
        if answer.status == 200:
            secure = request.headers.get("X-Forwarded-Proto") == "https"
            response.set_cookie(
                "session", answer.json()["access_token"], httponly=True, secure=secure, samesite="Strict"
            )
        return response

    async def _forward(self, request: web.Request) -> web.Response:
        body = msgspec.json.decode(await request.read(), type=dict[str, str])
        return _pass_on(await self._ask("POST", request.path, body))

    async def _me(self, request: web.Request) -> web.Response:
        claims, _, _ = await self._claims(request, tokens.AUDIENCE_USER)
        return web.json_response({"user": claims["sub"], "roles": claims.get("roles", [])})

    async def _admin(self, request: web.Request) -> web.Response:
        """For admins; the login service decides who is one, now."""
        _, token, stack = await self._claims(request, tokens.AUDIENCE_USER)
        headers = {"Authorization": f"Bearer {await stack.service_token()}"}
        answer = await self._call(stack, "POST", "/authorize", {"token": token, "role": "admin"}, headers=headers)
        if answer.status == 401:
            stack.forget_token()
        return _pass_on(answer)

    async def _report(self, request: web.Request) -> web.Response:
        """For services, by their own token."""
        claims, _, _ = await self._claims(request, tokens.AUDIENCE_SERVICE)
        if claims.get("scope") != "report":
            return _refuse(403, f"{claims['sub']} has not the scope report")
        return web.json_response({"service": claims["sub"], "sessions": 0})

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"ok": True})


if __name__ == "__main__":
    run(Portal)
