"""Untracked connections whose answers lose their rule: cut at once, although new connections still open.

EC2 User Guide, *Security group connection tracking*: TCP and UDP are not tracked where one rule admits them from or to
everybody and another, in the other direction, admits every answer. "The response traffic for an untracked flow is
allowed based on the inbound or outbound rule that permits the response traffic, and not based on tracking information."
So when that other rule goes, what runs is cut, while what begins afterwards is tracked and needs no rule for answers.
What does not live here: connections that lose the rule of their first packet (`gate`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from doorward.model.addresses import FAMILY_ALL, INTERNET, Family
from doorward.model.intervals import Intervals, Span
from doorward.model.plan import Plan
from doorward.model.rules import Direction, Rule
from doorward.model.services import BLOCK, TCP, UDP, block
from doorward.reach import routes
from doorward.reach.ends import Ends, ends_of
from doorward.reach.policy import Policy, policy
from doorward.reach.public import public_addresses, seen_by_class
from doorward.reach.question import Question, Side
from doorward.reach.world import Bound, Cls, Component, World, numbers_in

TRACKING_KINDS = frozenset(
    {"network_load_balancer", "vpc_endpoint", "lambda", "nat_gateway", "global_accelerator_managed"}
)
"""Interfaces whose connections are always tracked (same page, *Automatically tracked connections*)."""
TRACKING_WAYS = frozenset({"nat-gateway", "egress-only-gateway", "transit-gateway"})
"""Routes through which every connection is tracked."""


def answers_cut(plan: Plan, after: World, question: Question) -> bool:
    """Whether the plan takes the rule by which the answers of an untracked connection pass, at either end.

    ``question`` is what the contract asks after the plan; it held before.
    """
    sides: tuple[tuple[Direction, Side, Side], ...] = (
        ("ingress", question.sources, question.targets),
        ("egress", question.targets, question.sources),
    )
    for direction, mine, theirs in sides:
        losing = {
            group
            for step in plan.steps
            for group, rule in step.removed
            if rule.direction == direction and _everybody(rule) is not None
        }
        if losing and any(_loses(plan, after, question, direction, mine, theirs, losing)):
            return True
    return False


def _loses(
    plan: Plan, after: World, question: Question, direction: Direction, mine: Side, theirs: Side, losing: set[str]
) -> Iterator[bool]:
    others = ends_of(after, theirs, Bound.LOWER)
    for component, bits in ends_of(after, mine, Bound.LOWER).items():
        for cls in component.classes_in(bits):
            if losing.isdisjoint(cls.key.groups) or any(one.kind in TRACKING_KINDS for one in cls.interfaces):
                continue
            now = policy(component, cls, direction, Bound.LOWER)
            for family, protocol in _untracked(plan, cls, direction, question):
                if any(_opens_all(rule, family, protocol) for rule in now.rules):
                    continue
                answers = protocol * BLOCK + question.ephemeral[0], protocol * BLOCK + question.ephemeral[1]
                yield _refused(component, cls, bits & cls.bits, now, answers, family, direction, others, theirs)


def _untracked(plan: Plan, cls: Cls, direction: Direction, question: Question) -> Iterator[tuple[Family, int]]:
    """Families and protocols of the question whose connections a class did not track before the plan."""
    rules = [rule for group in cls.key.groups for rule in _rules(plan, group)]
    for family in FAMILY_ALL:
        for protocol in (TCP, UDP):
            asked = question.services & Intervals([block(protocol)])
            admitted = Intervals(
                rule.service for rule in rules if rule.direction != direction and rule.peer == FAMILY_ALL[family]
            )
            answered = any(rule.direction == direction and _opens_all(rule, family, protocol) for rule in rules)
            if answered and asked & admitted:
                yield family, protocol


def _rules(plan: Plan, group: str) -> Iterable[Rule]:
    known = plan.before.groups.get(group)
    return known.rules if known is not None else ()


def _everybody(rule: Rule) -> Family | None:
    """The family of which a rule names everybody, if it does."""
    return next((family for family, whole in FAMILY_ALL.items() if rule.peer == whole), None)


def _opens_all(rule: Rule, family: Family, protocol: int) -> bool:
    low, high = block(protocol)
    return rule.peer == FAMILY_ALL[family] and rule.service[0] <= low and high <= rule.service[1]


def _refused(
    component: Component, cls: Cls, own: int, now: Policy, answers: Span, family: Family, direction: Direction,
    others: Ends, theirs: Side,
) -> bool:  # fmt: skip
    """Whether what is left of the rules stops the answers of anybody with whom a class may talk untracked."""
    world, subnet, vpc = component.world, cls.key.subnet, cls.key.vpc
    bits = component.all
    for cell in now.cells(answers):
        bits &= cell.bits
    mask = component.v4 if family == 4 else component.v6
    peers = others.get(component, 0) & mask & ~(own if component.single(own) is not None else 0)
    near = peers & (routes.private(component, subnet, vpc, Bound.LOWER) | component.subnet_bits[subnet])
    for number in numbers_in(near & ~bits):
        route = routes.lookup(world, subnet, vpc, component.span_of(number)[0])
        same = component.interface_of(number).subnet == subnet
        if same or route is None or route.kind not in TRACKING_WAYS:
            return True
    addresses = [theirs.outside - world.inner] if theirs.outside else []
    for there, all_bits in others.items():
        far = all_bits & (there.v4 if family == 4 else there.v6) & ~(near if there is component else 0)
        for other in there.classes_in(far):
            if direction == "ingress":
                addresses += [public_addresses(there, number, Bound.LOWER) for number in numbers_in(far & other.bits)]
            else:
                addresses.append(seen_by_class(there, other, Bound.LOWER))
    passed = Intervals([FAMILY_ALL[family]])
    for one in now.outside(answers):
        passed = passed & one.addresses
    open_ways = routes.outward(world, subnet, vpc, Bound.LOWER).internet & INTERNET
    return any((_of(family, one) & open_ways) - passed for one in addresses)


def _of(family: Family, addresses: Intervals) -> Intervals:
    return addresses & Intervals([FAMILY_ALL[family]])


__all__ = ["TRACKING_KINDS", "TRACKING_WAYS", "answers_cut"]
