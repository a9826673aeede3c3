"""A traffic flood from many addresses: TCP connections that are held, or HTTP requests; bounded three times over.

The fault that the outage was mistaken for. Not here: the bounds (`hostile`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Literal

from prometheus_client import Counter, Gauge

from doorward_lab.stack import hostile
from doorward_lab.stack.service import Knobs, Service, Settings, log, run
from doorward_lab.stack.workload import clients


class FloodSettings(Settings, kw_only=True, frozen=True):
    """`kind` connect: each connection is held for `hold` seconds; http: one GET of `path` each, with `tls` or not."""

    target: str
    port: int
    networks: tuple[str, ...]
    seed: str
    kind: Literal["connect", "http"] = "connect"
    tls: bool = False
    host: str = "portal.example.com"
    path: str = "/login"
    rate: float = 200.0
    count: int = 100_000
    seconds: float = 60.0
    hold: float = 5.0
    sources: int = 500


class Flood(Service[FloodSettings, Knobs]):
    """Many who want nothing."""

    settings_type = FloodSettings
    knobs_type = Knobs

    def __init__(self, settings: FloodSettings) -> None:
        super().__init__(settings)
        hostile.check_target(settings.target)
        hostile.check_bounds(settings.rate, settings.count, settings.seconds)
        self._sources = hostile.same_family(
            clients(settings.networks, settings.sources, settings.seed), settings.target
        )
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE
        self._attempts = Counter("flood_attempts", "Attempts", ["outcome"], registry=self.registry)
        self._over = Gauge("flood_over", "Whether it is over", registry=self.registry)
        self._open: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    async def opened(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._flood())

    async def close(self) -> None:
        """End."""
        tasks = [*self._open, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _flood(self) -> None:
        settings = self.settings
        async for number in hostile.paced(settings.rate, settings.count, settings.seconds):
            if len(self._open) >= hostile.MOST_OPEN:
                self._attempts.labels("held-back").inc()
                continue
            task = asyncio.create_task(self._one(self._sources[number % len(self._sources)]))
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        await asyncio.gather(*self._open)
        self._over.set(1)
        log.info("over")

    async def _one(self, source: str) -> None:
        settings = self.settings
        outcome, sock = await hostile.connect(source, settings.target, settings.port, 5.0)
        if sock is not None:
            with contextlib.closing(sock):
                if settings.kind == "connect":
                    await asyncio.sleep(settings.hold)
                else:
                    outcome = await self._get(sock)
        self._attempts.labels(outcome).inc()

    async def _get(self, sock: object) -> str:
        settings = self.settings
        try:
            async with asyncio.timeout(10):
                tls = {"ssl": self._tls, "server_hostname": settings.host} if settings.tls else {}
                reader, writer = await asyncio.open_connection(sock=sock, **tls)  # type: ignore[arg-type]
                request = f"GET {settings.path} HTTP/1.1\r\nHost: {settings.host}\r\nConnection: close\r\n\r\n"
                writer.write(request.encode())
                status = await reader.readline()
                writer.close()
        except (OSError, TimeoutError):
            return "failed"
        words = status.split()
        return f"http-{words[1].decode()}" if len(words) > 1 and words[1].isdigit() else "failed"


if __name__ == "__main__":
    run(Flood)
