"""Interface to interface over the internet (rule book, path D): out by a gateway, in at a public address.

Group references never match on this path, because the target sees the public address of the source
(VPC User Guide, *Security group rules*: a referenced group means private addresses).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from doorward.model.addresses import FAMILY_ALL, INTERNET, V4, V6, V6_SET, Family
from doorward.model.intervals import EMPTY, Intervals, Span, union
from doorward.model.services import ALL_OF_FAMILY
from doorward.reach import routes
from doorward.reach.border import arrivals, departures
from doorward.reach.ends import Ends, accepts
from doorward.reach.packet import Packet
from doorward.reach.world import Bound, Cls, Component, World, numbers_in

ANY_V6 = INTERNET & V6_SET
"""As whom an IPv6 source may be seen behind a hop that is not looked into: another address, even of the estate."""


class Sent(NamedTuple):
    """What a source endpoint can send to one public address, and as whom it is seen there."""

    services: Intervals
    seen: Intervals
    """Addresses as which it may be seen: its own public one, one of the NAT gateway's, or its IPv6 address."""
    known: bool
    """Whether ``seen`` are its addresses (any of which may be used), not a range in which an unknown one lies."""

    def arrives(self, admitted: Intervals, bound: Bound) -> bool:
        """Whether some packet can be admitted."""
        if self.known or bound is Bound.UPPER:
            return not admitted.isdisjoint(self.seen)
        return self.seen <= admitted

    def always_arrives(self, admitted: Intervals, bound: Bound) -> bool:
        """Whether every packet is admitted, whichever address is used."""
        if self.known or bound is Bound.LOWER:
            return self.seen <= admitted
        return not admitted.isdisjoint(self.seen)


def public_addresses(component: Component, endpoint: int, bound: Bound) -> Intervals:
    """Addresses at which the internet can address an endpoint; an unknown one could be any (upper)."""
    first, last = component.span_of(endpoint)
    interface = component.interface_of(endpoint)
    if first >= V6:
        return Intervals([(first, last)]) if component.world.has_internet_gateway(interface.vpc, bound) else EMPTY
    known = Intervals((public, public) for private, public in interface.public if first <= private <= last)
    if known or not (component.public[bound] >> endpoint & 1):
        return known
    unknown = interface.public_unknown is not None or bool(interface.public)
    return component.world.internet & Intervals([FAMILY_ALL[4]]) if unknown else EMPTY


def sent(
    component: Component, endpoint: int, addresses: Intervals, span: Span, bound: Bound, ephemeral: Span | None
) -> list[Sent]:
    """What an endpoint can send to a public address (a range when it is not known), by the ways its routes leave
    open."""
    cls = component.class_of[endpoint]
    found: list[Sent] = []
    world = component.world

    def led(way: Intervals) -> bool:
        return addresses <= way if bound is Bound.LOWER else not addresses.isdisjoint(way)

    anyone = world.internet & Intervals([FAMILY_ALL[4]])
    for piece in departures(component, cls, span, bound, ephemeral):
        services = Intervals([(piece.first, piece.last)])
        if addresses.first >= V6:
            own = Intervals([component.span_of(endpoint)])
            if led(piece.direct6):
                found.append(Sent(services, own, own.size == 1))
            if led(piece.hidden):
                found.append(Sent(services, ANY_V6 | own, known=False))
            continue
        if led(piece.direct4):
            seen = public_addresses(component, endpoint, bound)
            if seen:
                found.append(Sent(services, seen, seen.size == 1))
        for one in piece.nat:
            if one.sources >> endpoint & 1 and led(one.addresses):
                gateway = world.estate.nat_gateways[one.gateway]
                known = Intervals((a, a) for a in gateway.public)
                found.append(Sent(services, known or anyone, bool(known)))
        if led(piece.hidden):
            found.append(Sent(services, anyone, known=False))
    return found


def _leaves(component: Component, endpoint: int, vpc: str) -> bool:
    """IPv4 always goes out to a public address; IPv6 only between VPCs (inside one, the route is local)."""
    return component.span_of(endpoint)[0] < V6 or component.interface_of(endpoint).vpc != vpc


def public_packets(world: World, sources: Ends, targets: Ends, services: Intervals, bound: Bound) -> Iterator[Packet]:
    """First packets that arrive by path D."""
    for there, bits in targets.items():
        for cls in there.classes_in(bits):
            addressable = bits & cls.bits & (there.public[bound] | there.v6)
            if not addressable:
                continue
            wanted = services & accepts(world, cls, bound)
            admitted = _admitted(there, cls, wanted, bound)
            for mask, addresses in ((there.v4, V4), (there.v6, V6_SET)):
                heard = admitted & addresses if addressable & mask else EMPTY
                if not heard:
                    continue
                # Inside one VPC an IPv6 route is always local: who is near does not come this way.
                near = cls.key.vpc if mask is there.v6 else None
                senders = list(_senders(sources, heard, bound, near))
                if senders:
                    for target in numbers_in(addressable & mask):
                        yield from _to_endpoint(senders, there, target, wanted, bound)


