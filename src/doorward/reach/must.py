"""Does everything get through, and its answer back? For ``reach``.

``missing(…, LOWER)`` is None: kept. ``missing(…, UPPER)`` is a packet: broken, with its witness. Else: cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterator

from doorward.model.addresses import FAMILY_ALL, INTERNET, V6, Family
from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.model.services import ALL_OF_FAMILY
from doorward.reach import acls, routes
from doorward.reach.balancers import Behind, admitted_clients, behind, target_endpoints
from doorward.reach.border import PRIVATE, answers, arrivals, cut, departures
from doorward.reach.ends import Ends, accepts, address_families, ends_of
from doorward.reach.never import hidden_sources
from doorward.reach.packet import OUTSIDE, Packet
from doorward.reach.policy import policy
from doorward.reach.private import FAMILIES, Lack, family_bits, lacks, pick
from doorward.reach.public import all_open, opens, public_addresses, sent
from doorward.reach.question import Question
from doorward.reach.world import Bound, Cls, Component, World, bits_of, numbers_in, union_bits


def missing(world: World, question: Question, bound: Bound) -> Packet | None:
    """A connection that does not open although all should, or None."""
    return next(packets(world, question, bound), None)


def packets(world: World, question: Question, bound: Bound) -> Iterator[Packet]:
    """Connections that do not open; at least one if any does not."""
    # Who may belong to a side must be reached for certain (lower); what is missing for certain concerns only members.
    belongs = Bound.UPPER if bound is Bound.LOWER else Bound.LOWER
    sources, targets = ends_of(world, question.sources, belongs), ends_of(world, question.targets, belongs)
    outside = question.sources.outside - world.inner
    yield from _listeners(world, sources, outside, targets, question, bound)
    beyond = question.targets.outside - world.inner
    yield from unopened(question, sources, outside, targets, beyond, bound)
    for id in question.targets.balancers:
        yield from _behind(world, id, sources, outside, question, bound)


def unopened(
    question: Question, sources: Ends, outside: Intervals, targets: Ends, beyond: Intervals, bound: Bound
) -> Iterator[Packet]:
    """The same for sides that are given as sets, without balancers; ``beyond`` are outside addresses as targets."""
    for there, to in targets.items():
        for here, from_ in sources.items():
            yield from _between(here, from_, there, to, question, bound)
        if outside:
            yield from _from_outside(there, to, outside, question, bound)
    if beyond:
        for here, from_ in sources.items():
            yield from _to_outside(here, from_, beyond, question, bound)


# --- what a load balancer listens to ----------------------------------------------------------------------------


def _listeners(
    world: World, sources: Ends, outside: Intervals, targets: Ends, question: Question, bound: Bound
) -> Iterator[Packet]:
    for component, bits in targets.items():
        for cls in component.classes_in(bits):
            if not cls.key.owner:
                continue
            silent = question.services - accepts(world, cls, bound)
            both = ALL_OF_FAMILY[4] & ALL_OF_FAMILY[6]
            if silent & both or (silent and question.services <= silent):
                target = (bits & cls.bits & -(bits & cls.bits)).bit_length() - 1
                service = (silent & both or silent).first
                balancer = cls.key.owner if cls.key.owner != "nat" else None
                yield from _try(sources, outside, component, target, service, balancer)


def _try(
    sources: Ends, outside: Intervals, component: Component, target: int, service: int, balancer: str | None
) -> Iterator[Packet]:
    """Some packet towards an endpoint, whoever sends it."""
    to, address = component.interface_of(target).id, component.span_of(target)[0]
    for here, bits in sources.items():
        others = bits & ~component.of_interface(to) if here is component else bits
        if not others:
            continue
        source = (others & -others).bit_length() - 1
        from_ = here.interface_of(source).id
        yield Packet(from_, here.span_of(source)[0], to, address, service, "private", balancer, "listener")
        return
    if outside:
        yield Packet(OUTSIDE, outside.first, to, address, service, "arrival", balancer, "listener")


# --- interface to interface -------------------------------------------------------------------------------------


def _between(
    here: Component, from_: int, there: Component, to: int, question: Question, bound: Bound
) -> Iterator[Packet]:
    judged = [family for family in FAMILIES if question.services & ALL_OF_FAMILY[family]]
    yield from _without_family(here, from_, there, to, question, judged)
    if here is there:
        for lack in lacks(here, from_, to, question.services, question.ephemeral, bound):
            mine, theirs = (lack.mine, lack.theirs) if lack.direction == "egress" else (lack.theirs, lack.mine)
            yield from _unless_public(here, mine, from_, there, theirs, to, question, bound, lack)
        return
    for family in judged:
        mine, theirs = from_ & family_bits(here, family), to & family_bits(there, family)
        if mine and theirs:
            yield from _unless_public(here, mine, from_, there, theirs, to, question, bound, None)


def _unless_public(
    here: Component, mine: int, from_: int, there: Component, theirs: int, to: int,
    question: Question, bound: Bound, lack: Lack | None,
) -> Iterator[Packet]:  # fmt: skip
    """Pairs that lack a private way and have no public one either: a packet for the first of them."""
    family: Family = 4 if mine & here.v4 else 6
    service = lack.service if lack is not None else (question.services & ALL_OF_FAMILY[family]).first
    tried: set[tuple[str, str]] = set()
    if not _could_open(there, to, family, bound):
        if here is there:
            source, target = pick(here, mine, theirs)
        else:
            source, target = (mine & -mine).bit_length() - 1, (theirs & -theirs).bit_length() - 1
        yield _packet(here, source, there, target, service)
        return
    for from_class, to_class in _not_all_public(here, mine, from_, there, theirs, to, question, bound):
        for target in numbers_in(theirs & to_class.bits):
            owner = there.interface_of(target).id
            for source in numbers_in(mine & from_class.bits):
                name = here.interface_of(source).id
                if name == owner or (name, owner) in tried:
                    continue
                tried.add((name, owner))
                if not _public_pair(here, name, from_, there, owner, to, family, question, bound):
                    yield _packet(here, source, there, target, service)
                    return


def _could_open(there: Component, to: int, family: Family, bound: Bound) -> bool:
    if family == 4:
        return bool(to & there.public[bound] & there.v4)
    return bool(to & there.v6) and any(there.world.has_internet_gateway(vpc, bound) for vpc in there.vpcs)


def _not_all_public(
    here: Component, mine: int, from_: int, there: Component, theirs: int, to: int, question: Question, bound: Bound
) -> Iterator[tuple[Cls, Cls]]:
    """Pairs of classes of which not all surely have a public way, found without trying each interface."""
    family: Family = 4 if mine & here.v4 else 6
    of_family = family_bits(there, family)
    addressable = to & of_family & (there.public[bound] if family == 4 else there.all)
    for target in there.classes_in(theirs):
        known = addressable & target.bits
        if family == 6 and not there.world.has_internet_gateway(target.key.vpc, bound):
            known = 0
        wanted = {there.owner[number] for number in numbers_in(theirs & target.bits)}
        lacking = wanted - {there.owner[number] for number in numbers_in(known)}
        for source in here.classes_in(mine):
            own = from_ & source.bits & family_bits(here, family)
            direct = here.public[Bound.LOWER] if family == 4 else own
            if lacking or not all(
                all_open(here, source, part, there, target, known, question.services, question.ephemeral, bound)
                for part in (own & direct, own & ~direct)
                if part
            ):
                yield source, target


def _public_pair(
    here: Component, source: str, from_: int, there: Component, target: str, to: int,
    family: Family, question: Question, bound: Bound,
) -> bool:  # fmt: skip
    mine = [n for n in here.endpoints_of[source] if from_ >> n & 1 and family_bits(here, family) >> n & 1]
    theirs = [
        n
        for n in there.endpoints_of[target]
        if to >> n & 1 and family_bits(there, family) >> n & 1 and public_addresses(there, n, bound)
    ]
    return bool(theirs) and all(
        opens(here, one, there, other, question.services, question.ephemeral, bound) for one in mine for other in theirs
    )


def _packet(here: Component, source: int, there: Component, target: int, service: int) -> Packet:
    return Packet(
        here.interface_of(source).id,
        here.span_of(source)[0],
        there.interface_of(target).id,
        there.span_of(target)[0],
        service,
    )


def _without_family(
    here: Component, from_: int, there: Component, to: int, question: Question, judged: list[Family]
) -> Iterator[Packet]:
    """Pairs that have no family in common on which there is anything to judge."""
    if 4 in judged and not from_ & here.v6 and not to & there.v6:
        return
    mine, theirs = _signatures(here, from_), _signatures(there, to)
    for ours, sources in mine.items():
        for other, targets in theirs.items():
            if any(family in ours and family in other for family in judged):
                continue
            for target in targets:
                source = next((one for one in sources if one != target), None)
                if source is not None:
                    first = (here.of_interface(source) & from_, there.of_interface(target) & to)
                    a, b = ((bits & -bits).bit_length() - 1 for bits in first)
                    yield _packet(here, a, there, b, question.services.first)._replace(part="family")
                    break


def _signatures(component: Component, bits: int) -> dict[tuple[Family, ...], list[str]]:
    """Families → interfaces of a set that have exactly these."""
    found: dict[tuple[Family, ...], list[str]] = {}
    for cls in component.classes_in(bits):
        four, six = bits & cls.bits4, bits & cls.bits6
        if not six or not four:
            families: tuple[Family, ...] = (4,) if four else (6,)
            low = bits & cls.bits
            first = component.interface_of((low & -low).bit_length() - 1).id
            names = found.setdefault(families, [])
            names.append(first)
            if len(names) == 1:
                rest = low & ~component.of_interface(first)
                if rest:
                    names.append(component.interface_of((rest & -rest).bit_length() - 1).id)
            continue
        for kind, few in _kinds(component, cls, four, six):
            found.setdefault(kind, []).extend(few)
    return found


def _kinds(component: Component, cls: Cls, four: int, six: int) -> list[tuple[tuple[Family, ...], list[str]]]:
    """The same for a class with both families: one or two interfaces of each kind, which is enough to find a pair."""
    whole = four == cls.bits4 and six == cls.bits6
    name = ("kinds", cls.number)
    known = component.cache.get(name) if whole else None
    if known is not None:
        return known  # type: ignore[return-value]  # the cache holds many kinds; this key only ever this one
    found: list[tuple[tuple[Family, ...], list[str]]]
    if whole:
        by_kind: dict[tuple[Family, ...], list[str]] = {}
        for interface in cls.interfaces:
            firsts = [first for first, _ in interface.addresses + interface.wide]
            kind = address_kind(any(first < V6 for first in firsts), any(first >= V6 for first in firsts))
            few = by_kind.setdefault(kind, [])
            if kind and len(few) < 2:
                few.append(interface.id)
        found = component.cache[name] = [(kind, few) for kind, few in by_kind.items() if kind]
        return found
    own4 = {component.owner[number] for number in numbers_in(four)}
    own6 = {component.owner[number] for number in numbers_in(six)}
    kinds: list[tuple[set[int], tuple[Family, ...]]] = [(own4 & own6, (4, 6)), (own4 - own6, (4,)), (own6 - own4, (6,))]
    return [
        (kind, [component.interfaces[one].id for one in sorted(ordinals)[:2]]) for ordinals, kind in kinds if ordinals
    ]


def address_kind(four: bool, six: bool) -> tuple[Family, ...]:
    """The families that an interface has."""
    own4: tuple[Family, ...] = (4,) if four else ()
    own6: tuple[Family, ...] = (6,) if six else ()
    return own4 + own6


# --- over the border --------------------------------------------------------------------------------------------


def _from_outside(
    component: Component, to: int, outside: Intervals, question: Question, bound: Bound
) -> Iterator[Packet]:
    public, private = outside & INTERNET, outside & PRIVATE
    if public:
        yield from _from_internet(component, to, public, question, bound)
    if private:
        yield from _from_hidden(component, to, private, question, bound)


def _from_internet(
    component: Component, to: int, public: Intervals, question: Question, bound: Bound
) -> Iterator[Packet]:
    asked = address_families(public)
    judged = [family for family in asked if question.services & ALL_OF_FAMILY[family]]
    addressable = {family: _addressable(component, to, family, bound) for family in judged}
    whole = union_bits(addressable.values())
    for cls in component.classes_in(to):
        for number in numbers_in(_unaddressed(component, to & cls.bits, whole)):
            yield Packet(
                OUTSIDE, public.first, component.interface_of(number).id, component.span_of(number)[0],
                question.services.first, "arrival", None, "unaddressable",
            )  # fmt: skip
            break
        for family, bits in addressable.items():
            mine = bits & cls.bits
            need = public & Intervals([FAMILY_ALL[family]])
            if not mine:
                continue
            for span in (question.services & ALL_OF_FAMILY[family]).spans:
                for low, _, addresses in arrivals(component, cls, span, bound, question.ephemeral):
                    lack = need - addresses
                    if lack:
                        number = (mine & -mine).bit_length() - 1
                        yield Packet(
                            OUTSIDE, lack.first, component.interface_of(number).id, component.span_of(number)[0],
                            low, "arrival",
                        )  # fmt: skip
                        break


def _addressable(component: Component, to: int, family: Family, bound: Bound) -> int:
    if family == 4:
        return to & component.public[bound] & component.v4
    found = 0
    for vpc in component.vpcs:
        if component.world.has_internet_gateway(vpc, bound):
            found |= to & component.v6 & component.vpc_bits.get(vpc, 0)
    return found


def _unaddressed(component: Component, mine: int, addressable: int) -> int:
    """Endpoints of interfaces that have no addressable endpoint at all."""
    left = mine & ~addressable
    for number in numbers_in(left):
        if component.of_interface(component.interface_of(number).id) & addressable:
            left &= ~(1 << number)
    return left


def _from_hidden(
    component: Component, to: int, private: Intervals, question: Question, bound: Bound
) -> Iterator[Packet]:
    """Private addresses beyond a gateway that is not looked into: nothing in the lower bound."""
    world = component.world
    for cls in component.classes_in(to):
        for family in FAMILIES:
            need = private & Intervals([FAMILY_ALL[family]])
            mine = to & cls.bits & family_bits(component, family)
            services = question.services & ALL_OF_FAMILY[family]
            if not need:
                continue
            if not mine or not services:
                if not private & Intervals([FAMILY_ALL[10 - family]]) or not to & cls.bits & ~mine:  # type: ignore[index]
                    number = (to & cls.bits & -(to & cls.bits)).bit_length() - 1
                    yield _arrival(component, need.first, number, question.services.first, "family")
                continue
            number = (mine & -mine).bit_length() - 1
            back = routes.outward(world, cls.key.subnet, cls.key.vpc, Bound.UPPER).hidden
            lack = need - (hidden_sources(world, cls.key.vpc) & back)
            if lack or bound is Bound.LOWER:
                yield _arrival(component, (lack or need).first, number, services.first)
                continue
            for span in services.spans:
                layers = cut(
                    span,
                    policy(component, cls, "ingress", bound).outside(span),
                    acls.admitted(world, cls.key.subnet, False, span, bound),
                )
                answered = acls.admitted_all(
                    world, cls.key.subnet, True, answers(Intervals([span]), question.ephemeral), bound
                )
                for low, _, addresses in layers:
                    lack = need - (addresses & answered)
                    if lack:
                        yield _arrival(component, lack.first, number, low)


def _arrival(component: Component, address: int, number: int, service: int, part: str = "traffic") -> Packet:
    to = component.interface_of(number).id
    return Packet(
        OUTSIDE, address, to, component.span_of(number)[0], service, "arrival", None,
        "family" if part == "family" else "traffic",
    )  # fmt: skip


def _to_outside(
    component: Component, from_: int, beyond: Intervals, question: Question, bound: Bound
) -> Iterator[Packet]:
    public = component.public[bound]
    for cls in component.classes_in(from_):
        mine = from_ & cls.bits
        for family in FAMILIES:
            own = mine & family_bits(component, family)
            need = beyond & Intervals([FAMILY_ALL[family]])
            services = question.services & ALL_OF_FAMILY[family]
            if not own or not need or not services:
                continue
            for span in services.spans:
                yield from _leaving(component, cls, own, public, need, span, question.ephemeral, bound)
        yield from _no_outside_family(component, mine, beyond, question, bound)


def _no_outside_family(
    component: Component, mine: int, beyond: Intervals, question: Question, bound: Bound
) -> Iterator[Packet]:
    judged = [family for family in address_families(beyond) if question.services & ALL_OF_FAMILY[family]]
    able = union_bits(mine & family_bits(component, family) for family in judged)
    if bound is Bound.UPPER and any(
        piece.translated
        for cls in component.classes_in(mine)
        for span in question.services.spans
        for piece in departures(component, cls, span, bound, question.ephemeral)
    ):
        able |= mine & component.v6
    for number in numbers_in(_unaddressed(component, mine, able)):
        yield Packet(
            component.interface_of(number).id, component.span_of(number)[0], OUTSIDE, beyond.first,
            question.services.first, "departure", None, "family",
        )  # fmt: skip
        return


def _leaving(
    component: Component, cls: Cls, own: int, public: int, need: Intervals, span: Span, ephemeral: Span, bound: Bound
) -> Iterator[Packet]:
    for piece in departures(component, cls, span, bound, ephemeral):
        shared = piece.direct6 & INTERNET if need.first >= V6 else EMPTY
        shared = shared | piece.hidden
        groups = [(own & public, piece.direct4 & INTERNET), (own & ~public, EMPTY)]
        for bits, direct in groups:
            for sources, through in _by_nat(bits, [(one.sources, one.addresses) for one in piece.nat]):
                lack = need - (shared | direct | (through & INTERNET)) if sources else EMPTY
                if lack:
                    number = (sources & -sources).bit_length() - 1
                    yield Packet(
                        component.interface_of(number).id, component.span_of(number)[0], OUTSIDE, lack.first,
                        piece.first, "departure",
                    )  # fmt: skip
                    return


def _by_nat(bits: int, ways: list[tuple[int, Intervals]]) -> list[tuple[int, Intervals]]:
    """Split sources by which NAT gateways accept them: (sources, all that they reach through them)."""
    found = [(bits, EMPTY)]
    for accepted, addresses in ways:
        found = [
            part
            for have, reached in found
            for part in ((have & accepted, reached | addresses), (have & ~accepted, reached))
            if part[0]
        ]
    return found


# --- behind a load balancer -------------------------------------------------------------------------------------


def _behind(
    world: World, id: str, sources: Ends, outside: Intervals, question: Question, bound: Bound
) -> Iterator[Packet]:
    balancer = world.estate.load_balancers[id]
    unknown = _unregistered(world, id, question.services)
    if unknown is not None and bound is Bound.LOWER:
        yield Packet(id, 0, unknown, 0, question.services.first, "balanced", id, "targets")
    nodes: dict[Component, int] = {}
    for interface in balancer.interfaces:
        if interface in world.estate.interfaces:
            component = world.component_of(world.estate.interfaces[interface].vpc)
            nodes[component] = nodes.get(component, 0) | bits_of(component.endpoints_of.get(interface, ()))
    for one in behind(world, id, question.services):
        if not one.interfaces:
            if bound is Bound.LOWER:
                yield Packet(id, 0, one.target.id, 0, one.traffic.first, "balanced", id, "targets")
            continue
        for component, bits in nodes.items():
            to = target_endpoints(component, one)
            if not to:
                continue
            for cls in component.classes_in(to):
                # A balancer behind a balancer accepts only what it listens on.
                silent = (one.health | one.traffic) - accepts(world, cls, bound)
                if cls.key.owner and silent:
                    source, target = pick(component, bits, to & cls.bits)
                    packet = _packet(component, source, component, target, silent.first)
                    yield packet._replace(via=cls.key.owner, part="listener")
            checks = one.health if one.preserved else one.health | one.traffic
            for lack in lacks(component, bits, to, checks, question.ephemeral, bound):
                mine, theirs = (lack.mine, lack.theirs) if lack.direction == "egress" else (lack.theirs, lack.mine)
                source, target = pick(component, mine, theirs)
                part = "health-check" if lack.service in one.health and lack.service not in one.traffic else "traffic"
                packet = _packet(component, source, component, target, lack.service)
                yield packet._replace(via=id, part="health-check" if part == "health-check" else "traffic")
            for cls in component.classes_in(to if one.preserved else 0):
                yield from _clients(world, component, bits, to & cls.bits, one, sources, outside, question, bound)


def _unregistered(world: World, id: str, services: Intervals) -> str | None:
    """A listener or target group whose targets are not known (or that has none)."""
    balancer = world.estate.load_balancers[id]
    if balancer.listeners is None:
        return id
    for listener in balancer.listeners:
        if not any(services.meets(*span) for span in listener.service):
            continue
        targets = 0
        for name in listener.target_groups:
            group = world.estate.target_groups.get(name)
            if group is None or group.targets is None:
                return name
            targets += len(group.targets) + (group.target_type == "lambda")
        if listener.target_groups and not targets:
            return listener.target_groups[0]
    return None


def _clients(
    world: World, component: Component, nodes: int, to: int, one: Behind, sources: Ends, outside: Intervals,
    question: Question, bound: Bound,
) -> Iterator[Packet]:  # fmt: skip
    """Path E: every client's own packets must be admitted by every target."""
    balancer = world.estate.load_balancers[one.balancer]
    target = (to & -to).bit_length() - 1
    cls = component.class_of[target]
    id, address = component.interface_of(target).id, component.span_of(target)[0]
    for span in one.traffic.spans:
        bits, addresses = admitted_clients(component, cls, balancer, span, bound)
        back = acls.admitted_all(world, cls.key.subnet, True, answers(Intervals([span]), question.ephemeral), bound)
        near = any(sender.key.subnet == cls.key.subnet for sender in component.classes_in(nodes))
        if not (near and bound is Bound.UPPER):
            whole = all(sender.key.subnet == cls.key.subnet for sender in component.classes_in(nodes))
            same = component.subnet_bits[cls.key.subnet] if whole else 0
            bits &= component.inside(back, bound) | same
            addresses = addresses & back
        for sender in component.classes_in(nodes):
            for cell in policy(component, sender, "egress", bound).cells(span):
                if to & ~cell.bits:
                    number = (nodes & sender.bits & -(nodes & sender.bits)).bit_length() - 1
                    yield _packet(component, number, component, target, span[0])._replace(via=one.balancer)
        lack = outside & INTERNET & Intervals([FAMILY_ALL[4]])
        lack = lack - addresses
        if lack:
            yield Packet(OUTSIDE, lack.first, id, address, span[0], "balanced", one.balancer)
        for here, from_ in sources.items():
            left = from_ & here.v4 & ~(bits if here is component else 0)
            for number in numbers_in(left):
                client = here.interface_of(number)
                if client.id != id and not _seen(world, here, number, nodes, component, one, addresses, bound):
                    yield Packet(client.id, here.span_of(number)[0], id, address, span[0], "balanced", one.balancer)
                    break


def _seen(
    world: World, here: Component, client: int, nodes: int, component: Component, one: Behind,
    addresses: Intervals, bound: Bound,
) -> bool:  # fmt: skip
    """Whether a client that comes over the internet is admitted under the addresses that it is seen as."""
    del world
    for node in numbers_in(nodes & component.public[bound]):
        for span in one.listened:
            ways = sent(here, client, public_addresses(component, node, bound), span, bound, None)
            if not ways or not all(way.always_arrives(addresses, bound) for way in ways):
                return False
    return bool(nodes & component.public[bound])
