"""How the portal calls the login service: replicas in turn, bounded times, and the second stack when the first fails.

Lives here: `Breaker` (pure: which stack to ask) and `Upstream` (HTTP). Not here: what is asked (`portal`).
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

from doorward_lab.stack.resolver import LookupFailed, Resolver


class Failed(Exception):
    """No answer; `reason` is timeout, refused, lookup or connection, `status` what the portal answers for it."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.status = 504 if reason == "timeout" else 502


@dataclass(frozen=True, slots=True)
class Answer:
    """What the login service said."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body, decoded. Raises `ValueError`."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Breaker:
    """Whether the first stack is to be asked: after `limit` failures in a row not before `pause` seconds are over."""

    limit: int = 2
    pause: float = 5.0
    failures: int = 0
    closed_until: float = 0.0

    def open(self, now: float) -> bool:
        """Whether to pass the first stack over."""
        return self.failures >= self.limit and now < self.closed_until

    def failed(self, now: float) -> Breaker:
        """After one more failure."""
        return replace(self, failures=self.failures + 1, closed_until=now + self.pause)

    def succeeded(self) -> Breaker:
        """After a success."""
        return replace(self, failures=0, closed_until=0.0)


class Upstream:
    """One login stack: its replicas' base URLs, asked in turn. A request is never sent twice.

    Idle connections are kept when `keepalive`, and replaced every `keepalive_time` seconds, so that a way that was cut
    is noticed; without, each request makes its own.
    """

    def __init__(
        self,
        urls: Sequence[str],
        resolver: Resolver,
        *,
        connect: float,
        total: float,
        keepalive: bool,
        keepalive_time: float,
    ) -> None:
        self.urls = tuple(urls)
        self._turn = itertools.cycle(self.urls)
        self._resolver = resolver
        self._timeout = aiohttp.ClientTimeout(total=total, sock_connect=connect)
        self._keepalive = keepalive
        self._keepalive_time = keepalive_time
        self._session: aiohttp.ClientSession | None = None
        self._made = 0.0
        self._closing: set[asyncio.Task[None]] = set()

    def _current(self) -> aiohttp.ClientSession:
        now = time.monotonic()
        if self._session is not None and now - self._made > self._keepalive_time:
            self._retire(self._session)
            self._session = None
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=self._resolver, use_dns_cache=False, force_close=not self._keepalive, limit=0
            )
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
            self._made = now
        return self._session

    def _retire(self, session: aiohttp.ClientSession) -> None:
        """Close a session once its requests are over."""

        async def later() -> None:
            await asyncio.sleep((self._timeout.total or 0) + 1)
            await session.close()

        task = asyncio.create_task(later())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def ask(
        self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request to the next replica. Raises `Failed`."""
        if not self.urls:
            raise Failed("connection", "no login service is configured")
        url = next(self._turn) + path
        try:
            async with self._current().request(method, url, json=body, headers=headers) as response:
                return Answer(response.status, await response.read())
        except TimeoutError as error:
            raise Failed("timeout", f"{url}: no answer in time") from error
        except aiohttp.ClientConnectorDNSError as error:
            cause = error.os_error
            raise Failed("lookup", f"{url}: {cause.reason if isinstance(cause, LookupFailed) else cause}") from error
        except aiohttp.ClientConnectorError as error:
            reason = "refused" if error.os_error.errno == errno.ECONNREFUSED else "connection"
            raise Failed(reason, f"{url}: {error}") from error
        except aiohttp.ClientError as error:
            raise Failed("connection", f"{url}: {error}") from error

    async def close(self) -> None:
        """Close what is open."""
        for task in self._closing:
            task.cancel()
        if self._session is not None:
            await self._session.close()