def _senders(sources: Ends, heard: Intervals, bound: Bound, near: str | None) -> Iterator[tuple[Component, int, Cls]]:
    """Classes of sources that could be seen as one of some addresses."""
    for here, bits in sources.items():
        starts, owners, broad = _seen_index(here, bound, near is not None)
        numbers: set[int] = set()
        for first, last in heard.spans:
            numbers.update(owners[bisect_left(starts, first) : bisect_right(starts, last)])
        numbers.update(number for addresses, number in broad if not addresses.isdisjoint(heard))
        found = [cls for cls in (here.classes[number] for number in numbers) if bits & cls.bits and cls.key.vpc != near]
        found.sort(key=lambda cls: (low := bits & cls.bits) & -low)
        yield from ((here, bits, cls) for cls in found)


def _seen_index(
    component: Component, bound: Bound, six: bool
) -> tuple[list[int], list[int], list[tuple[Intervals, int]]]:
    """Single addresses of a family as which interfaces could be seen, in order, and the class of each; ranges
    likewise."""
    name = ("seen", "index", bound, six)
    found = component.cache.get(name)
    if found is None:
        found = component.cache[name] = _index_v6(component, bound) if six else _index_v4(component, bound)
    return found  # type: ignore[return-value]  # the cache holds many kinds; this key only ever this one


def _index_v6(component: Component, bound: Bound) -> tuple[list[int], list[int], list[tuple[Intervals, int]]]:
    split = bisect_left(component.starts, V6)
    numbers = [cls.number for cls in component.class_of[split:]]
    points = component.points - split
    wide = zip(component.wide, numbers[points:], strict=True)
    broad = [(Intervals([span]), one) for span, one in wide if span[0] >= V6]
    broad += [(ANY_V6, cls.number) for cls in component.classes if cls.bits6 and _masked_v6(component, cls, bound)]
    return component.starts[split:], numbers[:points], broad


def _masked_v6(component: Component, cls: Cls, bound: Bound) -> bool:
    """Whether IPv6 traffic of a class may leave by a hop that is not looked into, and be seen as anybody's."""
    out = routes.outward(component.world, cls.key.subnet, cls.key.vpc, bound)
    return not out.hidden.isdisjoint(ANY_V6)


def _index_v4(component: Component, bound: Bound) -> tuple[list[int], list[int], list[tuple[Intervals, int]]]:
    points: list[tuple[int, int]] = []
    broad: list[tuple[Intervals, int]] = []
    by_subnet: dict[tuple[str, str], tuple[list[int], bool]] = {}
    anywhere = component.world.internet & V4
    for cls in component.classes:
        number = cls.number
        home = cls.key.subnet, cls.key.vpc
        translated = by_subnet.get(home)
        if translated is None:
            translated = by_subnet[home] = _translated(component.world, cls, bound)
        for interface in cls.interfaces:
            if interface.public:
                points.extend((public, number) for _, public in interface.public)
        points.extend((address, number) for address in translated[0])
        if translated[1] or _unknown_public(component, cls, bound):
            broad.append((anywhere, number))
    points.sort()
    return [address for address, _ in points], [number for _, number in points], broad


def _translated(world: World, cls: Cls, bound: Bound) -> tuple[list[int], bool]:
    """Addresses of the NAT gateways that the subnet of a class uses, and whether any other could be seen as well."""
    out = routes.outward(world, cls.key.subnet, cls.key.vpc, bound)
    known = [world.estate.nat_gateways[id].public for id in out.nat]
    return [address for public in known for address in public], bool(out.hidden) or not all(known)


def _unknown_public(component: Component, cls: Cls, bound: Bound) -> bool:
    """Whether an interface of a class has a public address that is not known."""
    return bool(cls.bits4 & component.public[bound]) and any(
        one.public_unknown or (one.wide and one.public) for one in cls.interfaces
    )


def _admitted(component: Component, cls: Cls, services: Intervals, bound: Bound) -> Intervals:
    """Internet addresses that a class admits on any of some services."""
    return union(cell.addresses for span in services.spans for cell in arrivals(component, cls, span, bound))


def seen_by_class(component: Component, cls: Cls, bound: Bound) -> Intervals:
    """Every address as which an interface of a class could be seen on the internet."""
    name = ("seen", cls.number, bound)
    found = component.cache.get(name)
    if found is None:
        addresses, anywhere = _translated(component.world, cls, bound)
        spans: list[Span] = [(address, address) for address in addresses]
        for interface in cls.interfaces:
            spans.extend((public, public) for _, public in interface.public)
            spans.extend(span for span in (*interface.addresses, *interface.wide) if span[0] >= V6)
        if anywhere or _unknown_public(component, cls, bound):
            spans.extend((component.world.internet & V4).spans)
        if cls.bits6 and _masked_v6(component, cls, bound):
            spans.extend(ANY_V6.spans)
        found = component.cache[name] = Intervals(spans)
    assert isinstance(found, Intervals)
    return found


