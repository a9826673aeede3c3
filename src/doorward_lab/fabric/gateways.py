"""Internet, NAT, egress-only and transit gateways as nftables and routes. Pure: state in, values out.

* Internet gateway: one-to-one translation between private and public IPv4 addresses, without state; IPv6 as it is
  (VPC User Guide, *Internet gateways*). A source without a public address does not leave. What comes in with a source
  of the VPC's own is forged and dropped.
* NAT gateway: TCP, UDP and ICMP out, from its own private address; nothing but answers in (*NAT gateway basics*).
* Egress-only gateway: IPv6 out; nothing but answers in (*Egress-only internet gateways*).
* Transit gateway: one table per attachment (Transit Gateways, *Route tables*).
"""

from __future__ import annotations

import ipaddress
from functools import cache

from doorward_lab.fabric.links import FAR4, FAR6, toward
from doorward_lab.fabric.members import canonical
from doorward_lab.fabric.routes import NOWHERE, Hop
from doorward_lab.fabric.rulesets import Ruleset
from doorward_lab.model import CloudState, TransitGateway, Vpc

VPC_SIDE, OUT_SIDE = "inside", "outside"
# Never routed on the internet (RFC 6890).
PRIVATE4 = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    "224.0.0.0/3",
)  # fmt: skip
PUBLIC6 = "2000::/3"
_ND = "icmpv6 type { 133, 134, 135, 136 } ip6 hoplimit 255 accept"
_STATELESS = {
    "raw_in": "type filter hook prerouting priority -300; policy accept;",
    "raw_out": "type filter hook output priority -300; policy accept;",
    "input": "type filter hook input priority 0; policy drop;",
    "output": "type filter hook output priority 0; policy drop;",
    "forward": "type filter hook forward priority 0; policy drop;",
}
_CLOSED = {"input": ("iif lo accept", _ND), "output": ("oif lo accept", _ND)}


@cache
def public_networks() -> tuple[str, ...]:
    """The IPv4 blocks of the internet: everything but `PRIVATE4`."""
    left = [ipaddress.IPv4Network("0.0.0.0/0")]
    for block in map(ipaddress.IPv4Network, PRIVATE4):
        left = [n for old in left for n in (old.address_exclude(block) if block.subnet_of(old) else (old,))]
    return tuple(str(n) for n in sorted(left))


def elastic(state: CloudState, vpc: str) -> dict[str, str]:
    """Private → public IPv4 addresses of a VPC's interfaces, those of its NAT gateways included."""
    found: dict[str, str] = {}
    for interface in state.interfaces.values():
        if interface.vpc == vpc:
            found.update(interface.public)
    for gateway in state.nat_gateways.values():
        interface_of = state.interfaces.get(gateway.interface)
        if gateway.public is not None and interface_of is not None and interface_of.vpc == vpc:
            found.setdefault(interface_of.ipv4[0], gateway.public)
    return found


def internet_gateway(vpc: Vpc, public: dict[str, str]) -> Ruleset:
    """The table of an internet gateway that is attached to `vpc`; `public` maps private to public addresses."""
    raw = ["notrack"]
    forward: list[str] = []
    for block in vpc.ipv4:
        raw.append(f"iifname {OUT_SIDE} ip saddr {canonical(block)[1]} drop")
    for block in vpc.ipv6:
        raw.append(f"iifname {OUT_SIDE} ip6 saddr {canonical(block)[1]} drop")
        forward.append(f"iifname {OUT_SIDE} ip6 daddr {canonical(block)[1]} accept")
        forward.append(f"iifname {VPC_SIDE} ip6 saddr {canonical(block)[1]} ip6 daddr {PUBLIC6} accept")
    if public:
        pairs = sorted(public.items())
        inward = ", ".join(f"{there} : {here}" for here, there in pairs)
        outward = ", ".join(f"{here} : {there}" for here, there in pairs)
        known = ", ".join(there for _, there in pairs)
        raw.append(f"iifname {OUT_SIDE} ip daddr set ip daddr map {{ {inward} }}")
        raw.append(f"iifname {VPC_SIDE} ip saddr set ip saddr map {{ {outward} }}")
        forward += [f"iifname {VPC_SIDE} ip daddr {block} drop" for block in PRIVATE4]
        forward.append(f"iifname {VPC_SIDE} ip saddr {{ {known} }} accept")
        forward.append(f"iifname {OUT_SIDE} ip daddr {{ {', '.join(here for here, _ in pairs)} }} accept")
    chains = {**_CLOSED, "raw_in": tuple(raw), "raw_out": ("notrack",), "forward": tuple(forward)}
    return Ruleset("inet igw", _STATELESS, chains)


def egress_only_gateway(vpc: Vpc) -> Ruleset:
    """The table of an egress-only internet gateway of `vpc`."""
    hooks = {name: hook for name, hook in _STATELESS.items() if not name.startswith("raw")}
    forward = ["ct state established,related accept"]
    for block in vpc.ipv6:
        forward.append(f"iifname {VPC_SIDE} ct state new ip6 saddr {canonical(block)[1]} ip6 daddr {PUBLIC6} accept")
    return Ruleset("inet eigw", hooks, {**_CLOSED, "forward": tuple(forward)})


def nat_gateway(address: str) -> Ruleset:
    """The table of a NAT gateway whose interface has the private IPv4 `address`."""
    hooks = {
        "input": "type filter hook input priority 0; policy drop;",
        "output": "type filter hook output priority 0; policy drop;",
        "forward": "type filter hook forward priority 0; policy drop;",
        "source": "type nat hook postrouting priority 100; policy accept;",
    }
    chains = {
        **_CLOSED,
        "forward": (
            "ct state established,related accept",
            # What belongs to no connection (a lone answer) would pass untranslated: a NAT gateway drops it.
            "ct state new meta nfproto ipv4 meta l4proto { tcp, udp, icmp } accept",
        ),
        "source": (
            f"meta nfproto ipv4 meta l4proto {{ tcp, udp }} snat ip to {address}:1024-65535",
            f"meta nfproto ipv4 meta l4proto icmp snat ip to {address}",
        ),
    }
    return Ruleset("inet nat_gw", hooks, chains)


def transit_routes(gateway: TransitGateway) -> dict[str, dict[str, Hop]]:
    """Attachment that traffic comes from → destination → hop, in the transit gateway's namespace."""
    made: dict[str, dict[str, Hop]] = {}
    for attachment in gateway.attachments:
        table = {"0.0.0.0/0": NOWHERE, "::/0": NOWHERE}
        for cidr, onward in gateway.routes.get(attachment, ()):
            family, _ = canonical(cidr)
            network = str(ipaddress.ip_network(cidr, strict=False))
            there = onward is not None and onward in gateway.attachments
            table[network] = Hop(toward(str(onward)), FAR4 if family == 4 else FAR6) if there else NOWHERE
        made[attachment] = table
    return made


def internet_routes(state: CloudState) -> dict[str, Hop]:
    """What the internet knows of the cloud: public IPv4 addresses, and IPv6 blocks of VPCs with a gateway.

    A VPC with both kinds of gateway is entered by its internet gateway.
    """
    known: dict[str, Hop] = {}
    for ways in (state.egress_only_gateways, state.internet_gateways):
        for gateway, vpc in ways.items():
            if vpc in state.vpcs:
                known.update({canonical(b)[1]: Hop(toward(gateway), FAR6) for b in state.vpcs[vpc].ipv6})
    for gateway, vpc in state.internet_gateways.items():
        known.update({f"{there}/32": Hop(toward(gateway), FAR4) for there in elastic(state, vpc).values()})
    return known
