"""Ends of a packet in the words of a case, and the addresses behind them once the estate is built.

An end is `NAME` (a host's primary IPv4 address), `NAME/2` (its second one), `NAME/v6`, `NAME/public` (the public
address of the primary one), or an address of the internet. A NAT gateway is a host under its own name. What does not
live here: who the hosts are (`doorward_lab.scenes`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from doorward_lab.errors import BadScene
from doorward_lab.model import CloudState, Interface
from doorward_lab.scenes.built import Built

INTERNET = "internet"


class End(NamedTuple):
    """One end, found in the built estate."""

    interface: str
    """Its id; `internet` for an address outside."""
    private: str
    """Its own address; for the internet the address itself."""
    wire: str
    """The address that the other end writes to."""

    @property
    def outside(self) -> bool:
        """Whether it is an address of the internet."""
        return self.interface == INTERNET


def ends_of(name: str, interface: Interface) -> Iterator[str]:
    """Every end of a host, in the words of a case."""
    for at, address in enumerate(interface.ipv4):
        own = name if at == 0 else f"{name}/{at + 1}"
        yield own
        if address in interface.public:
            yield f"{own}/public"
    for at in range(len(interface.ipv6)):
        yield f"{name}/v6" if at == 0 else f"{name}/v6-{at + 1}"


def find(text: str, hosts: Mapping[str, Interface]) -> End:
    """The end that a text names. Raises `BadScene`."""
    name, _, rest = text.partition("/")
    if not rest:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            pass
        else:
            return End(INTERNET, text, text)
    interface = hosts.get(name)
    if interface is None:
        raise BadScene(f"'{text}' is no end of a packet: expected an address or one of {', '.join(sorted(hosts))}")
    which, _, public = rest.partition("/")
    if which == "public":
        which, public = "", which
    try:
        if which.startswith("v6"):
            own = interface.ipv6[int(which[3:] or 1) - 1]
        else:
            own = interface.ipv4[int(which or 1) - 1]
        return End(interface.id, own, interface.public[own] if public else own)
    except (ValueError, IndexError, KeyError) as error:
        have = ", ".join(ends_of(name, interface))
        raise BadScene(f"'{text}' is no end of a packet: {name} has {have}") from error


def hosts_of(built: Built, state: CloudState) -> dict[str, Interface]:
    """The interfaces behind the names of a scene: its hosts, its NAT gateways, the nodes of its load balancers."""
    found = {name: host.interface for name, host in built.hosts.items()}
    for name, id in built.gateways.items():
        if id in state.nat_gateways:
            found[name] = state.nat_gateways[id].interface
    for name, balancer in built.load_balancers.items():
        found |= {f"{name}-{at + 1}": node.interface for at, node in enumerate(balancer.nodes)}
    return {name: state.interfaces[id] for name, id in found.items()}
