"""Many packets in one system call: sendmmsg and recvmmsg by ctypes, on rows of numpy arrays.

Python has neither call, and one `sendto` a packet costs more than the kernel's own work on it. What does not live here:
what the packets mean (`packets`), who sends what to whom (`mesh`).
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]

HEADER_WORDS = 8
"""struct mmsghdr on a 64-bit machine: name, name length, vector, vector length, control, its length, flags, length."""
NOT_NOW = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.EINTR})
"""The socket's buffer or a queue is full: drain what has arrived, then try again."""
REFUSED = frozenset({errno.EPERM, errno.EACCES, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL, errno.ENETDOWN})
"""This packet does not leave: the sender's own egress filter (EPERM) or its routes say so. The next one may."""

_libc = ctypes.CDLL(None, use_errno=True)
_sendmmsg = _libc.sendmmsg
_sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
_recvmmsg = _libc.recvmmsg
_recvmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p]


def _headers(rows: Bytes, names: Bytes | None) -> tuple[Words, Words]:
    """Message headers for rows of bytes, and the vectors that they point to (to be kept as long as the headers)."""
    count = len(rows)
    vectors = np.zeros((count, 2), np.uint64)
    vectors[:, 0] = rows.ctypes.data + np.arange(count, dtype=np.uint64) * np.uint64(rows.strides[0])
    vectors[:, 1] = rows.shape[1]
    headers = np.zeros((count, HEADER_WORDS), np.uint64)
    if names is not None:
        headers[:, 0] = names.ctypes.data + np.arange(count, dtype=np.uint64) * np.uint64(names.strides[0])
        headers[:, 1] = names.shape[1]
    headers[:, 2] = vectors.ctypes.data + np.arange(count, dtype=np.uint64) * np.uint64(16)
    headers[:, 3] = 1
    return headers, vectors


class Batch:
    """Packets for one socket, one a row, with the address each is sent to; sent from the first to the last."""

    def __init__(self, rows: Bytes, names: Bytes) -> None:
        self._rows, self._names = np.ascontiguousarray(rows), np.ascontiguousarray(names)
        self._headers, self._vectors = _headers(self._rows, self._names)
        self._start = self._headers.ctypes.data
        self.at = 0
        self.refused: list[int] = []
        """Rows that did not leave."""

    @property
    def done(self) -> bool:
        """Whether every row was sent or refused."""
        return self.at >= len(self._rows)

    def send(self, sock: socket.socket, most: int) -> bool:
        """Send up to ``most`` rows; False when the kernel wants a pause first. Raises ``OSError`` for what is neither a
        pause nor a refusal of one packet."""
        end, number = min(len(self._rows), self.at + most), sock.fileno()
        while self.at < end:
            place = self._start + self.at * HEADER_WORDS * 8
            sent = int(_sendmmsg(number, place, end - self.at, socket.MSG_DONTWAIT))
            if sent > 0:
                self.at += sent
                continue
            code = ctypes.get_errno()
            if code in NOT_NOW:
                return False
            if code not in REFUSED:
                raise OSError(code, os.strerror(code))
            self.refused.append(self.at)
            self.at += 1
        return True


class Inbox:
    """A buffer that many packets are received into at once."""

    def __init__(self, packets: int = 256, size: int = 96) -> None:
        self._rows = np.zeros((packets, size), np.uint8)
        self._headers, self._vectors = _headers(self._rows, None)
        self._start = self._headers.ctypes.data
        self._packets = packets

    def receive(self, sock: socket.socket) -> tuple[Bytes, NDArray[np.int64]]:
        """What waits at a socket: rows of bytes (cut to the buffer's width) and their lengths; none when nothing waits.

        The rows are a view: they hold until the next call.
        """
        got = int(_recvmmsg(sock.fileno(), self._start, self._packets, socket.MSG_DONTWAIT, None))
        if got < 0:
            code = ctypes.get_errno()
            # A raw socket also hears of ICMP errors about packets it sent; they are read off by the failed call.
            if code not in NOT_NOW and code not in REFUSED and code not in (errno.ECONNREFUSED, errno.EPROTO):
                raise OSError(code, os.strerror(code))
            got = 0
        lengths = (self._headers[:got, 7] & np.uint64(0xFFFFFFFF)).astype(np.int64)
        return self._rows[:got], lengths

    @property
    def full(self) -> int:
        """How many packets one call can bring."""
        return self._packets
