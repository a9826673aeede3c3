"""Connections that are held open while rules change: does what runs go on?

Real TCP connections (and UDP flows on fixed ports) from one host to another, each talked over when asked. What does not
live here: who changes which rules, and what should become of the connections (`doorward_lab.judge`).
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import NamedTuple

from doorward_lab.probe.mesh import Place

TCP, UDP = 6, 17
PATIENCE = 0.7
"""Seconds to wait for an answer: TCP repeats a lost packet after 0.2 s and 0.6 s, a filter drops the repetition too."""


class Talk(NamedTuple):
    """One connection: who opens it to whom. Addresses as written on the wire."""

    source: str
    target: str
    from_address: str
    to_address: str
    own_address: str
    """The target's own address, where it listens (behind a translation another one than ``to_address``)."""
    protocol: int
    port: int
    source_port: int


class Connections:
    """Connections between hosts by name, with something at the other end that sends back what it gets."""

    def __init__(self, hosts: Mapping[str, Place], talks: Sequence[Talk]) -> None:
        self._hosts, self.talks = hosts, tuple(talks)
        self._echoes = selectors.DefaultSelector()
        self._listening: dict[tuple[str, str, int, int], socket.socket] = {}
        self._mine: list[socket.socket | None] = [None] * len(self.talks)
        self._word = 0

    def __enter__(self) -> Connections:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close everything, both ends."""
        for key in list(self._echoes.get_map().values()):
            self._echoes.unregister(key.fileobj)
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._echoes.close()
        for one in self._mine:
            if one is not None:
                one.close()

    def open(self) -> list[bool]:
        """Open them all; whether each one is open and a word came back."""
        waiting: dict[int, socket.socket] = {}
        for at, talk in enumerate(self.talks):
            self._listen(talk)
            made = self._socket(talk.source, talk.from_address, talk.protocol)
            try:
                made.bind((talk.from_address, talk.source_port))
                made.connect((talk.to_address, talk.port))
            except BlockingIOError:
                waiting[at] = made
                continue
            except OSError:  # refused by its own egress filter, or no route: it does not open
                made.close()
                continue
            self._mine[at] = made
        deadline = time.monotonic() + PATIENCE
        while waiting and time.monotonic() < deadline:
            self._serve(0.01)
            for at, made in list(waiting.items()):
                code = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    waiting.pop(at).close()
                elif _connected(made):
                    self._mine[at] = waiting.pop(at)
        for made in waiting.values():
            made.close()
        return self.talk()

    def talk(self) -> list[bool]:
        """Say a new word over each that was opened; whether it came back in time."""
        self._word += 1
        word = b"word %d;" % self._word
        heard = [b""] * len(self.talks)
        for one in self._mine:
            if one is not None:
                _say(one, word)
        deadline = time.monotonic() + PATIENCE
        left = {at for at, one in enumerate(self._mine) if one is not None}
        while left and time.monotonic() < deadline:
            self._serve(0.01)
            for at in list(left):
                one = self._mine[at]
                assert one is not None
                heard[at] += _heard(one)
                if word in heard[at]:
                    left.discard(at)
        return [word in one for one in heard]

    def _socket(self, host: str, address: str, protocol: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = self._hosts[host].socket(family, socket.SOCK_STREAM if protocol == TCP else socket.SOCK_DGRAM, 0)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return made

    def _listen(self, talk: Talk) -> None:
        key = (talk.target, talk.own_address, talk.protocol, talk.port)
        if key in self._listening:
            return
        made = self._socket(talk.target, talk.own_address, talk.protocol)
        made.bind((talk.own_address, talk.port))
        if talk.protocol == TCP:
            made.listen(256)
        self._listening[key] = made
        self._echoes.register(made, selectors.EVENT_READ, talk.protocol)

    def _serve(self, seconds: float) -> None:
        """Be the other end for a while: accept, and send back what comes."""
        listening = set(self._listening.values())
        for key, _ in self._echoes.select(seconds):
            one = key.fileobj
            assert isinstance(one, socket.socket)
            if key.data == UDP:
                _echo(one)
            elif one in listening:
                try:
                    made, _ = one.accept()
                except OSError:  # it was gone before it was taken
                    continue
                made.setblocking(False)
                self._echoes.register(made, selectors.EVENT_READ, TCP)
            else:
                said = _heard(one)
                if said:
                    _say(one, said)
                else:
                    self._echoes.unregister(one)
                    one.close()


def _connected(one: socket.socket) -> bool:
    try:
        one.getpeername()
    except OSError:
        return False
    return True


def _say(one: socket.socket, word: bytes) -> None:
    try:
        one.send(word)
    except OSError:  # its filter refuses, or the connection is gone: nothing will come back, and that is the finding
        return


def _heard(one: socket.socket) -> bytes:
    try:
        return one.recv(4096)
    except OSError:
        return b""


def _echo(one: socket.socket) -> None:
    try:
        said, address = one.recvfrom(4096)
        one.sendto(said, address)
    except OSError:  # the answer may be refused by the filter: then nothing comes back
        return
