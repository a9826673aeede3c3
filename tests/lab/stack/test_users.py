"""The users: an open loop, seeded, from many addresses, that tells outcomes apart."""

from __future__ import annotations

import ipaddress
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward_lab.stack.outcomes import Outcome, first_failure, read, tally
from doorward_lab.stack.place import Local, Place
from doorward_lab.stack.roles import ROLES, Process
from doorward_lab.stack.users import UsersSettings
from doorward_lab.stack.workload import MIX, Arrivals, clients
from tests.lab.stack.harness import SEED, Silent, Site, addresses, eventually, folder


def test_arrivals_are_a_poisson_process() -> None:
    """Gaps are exponential: mean and deviation are one over the rate; no memory: the share of gaps beyond the mean is
    1/e. Kinds come in the shares of the mix."""
    arrivals = Arrivals("s", ["a"], 10)
    acts = [arrivals.next(50.0) for _ in range(20_000)]
    gaps = [a.gap for a in acts]
    assert 0.02 == pytest.approx(statistics.mean(gaps), rel=0.03)
    assert 0.02 == pytest.approx(statistics.stdev(gaps), rel=0.03)
    assert 0.3679 == pytest.approx(sum(g > 0.02 for g in gaps) / len(gaps), abs=0.015)
    shares = Counter(a.kind for a in acts)
    assert dict(MIX) == pytest.approx({k: shares[k] / len(acts) for k in MIX}, abs=0.015)
    logins = [a for a in acts if a.kind == "login"]
    assert 0.02 == pytest.approx(sum(a.wrong for a in logins) / len(logins), abs=0.006)


@given(st.text(max_size=8), st.floats(0.1, 1000))
def test_the_same_seed_is_the_same_day(seed: str, rate: float) -> None:
    """Acts follow from the seed alone."""
    one, two = (Arrivals(seed, ["a", "b"], 5) for _ in range(2))
    assert [one.next(rate) for _ in range(20)] == [two.next(rate) for _ in range(20)]


@given(
    st.lists(st.sampled_from(["203.0.113.0/24", "198.51.100.0/28", "2001:db8::/64", "192.0.2.7/32"]), min_size=1),
    st.integers(1, 50),
)
def test_clients_are_hosts_of_their_networks(networks: list[str], count: int) -> None:
    """Client addresses are different hosts of the networks: never a network's own address or a broadcast."""
    found = clients(networks, count, "s")
    assert len(found) == len(set(found)) <= count
    parsed = [ipaddress.ip_network(n) for n in networks]
    for text in found:
        address = ipaddress.ip_address(text)
        home = next(n for n in parsed if address in n)
        assert home.num_addresses == 1 or address not in (home[0], home[-1])


def generator(path: Path, url: str, **options: object) -> Process:
    """A generator on loopback."""
    address = addresses(1)[0]
    fields: dict[str, object] = {
        "folder": str(path), "url": url, "networks": ("127.77.0.0/16",), "seed": SEED, "rate": 50.0,
        "mix": {"login": 1.0}, "wrong": 0.0, "patience": 5.0,
    }  # fmt: skip
    settings = UsersSettings(**(fields | options))  # type: ignore[arg-type]
    process = ROLES["users"].start(Place(Local(), (address,)), path / "users", settings)
    process.wait_ready(10)
    return process


def outcomes(process: Process) -> list[Outcome]:
    """What its users met so far."""
    return list(read(process.folder / "users.jsonl"))


