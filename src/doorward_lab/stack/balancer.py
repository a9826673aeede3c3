"""The load balancer's process: nginx as its child, health checks from its own namespace, the exporter.

New configuration comes by the admin endpoint (PUT /config); nginx is reloaded, never restarted, so requests in flight
are answered by the old workers. Not here: the text of nginx's configuration (`nginx`), the rules of health (`health`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web
from cryptography import x509
from prometheus_client import Gauge

from doorward_lab.errors import LabError
from doorward_lab.stack import edge, health, nginx
from doorward_lab.stack.balancing import Balancer, Target, TargetGroup
from doorward_lab.stack.place import dies_with_parent, program
from doorward_lab.stack.service import Knobs, Service, Settings, log, run

TARGETS_FILE = "targets.json"
CONFIG_FILE = "balancer.json"
_CONNECTIONS = re.compile(r"Active connections: (\d+)")


class BalancerSettings(Settings, kw_only=True, frozen=True):
    """`certificate` and `key` are files; they are read again on each reload."""

    balancer: Balancer = Balancer()
    certificate: str = ""
    key: str = ""


class BalancerKnobs(Knobs, kw_only=True, frozen=True):
    """`certificate` and `key`: other files to serve with, such as an expired certificate; empty: the right ones."""

    certificate: str = ""
    key: str = ""


class BalancerService(Service[BalancerSettings, BalancerKnobs]):
    """nginx standing for an Application Load Balancer."""

    settings_type = BalancerSettings
    knobs_type = BalancerKnobs

    def __init__(self, settings: BalancerSettings) -> None:
        super().__init__(settings)
        saved = self.folder / CONFIG_FILE
        self.balancer = msgspec.json.decode(saved.read_bytes(), type=Balancer) if saved.exists() else settings.balancer
        self._table: dict[health.Key, health.Health] = {}
        self._checks: dict[health.Key, asyncio.Task[None]] = {}
        self._nginx: subprocess.Popen[bytes] | None = None
        self._program = program("nginx", "nginx-light", "/usr/sbin")
        self._applied = ""
        self._tasks: list[asyncio.Task[None]] = []
        self._edge = edge.Edge(self.registry)
        self._tail = edge.Tail(self.folder / nginx.ACCESS_LOG)
        self._targets = Gauge("edge_targets", "Targets by state", ["target_group", "state"], registry=self.registry)
        self._active = Gauge("edge_active_connections", "Connections of clients", registry=self.registry)
        self._expires = Gauge(
            "edge_certificate_expires_seconds", "When the certificate served ends", registry=self.registry
        )

    # nginx

    @property
    def _conf(self) -> Path:
        return self.folder / "nginx.conf"

    def _site(self) -> nginx.Site:
        return nginx.Site(
            str(self.folder),
            self.settings.listen,
            self.knobs.certificate or self.settings.certificate,
            self.knobs.key or self.settings.key,
        )

    def _text(self) -> str:
        routed = {group.arn: health.routed(group, self._table) for group in self.balancer.groups}
        return nginx.render(self.balancer, self._site(), routed)

    def _command(self, conf: Path) -> list[str]:
        return [self._program, "-p", str(self.folder), "-c", str(conf), "-e", str(self.folder / "error.log")]

    def _write(self, text: str) -> None:
        """Put a configuration in place, once nginx has said that it can read it. Raises `LabError` with its words."""
        new = self._conf.with_suffix(".new")
        new.write_text(text)
        tried = subprocess.run([*self._command(new), "-q", "-t"], capture_output=True, text=True, check=False)
        if tried.returncode:
            raise LabError(f"nginx refuses the configuration: {tried.stderr.strip()}")
        new.rename(self._conf)

    def _apply(self, *, always: bool = False) -> None:
        """Reload when the configuration differs."""
        text = self._text()
        if text == self._applied and not always:
            return
        self._write(text)
        if self._nginx is not None:
            self._nginx.send_signal(signal.SIGHUP)
        self._applied = text
        self._read_certificate()

    def _read_certificate(self) -> None:
        if path := self._site().certificate:
            certificate = x509.load_pem_x509_certificate(Path(path).read_bytes())
            self._expires.set(certificate.not_valid_after_utc.timestamp())

    async def open(self) -> None:
        """Start nginx and the checks."""
        (self.folder / "tmp").mkdir(exist_ok=True)
        (self.folder / nginx.STATUS_SOCKET).unlink(missing_ok=True)  # left by one that was killed
        self._apply(always=True)
        self._nginx = subprocess.Popen([*dies_with_parent(), *self._command(self._conf)])
        self._follow_targets()
        self._tasks = [asyncio.create_task(self._read_log())]

    async def close(self) -> None:
        """Stop nginx."""
        for task in [*self._tasks, *self._checks.values()]:
            task.cancel()
        if self._nginx is not None and self._nginx.poll() is None:
            self._nginx.terminate()
            self._nginx.wait(5)

    async def ready(self) -> str | None:
        """Whether nginx answers."""
        if self._nginx is None or self._nginx.poll() is not None:
            return "nginx does not run"
        return None if await self._status() is not None else "nginx does not answer"

    async def _status(self) -> str | None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_unix_connection(str(self.folder / nginx.STATUS_SOCKET))
                writer.write(b"GET / HTTP/1.0\r\n\r\n")
                answer = await reader.read()
                writer.close()
                return answer.decode("ascii", "replace")
        return None

    async def _read_log(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            for line in self._tail.lines():
                self._edge.line(line)
            if self._tail.size > edge.ROTATE_BYTES and self._nginx is not None:
                path = self.folder / nginx.ACCESS_LOG
                path.rename(path.with_suffix(".log.1"))
                self._nginx.send_signal(signal.SIGUSR1)
                await asyncio.sleep(0.5)  # lines that the old workers still wrote to the old file
                for line in self._tail_of(path.with_suffix(".log.1")):
                    self._edge.line(line)
                self._tail.restart()

    def _tail_of(self, moved: Path) -> list[str]:
        rest = edge.Tail(moved)
        rest.skip(self._tail.size)
        return rest.lines()

    async def turned(self, before: BalancerKnobs) -> None:
        """Serve with the certificate that the knobs say."""
        try:
            self._apply(always=True)
        except (LabError, OSError) as error:
            raise ValueError(str(error)) from error

    # Health checks

    def _follow_targets(self) -> None:
        """One task for each target in use; the health of targets that are gone is forgotten."""
        used = self.balancer.used()
        wanted = {
            health.key(group, target): (group, target)
            for group in self.balancer.groups
            if group.arn in used
            for target in group.targets
        }
        for gone in self._checks.keys() - wanted.keys():
            self._checks.pop(gone).cancel()
            self._table.pop(gone, None)
        for key, (group, target) in wanted.items():
            if key not in self._checks:
                self._checks[key] = asyncio.create_task(self._check(group.arn, target))
        self._publish()

    async def _check(self, arn: str, target: Target) -> None:
        while (group := self.balancer.group(arn)) is not None:
            began = time.monotonic()
            result = await self._probe(group, target)
            key = health.key(group, target)
            before = self._table.get(key, health.Health())
            after = self._table[key] = health.step(before, result, group.check)
            if before.state != after.state:
                log.info("target %s:%d of %s is %s (%s)", target.address, target.port, group.name, after.state, result)
            if before != after:
                try:
                    self._apply()
                except LabError as error:
                    log.error("%s", error)
                self._publish()
            await asyncio.sleep(max(0.0, group.check.interval - (time.monotonic() - began)))

    @staticmethod
    async def _probe(group: TargetGroup, target: Target) -> health.Result:
        """One check, over a connection of its own: what a new request would meet."""
        url = f"http://{nginx.host(target.address)}:{group.check.port or target.port}{group.check.path}"
        timeout = aiohttp.ClientTimeout(total=group.check.timeout)
        connector = aiohttp.TCPConnector(force_close=True)
        headers = {"User-Agent": "ELB-HealthChecker/2.0"}
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session,
                session.get(url, allow_redirects=False) as response,
            ):
                return health.Result(response.status)
        except TimeoutError:
            return health.Result(None, "timeout")
        except aiohttp.ClientError:
            return health.Result(None, "failed")

    def _publish(self) -> None:
        """Write the states for the API's DescribeTargetHealth, whole or not at all."""
        descriptions = health.describe(self.balancer, self._table)
        new = self.folder / (TARGETS_FILE + ".new")
        new.write_text(json.dumps(descriptions))
        os.replace(new, self.folder / TARGETS_FILE)
        names = {group.arn: group.name for group in self.balancer.groups}
        self._targets.clear()
        for (arn, state), count in health.counts(descriptions).items():
            self._targets.labels(names[arn], state).set(count)

    # The admin endpoint

    def admin_routes(self) -> list[web.RouteDef]:
        """GET and PUT /config, GET /targets."""
        return [
            web.get("/config", self._get_config),
            web.put("/config", self._put_config),
            web.get("/targets", self._get_targets),
        ]

    async def _get_config(self, _: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self.balancer), content_type="application/json")

    async def _put_config(self, request: web.Request) -> web.Response:
        before = self.balancer
        try:
            self.balancer = msgspec.json.decode(await request.read(), type=Balancer)
            self._apply()
        except (msgspec.ValidationError, msgspec.DecodeError, LabError, OSError) as error:
            self.balancer = before
            return web.json_response({"error": str(error)}, status=400)
        (self.folder / CONFIG_FILE).write_bytes(msgspec.json.encode(self.balancer))
        self._follow_targets()
        return await self._get_config(request)

    async def _get_targets(self, _: web.Request) -> web.Response:
        return web.json_response(health.describe(self.balancer, self._table))

    async def metrics(self, request: web.Request) -> web.Response:
        """With nginx's own count of connections."""
        if (found := _CONNECTIONS.search(await self._status() or "")) is not None:
            self._active.set(int(found[1]))
        return await super().metrics(request)


if __name__ == "__main__":
    run(BalancerService)
