"""Contracts checked against an estate: verdicts with witness, reasons and path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from doorward.contracts.contract import Contract
from doorward.contracts.mend import Mender
from doorward.contracts.selectors import Matcher
from doorward.model.estate import Estate
from doorward.model.rules import Rule
from doorward.model.verdict import Hop, Outcome, Reason, Report, Verdict, Witness
from doorward.reach.ends import ends_of
from doorward.reach.judge import Finding, judge
from doorward.reach.packet import Packet
from doorward.reach.question import Question
from doorward.reach.trace import hops
from doorward.reach.world import Bound, World


def check(contracts: Iterable[Contract], estate: Estate, *, repair: bool = True) -> Report:
    """Every contract judged on one estate, worst first; broken ones with a repair, unless told otherwise.

    Raises ``InvalidContract`` for a selector that fits nothing.
    """
    world = World(estate)
    matcher = Matcher(world)
    declared = tuple(contracts)
    questions = [matcher.question(contract) for contract in declared]
    verdicts = [
        verdict(world, contract, question, judge(world, question))
        for contract, question in zip(declared, questions, strict=True)
    ]
    if repair:
        verdicts = repaired(declared, questions, verdicts, world)
    return Report(in_order(verdicts), estate.notices)


def repaired(
    contracts: Sequence[Contract], questions: Sequence[Question | None], verdicts: Sequence[Verdict], world: World,
    removed: Iterable[tuple[str, Rule]] = (), added: Iterable[tuple[str, Rule]] = (),
) -> list[Verdict]:  # fmt: skip
    """The same verdicts, the broken ones with their repair. ``removed`` and ``added`` are what a plan does to rules."""
    if not any(one.outcome is Outcome.BROKEN for one in verdicts):
        return list(verdicts)
    known = {index: one.outcome for index, one in enumerate(verdicts)}
    mender = Mender(contracts, questions, world, removed=removed, added=added, before=known)
    found: list[Verdict] = []
    for index, one in enumerate(verdicts):
        if one.outcome is Outcome.BROKEN:
            mended = mender.mend(index)
            found.append(replace(one, repair=mended.edits, repair_note=mended.note))
        else:
            found.append(one)
    return found


def in_order(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Worst first; within an outcome by severity, then as declared."""
    severities = ("critical", "high", "medium", "low")
    return tuple(sorted(verdicts, key=lambda one: (-one.outcome.badness, severities.index(one.severity))))


def verdict(world: World, contract: Contract, question: Question, finding: Finding) -> Verdict:
    """A finding in the words of the contract: who, through what, stopped or let in where."""
    made = Verdict(contract.name, finding.outcome, severity=contract.severity, owner=contract.owner, why=contract.why)
    if finding.outcome is Outcome.KEPT:
        return _doubted(world, made, question)
    if finding.packet is None:
        text = finding.nobody or "there is nobody to judge"
        return replace(made, reasons=(Reason("nobody", contract.name, text),))
    path = hops(world, finding.packet, question.ephemeral, answered=question.must == "reach")
    reasons = _reasons(world, question, finding, path)
    witness = None
    if finding.packet.part not in ("targets", "nobody"):
        packet = finding.packet
        witness = Witness(packet.source, packet.source_address, packet.target, packet.target_address, packet.service)
    return replace(made, witness=witness, reasons=reasons, hops=path)


def _reasons(world: World, question: Question, finding: Finding, path: tuple[Hop, ...]) -> tuple[Reason, ...]:
    packet = finding.packet
    assert packet is not None
    if packet.part == "family":
        text = f"{packet.source} and {packet.target} share no address family on which the service exists"
        return (Reason("public-address", packet.target, text),)
    if packet.part == "unaddressable":
        return (*_stops(path, ("no", "unknown")), Reason("public-address", packet.target, _unaddressed(packet)))[:3]
    if question.must == "reach":
        wanted: tuple[str, ...] = ("no",) if finding.outcome is Outcome.BROKEN else ("unknown", "no")
        found = _stops(path, wanted)
        return found or _stops(path, ("unknown", "no"))
    if finding.outcome is Outcome.CANNOT_TELL:
        found = _stops(path, ("unknown",))
        if found:
            return found
    # What lets it in is the reason: the rules that admit, the target's own first.
    admitting = [hop for hop in path if hop.kind == "security-group" and not hop.answer]
    admitting.sort(key=lambda hop: hop.direction != "ingress")
    return tuple(_reason(hop) for hop in admitting) or tuple(_reason(hop) for hop in path if not hop.answer)


def _unaddressed(packet: Packet) -> str:
    return f"{packet.target} cannot be addressed from outside: no public address in a family that the source has"


def _stops(path: tuple[Hop, ...], wanted: tuple[str, ...]) -> tuple[Reason, ...]:
    return tuple(_reason(hop) for want in wanted for hop in path if hop.passes == want)


def _reason(hop: Hop) -> Reason:
    return Reason(hop.kind, hop.resource, hop.text, hop.rule, hop.direction, hop.answer, hop.origin)


def _doubted(world: World, made: Verdict, question: Question) -> Verdict:
    """A kept ``reach`` is not certain where something that is not modelled could block it."""
    if question.must != "reach":
        return made
    blocking = [notice for notice in world.estate.notices if notice.could_block]
    if not blocking:
        return made
    vpcs: set[str] = set()
    for side in (question.sources, question.targets):
        for component, bits in ends_of(world, side, Bound.UPPER).items():
            vpcs.update(cls.key.vpc for cls in component.classes_in(bits))
    found = [notice for notice in blocking if notice.vpc is None or notice.vpc in vpcs]
    if not found:
        return made
    reasons = tuple(
        Reason("not-modelled", notice.resource, f"{notice.text}; could block {made.name}") for notice in found
    )
    return replace(made, outcome=Outcome.CANNOT_TELL, reasons=reasons, notices=tuple(notice.text for notice in found))
