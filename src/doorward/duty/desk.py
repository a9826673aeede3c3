"""The desk: causes, the alert on each, and its revert. Says each thing once, and again only when it says more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from doorward.duty.alerts import AlertBody, Cause, Limit, Touched, begin, fingerprint, lines, session_of
from doorward.duty.commands import (
    Alert,
    Command,
    CompareFlows,
    ProposeRevert,
    ResolveAlert,
    StartRevert,
    UpdateAlert,
)
from doorward.duty.deltas import Delta, key_of
from doorward.duty.guard import Guard, Permit
from doorward.duty.inverse import Inverse, inverse
from doorward.duty.policy import SEVERITIES, Mode, Policy
from doorward.duty.ports import Forecast, Judge, Owner
from doorward.duty.state import State
from doorward.model.change import Change, Key
from doorward.model.verdict import FlowDiff, Outcome
from doorward.reach.watch import Flip

MOST_CHANGES = 2_000
"""A cause of more changes gets no revert worked out: nobody could judge it, and it is not one thing."""
MOST_LINES = 200
UPDATE_EVERY = 10.0
"""Seconds between two updates of one alert in which no contract is new."""


@dataclass(slots=True)
class Desk:
    """All causes that may still matter. Part of the watcher's state."""

    policy: Policy
    judge: Judge
    state: State
    guard: Guard = field(default_factory=Guard)
    causes: dict[str, Cause] = field(default_factory=dict)
    by_actor: dict[tuple[str, tuple[str, ...]], list[Cause]] = field(default_factory=dict)
    by_key: dict[Key, Cause] = field(default_factory=dict)
    """The cause that touched a document last."""
    busy: dict[str, Cause] = field(default_factory=dict)
    """Causes of which something is to be told."""
    limit: Limit = field(default_factory=Limit)
    proposed: dict[str, tuple[Inverse, Cause]] = field(default_factory=dict)
    started: dict[str, Inverse] = field(default_factory=dict)
    standing: dict[str, str] = field(default_factory=dict)
    """Contracts that are broken by no change that we know of → fingerprints."""
    broken_by: dict[str, Cause] = field(default_factory=dict)

    # --- what happened ------------------------------------------------------------------------------------------

    def take(self, change: Change, deltas: tuple[Delta, ...], authority: str, now: datetime) -> Cause:
        """Put a change to its cause."""
        name = change.who.arn, session_of(change)
        known = self.by_actor.setdefault(name, [])
        cause = next((one for one in reversed(known) if one.fits(change, self.policy.cause_window)), None)
        if cause is None:
            cause = begin(change, now)
            known.append(cause)
            self.causes[cause.id] = cause
        cause.add(change, deltas, authority, now)
        for delta in deltas:
            self.by_key[key_of(delta)] = cause
        if cause.unauthorised or cause.broken:
            self.busy[cause.id] = cause
        return cause

    def turned(self, flips: Iterable[Flip], cause: Cause | None, now: datetime) -> list[Command]:
        """Contracts turned, by a cause or by nothing that we know of."""
        found: list[Command] = []
        for name, before, after in flips:
            if after is Outcome.BROKEN:
                if name in self.broken_by or name in self.standing:
                    continue
                if cause is None:
                    found.append(self._standing(name, before, now))
                else:
                    cause.broken[name] = (before, after)
                    cause.resolved = False
                    self.broken_by[name] = cause
                    self.busy[cause.id] = cause
            elif after is Outcome.KEPT:
                found += self._mended(name, now)
        return found

    def _standing(self, name: str, before: Outcome, now: datetime) -> Command:
        mark = self.standing[name] = fingerprint("contract", name)
        touched = self._touched(name, before)
        note = "no change that we have seen made it so"
        return Alert(
            AlertBody(mark, "broken", touched.severity, f"{name} is broken", now, contracts=(touched,), notes=(note,))
        )

    def _mended(self, name: str, now: datetime) -> list[Command]:
        mark = self.standing.pop(name, None)
        if mark is not None:
            return [ResolveAlert(mark, f"{name} is kept again", now)]
        cause = self.broken_by.pop(name, None)
        if cause is None:
            return []
        cause.broken.pop(name, None)
        if cause.broken:
            self.busy[cause.id] = cause
            return []
        if cause.told is None:
            if cause.unauthorised:
                self.busy[cause.id] = cause
            return []
        cause.resolved = True
        self.busy.pop(cause.id, None)
        return [ResolveAlert(cause.told.fingerprint, f"{name} is kept again", now)]

    def excused(self, cause: Cause, now: datetime) -> list[Command]:
        """All of a cause has turned out to be authorised."""
        if cause.unauthorised or cause.broken or cause.told is None or cause.resolved:
            return []
        cause.resolved = True
        return [ResolveAlert(cause.told.fingerprint, "it was authorised after all", now)]

    # --- what is said -------------------------------------------------------------------------------------------

    def tell(self, now: datetime) -> list[Command]:
        """Everything that is due to be told."""
        found: list[Command] = []
        for cause in list(self.busy.values()):
            quiet = (now - cause.seen).total_seconds() >= self.policy.compare_after
            if cause.broken:
                if cause.told is None or quiet:
                    found += self._compare(cause)
                found += self._say(cause, now)
            elif quiet:
                if not cause.unauthorised or not cause.ordered():
                    self.busy.pop(cause.id)
                elif cause.compared == len(cause.changes):
                    found += self._say(cause, now)
                else:
                    found += self._compare(cause)
        return found

    def next(self) -> datetime | None:
        """When something is due to be told that is not yet."""
        times = [
            cause.seen + timedelta(seconds=self.policy.compare_after)
            for cause in self.busy.values()
            if abs(cause.compared) != len(cause.changes)
        ]
        return min(times, default=None)

    def compared(self, id: str, undo: str, flows: FlowDiff, forecast: Forecast, now: datetime) -> list[Command]:
        """The flows of a cause, and what its inverse would do, are known."""
        cause = self.causes.get(id)
        if cause is None:
            return []
        cause.flows = flows
        cause.forecast = (undo, forecast)
        if undo != inverse(cause.ordered(), self.state).id:
            cause.compared = 0  # things have changed since: once more
            self.busy[cause.id] = cause
            return self._compare(cause)
        cause.compared = abs(cause.compared)
        self.busy[cause.id] = cause
        return self._say(cause, now) if cause.broken or cause.compared == len(cause.changes) else []

    def _compare(self, cause: Cause) -> list[Command]:
        number = len(cause.changes)
        if abs(cause.compared) == number or number > MOST_CHANGES:
            if number > MOST_CHANGES:
                cause.compared = number
            return []
        cause.compared = -number
        return [CompareFlows(cause.id, inverse(cause.ordered(), self.state), cause.first, cause.last)]

    def _say(self, cause: Cause, now: datetime) -> list[Command]:
        told = cause.told
        fresh = told is None or {one.name for one in told.contracts} != set(cause.broken)
        flows_known = told is not None and told.flows is not cause.flows
        soon = told is not None and (now - told.at).total_seconds() < UPDATE_EVERY
        if not fresh and not flows_known and soon:
            return []
        level = cause.level
        if told is None and level != "broken" and not cause.held_back:
            if not self.limit.admits(now, self.policy.alerts_per_hour):
                cause.held_back = True
                self.busy.pop(cause.id, None)
                return [self._digest(now)]
        elif told is None and level != "broken":
            self.busy.pop(cause.id, None)
            return []
        found: list[Command] = []
        undo, forecast, permit = self._undo(cause, now)
        body = self._body(cause, undo, permit, now)
        if told is None:
            found.append(Alert(body))
        elif replace(body, at=told.at) != told:
            found.append(UpdateAlert(body))
        cause.told = body
        if not cause.broken or cause.flows is not None:
            self.busy.pop(cause.id, None)
        if undo is not None and forecast is not None:
            found += self._revert(cause, undo, forecast, permit, now)
        return found

    def _digest(self, now: datetime) -> Command:
        """That something was held back is told, once, and kept up to date."""
        mark = fingerprint("digest", "rate")
        title = f"{self.limit.held} more changes without authority in this hour, which broke nothing"
        body = AlertBody(mark, "nothing", "medium", title, now, notes=("see `doorward history`",))
        return Alert(body) if self.limit.held == 1 else UpdateAlert(body)

    def _body(self, cause: Cause, undo: Inverse | None, permit: Permit, now: datetime) -> AlertBody:
        contracts = tuple(self._touched(name, before) for name, (before, _) in sorted(cause.broken.items()))
        level = cause.level
        if contracts:
            severity = min((one.severity for one in contracts), key=SEVERITIES.index)
        else:
            severity = "high" if level == "exposed" else "low"
        who = cause.actor or "nobody that we know of"
        what = {
            "broken": f"{', '.join(one.name for one in contracts)} broken by {who}",
            "exposed": f"{who} opened new ways without authority",
        }.get(level, f"{who} changed rules without authority; no flow and no contract differs")
        diff = [line for _, deltas in cause.ordered() for line in lines(deltas)]
        more = (f"… and {len(diff) - MOST_LINES} more lines",) if len(diff) > MOST_LINES else ()
        return AlertBody(
            fingerprint("cause", cause.id), level, severity, what, now, cause.id, who,
            tuple(change.id for change, _, _ in cause.changes[:MOST_LINES]),
            tuple(sorted({authority for _, _, authority in cause.changes})), contracts,
            (*diff[:MOST_LINES], *more), cause.flows, undo, "refused" if permit.refused else permit.mode,
            permit.reasons,
        )  # fmt: skip

    def _touched(self, name: str, before: Outcome) -> Touched:
        owner = self.judge.contracts.get(name, Owner("high", None, None))
        return Touched(name, owner.severity, owner.owner, before, Outcome.BROKEN, self.judge.why(name))

    # --- reverts ------------------------------------------------------------------------------------------------

    def _undo(
        self, cause: Cause, now: datetime, *, work: bool = False
    ) -> tuple[Inverse | None, Forecast | None, Permit]:
        """The inverse as things are now; its forecast where that is known, or, with ``work``, worked out here."""
        if len(cause.changes) > MOST_CHANGES:
            return None, None, Permit("propose", True, (f"{len(cause.changes)} changes: too many to undo as one",))
        undo = inverse(cause.ordered(), self.state)
        forecast = cause.forecast[1] if cause.forecast is not None and cause.forecast[0] == undo.id else None
        if forecast is None and work:
            forecast = self.judge.forecast(self.state, undo.steps)
        if forecast is None:
            return undo, None, Permit("propose", False, ("what it would do is being worked out",))
        known = cause.flows if cause.compared == len(cause.changes) else None
        permit = self.guard.permit(
            undo, forecast, known, [cause.actor], [one[2] for one in cause.changes], self._wanted(cause), self.policy,
            now,
        )  # fmt: skip
        return undo, forecast, permit

    def _wanted(self, cause: Cause) -> Mode:
        """The most careful mode of all contracts that it broke; what broke nothing is never undone unasked, unless it
        opened a way and the policy says so for its severity."""
        order: tuple[Mode, ...] = ("propose", "approve", "automatic")
        owners = self.judge.contracts
        modes = [
            self.policy.mode_of(name, owners[name].severity if name in owners else "high") for name in cause.broken
        ]
        if not modes:
            modes = [self.policy.mode_of("", "high") if cause.level == "exposed" else "approve"]
            if self.policy.mode == "propose" and modes == ["approve"]:
                modes = ["propose"]
        return min(modes, key=order.index)

    def _revert(self, cause: Cause, undo: Inverse, forecast: Forecast, permit: Permit, now: datetime) -> list[Command]:
        if cause.revert or not undo.steps:
            return []
        if permit.mode == "automatic" and not permit.refused:
            return self._start(cause, undo, "policy", now)
        known = self.proposed.get(undo.id)
        self.proposed = {id: one for id, one in self.proposed.items() if one[1] is not cause}
        self.proposed[undo.id] = (undo, cause)
        return [] if known is not None and known[0] == undo else [ProposeRevert(undo, forecast, permit, cause.id)]

    def approve(self, id: str, by: str, now: datetime, note: Callable[[str], Command]) -> list[Command]:
        """A person says yes. What is there is looked at again: a proposal that is out of date is made anew."""
        known = self.proposed.get(id)
        if known is None:
            return [note(f"no such revert is proposed (any more); {by} said yes to it")]
        _, cause = known
        undo, forecast, permit = self._undo(cause, now, work=True)
        assert undo is not None and forecast is not None
        if undo.id != id:
            return [
                note(f"things have changed since it was proposed: see {undo.id}"),
                *self._revert(cause, undo, forecast, permit, now),
            ]
        if permit.refused:
            return [note(f"refused: {'; '.join(permit.reasons)}")]
        return self._start(cause, undo, by, now)

    def _start(self, cause: Cause, undo: Inverse, by: str, now: datetime) -> list[Command]:
        cause.revert = undo.id
        self.proposed.pop(undo.id, None)
        self.started[undo.id] = undo
        self.guard.started(now, cause.actor, undo)
        return [StartRevert(undo, cause.id, by)]
