"""A stub resolver with servers of its own, so that a service's names are the lab's and not this machine's.

Lives here: asking, caching for the time to live, and the adapter for aiohttp. Not here: the server (`dns`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
import time
from collections.abc import Sequence

from aiohttp.abc import AbstractResolver, ResolveResult

from doorward_lab.stack import dnsmessage


class LookupFailed(OSError):
    """No address; `reason` is nxdomain, servfail, timeout or empty."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.reason = reason


class Resolver(AbstractResolver):
    """Asks `servers` ("ADDRESS" or "ADDRESS:PORT" or "[ADDRESS]:PORT") in turn; two tries of `seconds` each.

    Without servers only addresses resolve. `fixed` is what a hosts file would hold.
    """

    def __init__(
        self, servers: Sequence[str], *, fixed: dict[str, tuple[str, ...]] | None = None, seconds: float = 1.0
    ):
        self._servers = [endpoint(server, 53) for server in servers]
        self._fixed = fixed or {}
        self._seconds = seconds
        self._cache: dict[tuple[str, int], tuple[float, tuple[str, ...]]] = {}

    async def addresses(self, name: str, family: int = socket.AF_UNSPEC) -> tuple[str, ...]:
        """The addresses of a name, IPv4 first. Raises `LookupFailed`."""
        try:
            return (str(ipaddress.ip_address(name)),)
        except ValueError:
            pass
        if name in self._fixed:
            return self._fixed[name]
        types = {socket.AF_INET: [dnsmessage.A], socket.AF_INET6: [dnsmessage.AAAA]}.get(
            socket.AddressFamily(family), [dnsmessage.A, dnsmessage.AAAA]
        )
        found: list[str] = []
        for type_ in types:
            found += await self._cached(name, type_)
        if not found:
            raise LookupFailed(name, "empty")
        return tuple(found)

    async def _cached(self, name: str, type_: int) -> tuple[str, ...]:
        until, addresses = self._cache.get((name, type_), (0.0, ()))
        if time.monotonic() < until:
            return addresses
        reason = "no server"
        for server in self._servers * 2:
            try:
                answer = await asyncio.wait_for(self._ask(server, name, type_), self._seconds)
            except (TimeoutError, OSError, dnsmessage.Malformed):
                reason = "timeout"
                continue
            if answer.code == dnsmessage.NOERROR:
                self._cache[name, type_] = (time.monotonic() + answer.ttl, answer.addresses)
                return answer.addresses
            reason = "nxdomain" if answer.code == dnsmessage.NXDOMAIN else "servfail"
            if answer.code == dnsmessage.NXDOMAIN:
                break
        raise LookupFailed(name, reason)

    async def _ask(self, server: tuple[str, int], name: str, type_: int) -> dnsmessage.Answer:
        loop = asyncio.get_running_loop()
        id_ = random.SystemRandom().randrange(65536)
        with socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, server)
            await loop.sock_sendall(sock, dnsmessage.query(id_, name, type_))
            while True:
                answer = dnsmessage.read_answer(await loop.sock_recv(sock, 4096))
                if answer.id == id_:
                    return answer

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Aiohttp's question."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self.addresses(host, family)
        ]

    async def close(self) -> None:
        """Nothing is kept open."""


def endpoint(text: str, default: int) -> tuple[str, int]:
    """ "10.0.0.2", "10.0.0.2:53", "fd00::2" or "[fd00::2]:53" → address and port."""
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        return address, int(port.lstrip(":") or default)
    if text.count(":") == 1:
        address, _, port = text.partition(":")
        return address, int(port)
    return text, default
