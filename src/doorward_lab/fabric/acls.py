"""Network ACLs as stateless nftables chains of a VPC's router. Pure: state in, values out.

VPC User Guide, *Control subnet traffic with network access control lists*: entries are asked in the order of their
numbers, the first that matches decides, what none matches is denied; stateless, so answers need an entry of their own;
asked only when traffic leaves or enters a subnet (never inside one); they do not filter the resolver, DHCP, metadata
and other link-local services, which never pass the forward hook here.

Each ACL is two chains, `<link>_out` (egress entries, destination) and `<link>_in` (ingress entries, source). An entry
that allows *returns*, since the packet may have another subnet's ACL still before it; one that denies drops.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from doorward_lab.fabric.links import bridge, short
from doorward_lab.fabric.matches import ICMP, ICMPV6, number, service
from doorward_lab.fabric.members import canonical
from doorward_lab.fabric.rulesets import Ruleset
from doorward_lab.model import Acl, AclEntry, Subnet

TABLE = "inet acl"
_HOOKS = {
    "raw_in": "type filter hook prerouting priority -300; policy accept;",
    "raw_out": "type filter hook output priority -300; policy accept;",
    "input": "type filter hook input priority 0; policy drop;",
    "output": "type filter hook output priority 0; policy drop;",
    "forward": "type filter hook forward priority 0; policy accept;",
}
_ND = "icmpv6 type { 133, 134, 135, 136 } ip6 hoplimit 255 accept"
_FIXED = {
    "raw_in": ("notrack",),
    "raw_out": ("notrack",),
    # A VPC's router answers nobody and sends no errors; what listens in it is the resolver.
    "input": ("iif lo accept", _ND, "udp dport 53 accept", "tcp dport 53 accept"),
    "output": ("oif lo accept", _ND, "udp sport 53 accept", "tcp sport 53 accept"),
}


def _entry(entry: AclEntry) -> str | None:
    protocol = number(entry.protocol)
    family, cidr = canonical(entry.cidr)
    low, high = entry.from_port, entry.to_port
    if protocol in {ICMP, ICMPV6}:
        low, high = entry.icmp_type, entry.icmp_code
    wanted = service(protocol, low, high, family)
    if wanted is None:
        return None
    if cidr in {"0.0.0.0/0", "::/0"}:
        peer = f"meta nfproto {'ipv4' if family == 4 else 'ipv6'}"
    else:
        peer = f"{'ip' if family == 4 else 'ip6'} {'daddr' if entry.egress else 'saddr'} {cidr}"
    return f'{peer} {wanted} counter {"return" if entry.allow else "drop"} comment "{entry.number}"'


def entries(acl: Acl, *, egress: bool) -> tuple[str, ...]:
    """The rules of one direction of an ACL, in the order of their numbers, and the deny that is left."""
    chosen = sorted((e for e in acl.entries if e.egress == egress), key=lambda e: e.number)
    return (*(line for line in map(_entry, chosen) if line is not None), 'counter drop comment "*"')


def ruleset(subnets: Iterable[Subnet], acls: Mapping[str, Acl]) -> Ruleset:
    """The table of a router with these subnets. A subnet whose ACL is unknown lets nothing pass its border."""
    own = sorted(subnets, key=lambda s: s.id)
    chains = dict(_FIXED)
    # One subnet's traffic meets no ACL, also when a middlebox in it handed the packet on; link-local is not routed.
    forward = ["ip saddr 169.254.0.0/16 drop", "ip daddr 169.254.0.0/16 drop"]
    forward += [f'iifname "{bridge(s.id)}" oifname "{bridge(s.id)}" accept' for s in own]
    for acl in sorted({s.acl for s in own}):
        known = acls.get(acl, Acl(acl, "", ()))
        chains[f"{short('a', acl)}_out"] = entries(known, egress=True)
        chains[f"{short('a', acl)}_in"] = entries(known, egress=False)
    if own:
        leave = ", ".join(f'"{bridge(s.id)}" : jump {short("a", s.acl)}_out' for s in own)
        enter = ", ".join(f'"{bridge(s.id)}" : jump {short("a", s.acl)}_in' for s in own)
        forward += [f"iifname vmap {{ {leave} }}", f"oifname vmap {{ {enter} }}"]
    chains["forward"] = tuple(forward)
    return Ruleset(TABLE, _HOOKS, chains)
