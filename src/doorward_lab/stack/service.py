"""What every process of the stack shares: its configuration file, public and admin endpoints, knobs, metrics, an end.

Each service is `python -m doorward_lab.stack.NAME --config FILE`. Its admin endpoint is a Unix socket in its own
folder: it answers from any network namespace and past every security group, as a machine's console would, so faults
and readiness never depend on the network that is under test. Not here: what any one service does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from doorward_lab.errors import LabError

ADMIN_SOCKET = "admin.sock"
log = logging.getLogger("doorward_lab.stack")


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What every service's configuration file holds."""

    folder: str
    listen: tuple[str, ...] = ()  # addresses of the public endpoint; none: no public endpoint
    port: int = 0
    metrics_port: int | None = None  # /metrics on a port of its own, at the same addresses
    metrics_fd: int | None = None  # /metrics on an inherited listening socket, of whichever namespace that was made in


class Knobs(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a fault may turn; the defaults are health."""


S = TypeVar("S", bound=Settings)
K = TypeVar("K", bound=Knobs)


class Service(Generic[S, K]):
    """One process of the stack. Subclasses give routes, and start and stop what they need in `open` and `close`."""

    settings_type: type[S]
    knobs_type: type[K]

    def __init__(self, settings: S) -> None:
        self.settings = settings
        self.knobs: K = self.knobs_type()
        self.folder = Path(settings.folder)
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._lag = Gauge("event_loop_lag_seconds", "How late the process woke up last", registry=self.registry)
        clock = Gauge("clock_seconds", "What the service takes for the time (Unix seconds)", registry=self.registry)
        clock.set_function(self.now)

    def now(self) -> float:
        """The time as this service sees it, Unix seconds."""
        return time.time()

    async def open(self) -> None:
        """Start what the service needs, before it serves."""

    async def close(self) -> None:
        """Stop it, after the last answer."""

    async def opened(self) -> None:
        """Called once the service serves."""

    def routes(self) -> list[web.RouteDef]:
        """The public endpoint's routes, beside /metrics."""
        return []

    def admin_routes(self) -> list[web.RouteDef]:
        """The admin endpoint's routes, beside /ready, /knobs and /metrics."""
        return []

    async def ready(self) -> str | None:
        """None when the service can do its work; else why not."""
        return None

    async def turned(self, before: K) -> None:
        """Called after knobs changed; raises `ValueError` when they cannot be applied."""

    def middlewares(self) -> list[Any]:
        """The public endpoint's middlewares."""
        return []

    # The admin endpoint

    async def _ready(self, _: web.Request) -> web.Response:
        why = await self.ready()
        return web.json_response({"ready": why is None, "why": why}, status=200 if why is None else 503)

    async def _knobs(self, _: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self.knobs), content_type="application/json")

    async def _turn(self, request: web.Request) -> web.Response:
        """PUT: the fields given are set, the others stay. DELETE: all are healthy again."""
        before = self.knobs
        try:
            given = {} if request.method == "DELETE" else msgspec.json.decode(await request.read(), type=dict[str, Any])
            kept = {} if request.method == "DELETE" else msgspec.to_builtins(before)
            self.knobs = msgspec.convert({**kept, **given}, self.knobs_type)
            await self.turned(before)
        except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
            self.knobs = before
            return web.json_response({"error": str(error)}, status=400)
        return await self._knobs(request)

    async def metrics(self, _: web.Request) -> web.Response:
        """Prometheus' text format."""
        return web.Response(body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _watch_lag(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.25)
            self._lag.set(time.monotonic() - began - 0.25)

    async def serve(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self.close)
            await self.open()
            public = web.Application(middlewares=self.middlewares())
            public.add_routes([*self.routes(), web.get("/metrics", self.metrics)])
            runner = await _runner(stack, public)
            for address in self.settings.listen if self.settings.port else ():
                await web.TCPSite(runner, address, self.settings.port, reuse_address=True).start()
            await self._serve_metrics(stack)
            admin = web.Application()
            admin.add_routes(
                [
                    web.get("/ready", self._ready),
                    web.get("/knobs", self._knobs),
                    web.put("/knobs", self._turn),
                    web.delete("/knobs", self._turn),
                    web.get("/metrics", self.metrics),
                    *self.admin_routes(),
                ]
            )
            path = self.folder / ADMIN_SOCKET
            path.unlink(missing_ok=True)
            await web.UnixSite(await _runner(stack, admin), path).start()
            await self.opened()
            lag = asyncio.create_task(self._watch_lag())
            stack.callback(lag.cancel)
            log.info("serving")
            await stop.wait()

    async def _serve_metrics(self, stack: contextlib.AsyncExitStack) -> None:
        only = web.Application()
        only.add_routes([web.get("/metrics", self.metrics)])
        runner = await _runner(stack, only)
        if self.settings.metrics_port:
            for address in self.settings.listen:
                await web.TCPSite(runner, address, self.settings.metrics_port, reuse_address=True).start()
        if self.settings.metrics_fd is not None:
            await web.SockSite(runner, socket.socket(fileno=os.dup(self.settings.metrics_fd))).start()


async def _runner(stack: contextlib.AsyncExitStack, app: web.Application) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner


def run(service: type[Service[Any, Any]], arguments: Sequence[str] | None = None) -> None:
    """The `main` of a service: read the configuration file, serve until told to stop."""
    parser = argparse.ArgumentParser(description=(service.__doc__ or "").partition("\n")[0])
    parser.add_argument("--config", required=True, help="the service's configuration, a JSON file")
    config = parser.parse_args(arguments).config
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        made = service(msgspec.json.decode(Path(config).read_bytes(), type=service.settings_type))
    except (OSError, ValueError, LabError) as error:  # msgspec's errors are ValueErrors
        parser.error(f"{config}: {error}")
    disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the series
    try:
        asyncio.run(made.serve())
    except LabError as error:
        parser.exit(1, f"{error}\n")
