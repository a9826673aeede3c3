"""How one question can be mended by security group rules, or the proof that it cannot.

Rules are monotone, so two estates decide whether there is a mend at all: one in which the groups concerned admit
everything (for ``reach``), one in which no group admits anything (for ``never-reach`` and ``only-from``).
What does not live here: the other contracts (``contracts.mend``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from itertools import combinations

from doorward.model.addresses import FAMILY_ALL
from doorward.model.rules import Direction, Group, Rule
from doorward.model.services import ALL_SPAN
from doorward.model.verdict import Hop
from doorward.reach import must, never
from doorward.reach.cut import Closing, Taste, close
from doorward.reach.demand import Own, Proposal, owns, proposal, public_wants, wants
from doorward.reach.draft import Change, Draft, editable
from doorward.reach.packet import Packet
from doorward.reach.question import Question
from doorward.reach.trace import hops
from doorward.reach.world import Bound, World

MOST_PUBLIC = 32
"""Pairs that are mended over public addresses, one after the other."""
MOST_RESTORED = 12
"""Removed rules of which all small subsets are tried; of more, only the whole is thinned out."""


@dataclass(slots=True)
class Opening:
    """Rules that make a ``reach`` question hold in a bound, or why there are none."""

    draft: Draft | None
    proposal: Proposal
    stuck: str | None = None
    proven: bool = False
    """No security group rules whatever make it hold."""


def open_up(
    world: World, question: Question, bound: Bound, *, exact: bool = False, avoid: frozenset[str] = frozenset()
) -> Opening:
    """The fewest exact rules that make ``reach`` hold in a bound (lower: for certain); see ``demand.proposal``."""
    own = owns(world, question)
    made = proposal(world, (want for one in own for want in wants(one, bound)), exact=exact, avoid=avoid)
    if avoid and made.stuck:
        return Opening(None, made, stuck=made.stuck)
    draft = Draft(world, made.changes)
    packet = must.missing(draft.world, question, bound)
    if packet is None:
        return Opening(_thinned(draft, question, bound), made)
    opened = world.with_groups(opened_groups(world, own))
    beyond = must.missing(opened, question, bound)
    if beyond is not None:
        return Opening(None, made, stuck=stopped(opened, beyond, question), proven=True)
    for _ in range(MOST_PUBLIC):
        more = _publicly(draft.world, opened, packet, question, bound)
        before = len(draft)
        draft.change(adds=more.changes)
        if len(draft) == before:
            return Opening(None, made, stuck=made.stuck or more.stuck or _unmended(packet))
        made.shared += more.shared
        made.public = True
        packet = must.missing(draft.world, question, bound)
        if packet is None:
            made.fewest = False
            return Opening(_thinned(draft, question, bound), made)
    return Opening(None, made, stuck=_unmended(packet))


def _publicly(world: World, opened: World, packet: Packet, question: Question, bound: Bound) -> Proposal:
    if packet.way != "private" or packet.part != "traffic":
        return Proposal()
    return proposal(world, public_wants(world, opened, packet.source, packet.target, question, bound))


def _unmended(packet: Packet) -> str:
    return f"no exact rules were found for {packet.source} → {packet.target}; wider ones would open more"


def _thinned(draft: Draft, question: Question, bound: Bound) -> Draft:
    """Without additions that turn out not to be needed."""
    if not 1 < len(draft) <= 24:
        return draft
    for one in list(draft.adds):
        fewer = draft.without(one)
        if must.missing(fewer.world, question, bound) is None:
            draft = fewer
    return draft


def opened_groups(world: World, own: Iterable[Own]) -> dict[str, Group]:
    """The groups of everybody concerned, admitting everything in both directions."""
    directions: tuple[Direction, ...] = ("ingress", "egress")
    everything = tuple(Rule(direction, ALL_SPAN, span) for direction in directions for span in FAMILY_ALL.values())
    found: dict[str, Group] = {}
    for one in own:
        for ends in (one.sources, one.targets):
            for component, bits in ends.items():
                for cls in component.classes_in(bits):
                    for name in cls.key.groups:
                        group = editable(world, name)
                        if group is not None and name not in found:
                            found[name] = group.with_rules(group.rules + everything)
    return found


def stopped(world: World, packet: Packet, question: Question) -> str:
    """What stops a packet although every group admits everything: ACL, route, gateway, missing address."""
    path = hops(world, packet, question.ephemeral, answered=question.must == "reach")
    stops: list[Hop] = [hop for hop in path if hop.passes == "no"] or [hop for hop in path if hop.passes == "unknown"]
    if packet.part == "family":
        return f"{packet.source} and {packet.target} share no address family"
    texts = list(dict.fromkeys(hop.text for hop in stops))
    if packet.part == "unaddressable" and not texts:
        texts = [f"{packet.target} cannot be addressed from outside"]
    return "; ".join(texts[:3]) or f"{packet.source} → {packet.target} is stopped otherwise"


# --- putting back -----------------------------------------------------------------------------------------------


def restorable(world: World, own: Sequence[Own], removed: Iterable[Change]) -> list[Change]:
    """Removed rules that could matter to some traffic and are not there any more."""
    groups: dict[Direction, set[str]] = {"ingress": set(), "egress": set()}
    sides: tuple[tuple[Direction, str], ...] = (("ingress", "targets"), ("egress", "sources"))
    for one in own:
        for direction, side in sides:
            for component, bits in getattr(one, side).items():
                for cls in component.classes_in(bits):
                    groups[direction].update(cls.key.groups)
    found: dict[tuple[str, object], Change] = {}
    for id, rule in removed:
        group = editable(world, id)
        if group is None or id not in groups[rule.direction]:
            continue
        if any(one.services.meets(*rule.service) for one in own) and all(rule.key != now.key for now in group.rules):
            found.setdefault((id, rule.key), (id, rule))
    return list(found.values())


def restorations(world: World, question: Question, bound: Bound, removed: Iterable[Change]) -> Iterable[Draft]:
    """Sets of removed rules that mend ``reach`` when put back, smaller ones first."""
    candidates = restorable(world, owns(world, question), removed)
    if not candidates:
        return
    whole = Draft(world, candidates)
    if must.missing(whole.world, question, bound) is not None:
        return  # groups only ever allow: what all of them do not mend, none of them does
    if len(candidates) <= MOST_RESTORED:
        for size in range(1, min(4, len(candidates))):
            for some in combinations(candidates, size):
                draft = Draft(world, some)
                if must.missing(draft.world, question, bound) is None:
                    yield draft
    yield _restored(whole, question, bound)


def _restored(draft: Draft, question: Question, bound: Bound) -> Draft:
    for one in list(draft.adds):
        if len(draft) > 1:
            fewer = draft.without(one)
            if must.missing(fewer.world, question, bound) is None:
                draft = fewer
    return draft


# --- closing ----------------------------------------------------------------------------------------------------


def tastes(added: Set[Change]) -> tuple[Taste, ...]:
    """Ways of choosing, in order: undoing what a plan adds; at the targets' own doors; the fewest; at the sources."""
    return ("added", "target", "fewest", "source") if added else ("target", "fewest", "source")


def closing(
    world: World, question: Question, bound: Bound, taste: Taste, added: Set[Change] = frozenset(),
    most: int | None = None,
) -> Closing:  # fmt: skip
    """Take away all that lets the forbidden in, thinned out."""
    made = close(world, question, bound, taste, added, most)
    if made.stuck is None and not made.given_up:
        _thin(made, question, bound)
    return made


def _thin(made: Closing, question: Question, bound: Bound) -> None:
    if not 1 < len(made.draft) <= 24:
        return
    for one in list(made.draft.revokes):
        fewer = made.draft.without(one)
        if never.found(fewer.world, question, bound) is None:
            made.draft = fewer


__all__ = ["Opening", "closing", "open_up", "opened_groups", "restorable", "restorations", "stopped", "tastes"]
