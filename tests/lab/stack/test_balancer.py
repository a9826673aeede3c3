"""The balancer's process: real nginx before targets that answer, refuse, or say nothing."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from doorward_lab.errors import LabError
from doorward_lab.stack import admin
from doorward_lab.stack.balancer import TARGETS_FILE, BalancerSettings
from doorward_lab.stack.balancing import Action, Balancer, HealthCheck, Listener, ListenerRule, Target, TargetGroup
from doorward_lab.stack.place import Local, Place
from doorward_lab.stack.roles import ROLES, Process
from tests.lab.stack.harness import Silent, addresses, ask, eventually, folder, need


class Backend:
    """A target that tells what it was sent, and counts its connections."""

    def __init__(self, address: str, name: str, delay: float = 0.0) -> None:
        backend = self
        self.connections = 0
        self.status = 200

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                backend.connections += 1

            def do_GET(self) -> None:
                if self.path != "/healthz":
                    time.sleep(delay)
                body = json.dumps({"name": name, "headers": dict(self.headers.items())}).encode()
                self.send_response(backend.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128  # with the default of 5 a crowd's connections are dropped, as by a filter

        self.server = Server((address, 0), Handler)
        self.server.daemon_threads = True
        self.address, self.port = address, self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def target(self) -> Target:
        return Target(id=f"i-{self.port}", address=self.address, port=self.port)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


CHECK = HealthCheck(path="/healthz", interval=0.2, timeout=0.5, healthy=2, unhealthy=2)
PORT = 8070


def balancer(
    *targets: Target, keepalive: int = 0, keepalive_time: float = 60.0, check: HealthCheck = CHECK
) -> Balancer:
    """One listener that forwards to these targets, with a short connect timeout."""
    return Balancer(
        listeners=(
            Listener(
                port=PORT,
                protocol="HTTP",
                default=Action(kind="forward", group="web"),
                rules=(
                    ListenerRule(paths=("/fixed*",), action=Action(kind="fixed", status=418, body='a "pot"')),
                    ListenerRule(paths=("/tls",), action=Action(kind="redirect", port=8443)),
                    ListenerRule(paths=("/empty",), action=Action(kind="forward", group="empty")),
                ),
            ),
        ),
        groups=(
            TargetGroup(arn="web", name="web", targets=targets, check=check),
            TargetGroup(arn="empty", name="empty"),
        ),
        connect_timeout=1.0,
        keepalive=keepalive,
        keepalive_time=keepalive_time,
    )


@contextlib.contextmanager
def serving(config: Balancer, address: str) -> Iterator[Process]:
    """The process, until the end."""
    need("nginx")
    with folder() as path:
        settings = BalancerSettings(folder=str(path), listen=(address,), balancer=config)
        process = ROLES["balancer"].start(Place(Local(), (address,)), path / "balancer", settings)
        try:
            process.wait_ready(10)
            yield process
        finally:
            process.stop()


@pytest.fixture
def backends() -> Iterator[tuple[str, Backend, Backend]]:
    """An address for the balancer, and two targets."""
    front, one, two = addresses(3)
    made = Backend(one, "one"), Backend(two, "two")
    yield front, *made
    for backend in made:
        backend.close()


def healthy(process: Process, count: int) -> bool:
    """Whether so many targets are healthy."""
    states = [t["TargetHealth"]["State"] for t in process.call("GET", "/targets")]
    return count == states.count("healthy")


def test_round_robin_with_the_clients_address(backends: tuple[str, Backend, Backend]) -> None:
    """Healthy targets are asked in turn, are told the client's address and the scheme, and see the client's Host."""
    front, one, two = backends
    with serving(balancer(one.target(), two.target()), front) as process:
        eventually(lambda: healthy(process, 2))
        time.sleep(0.3)  # the reload's new worker takes over
        replies = [ask(front, PORT, "GET", "/x", source="127.77.1.2").json() for _ in range(20)]

    assert {"one": 10, "two": 10} == {n: sum(r["name"] == n for r in replies) for n in ("one", "two")}
    headers = replies[0]["headers"]
    assert ("127.77.1.2", "http") == (headers["X-Forwarded-For"], headers["X-Forwarded-Proto"])
    assert f"{front}:{PORT}" == headers["Host"]


def test_rules_by_path(backends: tuple[str, Backend, Backend]) -> None:
    """Fixed answers, redirects to HTTPS, and 503 for a target group without targets."""
    front, one, _ = backends
    with serving(balancer(one.target()), front):
        fixed, redirect = ask(front, PORT, "GET", "/fixed/1"), ask(front, PORT, "GET", "/tls?a=b")
        empty = ask(front, PORT, "GET", "/empty")

    assert (418, b'a "pot"') == (fixed.status, fixed.body)
    assert (301, f"https://{front}:8443/tls?a=b") == (redirect.status, redirect.headers["Location"])
    assert 503 == empty.status


def test_silence_is_504_and_refusal_is_502() -> None:
    """A target that answers no SYN costs the connect timeout and gives 504; one that refuses gives 502 at once; each is
    tried once only. The exporter tells them apart."""
    front, quiet, dead = addresses(3)
    silent = Silent(quiet)
    try:
        with serving(balancer(Target(id="i-1", address=quiet, port=silent.port)), front) as process:
            late = ask(front, PORT, "GET", "/login")
            process.call("PUT", "/config", json.loads(_json(balancer(Target(id="i-2", address=dead, port=9)))))
            # For a moment the old worker takes connections too.
            eventually(lambda: all(502 == ask(front, PORT, "GET", "/login").status for _ in range(8)), 30)
            refused = ask(front, PORT, "GET", "/login")
            # The old worker may have answered some with 504 after the change.
            for code in (504, 502):
                for name in ("edge_requests_total", "edge_target_answers_total"):
                    line = f'{name}{{class="login",code="{code}",target_group="web"}}'
                    eventually(lambda line=line: line in _metrics(process))  # type: ignore[misc]
    finally:
        silent.close()

    assert (504, True) == (late.status, 0.9 < late.seconds < 2)
    assert (502, True) == (refused.status, refused.seconds < 0.5)


def _json(config: Balancer) -> bytes:
    return msgspec.json.encode(config)


def _metrics(process: Process) -> str:
    return admin.request(process.folder, "GET", "/metrics")[1].decode()


def test_a_client_that_leaves_is_460() -> None:
    """A client that gives up before the answer is counted as the Application Load Balancer does: 460."""
    front, quiet = addresses(2)
    silent = Silent(quiet)
    try:
        with serving(balancer(Target(id="i-1", address=quiet, port=silent.port)), front) as process:
            with pytest.raises(TimeoutError):
                ask(front, PORT, "GET", "/login", seconds=0.3)
            line = 'edge_requests_total{class="login",code="460",target_group="web"} 1.0'
            eventually(lambda: line in _metrics(process))
    finally:
        silent.close()


def test_health_decides_who_is_asked(backends: tuple[str, Backend, Backend]) -> None:
    """A target whose check fails is taken out, with its reason, in the answer and in the file; it returns when the
    checks pass. When all fail, all are asked."""
    front, one, two = backends
    with serving(balancer(one.target(), two.target()), front) as process:
        eventually(lambda: healthy(process, 2))
        one.status = 500
        eventually(lambda: healthy(process, 1))
        time.sleep(0.3)
        assert {"two"} == {ask(front, PORT, "GET", "/x").json()["name"] for _ in range(6)}
        said = json.loads((process.folder / TARGETS_FILE).read_text())
        assert {"State": "unhealthy", "Reason": "Target.ResponseCodeMismatch"}.items() <= said[0][
            "TargetHealth"
        ].items()
        two.status = 500
        eventually(lambda: healthy(process, 0))
        time.sleep(0.3)
        assert {"one", "two"} == {ask(front, PORT, "GET", "/x").json()["name"] for _ in range(6)}
        one.status = two.status = 200
        eventually(lambda: healthy(process, 2))


def test_connections_to_targets(backends: tuple[str, Backend, Backend]) -> None:
    """Without keep-alive each request makes a connection; with it, few are made, and a kept one is replaced once it is
    older than keepalive_time."""
    front, one, _ = backends
    rare = HealthCheck(path="/healthz", interval=300)
    with serving(balancer(one.target(), check=rare), front) as process:
        eventually(lambda: healthy(process, 1))
        time.sleep(0.3)
        before = one.connections
        for _ in range(10):
            ask(front, PORT, "GET", "/x")
        assert 10 == one.connections - before
        config = balancer(one.target(), check=rare, keepalive=8, keepalive_time=1.0)
        process.call("PUT", "/config", json.loads(_json(config)))
        time.sleep(0.4)
        before = one.connections
        for _ in range(10):
            ask(front, PORT, "GET", "/x")
        assert 1 == one.connections - before
        time.sleep(1.1)
        for _ in range(3):
            ask(front, PORT, "GET", "/x")
        assert 2 == one.connections - before


def test_a_reload_drops_nobody() -> None:
    """While the configuration is changed again and again, every request is answered, slow ones and those on standing
    connections too; and the process is ready after it."""
    front, where = addresses(2)
    backend = Backend(where, "one", delay=0.2)
    problems: list[str] = []
    done = threading.Event()
    answered = [0]

    def client() -> None:
        connection = http.client.HTTPConnection(front, PORT, timeout=10)
        while not done.is_set():
            try:
                connection.request("GET", "/x")
                response = connection.getresponse()
                response.read()
                answered[0] += 1
                if response.status != 200:
                    problems.append(str(response.status))
                if response.getheader("Connection") == "close":
                    connection.close()
            except (http.client.RemoteDisconnected, ConnectionResetError):
                connection.close()  # an idle connection may be closed at any time (RFC 9112 §9.5): try again
            except (OSError, http.client.HTTPException) as error:
                problems.append(repr(error))
                connection.close()

    try:
        with serving(balancer(backend.target()), front) as process:
            threads = [threading.Thread(target=client) for _ in range(8)]
            for thread in threads:
                thread.start()
            for i in range(10):
                process.call("PUT", "/config", json.loads(_json(balancer(backend.target(), keepalive=i))))
                time.sleep(0.15)
            done.set()
            for thread in threads:
                thread.join()
            assert process.why_not_ready() is None
    finally:
        backend.close()
    assert [] == problems
    assert answered[0] > 40


def test_a_configuration_that_nginx_refuses_changes_nothing(backends: tuple[str, Backend, Backend]) -> None:
    """What cannot be applied is refused with the reason, and the one before goes on."""
    front, one, _ = backends
    with serving(balancer(one.target()), front) as process:
        bad = Balancer(listeners=(Listener(port=1, protocol="HTTPS", default=Action(kind="fixed")),))
        with pytest.raises(LabError, match="has no certificate"):
            process.call("PUT", "/config", json.loads(_json(bad)))
        with pytest.raises(LabError, match="unknown field `x`"):
            process.call("PUT", "/config", {"x": 1})
        assert 200 == ask(front, PORT, "GET", "/x").status
        assert balancer(one.target()) == msgspec.json.decode(
            admin.request(process.folder, "GET", "/config")[1], type=Balancer
        )


def test_the_log_is_rotated(backends: tuple[str, Backend, Backend], tmp_path: Path) -> None:
    """The access log stays small for ever, and no line is lost to the exporter."""
    front, one, _ = backends
    with serving(balancer(one.target()), front) as process:
        log = process.folder / "access.log"
        with log.open("ab") as file:
            file.write(b"x" * (9 * 2**20) + b"\n")  # one malformed line, which is counted as such
        eventually(lambda: log.with_suffix(".log.1").exists())
        for _ in range(5):
            ask(front, PORT, "GET", "/x")
        eventually(lambda: 'edge_requests_total{class="other",code="200",target_group="web"} 5.0' in _metrics(process))
        assert "edge_malformed_lines_total 1.0" in _metrics(process)
        assert log.stat().st_size < 10_000
