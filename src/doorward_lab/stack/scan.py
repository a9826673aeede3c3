"""A port scan: TCP connections to many ports of some addresses, in a seeded order, bounded.

Not here: the bounds (`hostile`).
"""

from __future__ import annotations

import asyncio
import json
import random

from aiohttp import web
from prometheus_client import Counter, Gauge

from doorward_lab.stack import hostile
from doorward_lab.stack.service import Knobs, Service, Settings, log, run
from doorward_lab.stack.workload import clients

FOUND = "found.json"


class ScanSettings(Settings, kw_only=True, frozen=True):
    """Each port from `first` to `last` of each target, once, from `sources` addresses of `networks`."""

    targets: tuple[str, ...]
    networks: tuple[str, ...]
    seed: str
    first: int = 1
    last: int = 1024
    rate: float = 200.0
    seconds: float = 120.0
    patience: float = 1.0
    sources: int = 4


class Scan(Service[ScanSettings, Knobs]):
    """Somebody who tries every door."""

    settings_type = ScanSettings
    knobs_type = Knobs

    def __init__(self, settings: ScanSettings) -> None:
        super().__init__(settings)
        if not 1 <= settings.first <= settings.last <= 65535:
            raise ValueError(f"ports {settings.first} to {settings.last}; expected 1 to 65535")
        for target in settings.targets:
            hostile.check_target(target)
        self._doors = [(t, p) for t in settings.targets for p in range(settings.first, settings.last + 1)]
        hostile.check_bounds(settings.rate, len(self._doors), settings.seconds)
        random.Random(settings.seed).shuffle(self._doors)  # noqa: S311 - an order, not a secret
        sources = clients(settings.networks, settings.sources, settings.seed)
        self._sources = {target: hostile.same_family(sources, target) for target in settings.targets}
        self._tries = Counter("scan_tries", "Ports tried", ["outcome"], registry=self.registry)
        self._over = Gauge("scan_over", "Whether it is over", registry=self.registry)
        self._found: list[tuple[str, int]] = []
        self._done = False
        self._task: asyncio.Task[None] | None = None

    async def opened(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._scan())

    async def close(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _scan(self) -> None:
        settings = self.settings
        async with asyncio.TaskGroup() as tries:
            async for number in hostile.paced(settings.rate, len(self._doors), settings.seconds):
                tries.create_task(self._try(*self._doors[number], number))
        self._done = True
        self._over.set(1)
        (self.folder / FOUND).write_text(json.dumps(sorted(self._found)))
        log.info("over: %d open", len(self._found))

    async def _try(self, target: str, port: int, number: int) -> None:
        sources = self._sources[target]
        outcome, sock = await hostile.connect(sources[number % len(sources)], target, port, self.settings.patience)
        self._tries.labels(outcome).inc()
        if sock is not None:
            sock.close()
            self._found.append((target, port))

    def admin_routes(self) -> list[web.RouteDef]:
        """GET /found."""
        return [web.get("/found", self._get_found)]

    async def _get_found(self, _: web.Request) -> web.Response:
        return web.json_response({"over": self._done, "open": sorted(self._found)})


if __name__ == "__main__":
    run(Scan)
