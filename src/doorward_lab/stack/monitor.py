"""The monitoring host: Prometheus and Alertmanager from Debian's packages, as children of one process.

PUT /config of the admin endpoint changes what is scraped and where alerts go, without a restart. Not here: the text of
their configuration (`prometheus`).
"""

from __future__ import annotations

import asyncio
import signal
import subprocess

import aiohttp
import msgspec
from aiohttp import web

from doorward_lab.stack import prometheus
from doorward_lab.stack.nginx import host
from doorward_lab.stack.place import dies_with_parent, program
from doorward_lab.stack.service import Knobs, Service, Settings, run


class Watched(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is scraped, and who hears of alerts."""

    jobs: tuple[prometheus.Job, ...] = ()
    webhook: str | None = None
    scrape_seconds: float = 1.0


class MonitorSettings(Settings, kw_only=True, frozen=True):
    """Prometheus and Alertmanager listen at the first address."""

    watched: Watched = Watched()
    port_prometheus: int = 9090
    port_alertmanager: int = 9093
    retention: str = "256MB"


class Monitor(Service[MonitorSettings, Knobs]):
    """Prometheus and Alertmanager."""

    settings_type = MonitorSettings
    knobs_type = Knobs

    def __init__(self, settings: MonitorSettings) -> None:
        super().__init__(settings)
        self._watched = settings.watched
        self._children: list[subprocess.Popen[bytes]] = []
        self._prometheus = program("prometheus", "prometheus")
        self._alertmanager = program("prometheus-alertmanager", "prometheus-alertmanager")

    def _write(self, watched: Watched) -> None:
        at = (self.settings.listen[0], self.settings.port_alertmanager)
        files = {
            "rules.yml": prometheus.rules(),
            "alertmanager.yml": prometheus.routing(watched.webhook),
            "prometheus.yml": prometheus.scrape(
                watched.jobs, seconds=watched.scrape_seconds, rules=str(self.folder / "rules.yml"), alertmanager=at
            ),
        }
        for name, text in files.items():
            new = self.folder / (name + ".new")
            new.write_text(text)
            new.rename(self.folder / name)

    async def open(self) -> None:
        """Start both."""
        settings = self.settings
        address = host(settings.listen[0])
        self._write(self._watched)
        commands = (
            [
                self._prometheus,
                f"--config.file={self.folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.folder / 'prometheus'}",
                f"--storage.tsdb.retention.size={settings.retention}",
                "--storage.tsdb.wal-segment-size=10MB",
                # It knows no Alertmanager for 5 s after each start and reload, drops what it would tell meanwhile, and
                # says it again only after this (default: a minute).
                "--rules.alert.resend-delay=1s",
                f"--web.listen-address={address}:{settings.port_prometheus}",
                "--log.level=warn",
            ],
            [
                self._alertmanager,
                f"--config.file={self.folder / 'alertmanager.yml'}",
                f"--storage.path={self.folder / 'alertmanager'}",
                f"--web.listen-address={address}:{settings.port_alertmanager}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ],
        )
        self._children = [subprocess.Popen([*dies_with_parent(), *command]) for command in commands]

    async def close(self) -> None:
        """Stop both; nothing of theirs is worth waiting for."""
        for child in self._children:
            child.kill()
            child.wait()

    async def ready(self) -> str | None:
        """Whether both answer."""
        address = host(self.settings.listen[0])
        for port in (self.settings.port_prometheus, self.settings.port_alertmanager):
            try:
                async with (
                    aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as session,
                    session.get(f"http://{address}:{port}/-/ready") as answer,
                ):
                    if answer.status != 200:
                        return f"port {port}: {answer.status}"
            except (aiohttp.ClientError, TimeoutError) as error:
                return f"port {port}: {error}"
        return None

    def admin_routes(self) -> list[web.RouteDef]:
        """GET and PUT /config, GET /query?query=PROMQL."""
        return [
            web.get("/config", self._get_config),
            web.put("/config", self._put_config),
            web.get("/query", self._query),
        ]

    async def _get_config(self, _: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self._watched), content_type="application/json")

    async def _put_config(self, request: web.Request) -> web.Response:
        try:
            watched = msgspec.json.decode(await request.read(), type=Watched)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        self._write(watched)
        self._watched = watched
        for child in self._children:
            child.send_signal(signal.SIGHUP)
        await asyncio.sleep(0.1)
        return await self._get_config(request)

    async def _query(self, request: web.Request) -> web.Response:
        """Pass an instant query on, so that it can be asked from outside the namespace."""
        url = f"http://{host(self.settings.listen[0])}:{self.settings.port_prometheus}/api/v1/query"
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
                session.get(url, params={"query": request.query.get("query", "")}) as answer,
            ):
                return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")
        except (aiohttp.ClientError, TimeoutError) as error:
            return web.json_response({"error": str(error)}, status=502)


if __name__ == "__main__":
    run(Monitor)
