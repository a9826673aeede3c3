"""A stack on loopback for the tests: addresses of its own in 127.0.0.0/8, and a plain client."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import shutil
import socket
import ssl
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from doorward_lab.errors import Missing
from doorward_lab.stack import accounts, postgres
from doorward_lab.stack.place import Local, Place, program
from doorward_lab.stack.roles import Stack
from doorward_lab.stack.wiring import Options, Ports, Wiring, wire

T = TypeVar("T")
SEED = "tests"
PORTS = Ports(http=8080, https=8443, portal=8090, dns=5353)


def need(*tools: str) -> None:
    """Skip the test where one of these is not installed."""
    packages = {
        "nginx": "nginx-light",
        "prometheus": "prometheus",
        "prometheus-alertmanager": "prometheus-alertmanager",
    }
    try:
        for tool in tools:
            if tool == "postgres":
                postgres._binary("initdb")
            else:
                program(tool, packages.get(tool, tool))
    except Missing as error:
        pytest.skip(str(error))


def addresses(count: int) -> list[str]:
    """Addresses of this machine's loopback network that nobody else is likely to use."""
    chance = random.SystemRandom()
    prefix = f"127.{chance.randrange(2, 250)}.{chance.randrange(1, 250)}"
    return [f"{prefix}.{i}" for i in range(1, count + 1)]


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder with a short name, as Unix sockets need."""
    path = Path(tempfile.mkdtemp(prefix="dl"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def eventually(what: Callable[[], T], seconds: float = 10.0) -> T:
    """The first true answer; fails with the last one, or the last assertion, when none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if answer := what():
                return answer
            problem: object = answer
        except (AssertionError, OSError) as error:
            problem = error
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {problem!r}")
        time.sleep(0.05)


@dataclass(frozen=True)
class Reply:
    """What a server answered, and how long it took."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    address: str,
    port: int,
    method: str,
    path: str,
    body: object = None,
    *,
    token: str = "",
    tls: ssl.SSLContext | None = None,
    source: str | None = None,
    seconds: float = 20.0,
) -> Reply:
    """One request over a connection of its own."""
    origin = (source, 0) if source else None
    connection: http.client.HTTPConnection
    if tls is None:
        connection = http.client.HTTPConnection(address, port, timeout=seconds, source_address=origin)
    else:
        connection = http.client.HTTPSConnection(address, port, timeout=seconds, context=tls, source_address=origin)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    began = time.monotonic()
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return Reply(answer.status, answer.read(), dict(answer.getheaders()), time.monotonic() - began)
    finally:
        connection.close()


@dataclass(frozen=True)
class Site:
    """A running stack, asked through its load balancer."""

    stack: Stack
    wiring: Wiring
    at: Mapping[str, str]  # address by service
    root: ssl.SSLContext

    def ask(self, method: str, path: str, body: object = None, *, token: str = "", seconds: float = 20.0) -> Reply:
        return ask(self.at["balancer"], PORTS.https, method, path, body, token=token, tls=self.root, seconds=seconds)

    def login(self, user: str = "user-0001", secret: str | None = None) -> Reply:
        """Log in with the right password, or another."""
        right = accounts.password(SEED, user)
        return self.ask("POST", "/login", {"user": user, "password": right if secret is None else secret})

    def token(self, user: str = "user-0001") -> str:
        reply = self.login(user)
        assert 200 == reply.status, reply.body
        return str(reply.json()["access_token"])

    def query(self, promql: str) -> dict[str, float]:
        """An instant query's values, by the label `host`."""
        answer = self.stack["monitor"].call("GET", "/query?query=" + urllib.parse.quote(promql))
        return {r["metric"].get("host", ""): float(r["value"][1]) for r in answer["data"]["result"]}


def places(names: list[str]) -> tuple[dict[str, Place], dict[str, str]]:
    """A place on loopback for each service, and its address."""
    local = Local()
    at = dict(zip(names, addresses(len(names)), strict=True))
    return {name: Place(local, (address,)) for name, address in at.items()}, at


@contextlib.contextmanager
def running(names: list[str], options: Options) -> Iterator[Site]:
    """A stack of these services, which is gone afterwards."""
    with folder() as path:
        where, at = places(names)
        wiring = wire(path, where, replace(options, ports=PORTS))
        stack = Stack(path, wiring.seats)
        try:
            stack.start(seconds=30)
            yield Site(stack, wiring, at, ssl.create_default_context(cafile=str(wiring.root)))
        finally:
            stack.stop()


class Silent:
    """A port that answers no SYN: its queue of connections is full, as behind a filter that drops."""

    def __init__(self, address: str, port: int = 0) -> None:
        self._listener = socket.socket()
        self._listener.bind((address, port))
        self._listener.listen(0)
        self.address, self.port = self._listener.getsockname()
        self._fill = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex((self.address, self.port))
            self._fill.append(sock)
        time.sleep(0.05)

    def close(self) -> None:
        for sock in [*self._fill, self._listener]:
            sock.close()
