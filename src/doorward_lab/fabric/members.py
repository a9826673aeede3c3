"""Who is meant by a rule's peer: members of groups, entries of prefix lists, CIDRs; and which references are stale.

How a peer is matched belongs to `filters`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from doorward_lab.model import CloudState, Peering, Rule, Vpc


@lru_cache(maxsize=65536)
def canonical(cidr: str) -> tuple[int, str]:
    """The family and the canonical text of a CIDR or an address: AWS ignores host bits (EC2 API, `IpRange`)."""
    network = ipaddress.ip_network(cidr, strict=False)
    single = network.prefixlen == network.max_prefixlen
    return network.version, str(network.network_address) if single else str(network)


@lru_cache(maxsize=4096)
def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    networks = [ipaddress.IPv4Network(c, strict=False) for c in other]
    return any(ipaddress.IPv4Network(c, strict=False).overlaps(n) for c in one for n in networks)


def carries(peering: Peering, vpcs: Mapping[str, Vpc]) -> bool:
    """Whether a peering carries traffic: active, and between two VPCs whose IPv4 blocks do not overlap.

    Amazon VPC Peering Guide, *VPC peering limitations*: no connection between VPCs with matching or overlapping IPv4
    CIDR blocks, not even when only IPv6 is to be used.
    """
    ends = vpcs.get(peering.requester), vpcs.get(peering.accepter)
    if not peering.active or ends[0] is None or ends[1] is None or ends[0] is ends[1]:
        return False
    return not _overlap(ends[0].ipv4, ends[1].ipv4)


@dataclass(frozen=True, slots=True)
class Directory:
    """Peers by id: the addresses of each group's members and the CIDRs of each prefix list, sorted and canonical."""

    groups: Mapping[str, tuple[tuple[int, str], ...]]  # (family, address)
    group_vpcs: Mapping[str, str]
    lists: Mapping[str, tuple[tuple[int, str], ...]]  # (family, CIDR)
    peered: frozenset[tuple[str, str]]  # pairs of VPCs, both ways

    def of(self, rule: Rule, vpc: str) -> tuple[tuple[int, str], ...]:
        """The peers of a rule of a group in `vpc`, as (family, CIDR or address).

        A group stands for the *private* addresses of the interfaces that are in it (EC2 User Guide, *Security group
        rules*). A reference to a group that is gone, or in a VPC without an active peering, is stale and matches
        nothing (VPC Peering Guide, *Update your security groups to reference peer security groups*).
        """
        if rule.cidr is not None:
            return (canonical(rule.cidr),)
        if rule.group is not None:
            home = self.group_vpcs.get(rule.group)
            reached = home is not None and (home == vpc or (home, vpc) in self.peered)
            return self.groups.get(rule.group, ()) if reached else ()
        return self.lists.get(rule.prefix_list, ()) if rule.prefix_list is not None else ()


def directory(state: CloudState) -> Directory:
    """The peers that rules of this state can name."""
    found: dict[str, set[tuple[int, str]]] = {}
    for interface in state.interfaces.values():
        if not interface.groups:
            continue
        own = [(4, a) for a in interface.ipv4]
        own += [canonical(a) for a in interface.ipv6]
        for group in interface.groups:
            found.setdefault(group, set()).update(own)
    active = [p for p in state.peerings.values() if carries(p, state.vpcs)]
    pairs = {(p.requester, p.accepter) for p in active} | {(p.accepter, p.requester) for p in active}
    return Directory(
        groups={group: tuple(sorted(own)) for group, own in found.items()},
        group_vpcs={group.id: group.vpc for group in state.groups.values()},
        lists={name: tuple(sorted({canonical(c) for c in cidrs})) for name, cidrs in state.prefix_lists.items()},
        peered=frozenset(pairs),
    )
