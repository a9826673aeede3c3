"""Network namespaces without names: made, entered by threads, and gone when the last descriptor closes.

A namespace belongs to the *thread* that entered it. Everything here leaves the calling thread where it was, also after
errors, so it can be used from any number of threads. Never `await` inside `inside()`: another task of the same
thread would run in the wrong namespace.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import resource
import socket as sockets
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, TypeVar

from doorward_lab.errors import Missing, Refused
from doorward_lab.kernel import libc

P = ParamSpec("P")
T = TypeVar("T")

# libnftables waits with select(), which aborts the process at a descriptor of 1024 or more. What the lab keeps by the
# hundred lies up here, so that low numbers stay free for it.
LOWEST_FD = 2048
_MOST_FDS = 65536
_FIRST_INDEX = 16  # of links that we number ourselves; below are those that others make

_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 1

# What every fresh namespace gets. A new one copies IPv4 settings from the machine's, so they are said in full.
_FRESH = {
    "net.ipv4.ip_unprivileged_port_start": "0",  # workloads without power may serve on port 80
    "net.ipv4.ping_group_range": "0 0",  # and ping: their group is this one as the namespace's owner sees it
    "net.ipv4.ip_forward": "0",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.send_redirects": "0",
    "net.ipv4.conf.default.accept_redirects": "0",
    "net.ipv4.icmp_ratelimit": "0",  # answers to probes are evidence: none may be left out
    "net.ipv4.icmp_ratemask": "0",  # also takes ICMP out of the limit over all targets (icmp_msgs_per_sec)
}
_FRESH_V6 = {
    "net.ipv6.icmp.ratelimit": "0",
    "net.ipv6.icmp.ratemask": "",
    "net.ipv6.conf.all.accept_dad": "0",  # duplicate address detection would hold an address back for 1.5 s
    "net.ipv6.conf.default.accept_dad": "0",
    "net.ipv6.conf.default.dad_transmits": "0",
    "net.ipv6.conf.default.router_solicitations": "0",
    "net.ipv6.conf.default.accept_ra": "0",
    "net.ipv6.conf.default.accept_redirects": "0",
}


def high(fd: int) -> int:
    """A copy of `fd`, numbered `LOWEST_FD` or more, closed on exec. Raises the process's soft limit where needed."""
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, LOWEST_FD)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EMFILE}:
            raise
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FDS if hard == resource.RLIM_INFINITY else min(hard, _MOST_FDS)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        try:
            return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, LOWEST_FD)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.EMFILE}:
                raise
    raise Missing(
        f"no file descriptor is free from {LOWEST_FD} on (hard limit {hard}); raise it, for example "
        "`ulimit -Hn 65536` as root or LimitNOFILE= of the service"
    )


def write_sysctls(values: Mapping[str, str]) -> None:
    """Set sysctls of the calling thread's namespace; `net.ipv4.ip_forward`, or with `/` where a name has dots."""
    for key, value in values.items():
        path = "/proc/sys/" + (key if "/" in key else key.replace(".", "/"))
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, value.encode() + b"\n")
            finally:
                os.close(fd)
        except OSError as error:
            raise Refused(f"sysctl {key}={value}: {error.strerror}") from error


def loopback_up() -> None:
    """Set `lo` up in the calling thread's namespace."""
    with sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM) as handle:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(handle, _SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def _own_fd() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def _moved(move: Callable[[], None]) -> Iterator[None]:
    """The calling thread is brought back; but where it was refused to move, coming back would be refused too."""
    before = _own_fd()
    try:
        move()
        try:
            yield
        finally:
            libc.setns(before, libc.CLONE_NEWNET)
    finally:
        os.close(before)


class Namespace:
    """One network namespace, kept by its descriptor `fd` (never below 2048). `name` is for people only."""

    def __init__(self, name: str, fd: int) -> None:
        self.name = name
        self.fd = fd
        # Indices of links by name; shared by everything that works in this namespace, so that no link is asked for.
        self.indices: dict[str, int] = {}
        self._next_index = itertools.count(_FIRST_INDEX)
        self._endings: dict[object, Callable[[], None]] = {}
        self._lock = threading.Lock()  # while held, `fd` is what it was

    @classmethod
    def create(cls, name: str) -> Namespace:
        """A fresh namespace with `lo` up and the lab's sysctls. Raises Refused with the kernel's reason."""

        def leave() -> None:
            try:
                libc.unshare(libc.CLONE_NEWNET)
            except OSError as error:
                raise Refused(_why_no_namespace(name, error)) from error

        with _moved(leave):
            write_sysctls(_FRESH)
            if Path("/proc/sys/net/ipv6").exists():
                write_sysctls(_FRESH_V6)
            loopback_up()
            return cls.current(name)

    @classmethod
    def current(cls, name: str = "current") -> Namespace:
        """The namespace in which the calling thread is."""
        low = _own_fd()
        try:
            return cls(name, high(low))
        finally:
            os.close(low)

    @property
    def inode(self) -> int:
        """What tells namespaces apart (`ls -l /proc/PID/ns/net` shows it)."""
        return os.fstat(self.fd).st_ino

    def next_index(self) -> int:
        """A link index that was not given out before in this namespace."""
        return next(self._next_index)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Move the calling thread into this namespace; it is back where it was afterwards, whatever happens."""
        with _moved(self._enter):
            yield

    def _enter(self) -> None:
        with self._lock:
            if self.fd < 0:
                raise Refused(f"cannot enter namespace {self.name}: it was closed")
            try:
                libc.setns(self.fd, libc.CLONE_NEWNET)
            except OSError as error:
                raise Refused(f"cannot enter namespace {self.name}: {error.strerror}") from error

    def socket(self, family: int, kind: int, proto: int = 0) -> sockets.socket:
        """A socket of this namespace; it stays so wherever it is used."""
        with self.inside():
            return sockets.socket(family, kind, proto)

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns or raises when run in this namespace, on a thread of its own."""

        def within() -> T:
            with self.inside():
                return function(*args, **kwargs)

        with ThreadPoolExecutor(1, thread_name_prefix=f"netns-{self.name}") as worker:
            return worker.submit(within).result()

    def at_close(self, owner: object, ending: Callable[[], None] | None) -> None:
        """Have `ending` called when this namespace is closed: for sockets, which would keep it alive. None: no more."""
        with self._lock:
            if ending is None:
                self._endings.pop(owner, None)
            else:
                self._endings[owner] = ending

    def close(self) -> None:
        """Let the namespace go. The kernel takes it down some 0.1–5 s after its last socket and process are gone.

        Until then the far ends of its veth pairs still exist: delete links whose names are to be used again first.
        """
        with self._lock:
            if self.fd >= 0:
                os.close(self.fd)
            self.fd = -1
            endings, self._endings = self._endings, {}
        for ending in endings.values():
            ending()

    def __enter__(self) -> Namespace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Namespace({self.name!r}, fd={self.fd})"


def _why_no_namespace(name: str, error: OSError) -> str:
    hints = {
        errno.EPERM: "; network namespaces need root or a universe (doorward_lab.kernel.universe.enter)",
        errno.ENOSPC: "; the limit user.max_net_namespaces is reached",
    }
    return f"cannot make network namespace {name}: {error.strerror}{hints.get(error.errno or 0, '')}"
