"""Contracts judged on a plan: before, during any order of the apply, and after; what opens a gap, and how to avoid
it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from doorward.contracts.check import in_order, repaired, verdict
from doorward.contracts.contract import Contract
from doorward.contracts.selectors import Matcher
from doorward.contracts.tracking import TRACKING_KINDS, TRACKING_WAYS, answers_cut
from doorward.errors import InvalidContract
from doorward.model.addresses import FAMILY_ALL, family_of, span_networks
from doorward.model.plan import Plan, Step
from doorward.model.rules import AnyPeer, GroupPeer, Peer, PrefixListPeer, Rule
from doorward.model.services import TCP, UDP, block, show_span
from doorward.model.verdict import Outcome, Reason, Report, Verdict, Witness
from doorward.reach.judge import Finding, judge
from doorward.reach.order import Stage, stages, touched
from doorward.reach.packet import OUTSIDE, Packet, Way
from doorward.reach.question import Question
from doorward.reach.routes import lookup
from doorward.reach.trace import admitting_rules, group_matches
from doorward.reach.world import World


def gate(contracts: Iterable[Contract], plan: Plan, *, repair: bool = True) -> Report:
    """Every contract before, during and after a plan, worst first; broken ones with a repair.

    Raises ``InvalidContract`` for a selector that matches nothing before the plan nor after it.
    """
    return Report(in_order(_Gate(plan).verdicts(tuple(contracts), repair)), (*plan.notices, *plan.after.notices))


class _Gate:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.after = World(plan.after)
        self.changes = touched(plan)
        self.before = World(plan.before) if self.changes else self.after
        self.after_matcher = Matcher(self.after)
        self.before_matcher = Matcher(self.before) if self.changes else self.after_matcher
        self._stages: dict[str, list[tuple[Stage, World, Matcher]]] = {}

    def verdicts(self, contracts: Sequence[Contract], repair: bool) -> list[Verdict]:
        verdicts = [self.verdict(contract) for contract in contracts]
        if not repair:
            return verdicts
        removed = [one for step in self.plan.steps for one in step.removed]
        added = [one for step in self.plan.steps for one in step.added]
        questions = [self._question(contract) for contract in contracts]
        return repaired(contracts, questions, verdicts, self.after, removed, added)

    def _question(self, contract: Contract) -> Question | None:
        try:
            return self.after_matcher.question(contract)
        except InvalidContract:
            return None

    def verdict(self, contract: Contract) -> Verdict:
        try:
            question = self.after_matcher.question(contract)
        except InvalidContract:
            return self._gone(contract)
        made = verdict(self.after, contract, question, judge(self.after, question))
        before, before_question = self._before(contract, made.outcome)
        made = replace(made, before=before)
        if before is Outcome.KEPT and made.outcome is not Outcome.KEPT:
            made = replace(made, reasons=(*self._blamed(contract, made), *made.reasons))
        made = self._during(contract, made)
        return replace(made, established=self._established(contract, made, before_question, question))

    def _before(self, contract: Contract, after: Outcome) -> tuple[Outcome, Question | None]:
        if not self.changes:
            return after, None
        try:
            question = self.before_matcher.question(contract)
        except InvalidContract:
            return Outcome.CANNOT_TELL, None  # what it names does not exist yet
        return verdict(self.before, contract, question, judge(self.before, question)).outcome, question

    def _gone(self, contract: Contract) -> Verdict:
        """Something that the contract names exists before the plan and not after it; else the contract is invalid."""
        question = self.before_matcher.question(contract) if self.changes else self.after_matcher.question(contract)
        before = judge(self.before, question).outcome
        outcome = Outcome.BROKEN if contract.must == "reach" else Outcome.CANNOT_TELL
        text = "the plan deletes what the contract names: " + ", ".join(
            one.text for one in (*contract.sources, *contract.targets) if one.kind not in ("internet", "cidr")
        )
        return Verdict(
            contract.name, outcome, contract.severity, contract.owner, contract.why,
            reasons=(Reason("nobody", contract.name, text),), before=before, during_apply=outcome, established=outcome,
        )  # fmt: skip

    @staticmethod
    def _packet(one: Witness) -> Packet:
        way: Way = "arrival" if one.source == OUTSIDE else "departure" if one.target == OUTSIDE else "private"
        return Packet(one.source, one.source_address, one.target, one.target_address, one.service, way)

    def _blamed(self, contract: Contract, made: Verdict) -> list[Reason]:
        """The very rules of the plan that turned a kept contract: removed ones for ``reach``, added ones otherwise."""
        if made.witness is None:
            return []
        removing, adding = self._steps_for(self._packet(made.witness))
        verb, steps = ("removes", removing) if contract.must == "reach" else ("adds", adding)
        found: list[Reason] = []
        for step, group, rule in steps:
            name = rule.id or rule.origin or step.address
            text = f"{step.address}: the plan {verb} {_says(rule)}" + (f" ({rule.id})" if rule.id else "")
            found.append(Reason("security-group", group, text, name, rule.direction, origin=step.address))
        return found

    # --- during -------------------------------------------------------------------------------------------------

    def _during(self, contract: Contract, made: Verdict) -> Verdict:
        worst = max(made.outcome, made.before or made.outcome, key=lambda one: one.badness)
        if not self.changes or made.outcome is Outcome.BROKEN or made.before is Outcome.BROKEN:
            return replace(made, during_apply=worst)
        worst = made.outcome if made.before is Outcome.CANNOT_TELL else worst
        reasons: tuple[Reason, ...] = ()
        order: tuple[str, ...] = ()
        for stage, world, matcher in self._moments("trough" if contract.must == "reach" else "crest"):
            try:
                question = matcher.question(contract)
            except InvalidContract:
                continue
            finding = judge(world, question)
            if finding.nobody is not None or finding.outcome.badness <= worst.badness:
                continue
            worst = finding.outcome
            seen = verdict(world, contract, question, finding)
            reasons, order = self._gap(contract, stage, finding, seen)
            if worst is Outcome.BROKEN:
                break
        return replace(made, during_apply=worst, during_reasons=reasons, safe_order=order)

    def _moments(self, side: str) -> list[tuple[Stage, World, Matcher]]:
        found = self._stages.get(side)
        if found is None:
            found = []
            for stage in stages(self.plan, "trough" if side == "trough" else "crest"):
                estate = stage.estate
                if side == "trough":
                    # Who is only being created has nothing to lose yet.
                    here = {id: one for id, one in estate.interfaces.items() if id in self.plan.before.interfaces}
                    estate = replace(estate, interfaces=here)
                world = World(estate)
                found.append((stage, world, Matcher(world)))
            self._stages[side] = found
        return found

    def _gap(
        self, contract: Contract, stage: Stage, finding: Finding, seen: Verdict
    ) -> tuple[tuple[Reason, ...], tuple[str, ...]]:
        """Which step opens the gap, and an order that does not."""
        packet = finding.packet
        if packet is None:
            return seen.reasons, ()
        moment = (Reason("unknown", stage.label, f"at the moment: {stage.label}"),) if stage.label else ()
        if finding.outcome is not Outcome.BROKEN or packet.way not in ("private", "arrival", "departure"):
            return (*seen.reasons, *moment), ()
        if contract.must != "reach":
            removing, adding = self._steps_for(packet)
            reasons = [
                Reason("security-group", one.group, f"{one.step.address} already adds {_says(one.rule)}", one.rule.id,
                       one.rule.direction, origin=one.step.address)
                for one in adding
            ]  # fmt: skip
            return (*reasons, *seen.reasons, *moment), ()
        stopped = {hop.direction for hop in seen.hops if hop.passes == "no" and hop.kind == "security-group"}
        removing, adding = ([one for one in part if one.rule.direction in stopped] for part in self._steps_for(packet))
        if removing:
            reasons = [
                Reason("security-group", one.step.address, _opens(one, adding, stage), one.rule.id, one.rule.direction,
                       origin=one.step.address)
                for one in removing
            ]  # fmt: skip
            return (*reasons, *seen.reasons), _safe_order(removing, adding, self._moves(removing, adding))
        return (*self._network_reasons(seen), *seen.reasons, *moment), _network_order(seen)

    def _moves(self, removing: list[_Act], adding: list[_Act]) -> bool:
        """Whether interfaces go from a group that loses the rule to one that gains it."""
        old, new = {one.group for one in removing}, {one.group for one in adding}
        after = self.plan.after.interfaces
        return any(
            id in after
            and old & set(one.groups) - set(after[id].groups)
            and new & set(after[id].groups) - set(one.groups)
            for id, one in self.plan.before.interfaces.items()
        )

    def _network_reasons(self, seen: Verdict) -> list[Reason]:
        """ACLs and route tables that stop the packet in the middle of the apply and that the plan changes."""
        before, after = self.plan.before, self.plan.after
        found: list[Reason] = []
        for hop in seen.hops:
            if hop.passes != "no" or hop.kind not in ("network-acl", "route"):
                continue
            old, new = (
                (before.acls.get(hop.resource), after.acls.get(hop.resource))
                if hop.kind == "network-acl"
                else (before.route_tables.get(hop.resource), after.route_tables.get(hop.resource))
            )
            if new is not None and old != new:
                what = "entries" if hop.kind == "network-acl" else "routes"
                text = f"the plan changes {what} of {hop.resource}: in between the old may be gone, the new not there"
                found.append(Reason(hop.kind, hop.resource, text, hop.rule, hop.direction, hop.answer, new.origin))
        return found

    def _steps_for(self, packet: Packet) -> tuple[list[_Act], list[_Act]]:
        """Steps that remove, and steps that add, a rule that admits a packet."""
        before, after = self.plan.before, self.plan.after
        removing = [
            _Act(step, group, rule)
            for step in self.plan.steps
            for group, rule in step.removed
            if group_matches(self.before, before, group, rule, packet)
        ]
        adding = [
            _Act(step, group, rule)
            for step in self.plan.steps
            for group, rule in step.added
            if group_matches(self.after, after, group, rule, packet)
        ]
        return removing, adding

    # --- established connections --------------------------------------------------------------------------------

    def _established(
        self, contract: Contract, made: Verdict, before: Question | None, after: Question
    ) -> Outcome | None:
        """What happens to connections that are open when the plan is applied.

        Removing a rule leaves tracked connections alone and cuts untracked ones (EC2 User Guide, *Security group
        connection tracking*); ACLs and routes know no connections.
        """
        if contract.must != "reach" or made.before is not Outcome.KEPT:
            return None  # there was nothing open that should stay
        if made.outcome is not Outcome.BROKEN or made.witness is None or before is None:
            return Outcome.BROKEN if answers_cut(self.plan, self.after, after) else made.outcome
        if any(reason.kind not in ("security-group",) for reason in made.reasons):
            return Outcome.BROKEN
        one = made.witness
        packet = self._packet(made.witness)
        for id in (one.source, one.target):
            was, now = self.plan.before.interfaces.get(id), self.plan.after.interfaces.get(id)
            if was is not None and now is not None and was.groups != now.groups:
                return Outcome.CANNOT_TELL  # tracking across a change of groups is not documented
        cut = self._untracked(packet) or answers_cut(self.plan, self.after, after)
        return Outcome.BROKEN if cut else Outcome.KEPT

    def _untracked(self, packet: Packet) -> bool:
        """Whether an end that loses its rule did not track the connection (same page, *Untracked connections*).

        TCP and UDP are not tracked where one rule admits them from or to everywhere and another admits every answer, in
        the family of the packet; what passes a NAT, egress-only or transit gateway, a network load balancer, an
        interface
        endpoint or a Lambda interface always is (*Automatically tracked connections*).
        """
        protocol = packet.service >> 16
        if protocol not in (TCP, UDP) or self._always_tracked(packet):
            return False
        everywhere = FAMILY_ALL[family_of(packet.target_address)]
        removing, _ = self._steps_for(packet)
        low, high = block(protocol)
        for direction in {one.rule.direction for one in removing}:
            interface = self.plan.before.interfaces.get(packet.source if direction == "egress" else packet.target)
            if interface is None:
                continue
            if not any(rule.peer == everywhere for rule in admitting_rules(self.before, packet, direction)):
                continue
            for group in interface.groups:
                known = self.plan.before.groups.get(group)
                for rule in known.rules if known is not None else ():
                    answers_all = rule.service[0] <= low and high <= rule.service[1]
                    if rule.direction != direction and rule.peer == everywhere and answers_all:
                        return True
        return False

    def _always_tracked(self, packet: Packet) -> bool:
        known = self.plan.before.interfaces
        ends = [(known.get(packet.source), packet.target_address), (known.get(packet.target), packet.source_address)]
        for interface, address in ends:
            if interface is None:
                continue
            if interface.kind in TRACKING_KINDS:
                return True
            route = lookup(self.before, interface.subnet, interface.vpc, address)
            if route is not None and route.kind in TRACKING_WAYS:
                return True
        return False


class _Act(NamedTuple):
    """One step, and one rule of one group that it removes or adds."""

    step: Step
    group: str
    rule: Rule


def _opens(act: _Act, adding: list[_Act], stage: Stage) -> str:
    step = act.step
    moment = f" ({stage.label})" if stage.label else ""
    note = f": {step.note}" if step.note else ""
    if any(other.step is step for other in adding):
        if step.atomic:
            return f"{step.address} changes its rule in place before all that the new rule needs is there{moment}{note}"
        return f"{step.address} revokes before it authorises: in between nothing admits this{moment}{note}"
    if adding:
        return (
            f"{step.address} removes the rule; {adding[0].step.address} adds another, but may come later{moment}{note}"
        )
    return f"{step.address} removes the rule that admits this{moment}{note}"


def _safe_order(removing: list[_Act], adding: list[_Act], moved: bool) -> tuple[str, ...]:
    if not removing or not adding:
        return ()
    add, remove = adding[0], removing[0]
    if add.group != remove.group and moved:
        return (
            f"first apply: {add.step.address}, and a second rule beside each that names {remove.group}",
            f"second apply: move the interfaces from {remove.group} to {add.group}",
            f"third apply: {remove.step.address} and the old rules",
        )
    if add.group == remove.group and add.rule.key == remove.rule.key:
        return (
            f"leave {remove.step.address} as it is in this apply: the same rule cannot exist twice "
            "(InvalidPermission.Duplicate), so it cannot be added first",
            "if the edit is needed, first add a wider or split rule that admits the same traffic, apply; then edit, "
            "apply; then remove the helper",
        )
    if add.step.address == remove.step.address and add.step is not remove.step:
        return (
            f"set lifecycle {{ create_before_destroy = true }} on {add.step.address}: the new rule differs from the "
            "old, so both can exist at once",
            "or apply twice: add the new rule under another name, then remove the old one",
        )
    if add.step is remove.step and add.step.atomic:
        return (
            f"first apply: a second rule beside {add.step.address} with its new values",
            f"second apply: change {add.step.address} and drop the second rule",
        )
    if add.step is remove.step:
        return (
            f"first apply: add the new rule to {add.step.address} and keep the old one",
            "second apply: remove the old rule",
        )
    return (
        f"first apply: {add.step.address} alone (-target={add.step.address})",
        f"second apply: {remove.step.address}",
    )


def _network_order(seen: Verdict) -> tuple[str, ...]:
    for hop in seen.hops:
        if hop.passes == "no" and hop.kind == "network-acl":
            return (
                f"first apply: add the new entries of {hop.resource} under free numbers beside the old ones",
                "second apply: remove the old entries",
            )
        if hop.passes == "no" and hop.kind == "route":
            return (
                f"first apply: change the route of {hop.resource} in place (ReplaceRoute) or add a more specific one",
                "second apply: remove the old route",
            )
    return ()


def _says(rule: Rule) -> str:
    """A rule in words."""
    where = "from" if rule.direction == "ingress" else "to"
    return f"the {rule.direction} rule that admits {show_span(rule.service)} {where} {show_peer(rule.peer)}"


def show_peer(peer: Peer) -> str:
    """A rule's peer as it is written."""
    if isinstance(peer, GroupPeer):
        return peer.group
    if isinstance(peer, PrefixListPeer):
        return peer.prefix_list
    if isinstance(peer, AnyPeer):
        return f"an unknown peer ({peer.unknown})"
    return ", ".join(span_networks(peer))
