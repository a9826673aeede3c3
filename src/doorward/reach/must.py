"""Does everything get through, and its answer back? For ``reach``.

``missing(…, LOWER)`` is None: kept. ``missing(…, UPPER)`` is a packet: broken, with its witness. Else: cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterator

from doorward.model.addresses import V6, Family
from doorward.model.intervals import Intervals
from doorward.model.services import ALL_OF_FAMILY
from doorward.reach.ends import Ends, accepts, ends_of
from doorward.reach.must_behind import unopened_behind
from doorward.reach.must_border import unopened_from, unopened_towards
from doorward.reach.packet import OUTSIDE, Packet
from doorward.reach.private import FAMILIES, Lack, family_bits, lacks, packet_between, pick
from doorward.reach.public import all_open, opens, public_addresses
from doorward.reach.question import Question
from doorward.reach.world import Bound, Cls, Component, World, numbers_in


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
        yield from unopened_behind(world, id, sources, outside, question, bound)


def unopened(
    question: Question, sources: Ends, outside: Intervals, targets: Ends, beyond: Intervals, bound: Bound
) -> Iterator[Packet]:
    """The same for sides that are given as sets, without balancers; ``beyond`` are outside addresses as targets."""
    for there, to in targets.items():
        for here, from_ in sources.items():
            yield from _between(here, from_, there, to, question, bound)
        if outside:
            yield from unopened_from(there, to, outside, question, bound)
    if beyond:
        for here, from_ in sources.items():
            yield from unopened_towards(here, from_, beyond, question, bound)


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
        yield packet_between(here, source, there, target, service)
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
                    yield packet_between(here, source, there, target, service)
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
                    yield packet_between(here, a, there, b, question.services.first)._replace(part="family")
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
            has4 = has6 = False
            for first, _ in (*interface.addresses, *interface.wide) if interface.wide else interface.addresses:
                if first < V6:
                    has4 = True
                else:
                    has6 = True
            kind = address_kind(has4, has6)
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
    if four:
        return (4, 6) if six else (4,)
    return (6,) if six else ()
