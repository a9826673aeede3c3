"""The engine as the watcher's judge: rules change in place, anything else begins anew, doubts become brackets.

How an estate is made of documents comes from outside (``Build``), as readers are no part of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from doorward.contracts.check import verdict as explained
from doorward.contracts.contract import Contract
from doorward.contracts.gate import gate
from doorward.contracts.selectors import Matcher
from doorward.contracts.watching import watch
from doorward.duty.brackets import bracketed
from doorward.duty.forecast import after_steps, plan_steps
from doorward.duty.inverse import Step
from doorward.duty.ports import Forecast, Owner
from doorward.duty.rules import Content, content_of_rule, engine_rule
from doorward.duty.state import State
from doorward.errors import DoorwardError, InvalidContract
from doorward.model.change import Key
from doorward.model.estate import Estate
from doorward.model.plan import Plan
from doorward.model.rules import AnyPeer, Rule
from doorward.model.services import ALL_SPAN
from doorward.model.verdict import FlowDiff, Outcome, worst
from doorward.reach.diff import diff
from doorward.reach.watch import Flip, Watch
from doorward.reach.world import World

Build = Callable[[Iterable[tuple[Key, Mapping[str, object]]]], Estate]
"""Documents → estate; raises ``InvalidInput``. The shell gives ``readers.aws``."""

OPEN = tuple(
    Rule(direction, ALL_SPAN, AnyPeer("what events tell of this group is not complete"), certain=False,
         unknown="what events tell of this group is not complete")
    for direction in ("ingress", "egress")
)  # fmt: skip


class EngineJudge:
    """``ports.Judge`` over the resident engine."""

    def __init__(self, contracts: Iterable[Contract], build: Build) -> None:
        self._declared = tuple(contracts)
        self._owners = {one.name: Owner(one.severity, one.owner, one.why) for one in self._declared}
        self._build = build
        self._watch: Watch | None = None
        self._estate: Estate | None = None
        self._invalid: dict[str, str] = {}
        """Contracts whose selectors fit nothing now, with why."""
        self._rules: dict[str, dict[Content, list[Rule]]] = {}
        """Rules of touched groups as the engine has them: it tells peers apart by more than their id."""
        self._whole = False
        self.failed: str | None = None
        """Why the estate could not be built last time; until it can, nothing is kept."""

    # --- ports.Judge --------------------------------------------------------------------------------------------

    @property
    def contracts(self) -> Mapping[str, Owner]:
        """What is said of contracts."""
        return self._owners

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """All contracts, as they stand."""
        known = self._watch.outcomes if self._watch is not None else {}
        return {
            one.name: self._told(known.get(one.name, Outcome.CANNOT_TELL)) for one in self._declared
        }  # fmt: skip

    def rules(
        self, group: str, changed: Mapping[Content, tuple[int, int]], opened: tuple[bool, bool]
    ) -> tuple[Flip, ...] | None:
        """Rules of one group change in place. None: the estate does not hold the group."""
        engine = self._watch
        if engine is None:
            return None
        held = self._rules.get(group)
        if held is None:
            found = self._estate.groups.get(group) if self._estate is not None else None
            if found is None:
                return None
            held = self._rules[group] = {}
            for rule in found.rules:
                content = content_of_rule(rule)
                if content is not None:
                    held.setdefault(content, []).append(rule)
        added: list[Rule] = []
        removed: list[Rule] = []
        for content, (_, now) in changed.items():
            before = held.pop(content, [])
            if now and any(rule.certain == (now == 2) for rule in before):
                held[content] = before
                continue
            removed += before
            if now:
                peer = before[0].peer if before else None
                rule = engine_rule(content, now == 2)
                if peer is not None:
                    rule = rule._replace(peer=peer)
                added.append(rule)
                held[content] = [rule]
        was, now_open = opened
        if was and not now_open:
            removed += OPEN
        elif now_open and not was:
            added += OPEN
        if not added and not removed:
            return ()
        flips = engine.apply(group, tuple(added), tuple(removed))
        return self._flips(flips) if flips else ()

    def replace(self, state: State) -> tuple[Flip, ...]:
        """Begin anew with all that is known."""
        before = self.outcomes
        self._rules = {}
        self._invalid = {}
        self.failed = None
        try:
            plain = self._build(state.documents())
            estate, whole = bracketed(plain, state, OPEN)
            self._estate = estate
            self._watch = self._begin(estate)
            self._whole = whole
        except DoorwardError as error:
            self._watch, self._estate, self.failed = None, None, str(error)
        after = self.outcomes
        return tuple(Flip(name, before[name], after[name]) for name in after if before[name] is not after[name])

    def doubt(self, whole: bool) -> tuple[Flip, ...]:
        """While ``whole`` is set, nothing is kept for certain."""
        before = self.outcomes
        self._whole = whole
        after = self.outcomes
        return tuple(Flip(name, before[name], after[name]) for name in after if before[name] is not after[name])

    def why(self, contract: str) -> str:
        """Why a contract stands as it does, in a sentence."""
        if self.failed is not None:
            return f"the estate cannot be built: {self.failed}"
        if contract in self._invalid:
            return self._invalid[contract]
        engine = self._watch
        declared = [one for one in self._declared if one.name == contract]
        if engine is None or not declared:
            return "it was not judged yet"
        watched = engine.watched[contract]
        verdict = explained(engine.world, declared[0], watched.question, watched.finding)
        reasons = "; ".join(reason.text for reason in verdict.reasons)
        witness = "" if verdict.witness is None else f"{verdict.witness.text}: "
        return f"{witness}{reasons}" or "it is kept"

    def forecast(self, state: State, steps: tuple[Step, ...]) -> Forecast:
        """What steps would do: the gate's verdicts on them, and the flows that differ."""
        engine = self._watch
        if engine is None:
            return Forecast({}, {}, {}, {}, FlowDiff(), self.failed or "nothing was judged yet")
        before = engine.estate
        try:
            after = after_steps(before, state, steps, self._build)
            plan = Plan(before, after, plan_steps(steps, before))
            valid = [one for one in self._declared if one.name not in self._invalid]
            report = gate(valid, plan, repair=False)
            flows = diff(before, after)
        except DoorwardError as error:
            return Forecast({}, {}, {}, {}, FlowDiff(), str(error))
        now = self.outcomes
        return Forecast(
            {one.name: one.before or now[one.name] for one in report.verdicts},
            {one.name: self._told(one.outcome) for one in report.verdicts},
            {one.name: worst(one) for one in report.verdicts},
            {one.name: one.established for one in report.verdicts if one.established is not None},
            flows,
        )

    def flows(self, before: State | Estate, after: State | Estate) -> FlowDiff:
        """Flows that differ between two states (or estates), for alerts. Raises ``InvalidInput``."""
        sides = [one if isinstance(one, Estate) else self._build(one.documents()) for one in (before, after)]
        return diff(sides[0], sides[1])

    @property
    def estate(self) -> Estate | None:
        """The estate as it is judged, as a value that stays."""
        return None if self._watch is None else self._watch.estate

    # --- inside -------------------------------------------------------------------------------------------------

    def _begin(self, estate: Estate) -> Watch:
        try:
            return watch(self._declared, estate)
        except InvalidContract:
            matcher = Matcher(World(estate))
            return watch(self._matching(matcher), estate)

    def _matching(self, matcher: Matcher) -> Sequence[Contract]:
        found = []
        for one in self._declared:
            try:
                matcher.question(one)
            except InvalidContract as error:
                self._invalid[one.name] = str(error)
            else:
                found.append(one)
        return found

    def _told(self, outcome: Outcome) -> Outcome:
        return Outcome.CANNOT_TELL if self._whole and outcome is Outcome.KEPT else outcome

    def _flips(self, flips: tuple[Flip, ...]) -> tuple[Flip, ...]:
        if not self._whole:
            return flips
        told = (Flip(name, self._told(before), self._told(after)) for name, before, after in flips)
        return tuple(one for one in told if one.before is not one.after)


def with_groups(estate: Estate, groups: Mapping[str, tuple[Rule, ...]]) -> Estate:
    """The estate with the rules of some groups replaced."""
    known = {id: estate.groups[id].with_rules(rules) for id, rules in groups.items() if id in estate.groups}
    return replace(estate, groups={**estate.groups, **known})
