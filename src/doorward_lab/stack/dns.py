"""The name server of the lab: answers for the internal names, and may fail as name servers do.

Faults: `nxdomain` (no such name), `servfail`, `silent` (no answer at all), `wrong` (another address), for all names or
those given. Not here: the resolvers that ask it (`doorward_lab.stack.resolver`).
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Literal, cast

from prometheus_client import Counter

from doorward_lab.stack import dnsmessage
from doorward_lab.stack.service import Knobs, Service, Settings, run


class DnsSettings(Settings, kw_only=True, frozen=True):
    """`names`: name → addresses, answered with a time to live of `ttl` seconds on UDP `port_dns`."""

    names: dict[str, tuple[str, ...]]
    ttl: int = 2
    port_dns: int = 53


class DnsKnobs(Knobs, kw_only=True, frozen=True):
    """`fault` for the names in `only` (none: all); `wrong_address` is what `wrong` answers."""

    fault: Literal["none", "nxdomain", "servfail", "silent", "wrong"] = "none"
    only: tuple[str, ...] = ()
    wrong_address: str = "192.0.2.254"


class Dns(Service[DnsSettings, DnsKnobs]):
    """Name server of the lab's internal names."""

    settings_type = DnsSettings
    knobs_type = DnsKnobs

    def __init__(self, settings: DnsSettings) -> None:
        super().__init__(settings)
        self._queries = Counter("dns_queries", "Questions by result", ["result"], registry=self.registry)
        self._transports: list[asyncio.DatagramTransport] = []

    async def turned(self, before: DnsKnobs) -> None:
        """Refuses a wrong address that is none."""
        ipaddress.ip_address(self.knobs.wrong_address)

    def reply(self, data: bytes) -> bytes | None:
        """The answer to the bytes of a question; None is silence."""
        try:
            question = dnsmessage.read_query(data)
        except dnsmessage.Malformed:
            self._queries.labels("malformed").inc()
            return None
        knobs = self.knobs
        fault = knobs.fault if not knobs.only or question.name in knobs.only else "none"
        addresses = self.settings.names.get(question.name)
        self._queries.labels(fault if fault != "none" else "ok" if addresses else "nxdomain").inc()
        if fault == "silent":
            return None
        if fault == "servfail":
            return dnsmessage.answer(question, dnsmessage.SERVFAIL)
        if fault == "nxdomain" or addresses is None:
            return dnsmessage.answer(question, dnsmessage.NXDOMAIN)
        given = (knobs.wrong_address,) if fault == "wrong" else addresses
        return dnsmessage.answer(question, dnsmessage.NOERROR, given, self.settings.ttl)

    async def open(self) -> None:
        """Answer on UDP at each address."""
        for address in self.settings.listen:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Protocol(self), local_addr=(address, self.settings.port_dns)
            )
            self._transports.append(transport)

    async def close(self) -> None:
        """Stop answering."""
        for transport in self._transports:
            transport.close()


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, service: Dns) -> None:
        self._service = service

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own class is not a DatagramTransport before Python 3.13, though it does all that one does.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        if (reply := self._service.reply(data)) is not None:
            self._transport.sendto(reply, address)


if __name__ == "__main__":
    run(Dns)
