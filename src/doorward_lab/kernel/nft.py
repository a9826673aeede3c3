"""nftables by libnftables in this process: under a millisecond per transaction, against 18 for the nft program.

Each call is one transaction: all of it or nothing. Emit plain rules and `flush table` when rules are replaced:
interval sets that are made in the same transaction match nothing for an instant after the switch.

A context of the library holds a netlink socket of the namespace where it was made. The library waits on it with
select(), which aborts the process for descriptors of 1024 and more; so low numbers are reserved here for contexts.
"""

from __future__ import annotations

import ctypes
import fcntl
import functools
import json
import os
import socket
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from doorward_lab.errors import Missing, Refused
from doorward_lab.kernel.netns import Namespace

LIBRARY = "libnftables.so.1"
_CONTEXTS = 256  # freeing one after a change waits for the kernel (13 ms), so they are kept
_FIRST_UNSAFE = 1024
_JSON, _HANDLE = 1 << 4, 1 << 3
_NETLINK_NETFILTER = 12
_TRIES = 16  # other threads may be quicker, but hardly this often

Object = dict[str, Any]


@functools.cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise Missing(f"{LIBRARY} is not here; install nftables (Debian and Ubuntu: `apt install nftables`)") from error
    library.nft_ctx_new.restype = ctypes.c_void_p
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        function = getattr(library, name)
        function.restype, function.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error", "nft_ctx_free"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return library


@dataclass(frozen=True, slots=True)
class Counted:
    """A rule with a counter: what it counted since the counter was made."""

    family: str
    table: str
    chain: str
    handle: int
    comment: str
    packets: int
    bytes: int


class _LowNumbers:
    """Descriptors below 1024, kept occupied until a context needs one."""

    def __init__(self) -> None:
        self._kept: list[int] = []

    def fill(self, count: int) -> None:
        """Keep up to `count` of them, as far as they are to be had."""
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while len(self._kept) < count:
                fd = fcntl.fcntl(null, fcntl.F_DUPFD_CLOEXEC, 3)
                if fd >= _FIRST_UNSAFE:
                    os.close(fd)
                    return
                self._kept.append(fd)
        finally:
            os.close(null)

    def free_one(self) -> int:
        """The number that the next descriptor of this process gets, if no other thread is quicker."""
        # The library ends the process where it gets no socket, so one is tried here first.
        try:
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as handle:
                lowest = handle.fileno()
        except OSError as error:
            raise Missing(f"no netfilter socket: {error.strerror}; the kernel needs nf_tables") from error
        if lowest < _FIRST_UNSAFE:
            return lowest
        if not self._kept:
            raise Refused("no descriptor below 1024 is left for nftables; close some files or namespaces")
        lowest = min(self._kept)
        self._kept.remove(lowest)
        os.close(lowest)
        return lowest


@dataclass(frozen=True, slots=True)
class _Context:
    handle: int
    socket: int