def seen_by_component(component: Component, bound: Bound) -> Intervals:
    """Every address as which an interface of a component could be seen on the internet."""
    name = ("seen", bound)
    found = component.cache.get(name)
    if found is None:
        found = component.cache[name] = union(seen_by_class(component, cls, bound) for cls in component.classes)
    assert isinstance(found, Intervals)
    return found


def _to_endpoint(
    senders: list[tuple[Component, int, Cls]], there: Component, target: int, services: Intervals, bound: Bound
) -> Iterator[Packet]:
    owner = there.interface_of(target)
    addresses = public_addresses(there, target, bound)
    if not addresses:
        return
    for here, bits, cls in senders:
        for source in numbers_in(bits & cls.bits & (here.v6 if there.v6 >> target & 1 else here.v4)):
            if here.interface_of(source).id == owner.id or not _leaves(here, source, owner.vpc):
                continue
            service = arriving_service(here, source, there, target, services, bound)
            if service is not None:
                address = here.span_of(source)[0]
                yield Packet(here.interface_of(source).id, address, owner.id, addresses.first, service, "public")
                break


def arriving_service(
    here: Component, source: int, there: Component, target: int, services: Intervals, bound: Bound
) -> int | None:
    """A service on which a first packet gets from an endpoint to the public address of another, or None."""
    addresses = public_addresses(there, target, bound)
    if not addresses:
        return None
    for span in (services & ALL_OF_FAMILY[_family(addresses)]).spans:
        for leaving in sent(here, source, addresses, span, bound, None):
            for part in leaving.services.spans:
                for low, _, admitted in arrivals(there, there.class_of[target], part, bound):
                    if leaving.arrives(admitted, bound):
                        return low
    return None


def opens(
    here: Component, source: int, there: Component, target: int, services: Intervals, ephemeral: Span, bound: Bound
) -> bool:
    """Whether a connection opens on *all* of ``services`` from an endpoint to the public address of another."""
    addresses = public_addresses(there, target, bound)
    if not addresses or not _leaves(here, source, there.interface_of(target).vpc):
        return False
    asked = services & ALL_OF_FAMILY[_family(addresses)]
    left = asked
    for span in asked.spans:
        for leaving in sent(here, source, addresses, span, bound, ephemeral):
            for part in leaving.services.spans:
                for low, high, admitted in arrivals(there, there.class_of[target], part, bound, ephemeral):
                    if leaving.always_arrives(admitted, bound):
                        left = left - Intervals([(low, high)])
    return bool(asked) and not left


def all_open(
    here: Component, source: Cls, sources: int, there: Component, target: Cls, targets: int, services: Intervals,
    ephemeral: Span, bound: Bound,
) -> bool:  # fmt: skip
    """Whether ``opens`` surely holds for every endpoint of some sources and every one of some targets, of one family.

    ``targets`` can be addressed. All at once, by sets: large sides would take a while pair by pair. False says nothing.
    """
    six = bool(targets & there.v6)
    if six and source.key.vpc == target.key.vpc:
        return False
    mine = _own(here, sources) if six else _known_publics(here, sources & here.public[Bound.LOWER])
    theirs = _own(there, targets) if six else _known_publics(there, targets)
    asked = services & ALL_OF_FAMILY[6 if six else 4]
    if not theirs or not asked:
        return False
    direct = mine if six or not sources & ~here.public[Bound.LOWER] else None
    left = asked
    for span in asked.spans:
        for piece in departures(here, source, span, bound, ephemeral):
            ways = [direct] if direct is not None and theirs <= (piece.direct6 if six else piece.direct4) else []
            for one in () if six else piece.nat:
                if not sources & ~one.sources and theirs <= one.addresses:
                    ways.append(Intervals((a, a) for a in here.world.estate.nat_gateways[one.gateway].public))
            if not any(ways):
                continue
            for low, high, admitted in arrivals(there, target, (piece.first, piece.last), bound, ephemeral):
                if any(seen and seen <= admitted for seen in ways):
                    left = left - Intervals([(low, high)])
    return not left


def _own(component: Component, endpoints: int) -> Intervals:
    return Intervals(component.span_of(number) for number in numbers_in(endpoints))


def _known_publics(component: Component, endpoints: int) -> Intervals | None:
    """The public addresses of some endpoints with one known each; None when any has none, or several."""
    found: list[Span] = []
    for number in numbers_in(endpoints):
        first, last = component.span_of(number)
        mine = [public for private, public in component.interface_of(number).public if first <= private <= last]
        if len(mine) != 1:
            return None
        found.append((mine[0], mine[0]))
    return Intervals(found)


def _family(addresses: Intervals) -> Family:
    return 6 if addresses.first >= V6 else 4
