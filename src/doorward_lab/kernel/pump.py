"""Ways into a namespace: listening sockets made in one, and connections carried to an address in another.

A socket keeps the namespace where it was made. So a server of our own is best given a listening socket (`listen`);
`Pump` is for servers that take none (Prometheus): it accepts here and connects there, some 1 ms a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Coroutine
from types import TracebackType

from doorward_lab.errors import Occupied, Refused
from doorward_lab.kernel.netns import Namespace

Address = tuple[str, int]

_CHUNK = 1 << 16
_PATIENCE = 10.0  # seconds to connect
# Why accept fails though the listener is well: the caller hung up, or there is no room just now.
_PASSING = {errno.ECONNABORTED, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


def listen(address: Address, ns: Namespace | None = None, *, backlog: int = 1024) -> socket.socket:
    """A TCP socket that listens on `address` in `ns` (None: where the calling thread is); port 0: a free one.

    Raises Occupied when somebody else listens there, Refused when the address is not one of the namespace.
    """
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    handle = socket.socket(family, socket.SOCK_STREAM) if ns is None else ns.socket(family, socket.SOCK_STREAM)
    try:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            handle.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        handle.bind(address)
        handle.listen(backlog)
    except OSError as error:
        handle.close()
        where = "" if ns is None else f" in {ns.name}"
        if error.errno == errno.EADDRINUSE:
            raise Occupied(
                f"port {address[1]} of {address[0]}{where} is taken: choose another, or end its owner"
            ) from error
        raise Refused(f"cannot listen on {address[0]} port {address[1]}{where}: {error.strerror}") from error
    return handle


async def pump(listener: socket.socket, ns: Namespace, address: Address) -> None:
    """Carry each connection that `listener` accepts to `address` in `ns`, until cancelled; then all of them end.

    Ends of stream are carried one by one, so protocols that half-close work. Where nobody answers at `address`,
    the connection is closed at once.
    """
    listener.setblocking(False)
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        while True:
            try:
                near, _ = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno not in _PASSING:
                    raise
                await asyncio.sleep(0.05)
                continue
            tasks.create_task(_carry(near, ns, address))


async def _carry(near: socket.socket, ns: Namespace, address: Address) -> None:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with near:
        near.setblocking(False)
        try:
            far = ns.socket(family, socket.SOCK_STREAM)
        except (Refused, OSError):
            return  # the namespace is gone, or no descriptor is left
        with far:
            far.setblocking(False)
            try:
                async with asyncio.timeout(_PATIENCE):
                    await loop.sock_connect(far, address)
            except OSError:  # TimeoutError is one
                return
            # A reset on one way is an end of both: leaving closes the sockets.
            with contextlib.suppress(OSError):
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await _both(_flow(near, far), _flow(far, near))


async def _both(one: Coroutine[object, object, None], other: Coroutine[object, object, None]) -> None:
    tasks = [asyncio.ensure_future(one), asyncio.ensure_future(other)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _flow(source: socket.socket, target: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, _CHUNK):
        await loop.sock_sendall(target, data)
    target.shutdown(socket.SHUT_WR)


class Pump:
    """`pump` on a thread of its own, for callers without an event loop. Owns `listener`; `close` ends it all."""

    def __init__(self, listener: socket.socket, ns: Namespace, address: Address) -> None:
        self.listener = listener
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(ns, address)), name=f"pump-{ns.name}", daemon=True
        )
        self._thread.start()
        self._ready.wait()

    async def _run(self, ns: Namespace, address: Address) -> None:
        self._loop = asyncio.get_running_loop()
        work = asyncio.ensure_future(pump(self.listener, ns, address))
        stop = asyncio.ensure_future(self._stop.wait())
        self._ready.set()
        await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
        for task in (work, stop):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work  # what it failed of, if it did, ends this thread in words

    def close(self) -> None:
        """Stop listening and end every connection."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        self.listener.close()

    def __enter__(self) -> Pump:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
