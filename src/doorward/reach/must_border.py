"""Does everything get over the border of a component, and its answer back? ``must`` on outside addresses."""

from __future__ import annotations

from collections.abc import Iterator

from doorward.model.addresses import FAMILY_ALL, INTERNET, V6, Family
from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.model.services import ALL_OF_FAMILY
from doorward.reach import acls, routes
from doorward.reach.border import PRIVATE, answers, arrivals, cut, departures
from doorward.reach.ends import address_families
from doorward.reach.never import hidden_sources
from doorward.reach.packet import OUTSIDE, Packet
from doorward.reach.policy import policy
from doorward.reach.private import FAMILIES, family_bits
from doorward.reach.question import Question
from doorward.reach.world import Bound, Cls, Component, numbers_in, union_bits


def unopened_from(
    component: Component, to: int, outside: Intervals, question: Question, bound: Bound
) -> Iterator[Packet]:
    """From outside addresses to endpoints of a component."""
    public, private = outside & INTERNET, outside & PRIVATE
    if public:
        yield from _from_internet(component, to, public, question, bound)
    if private:
        yield from _from_hidden(component, to, private, question, bound)


def _from_internet(
    component: Component, to: int, public: Intervals, question: Question, bound: Bound
) -> Iterator[Packet]:
    """Each family in which a target is addressable must get through; where that is not known, any of them may count.

    Kept for certain (lower): addressable for certain, and open in every family in which it may be. Broken for certain
    (upper): not addressable at all, or shut in a family in which it is for certain, or in all in which it may be.
    """
    lower = bound is Bound.LOWER
    asked = address_families(public)
    judged = [family for family in asked if question.services & ALL_OF_FAMILY[family]]
    sure = {family: addressable(component, to, family, Bound.LOWER) for family in judged}
    possible = {family: addressable(component, to, family, Bound.UPPER) for family in judged}
    whole, all_sure = union_bits((sure if lower else possible).values()), union_bits(sure.values())
    for cls in component.classes_in(to):
        for number in numbers_in(_unaddressed(component, to & cls.bits, whole)):
            yield Packet(
                OUTSIDE, public.first, component.interface_of(number).id, component.span_of(number)[0],
                question.services.first, "arrival", None, "unaddressable",
            )  # fmt: skip
            break
        for family, bits in (possible if lower else sure).items():
            if mine := bits & cls.bits:
                lack = _shut_out(component, cls, public, family, question, bound)
                if lack is not None:
                    yield _arrival(component, lack[1], (mine & -mine).bit_length() - 1, lack[0])
        if not lower:
            perhaps = to & cls.bits & (union_bits(possible.values()) & ~all_sure)
            yield from _whatever(component, cls, perhaps, all_sure, possible, public, question)


def _shut_out(
    component: Component, cls: Cls, public: Intervals, family: Family, question: Question, bound: Bound
) -> tuple[int, int] | None:
    """A service and a public address of one family that do not get through to a class."""
    need = public & Intervals([FAMILY_ALL[family]])
    for span in (question.services & ALL_OF_FAMILY[family]).spans:
        for low, _, addresses in arrivals(component, cls, span, bound, question.ephemeral):
            if lack := need - addresses:
                return low, lack.first
    return None


def _whatever(
    component: Component, cls: Cls, perhaps: int, sure: int, possible: dict[Family, int], public: Intervals,
    question: Question,
) -> Iterator[Packet]:  # fmt: skip
    """Of interfaces that are addressable in no family for certain, one that is shut in all in which it may be."""
    lacks: dict[Family, tuple[int, int] | None] = {}
    for number in numbers_in(_unaddressed(component, perhaps, sure)):
        own = component.of_interface(component.interface_of(number).id)
        families = [family for family, bits in possible.items() if bits & own]
        for family in families:
            if family not in lacks:
                lacks[family] = _shut_out(component, cls, public, family, question, Bound.UPPER)
        if families and all(lacks[family] is not None for family in families):
            lack = lacks[families[0]]
            assert lack is not None
            mine = own & possible[families[0]]
            yield _arrival(component, lack[1], (mine & -mine).bit_length() - 1, lack[0])
            return


def addressable(component: Component, to: int, family: Family, bound: Bound) -> int:
    """Those of some endpoints that the outside can name in a family."""
    if family == 4:
        return to & component.public[bound] & component.v4
    found = 0
    for vpc in component.vpcs:
        if component.world.has_internet_gateway(vpc, bound):
            found |= to & component.v6 & component.vpc_bits.get(vpc, 0)
    return found


def _unaddressed(component: Component, mine: int, named: int) -> int:
    """Endpoints of interfaces that have no addressable endpoint at all."""
    left = mine & ~named
    for number in numbers_in(left):
        if component.of_interface(component.interface_of(number).id) & named:
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


def unopened_towards(
    component: Component, from_: int, beyond: Intervals, question: Question, bound: Bound
) -> Iterator[Packet]:
    """From endpoints of a component to outside addresses."""
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
