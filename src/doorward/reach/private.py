"""Private traffic between interfaces (rule book, path A), decided for whole classes with sets of endpoints.

For "every source reaches every target" the sides fall apart: each source class must admit all targets it needs, each
target class all sources; nothing is quadratic. For "does anything flow" classes are paired, but only those that the
target's own ingress leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from doorward.model.addresses import Family
from doorward.model.intervals import Intervals, Span
from doorward.model.rules import Direction
from doorward.model.services import ALL_OF_FAMILY
from doorward.reach import acls, routes
from doorward.reach.border import answered, answers
from doorward.reach.packet import Packet
from doorward.reach.policy import policy
from doorward.reach.world import Bound, Cls, Component

FAMILIES: tuple[Family, Family] = (4, 6)


class Lack(NamedTuple):
    """Pairs that do not get through: every endpoint of ``mine`` with every one of ``theirs`` (other interface)."""

    cls: Cls
    direction: Direction
    """``egress``: ``cls`` is the source, ``theirs`` are targets; ``ingress``: the other way round."""
    mine: int
    theirs: int
    service: int
    family: Family


def family_bits(component: Component, family: Family) -> int:
    """All endpoints of one family."""
    return component.v4 if family == 4 else component.v6


def lacks(
    component: Component, sources: int, targets: int, services: Intervals, ephemeral: Span, bound: Bound
) -> Iterator[Lack]:
    """All that keeps ``sources`` from opening connections to all ``targets`` (per family, other interface)."""
    for family in FAMILIES:
        of_family = services & ALL_OF_FAMILY[family]
        mask = family_bits(component, family)
        from_, to = sources & mask, targets & mask
        if of_family and from_ and to:
            yield from _side(component, from_, to, of_family, ephemeral, bound, "egress", family)
            yield from _side(component, to, from_, of_family, ephemeral, bound, "ingress", family)


def _side(
    component: Component,
    mine: int,
    theirs: int,
    services: Intervals,
    ephemeral: Span,
    bound: Bound,
    direction: Direction,
    family: Family,
) -> Iterator[Lack]:
    out = direction == "egress"
    back = answers(services, ephemeral)
    for cls in component.classes_in(mine):
        own = mine & cls.bits
        need = theirs & ~_only(component, own, theirs) if theirs & cls.bits else theirs
        if not need:
            continue
        rules = policy(component, cls, direction, bound)
        imitated = 0 if out or bound is Bound.LOWER else _imitated(component, cls, own, need)
        for span in services.spans:
            if need & ~rules.covering(span):
                for first, _, bits in rules.cells(span):
                    missing = need & ~bits
                    if imitated & missing and (bits or rules.outside((first, first))[0].addresses):
                        missing &= ~imitated
                    if missing:
                        yield Lack(cls, direction, own, missing, first, family)
                        break
        subnet = cls.key.subnet
        crossing = need & ~component.subnet_bits[subnet] & ~imitated
        if not crossing:
            continue
        asked = crossing & ~_unasked(component, cls, bound)
        first_service = services.spans[0][0]
        missing = crossing & ~routes.private(component, subnet, cls.key.vpc, bound)
        if missing:
            yield Lack(cls, direction, own, missing, first_service, family)
        for span in services.spans:
            for low, _, addresses in acls.admitted(component.world, subnet, out, span, bound):
                missing = (crossing if out else asked) & ~component.inside(addresses, bound)
                if missing:
                    yield Lack(cls, direction, own, missing, low, family)
                    break
        for span in back.spans:
            for _, _, addresses in acls.admitted(component.world, subnet, not out, span, bound):
                missing = (asked if out else crossing) & ~component.inside(addresses, bound)
                if missing:
                    yield Lack(cls, direction, own, missing, _asked(services, span, ephemeral), family)
                    break


def _imitated(component: Component, target: Cls, own: int, sources: int) -> int:
    """Sources whose way to a class leads through hops that are not looked into, which may rewrite them (upper
    bound)."""
    found = 0
    for source in through_hidden(component):
        if source.key.subnet != target.key.subnet and own & routes.uncertain(
            component, source.key.subnet, source.key.vpc
        ):
            found |= sources & source.bits
    return found


def _unasked(component: Component, cls: Cls, bound: Bound) -> int:
    """Endpoints whose packets a class's own subnet may let in unasked (upper bound).

    Where a transit gateway has an interface in the subnet, what it brings is not asked by the subnet's ACL (TGW,
    *Network ACLs for transit gateways*); so is possibly all that comes from other VPCs, whatever way it takes.
    """
    if bound is Bound.LOWER or cls.key.subnet not in component.world.attached_subnets:
        return 0
    return component.all & ~component.vpc_bits.get(cls.key.vpc, 0)


def _asked(services: Intervals, answer: Span, ephemeral: Span) -> int:
    """A service whose answer is the given span."""
    for first, last in services.spans:
        if not (answers(Intervals([(first, last)]), ephemeral) & Intervals([answer])):
            continue
        for service in _candidates(first, last):
            if answers(Intervals.point(service), ephemeral) & Intervals([answer]):
                return service
    return services.first


def _candidates(first: int, last: int) -> Iterator[int]:
    yield first
    for protocol in range(first >> 16, (last >> 16) + 1):
        for service in (protocol << 16, (protocol << 16) + 8 * 256, (protocol << 16) + 128 * 256):
            if first <= service <= last:
                yield service


def _only(component: Component, own: int, theirs: int) -> int:
    """Endpoints of ``theirs`` that would only have to be reached from their own interface: when ``own`` is a single
    one."""
    single = component.single(own)
    return component.of_interface(single) & theirs if single is not None else 0


class Flowing(NamedTuple):
    """Something flows: each source with each target of another interface, on services ``first`` … ``last``."""

    source: Cls
    target: Cls
    sources: int
    targets: int
    first: int
    last: int


def flows(
    component: Component, sources: int, targets: int, services: Intervals, bound: Bound,
    accepts: Callable[[Cls, Bound], Intervals], ephemeral: Span | None = None,
) -> Iterator[Flowing]:  # fmt: skip
    """First packets that arrive, by pairs of classes; with ``ephemeral``, connections whose answers return.

    ``accepts`` narrows services to what a class listens to.
    """
    for target in component.classes_in(targets):
        mine = targets & target.bits
        wanted = services & accepts(target, bound)
        for span in wanted.spans:
            for low, high, bits in policy(component, target, "ingress", bound).cells(span):
                there = bits & sources
                if there:
                    yield from _pairs(component, target, mine, there, (low, high), bound, ephemeral)
        if bound is Bound.UPPER:
            yield from _rewritten(component, sources, target, mine, wanted)


def _rewritten(component: Component, sources: int, target: Cls, mine: int, services: Intervals) -> Iterator[Flowing]:
    """Through hops that are not looked into and may rewrite the source: whoever the target admits could be imitated."""
    for source in through_hidden(component):
        from_ = sources & source.bits
        to = mine & routes.uncertain(component, source.key.subnet, source.key.vpc)
        if not from_ or not to or source.key.subnet == target.key.subnet:
            continue
        for span in services.spans:
            rules = policy(component, target, "ingress", Bound.UPPER)
            heard = [(low, high) for low, high, bits in rules.cells(span) if bits]
            heard += [(low, high) for low, high, addresses in rules.outside(span) if addresses]
            for low, high, bits in policy(component, source, "egress", Bound.UPPER).cells(span):
                for piece in (Intervals(heard) & Intervals([(low, high)])).spans:
                    for first, last, leaving in acls.admitted(
                        component.world, source.key.subnet, True, piece, Bound.UPPER
                    ):
                        out = to & bits & component.inside(leaving, Bound.UPPER)
                        if out:
                            yield from _families(component, source, target, from_, out, first, last)


def through_hidden(component: Component) -> list[Cls]:
    """Classes whose subnets lead through a hop that is not looked into."""
    found = component.cache.get(("through hidden",))
    if found is None:
        homes = {(cls.key.subnet, cls.key.vpc) for cls in component.classes}
        hidden = {home for home in homes if routes.uncertain(component, *home)}
        found = component.cache[("through hidden",)] = [
            cls for cls in component.classes if (cls.key.subnet, cls.key.vpc) in hidden
        ] if hidden else []  # fmt: skip
    return found  # type: ignore[return-value]  # the cache holds many kinds; this key only ever this one


def _pairs(
    component: Component, target: Cls, mine: int, there: int, span: Span, bound: Bound, ephemeral: Span | None
) -> Iterator[Flowing]:
    for source in component.classes_in(there):
        from_ = there & source.bits
        same = source.key.subnet == target.key.subnet
        led = component.all if same else routes.private(component, source.key.subnet, source.key.vpc, bound)
        reached = mine & led
        if not reached:
            continue
        for low, high, bits in policy(component, source, "egress", bound).cells(span):
            to = reached & bits
            if not to:
                continue
            if same:
                yield from _families(component, source, target, from_, to, low, high)
            else:
                for one in _filtered(component, source, target, from_, to, (low, high), bound):
                    yield from (one,) if ephemeral is None else _answered(component, one, ephemeral, bound)


def _filtered(
    component: Component, source: Cls, target: Cls, from_: int, to: int, span: Span, bound: Bound
) -> Iterator[Flowing]:
    world = component.world
    entering = acls.admitted(world, target.key.subnet, False, span, bound)
    for first, last, leaving in acls.admitted(world, source.key.subnet, True, span, bound):
        out = to & component.inside(leaving, bound)
        if not out:
            continue
        for low, high, addresses in entering:
            if low <= last and first <= high:
                in_ = from_ & (component.inside(addresses, bound) | _unasked(component, target, bound))
                if in_:
                    yield from _families(component, source, target, in_, out, max(low, first), min(high, last))


def _answered(component: Component, flow: Flowing, ephemeral: Span, bound: Bound) -> Iterator[Flowing]:
    """The part of a flow between subnets whose answers find their way back."""
    source, target = flow.source.key, flow.target.key
    sources = flow.sources & routes.private(component, target.subnet, target.vpc, bound)
    if not sources:
        return
    span = (flow.first, flow.last)
    leaving = answered(component.world, target.subnet, True, span, ephemeral, bound)
    returning = answered(component.world, source.subnet, False, span, ephemeral, bound)
    unasked = _unasked(component, flow.source, bound)
    for first, last, addresses in leaving:
        out = sources & component.inside(addresses, bound)
        if not out:
            continue
        for start, end, entering in returning:
            if start <= last and first <= end:
                in_ = flow.targets & (component.inside(entering, bound) | unasked)
                if in_:
                    yield from _families(
                        component, flow.source, flow.target, out, in_, max(first, start), min(last, end)
                    )


def _families(
    component: Component, source: Cls, target: Cls, from_: int, to: int, first: int, last: int
) -> Iterator[Flowing]:
    for family in FAMILIES:
        mask = family_bits(component, family)
        one, other = from_ & mask, to & mask
        if not one or not other:
            continue
        if source is target:
            single = component.single(one)
            if single is not None and not other & ~component.of_interface(single):
                continue
        for low, high in (Intervals([(first, last)]) & ALL_OF_FAMILY[family]).spans:
            yield Flowing(source, target, one, other, low, high)


def pick(component: Component, from_: int, to: int) -> tuple[int, int]:
    """One source and one target endpoint of different interfaces (there is one, by construction)."""
    source = (from_ & -from_).bit_length() - 1
    owner = component.owner[source]
    rest = to & ~component.of_interface(component.interfaces[owner].id)
    if rest:
        return source, (rest & -rest).bit_length() - 1
    target = (to & -to).bit_length() - 1
    others = from_ & ~component.of_interface(component.interfaces[component.owner[target]].id)
    return (others & -others).bit_length() - 1, target


def packet_between(here: Component, source: int, there: Component, target: int, service: int) -> Packet:
    """The packet from one endpoint to another."""
    return Packet(
        here.interface_of(source).id,
        here.span_of(source)[0],
        there.interface_of(target).id,
        there.span_of(target)[0],
        service,
    )


__all__ = ["FAMILIES", "Flowing", "Lack", "family_bits", "flows", "lacks", "packet_between", "pick", "through_hidden"]