class _Contexts:
    """The process's contexts, least recently used first. One lock: the library has global state."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._low = _LowNumbers()
        self._kept: OrderedDict[Namespace, _Context] = OrderedDict()

    @contextmanager
    def of(self, ns: Namespace) -> Iterator[int]:
        """The context of `ns`, with the calling thread inside: interface names are looked up there."""
        with self.lock, ns.inside():
            context = self._kept.get(ns)
            if context is None:
                while len(self._kept) >= _CONTEXTS:
                    self.forget(next(iter(self._kept)))
                context = self._make()
                self._kept[ns] = context
                ns.at_close(self, lambda: self.forget(ns))
            self._kept.move_to_end(ns)
            yield context.handle

    def reserve(self) -> None:
        """Keep low descriptors for contexts to come."""
        with self.lock:
            self._low.fill(_CONTEXTS - len(self._kept))

    def forget(self, ns: Namespace) -> None:
        """Free the context of `ns`, if there is one; its socket would keep the namespace alive."""
        with self.lock:
            context = self._kept.pop(ns, None)
            if context is not None:
                _library().nft_ctx_free(context.handle)
                self.reserve()

    def _make(self) -> _Context:
        """A context whose socket has a low number. Other threads may take the number that was freed for it."""
        library = _library()
        self.reserve()
        for _ in range(_TRIES):
            expected = self._low.free_one()
            handle = library.nft_ctx_new(0)
            if not handle:
                raise Refused("libnftables made no context")
            for number in (expected, *range(3, _FIRST_UNSAFE)):
                if _is_netfilter(number) and all(number != context.socket for context in self._kept.values()):
                    library.nft_ctx_buffer_output(handle)
                    library.nft_ctx_buffer_error(handle)
                    return _Context(int(handle), number)
            library.nft_ctx_free(handle)
        raise Refused("descriptors below 1024 are taken faster than nftables can get one")


def _is_netfilter(fd: int) -> bool:
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            return False
        with socket.socket(fileno=os.dup(fd)) as handle:
            domain = handle.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN)
            protocol = handle.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL)
    except OSError:
        return False  # closed meanwhile: another thread's
    return domain == int(socket.AF_NETLINK) and protocol == _NETLINK_NETFILTER


_contexts = _Contexts()


class Nft:
    """Runs nftables commands in namespaces. Objects are alike: contexts are the process's, kept per namespace.

    Make the first early: it reserves descriptors below 1024, which must not all be taken by then.
    """

    def __init__(self) -> None:
        _contexts.reserve()

    def run(self, ns: Namespace, text: str) -> None:
        """Run commands in nft's language as one transaction; Refused with the library's words, and nothing changed."""
        with _contexts.of(ns) as context:
            _execute(context, text.encode(), 0, ns)

    def run_json(self, ns: Namespace, commands: Sequence[Object]) -> list[Object]:
        """Run `{"add": …}`, `{"list": …}`, … (libnftables-json(5)) as one transaction; the objects that it lists."""
        with _contexts.of(ns) as context:
            said = _execute(context, json.dumps({"nftables": list(commands)}).encode(), _JSON | _HANDLE, ns)
        if not said.strip():
            return []
        listed: list[Object] = json.loads(said)["nftables"]
        return [entry for entry in listed if "metainfo" not in entry]

    def listing(self, ns: Namespace) -> str:
        """The whole rule set of `ns` in nft's language, with its counters as they stand."""
        with _contexts.of(ns) as context:
            return _execute(context, b"list ruleset", 0, ns)

    def replace(self, ns: Namespace, table: str, body: str) -> None:
        """Make `body` the whole of `table` ("inet sg") in one step: no packet meets half of it.

        Chains keep their hooks meanwhile; a chain that `body` no longer has stays, empty.
        """
        self.run(ns, f"add table {table}\nflush table {table}\ntable {table} {{\n{body}\n}}\n")

    def counters(self, ns: Namespace) -> list[Counted]:
        """Every rule of `ns` that has a counter, in the order of the rule set."""
        found: list[Counted] = []
        for entry in self.run_json(ns, [{"list": {"ruleset": None}}]):
            rule = entry.get("rule")
            if rule is None:
                continue
            for expression in rule["expr"]:
                counter = expression.get("counter")
                if isinstance(counter, dict):
                    found.append(
                        Counted(
                            family=rule["family"],
                            table=rule["table"],
                            chain=rule["chain"],
                            handle=rule["handle"],
                            comment=rule.get("comment", ""),
                            packets=counter["packets"],
                            bytes=counter["bytes"],
                        )
                    )
        return found


def _execute(context: int, command: bytes, flags: int, ns: Namespace) -> str:
    library = _library()
    library.nft_ctx_output_set_flags(context, flags)
    failed = library.nft_run_cmd_from_buffer(context, command)
    # Both buffers are read whatever happened: reading empties them.
    errors = (library.nft_ctx_get_error_buffer(context) or b"").decode(errors="replace")
    output = (library.nft_ctx_get_output_buffer(context) or b"").decode()
    if failed:
        raise Refused(f"nftables refused rules for {ns.name}: {errors.strip() or 'without a word'}")
    return output
