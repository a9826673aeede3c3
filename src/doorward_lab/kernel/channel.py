"""One namespace's rtnetlink socket: sends messages, many at once, and makes errors out of the kernel's refusals."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from doorward_lab.errors import Refused
from doorward_lab.kernel import wire
from doorward_lab.kernel.netns import Namespace, high

_SOL_NETLINK, _CAP_ACK, _EXT_ACK, _STRICT_CHECK = 270, 10, 11, 12
# Messages sent at once. The kernel answers each refused one before we read; all answers must fit the receive buffer.
_CHUNK = 64

_Message = tuple[int, int, bytes, str]  # type, flags, payload, what it asks for in words


class Channel:
    """Talks rtnetlink in one namespace, from any thread."""

    def __init__(self, ns: Namespace) -> None:
        self.ns = ns
        low = ns.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        with low:
            for option in (_CAP_ACK, _EXT_ACK, _STRICT_CHECK):
                low.setsockopt(_SOL_NETLINK, option, 1)
            low.bind((0, 0))
            self._socket = socket.socket(fileno=high(low.fileno()))
        self._lock = threading.RLock()
        self._sequence = 0
        self._depth = 0
        self._queue: list[_Message] = []
        ns.at_close(self, self.close)

    def close(self) -> None:
        """Let go of the namespace; done by `Namespace.close` too."""
        with self._lock:
            self._socket.close()
        self.ns.at_close(self, None)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Send what is asked within at the end, many messages in one call; other threads wait meanwhile.

        Not a transaction: what the kernel takes stays, and the first refusal is raised when all were sent. Making
        links is never put off, so batches of several namespaces can be nested; threads nest them in one order.
        """
        with self._lock:
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self._flush()
            finally:
                self._depth -= 1
                if not self._depth:
                    self._queue.clear()  # after an error of the caller's: nothing half-asked is sent later

    def index(self, link: str) -> int:
        """The index of a link; asked of the kernel only when somebody else made it. Refused where there is none."""
        known = self.ns.indices.get(link)
        if known is None:
            with self.ns.inside():
                try:
                    known = socket.if_nametoindex(link)
                except OSError as error:
                    raise Refused(f"there is no link {link!r} in {self.ns.name}") from error
            self.ns.indices[link] = known
        return known

    def ask(self, kind: int, flags: int, payload: bytes, what: str) -> None:
        """Have the kernel do something; within a batch, at its end."""
        with self._lock:
            self._queue.append((kind, flags, payload, what))
            if not self._depth:
                self._flush()

    def now(self, kind: int, flags: int, payload: bytes, what: str) -> None:
        """Have the kernel do something at once, and first what a batch has put off."""
        with self._lock:
            self._queue.append((kind, flags, payload, what))
            self._flush()

    def dump(self, kind: int, payload: bytes) -> list[bytes]:
        """The payloads of what the kernel lists."""
        with self._lock:
            self._flush()
            self._sequence = (self._sequence + 1) & 0xFFFFFFFF
            self._socket.send(wire.message(kind, wire.NLM_F_REQUEST | wire.NLM_F_DUMP, self._sequence, payload))
            found: list[bytes] = []
            while True:
                for answer in wire.answers(self._socket.recv(1 << 18)):
                    if answer.sequence != self._sequence:
                        continue
                    if answer.kind == wire.NLMSG_ERROR:
                        self._refuse([(*wire.error(answer), "list")])
                    elif answer.kind == wire.NLMSG_DONE:
                        return found
                    else:
                        found.append(answer.payload)

    def _flush(self) -> None:
        queue, self._queue = self._queue, []
        failed = [failure for at in range(0, len(queue), _CHUNK) for failure in self._send(queue[at : at + _CHUNK])]
        if failed:
            self._refuse(failed)

    def _send(self, chunk: list[_Message]) -> list[tuple[int, str, str]]:
        """Send, then read up to the last one's acknowledgement: the kernel answers refused ones unasked."""
        said: dict[int, str] = {}
        data = bytearray()
        for number, (kind, flags, payload, what) in enumerate(chunk, 1):
            self._sequence = (self._sequence + 1) & 0xFFFFFFFF
            said[self._sequence] = what
            last = wire.NLM_F_ACK if number == len(chunk) else 0
            data += wire.message(kind, wire.NLM_F_REQUEST | flags | last, self._sequence, payload)
        self._socket.send(data)
        failed: list[tuple[int, str, str]] = []
        while True:
            for answer in wire.answers(self._socket.recv(1 << 16)):
                if answer.kind != wire.NLMSG_ERROR or answer.sequence not in said:
                    continue
                code, words = wire.error(answer)
                if code:
                    failed.append((code, words, said[answer.sequence]))
                if answer.sequence == self._sequence:
                    return failed

    def _refuse(self, failed: list[tuple[int, str, str]]) -> None:
        code, words, what = failed[0]
        if code == errno.ENODEV:
            self.ns.indices.clear()  # a link that was deleted behind our back; ask anew next time
        reason = os.strerror(code) + (f" ({words})" if words else "")
        more = f"; and {len(failed) - 1} more of the same batch" if len(failed) > 1 else ""
        raise Refused(f"cannot {what} in {self.ns.name}: {reason}{more}") from OSError(code, os.strerror(code))
