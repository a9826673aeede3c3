"""What a revert may do: modes, budgets, the loop breaker, and whose changes are never undone.

What does not live here: what the inverse is (``inverse``), what it would do (``judge``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase

from doorward.duty.inverse import Inverse, Step
from doorward.duty.policy import Mode, Policy
from doorward.duty.ports import Forecast
from doorward.duty.rules import content_of
from doorward.model.change import Change, Member, RuleAdded, RuleRemoved, RuleSet
from doorward.model.intervals import Intervals
from doorward.model.revert import Authorize, Modify, Revoke, SetGroups, key_of
from doorward.model.verdict import Flow, FlowDiff, Outcome

MODES: tuple[Mode, ...] = ("propose", "approve", "automatic")
MOST_PAIRS = 100_000
"""So many pairs of ends are compared; a revert that touches more is for a person to judge."""


@dataclass(frozen=True, slots=True)
class Permit:
    """How far a revert may go, and why no further. ``refused``: nobody may start it as it is."""

    mode: Mode
    refused: bool = False
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class Guard:
    """Counts what was done. Part of the watcher's state."""

    starts: list[tuple[datetime, str, tuple[str, ...]]] = field(default_factory=list)
    """(when, against whom, ids of what was changed) of reverts."""

    def started(self, at: datetime, actor: str, inverse: Inverse) -> None:
        """A revert is under way."""
        self.starts.append((at, actor, tuple(key.id for key in inverse.groups)))

    def permit(
        self,
        inverse: Inverse,
        forecast: Forecast,
        caused: FlowDiff | None,
        actors: Iterable[str],
        authorities: Iterable[str],
        wanted: Mode,
        policy: Policy,
        now: datetime,
    ) -> Permit:
        """How far a revert may go. ``caused``: flows that its cause lost and gained; None: not compared yet."""
        refused: list[str] = []
        limits: list[str] = []
        who = tuple(dict.fromkeys(actors))
        # 1. There must be something to do, and all of it known.
        if not inverse.steps:
            refused.append("there is nothing to undo")
        # 2. Whom we never revert against.
        for actor in who:
            if any(fnmatchcase(actor, pattern) for pattern in policy.pipelines):
                refused.append(f"{actor} is the pipeline: compare what the plan approved with what it applied")
        # 3. What the revert does, computed first.
        refused += harms(forecast, caused)
        # 4. Changes that had a right to be made are for a person to undo.
        rights = [one for one in authorities if one not in ("unauthorised", "unseen")]
        if rights:
            limits.append(f"parts of it were authorised ({', '.join(sorted(set(rights)))})")
        if caused is None:
            limits.append("its flows are not compared yet")
        if inverse.held:
            limits.append(f"{len(inverse.held)} of its parts are held, so it would be partial")
        # 5. Budgets, and fights.
        limits += self._budgets(inverse, policy, now)
        limits += self._fights(inverse, who, policy, now)
        if refused:
            return Permit("propose", True, tuple(refused + limits))
        if limits and wanted == "automatic":
            return Permit("approve", False, tuple(limits))
        return Permit(wanted, False, tuple(limits))

    def _budgets(self, inverse: Inverse, policy: Policy, now: datetime) -> list[str]:
        found = []
        recent = [one for one in self.starts if (now - one[0]).total_seconds() < 3600]
        if len(recent) >= policy.reverts_per_hour:
            found.append(f"{len(recent)} reverts in the last hour, at most {policy.reverts_per_hour} are done unasked")
        for key in inverse.groups:
            number = sum(key.id in one[2] for one in recent)
            if number >= policy.reverts_per_group_and_hour:
                found.append(
                    f"{number} reverts of {key.id} in the last hour, at most {policy.reverts_per_group_and_hour}"
                )
        return found

    def _fights(self, inverse: Inverse, who: tuple[str, ...], policy: Policy, now: datetime) -> list[str]:
        found = []
        for actor in who:
            for key in inverse.groups:
                number = sum(
                    actor == one[1] and key.id in one[2] and (now - one[0]).total_seconds() < policy.fight_window
                    for one in self.starts
                )
                if number >= policy.fights:
                    found.append(f"{number} fights with {actor} over {key.id}: a person has to decide")
        return found


