"""The verdict on one question: both bounds, the deciding packet, and whether anybody was judged at all."""

from __future__ import annotations

from typing import NamedTuple

from doorward.model.addresses import parse_network
from doorward.model.intervals import Intervals
from doorward.model.verdict import Outcome
from doorward.reach import must, never
from doorward.reach.ends import ends_of
from doorward.reach.packet import Packet
from doorward.reach.question import Question, Side
from doorward.reach.world import Bound, World, bits_of

SAME = "the only source and the only target are the same interface: there is nobody to judge"
BEYOND = "both sides lie outside the estate: there is nobody to judge"
LINK_LOCAL = Intervals([parse_network("169.254.0.0/16"), parse_network("fd00:ec2::/32")])
"""Where AWS's own services of every instance answer: metadata, DNS, time."""
UNFILTERED = (
    "link-local services of AWS (instance metadata, DNS, time) are reached whatever groups, ACLs and routes say "
    "(VPC User Guide, Security groups): that is not looked into"
)


class Finding(NamedTuple):
    """An outcome and the packet that decides it; ``nobody`` says why there was nothing to try."""

    outcome: Outcome
    packet: Packet | None = None
    nobody: str | None = None


def judge(world: World, question: Question) -> Finding:
    """Kept, broken or cannot tell (design §2: one exact engine run in two bounds)."""
    nobody = nobody_to_judge(world, question)
    beyond = question.targets.outside
    if beyond and beyond <= LINK_LOCAL:
        return Finding(Outcome.CANNOT_TELL, None, UNFILTERED)
    if nobody in (SAME, BEYOND) or (nobody is not None and _empty_side(world, question)):
        return Finding(Outcome.CANNOT_TELL, None, nobody)
    if question.must == "reach":
        doubtful = must.missing(world, question, Bound.LOWER)
        if doubtful is None:
            return Finding(Outcome.CANNOT_TELL, None, nobody) if nobody else Finding(Outcome.KEPT)
        certain = must.missing(world, question, Bound.UPPER)
    else:
        doubtful = never.found(world, question, Bound.UPPER)
        if doubtful is None:
            return Finding(Outcome.CANNOT_TELL, None, nobody) if nobody else Finding(Outcome.KEPT)
        certain = never.found(world, question, Bound.LOWER)
    if certain is not None:
        return Finding(Outcome.BROKEN, certain)
    return Finding(Outcome.CANNOT_TELL, doubtful)


def nobody_to_judge(world: World, question: Question) -> str | None:
    """Why a question has nobody to try: a side without interfaces, or one interface and itself."""
    sides = [("to", question.targets)]
    if question.must != "only-from":
        sides.insert(0, ("from", question.sources))
    for name, side in sides:
        if side.nobody:
            return f"{', '.join(side.nobody)} ({name}) exists but has no interface: there is nobody to judge"
        if not side.outside and not ends_of(world, side, Bound.UPPER):
            return f"nothing in '{name}' has an interface: there is nobody to judge"
    if question.must == "only-from":
        return None
    if (
        question.sources.outside
        and question.targets.outside
        and not any(ends_of(world, side, Bound.UPPER) for _, side in sides)
    ):
        return BEYOND
    if question.sources.outside or question.targets.outside:
        return None
    owners = _owners(world, question.targets)
    if len(owners) == 1 and owners == _owners(world, question.sources):
        return SAME
    return None


def _empty_side(world: World, question: Question) -> bool:
    """Whether a whole side has neither an interface nor an outside address."""
    sides = [question.targets] if question.must == "only-from" else [question.sources, question.targets]
    return any(not side.outside and not ends_of(world, side, Bound.UPPER) for side in sides)


def _owners(world: World, side: Side) -> set[str]:
    found: set[str] = set()
    for component, bits in ends_of(world, side, Bound.UPPER).items():
        while bits and len(found) < 2:
            ordinal = component.owner[(bits & -bits).bit_length() - 1]
            found.add(component.interfaces[ordinal].id)
            if len(found) < 2:
                bits &= ~bits_of(component.endpoints_of.of(ordinal))
    return found
