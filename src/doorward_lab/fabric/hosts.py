"""One interface's namespace: addresses, router, source/destination check. Pure: state in, values out.

Its security groups are `filters`'; a NAT gateway's translation is `gateways`'.
"""

from __future__ import annotations

import ipaddress

from doorward_lab.fabric.gateways import nat_gateway
from doorward_lab.fabric.links import ROUTER6, bridge, mac, port
from doorward_lab.fabric.members import canonical
from doorward_lab.fabric.routes import Hop
from doorward_lab.fabric.rulesets import Ruleset
from doorward_lab.fabric.space import MAIN, Space, Wire
from doorward_lab.model import Interface, Subnet

LINK = "eth0"
_ND = "icmpv6 type { 133, 134, 135, 136 } ip6 hoplimit 255 accept"
# EC2 User Guide, *Security group connection tracking*, idle timeouts: TCP 432,000 s, UDP 30 s, UDP streams 180 s, other
# protocols 600 s. A packet is judged by addresses and ports, not by what the kernel thinks of its sequence numbers.
TRACKING = {
    "net.netfilter.nf_conntrack_tcp_timeout_established": "432000",
    "net.netfilter.nf_conntrack_udp_timeout": "30",
    "net.netfilter.nf_conntrack_udp_timeout_stream": "180",
    "net.netfilter.nf_conntrack_generic_timeout": "600",
    "net.netfilter.nf_conntrack_gre_timeout": "600",
    "net.netfilter.nf_conntrack_gre_timeout_stream": "600",
    "net.netfilter.nf_conntrack_tcp_be_liberal": "1",
    "net.netfilter.nf_conntrack_checksum": "0",
}


def own_traffic(interface: Interface, *, nat: bool = False) -> Ruleset:
    """The source/destination check: what is neither from nor to the interface's own addresses is dropped.

    EC2 User Guide, *Elastic network interfaces*, source/destination checking; on by default, for both families.
    """
    hooks = {
        "arriving": "type filter hook prerouting priority -310; policy accept;",
        "leaving": "type filter hook output priority -310; policy accept;",
    }
    arriving, leaving = ["iif lo accept", _ND], ["oif lo accept", _ND]
    if interface.source_dest_check and not nat:
        for address in interface.ipv4:
            arriving.append(f"ip daddr {address} accept")
            leaving.append(f"ip saddr {address} accept")
        for address in (canonical(a)[1] for a in interface.ipv6):
            arriving.append(f"ip6 daddr {address} accept")
            leaving.append(f"ip6 saddr {address} accept")
        arriving.append("drop")
        leaving.append("drop")
    return Ruleset("inet own", hooks, {"arriving": tuple(arriving), "leaving": tuple(leaving)})


def host(interface: Interface, subnet: Subnet, sg: Ruleset, *, nat: bool = False) -> Space:
    """The namespace of an interface; `sg` is the table of its security groups, `nat` says that a NAT gateway is it."""
    block = ipaddress.IPv4Network(subnet.cidr, strict=False)
    blocks6 = [ipaddress.IPv6Network(b, strict=False) for b in subnet.ipv6]
    router = str(block.network_address + 1)
    addresses = {(LINK, f"{a}/{block.prefixlen}") for a in map(ipaddress.IPv4Address, interface.ipv4)}
    for text in interface.ipv6:
        address = ipaddress.IPv6Address(text)
        length = next((b.prefixlen for b in blocks6 if address in b), 128)
        addresses.add((LINK, f"{address}/{length}"))
    ways = {"0.0.0.0/0": Hop(LINK, router, interface.ipv4[0])} if interface.ipv4 else {}
    neighbours = {(LINK, router): mac("bridge", subnet.id)}
    if interface.ipv6:
        ways["::/0"] = Hop(LINK, ROUTER6)
        neighbours[LINK, ROUTER6] = mac("bridge", subnet.id)
    return Space(
        forwards=nat or not interface.source_dest_check,
        addresses=frozenset(addresses),
        neighbours=neighbours,
        tables={MAIN: ways},
        rulesets=(own_traffic(interface, nat=nat), nat_gateway(interface.ipv4[0]) if nat else sg),
        sysctls=TRACKING,
    )


def wire(interface: Interface, router: str) -> Wire:
    """The link from a subnet's bridge to the interface."""
    own = interface.mac or mac("interface", interface.id)
    at = bridge(interface.subnet)
    addresses = (*interface.ipv4, *(canonical(a)[1] for a in interface.ipv6))
    return Wire(
        near=(router, port(interface.id), mac("port", interface.id)),
        far=(interface.id, LINK, own),
        bridge=at,
        reached=tuple((at, address, own) for address in addresses),
    )