def harms(forecast: Forecast, caused: FlowDiff | None) -> list[str]:
    """Why steps must not be taken: they break, or open, what the change had not."""
    found: list[str] = []
    if forecast.failed is not None:
        return [f"what it would do cannot be computed: {forecast.failed}"]
    for name, after in forecast.after.items():
        before = forecast.before.get(name, after)
        during = forecast.during.get(name, after)
        if after.badness > before.badness:
            found.append(f"{name} would be {_say(after)}")
        elif during.badness > before.badness:
            found.append(f"{name} would be {_say(during)} in between")
        if forecast.established.get(name) is Outcome.BROKEN and before is Outcome.KEPT and after is Outcome.KEPT:
            found.append(f"{name} would be kept, but connections that are open would be cut")
    if caused is not None:
        for flows, of, does in (
            (forecast.flows.gained, caused.lost, "open"),
            (forecast.flows.lost, caused.gained, "close"),
        ):
            beyond = _beyond(flows, of)
            if beyond is not None:
                found.append(f"it would {does} what the change had not: {beyond}")
    return found


def _say(outcome: Outcome) -> str:
    return "broken" if outcome is Outcome.BROKEN else "not certain"


def _beyond(flows: Iterable[Flow], of: Iterable[Flow]) -> str | None:
    """A flow that is not covered by others, in words; None: all are."""
    flows, of = tuple(flows), tuple(of)
    if sum(len(one.sources) * len(one.targets) for one in (*flows, *of)) > MOST_PAIRS:
        return "too much to compare"
    covered: dict[tuple[str, str], Intervals] = {}
    for one in of:
        for source in one.sources:
            for target in one.targets:
                known = covered.get((source, target))
                covered[source, target] = one.services if known is None else known | one.services
    for one in flows:
        for source in one.sources:
            for target in one.targets:
                if one.services - covered.get((source, target), Intervals(())):
                    return f"{one.source_text} → {one.target_text}"
    return None


def is_own(change: Change, started: Mapping[str, Inverse], policy: Policy) -> str | None:
    """The id of our own revert that made a call, or None.

    It must carry the revert's id as its source identity (set when the role was assumed, and not changeable after:
    IAM User Guide, *Monitor and control actions taken with assumed roles*), come from our role, and do what that revert
    said. Names of sessions count for nothing.
    """
    id = change.revert or change.who.source_identity
    known = started.get(id)
    if known is None or change.who.source_identity not in (id, f"doorward-{id}"):
        return None
    if policy.own_role and not fnmatchcase(change.who.arn, policy.own_role):
        return None
    allowed = {said for step in known.steps for said in _says(step)}
    told = {said for effect in change.effects for said in _told(effect)}
    return id if told <= allowed else None


def _says(step: Step) -> tuple[object, ...]:
    match step:
        case Authorize(group, rule):
            return ((group.id, "+", content_of(rule)),)
        case Revoke(group, rule):
            return ((group.id, "-", content_of(rule)), (group.id, "-", rule.id))
        case Modify(group, id, _, back):
            return ((group.id, "=", id, content_of(back)),)
        case SetGroups(interface, _, back_groups):
            return ((interface.id, tuple(sorted(back_groups))),)
        case _:
            return ((key_of(step).id,),)


def _told(effect: object) -> tuple[object, ...]:
    match effect:
        case RuleAdded(group, rule):
            return ((group.id, "+", content_of(rule)),)
        case RuleRemoved(group, id, rule):
            return ((group.id, "-", id if rule is None else content_of(rule)),)
        case RuleSet(group, id, rule):
            return ((group.id, "=", id, content_of(rule)),)
        case Member(interface, groups):
            return ((interface.id, tuple(sorted(groups))),)
        case _:
            key = getattr(effect, "key", None)
            return ((getattr(key, "id", ""),),)
