"""What subnet ACLs admit: numbered entries, lowest first, first match decides (VPC User Guide, *Network ACLs*).

An entry with ``certain=False`` may be absent: an uncertain deny takes from the lower bound only, an uncertain allow
gives to the upper bound only. The walk stays exact for every combination of such entries, packet by packet.
"""

from __future__ import annotations

from typing import Literal

from doorward.model.addresses import EVERYWHERE, V4, V6_SET
from doorward.model.estate import AclEntry
from doorward.model.intervals import EMPTY, Intervals, Span, union
from doorward.model.services import ALL_SPAN
from doorward.reach.policy import AddressCell
from doorward.reach.world import Bound, World


def acl_of(world: World, subnet: str) -> str | None:
    """Id of a subnet's ACL; None when the estate does not say."""
    found = world.estate.subnets.get(subnet)
    return None if found is None else found.acl


def admitted(world: World, subnet: str, egress: bool, span: Span, bound: Bound) -> list[AddressCell]:
    """Addresses that may cross the border of a subnet, by service.

    For egress the addresses are destinations, for ingress sources. An ACL that is not known admits nothing in the lower
    bound and everything in the upper.
    """
    id = acl_of(world, subnet)
    acl = world.estate.acls.get(id) if id is not None else None
    if acl is None or acl.unknown:
        return [AddressCell(*span, EMPTY if bound is Bound.LOWER else EVERYWHERE)]
    name = ("acl", acl.id, egress, span, bound)
    found = world.cache.get(name)
    if found is None:
        # Many ACLs say the same: what one yields, the others do too.
        entries = _ordered(world, acl.id, acl.entries, egress)
        alike = ("acl", entries, span, bound)
        found = world.cache.get(alike)
        if found is None:
            found = world.cache[alike] = _walk(entries, span, bound)
        world.cache[name] = found
    return found  # type: ignore[return-value]  # the cache holds many kinds; this key only ever this one


def passes_everything(world: World, subnet: str) -> bool:
    """Whether a subnet's ACL lets all through, both ways, in the families that its VPC has."""
    name = ("open acl", subnet)
    found = world.cache.get(name)
    if found is None:
        own = world.estate.subnets.get(subnet)
        vpc = world.estate.vpcs.get(own.vpc) if own is not None else None
        six = vpc is None or any(first >= V6_SET.first for first, _ in vpc.cidrs)
        needed = EVERYWHERE if six else V4
        acl = world.estate.acls.get(own.acl) if own is not None and own.acl is not None else None
        found = world.cache[name] = acl is not None and not acl.unknown and all(
            needed <= cell.addresses
            for egress in (False, True)
            for cell in _walk(_ordered(world, acl.id, acl.entries, egress), ALL_SPAN, Bound.LOWER)
        )  # fmt: skip
    return bool(found)


def admitted_all(world: World, subnet: str, egress: bool, services: Intervals, bound: Bound) -> Intervals:
    """Addresses that pass on *every* service of a set."""
    found = EVERYWHERE
    for span in services.spans:
        for cell in admitted(world, subnet, egress, span, bound):
            found = found & cell.addresses
    return found


def deciding_entry(
    world: World, subnet: str, egress: bool, address: int, service: int
) -> tuple[Literal["allow", "deny", "unknown"], AclEntry | None]:
    """The entry that decides one packet, for explanations; no entry: the implicit deny."""
    id = acl_of(world, subnet)
    acl = world.estate.acls.get(id) if id is not None else None
    if acl is None or acl.unknown:
        return "unknown", None
    for entry in _ordered(world, acl.id, acl.entries, egress):
        low, high = entry.service
        if low <= service <= high and entry.cidr[0] <= address <= entry.cidr[1]:
            if not entry.certain:
                return "unknown", entry
            return ("allow" if entry.allow else "deny"), entry
    return "deny", None


def _ordered(world: World, id: str, entries: tuple[AclEntry, ...], egress: bool) -> tuple[AclEntry, ...]:
    name = ("acl entries", id, egress)
    found = world.cache.get(name)
    if found is None:
        found = tuple(sorted((one for one in entries if one.egress == egress), key=lambda one: one.number))
        world.cache[name] = found
    return found  # type: ignore[return-value]  # see above


def _walk(entries: tuple[AclEntry, ...], span: Span, bound: Bound) -> list[AddressCell]:
    first, last = span
    touching = [entry for entry in entries if entry.service[0] <= last and first <= entry.service[1]]
    cuts = {first}
    for entry in touching:
        if entry.service[0] > first:
            cuts.add(entry.service[0])
        if entry.service[1] < last:
            cuts.add(entry.service[1] + 1)
    edges = sorted(cuts)
    cells: list[AddressCell] = []
    for low, high in zip(edges, [edge - 1 for edge in edges[1:]] + [last], strict=True):
        addresses = _decide(
            [entry for entry in touching if entry.service[0] <= low and high <= entry.service[1]], bound
        )
        if cells and cells[-1].addresses == addresses:
            cells[-1] = AddressCell(cells[-1].first, high, addresses)
        else:
            cells.append(AddressCell(low, high, addresses))
    return cells


def _decide(entries: list[AclEntry], bound: Bound) -> Intervals:
    open_ = EVERYWHERE
    passed: list[Intervals] = []
    for entry in entries:
        here = open_ & Intervals([entry.cidr])
        if not here:
            continue
        decides = entry.certain or entry.allow == (bound is Bound.UPPER)
        if not decides:
            continue
        if entry.allow:
            passed.append(here)
        open_ = open_ - here
        if not open_:
            break
    return union(passed)