def test_the_loop_is_open() -> None:
    """Against a server that never answers, users come as fast as before: every act begins when it is due, though none
    has ended; each ends with the user's patience."""
    with socket.create_server((addresses(1)[0], 0), backlog=1000) as server, folder() as path:
        host, port = server.getsockname()[:2]
        process = generator(path, f"http://{host}:{port}", rate=100.0, patience=2.0)
        try:
            eventually(lambda: len(outcomes(process)) > 150, 10)
            acts = outcomes(process)
        finally:
            process.stop()

    assert {"timeout"} == {act.outcome for act in acts}
    late = sorted(act.began - act.due for act in acts)
    assert late[len(late) * 9 // 10] < 0.1
    assert 2000 == pytest.approx(statistics.median(act.ms for act in acts), abs=200)
    # In the two seconds before the first one gave up, the others did not wait for it.
    first = acts[0].due
    assert 200 == pytest.approx(sum(act.due < first + 2 for act in acts), abs=60)
    assert len({act.source for act in acts}) > 50


def _answering(status: bytes) -> Callable[[socket.socket], None]:
    def answer(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    return answer


def _hanging_up(sock: socket.socket) -> None:
    sock.recv(4096)
    # Closing with unsent data pending and no linger is a reset.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (_answering(b"200 OK"), "ok"), (_answering(b"504 Gateway Timeout"), "http-504"),
        (_answering(b"502 Bad Gateway"), "http-502"), (_answering(b"401 Unauthorized"), "denied"),
        (_hanging_up, "reset"), (None, "refused"),
    ],
)  # fmt: skip
def test_outcomes_are_told_apart(behaviour: Callable[[socket.socket], None] | None, outcome: str) -> None:
    """Each way to fail has its own name."""
    server = socket.create_server((addresses(1)[0], 0), backlog=100)
    host, port = server.getsockname()[:2]

    def serve() -> None:
        while behaviour is not None:
            try:
                sock, _ = server.accept()
            except OSError:
                return
            with sock:
                behaviour(sock)

    if behaviour is None:
        server.close()
    thread = threading.Thread(target=serve)
    thread.start()
    with folder() as path:
        process = generator(path, f"http://{host}:{port}")
        try:
            acts = eventually(lambda: (found := outcomes(process)) and len(found) > 3 and found)
        finally:
            process.stop()
            if behaviour is not None:
                server.shutdown(socket.SHUT_RDWR)
            server.close()
            thread.join()
    assert acts and {outcome} == {act.outcome for act in acts}


def test_silence_costs_a_users_patience() -> None:
    """Where no SYN is answered, a user gives up after their patience."""
    silent = Silent(addresses(1)[0])
    with folder() as path:
        process = generator(path, f"http://{silent.address}:{silent.port}", patience=1.0)
        try:
            acts = eventually(lambda: (found := outcomes(process)) and len(found) > 3 and found)
        finally:
            process.stop()
            silent.close()
    assert acts and {"timeout"} == {act.outcome for act in acts}
    assert 1000 == pytest.approx(acts[0].ms, abs=300)


def test_a_healthy_stack_serves_everybody(site: Site) -> None:
    """All kinds of acts succeed, mistyped passwords are refused and are no failure, sessions use their own connection
    again and again; the rate can be turned, to nothing too."""
    site.stack.restart("users")  # nobody holds a token from before, of a stack that is off by now
    began = time.time()
    site.stack["users"].turn(rate=60)

    def acts() -> list[Outcome]:
        return [o for o in read(site.stack["users"].folder / "users.jsonl") if o.due > began]

    eventually(lambda: len(acts()) > 150 and len(tally(acts())) == 5, 15)
    # Two of a hundred mistype: sooner or later one does.
    eventually(lambda: "wrong-password" in tally(acts())["login"], 60)
    assert [] == [act for act in acts() if act.failed]
    assert any(not act.fresh for act in acts() if act.kind == "session")
    site.stack["users"].turn(rate=0)
    time.sleep(0.5)
    count = len(acts())
    time.sleep(1)
    assert count == len(acts())
    site.stack["users"].turn(rate=50)
    eventually(lambda: len(acts()) > count)


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["ok", "timeout", "wrong-password"])), max_size=20))
def test_the_first_failure(acts: list[tuple[float, str]]) -> None:
    """The time of the first failing login is that of the earliest begun since, not of the first recorded."""
    found = first_failure((Outcome(due=t, began=t, ms=1, kind="login", outcome=o) for t, o in acts), since=50.0)
    expected = [t for t, o in acts if o == "timeout" and t >= 50]
    assert (None if not expected else (min(expected) - 50) * 1000) == found


def test_a_log_that_is_being_written(tmp_path: Path) -> None:
    """The rotated part comes first; a half-written last line is not read."""
    line = b'{"due":%d,"began":1,"ms":1,"kind":"login","outcome":"ok"}\n'
    (tmp_path / "users.jsonl.1").write_bytes(line % 1)
    (tmp_path / "users.jsonl").write_bytes(line % 2 + line[:-9])

    assert [1, 2] == [o.due for o in read(tmp_path / "users.jsonl")]
