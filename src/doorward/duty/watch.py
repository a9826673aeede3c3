"""The watcher: events in, commands out. Puts together what is known (``state``), what it means (a ``Judge``), by what
right it was done (``approval``, ``maintenance``), who is told (``desk``), and whether we still see (``blind``).

A pure function of the events: told the same again, it is in the same state (``replay``), so a crash loses nothing that
the ledger holds. What does not live here: doing any of it (the shell).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from doorward.duty.alerts import Cause
from doorward.duty.approval import Approvals
from doorward.duty.blind import Blindness
from doorward.duty.commands import (
    ApprovalUsed,
    Command,
    Describe,
    Judged,
    Noted,
    OpenFollowUp,
    ReadSnapshot,
    Record,
    Turned,
    WakeAt,
)
from doorward.duty.deltas import Delta, key_of
from doorward.duty.desk import Desk
from doorward.duty.events import (
    Acknowledged,
    ApprovalGiven,
    ApprovalWithdrawn,
    CanarySeen,
    ChangesSeen,
    Event,
    FlowsCompared,
    MaintenanceClosed,
    MaintenanceOpened,
    QueueRead,
    RevertApproved,
    RevertProgressed,
    SnapshotRead,
    Tick,
    UnreadableSeen,
)
from doorward.duty.group import GroupRules
from doorward.duty.guard import is_own
from doorward.duty.late import Late
from doorward.duty.maintenance import Window
from doorward.duty.naming import names_of, tags_of
from doorward.duty.policy import Policy
from doorward.duty.ports import Judge
from doorward.duty.rules import Content
from doorward.duty.state import NO_EVENT, Move, State
from doorward.model.change import Change, Key, Place
from doorward.model.revert import ENDED
from doorward.model.verdict import Outcome
from doorward.reach.watch import Flip

MOST_KEYS = 100
"""So many documents are described in one go."""


class _Seen(NamedTuple):
    change: Change
    deltas: tuple[Delta, ...]
    authority: str
    cause: Cause | None


class Watcher:
    """The watch. ``places``: accounts and regions in which canaries are touched."""

    def __init__(self, policy: Policy, judge: Judge, places: Iterable[Place] = ()) -> None:
        self.policy, self.judge, self.places = policy, judge, tuple(places)
        self.state = State(policy.lag)
        self.approvals = Approvals()
        self.windows: dict[str, Window] = {}
        self.desk = Desk(policy, judge, self.state)
        self.blind = Blindness(policy)
        self.late = Late(policy.late)
        self.read: datetime | None = None
        """When everything was read last."""
        self._due: list[tuple[float, Key]] = []
        self._asked: dict[Key, float] = {}
        self._dirty = False
        self._built: datetime | None = None
        self._woken: datetime | None = None
        self._reading: datetime | None = None

    def handle(self, event: Event) -> tuple[Command, ...]:
        """What follows from an event. Raises ``InvalidInput`` for describe answers that cannot be read."""
        now = event.at
        found: list[Command] = []
        match event:
            case ChangesSeen():
                found += self._changes(event)
            case SnapshotRead():
                found += self._snapshot(event)
            case Tick():
                pass
            case UnreadableSeen():
                found.append(Record(Noted("unreadable", event.id, event.why), now))
                found += self.blind.unreadable(event)
            case CanarySeen():
                found += self.blind.canary(event)
            case QueueRead():
                found += self.blind.queue(event)
            case ApprovalGiven():
                self.approvals.give(event.approval)
                found += self._reconsider(now)
            case ApprovalWithdrawn():
                self.approvals.withdraw(event.id)
                found.append(Record(Noted("approval-withdrawn", event.id, ""), now))
            case MaintenanceOpened():
                self.windows[event.window.id] = event.window
                found += self._reconsider(now)
            case MaintenanceClosed():
                found += self._closed(event)
            case Acknowledged():
                found += self._acknowledged(event)
            case FlowsCompared():
                found += self.desk.compared(event.cause, event.undo, event.flows, event.forecast, now)
            case RevertApproved():
                found.append(Record(Noted("revert-approved", event.id, event.by), now))
                found += self.desk.approve(
                    event.id, event.by, now, lambda text: Record(Noted("revert-not-started", event.id, text), now)
                )
            case RevertProgressed():
                found += self._progressed(event)
        found += self._time(now)
        return tuple(found)

    def replay(self, events: Iterable[Event]) -> None:
        """Be told again what the ledger holds, after a crash: the commands were given already."""
        for event in events:
            self.handle(event)
        self._asked.clear()
        self._woken = self._reading = None

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """All contracts, as they stand for all we know."""
        return self.judge.outcomes

    # --- changes ------------------------------------------------------------------------------------------------

    def _changes(self, event: ChangesSeen) -> list[Command]:
        now = event.at
        found: list[Command] = []
        rebuilt: list[_Seen] = []
        for change in event.changes:
            taken = self.state.take(change)
            deltas = taken.deltas
            if not taken.moves:
                explained = self.late.explains(change)
                if explained is None:
                    if change.error is not None or not change.effects:
                        found.append(Record(Judged(change, (), "no-effect", ""), now))
                    continue
                deltas = explained
            authority = self._authority(change, deltas, now, found)
            cause = None if authority.startswith("own:") else self.desk.take(change, deltas, authority, now)
            flips: tuple[Flip, ...] = ()
            for move in taken.moves:
                self._note_due(move.key)
                some = self._judge(move)
                if some is None:
                    rebuilt.append(_Seen(change, deltas, authority, cause))
                    self._dirty = True
                else:
                    flips += some
            found.append(Record(Judged(change, deltas, authority, cause.id if cause else "", flips), now))
            if flips:
                found += self._turned(flips, cause, now)
        if self._dirty:
            found += self._rebuild(now, rebuilt[-1].cause if rebuilt else None)
        return found

    def _judge(self, move: Move) -> tuple[Flip, ...] | None:
        """Let the engine know of one document; None: it has to begin anew."""
        before, after = move.before, move.after
        if not isinstance(before, GroupRules) or not isinstance(after, GroupRules):
            return None
        if before.gone != after.gone or before.known != after.known or before.meta != after.meta:
            return None
        changed: dict[Content, tuple[int, int]] = {}
        old, new = before.held, after.held
        for content, some in new.items():
            had = old.get(content)
            if had is not some:
                changed[content] = (before.status(content), after.status(content))
        for content in old:
            if content not in new:
                changed[content] = (before.status(content), 0)
        if not changed and before.open == after.open:
            return ()
        return self.judge.rules(move.key.id, changed, (before.open, after.open))

    def _authority(self, change: Change, deltas: tuple[Delta, ...], now: datetime, found: list[Command]) -> str:
        """By what right it was done: an approval of exactly this, a window, a baseline, or none."""
        if change.source == "reconcile" and change.call == NO_EVENT:
            return "unseen"
        if self.desk.started:
            own = is_own(change, self.desk.started, self.policy)
            if own is not None:
                return f"own:{own}"
        if self.approvals.open:
            match = self.approvals.use(change, deltas, names_of(deltas, self.state))
            if match is not None:
                found.append(Record(ApprovalUsed(match.approval, change.id, match.used, match.bound), now))
                return f"approval:{match.approval}"
        keys = tuple(key_of(delta) for delta in deltas)
        for window in self.windows.values():
            if window.excuses(change, keys):
                return f"{window.kind}:{window.id}"
        for baseline in self.policy.baselines:
            if baseline.allows(change, deltas, tags_of(deltas, self.state)):
                return f"baseline:{baseline.name}"
        return "unauthorised"

    def _reconsider(self, now: datetime) -> list[Command]:
        """What was not authorised may be so now: events and approvals come in any order."""
        found: list[Command] = []
        for cause in self.desk.causes.values():
            for at, (change, deltas, authority) in enumerate(cause.changes):
                if authority == "unauthorised":
                    again = self._authority(change, deltas, now, found)
                    if again != authority:
                        cause.changes[at] = (change, deltas, again)
                        found.append(Record(Noted("authorised", change.id, again), now))
            found += self.desk.excused(cause, now)
        return found

    # --- describe answers ---------------------------------------------------------------------------------------

    def _snapshot(self, event: SnapshotRead) -> list[Command]:
        now = event.at
        answer = self.state.take_documents(
            event.place, event.documents, event.began, event.ended, event.complete, first=event.first
        )
        found: list[Command] = []
        for key in event.documents:
            self._asked.pop(key, None)
        if event.complete:
            self.read, self._reading = now, None
        cause: Cause | None = None
        for change, deltas in answer.changes:
            authority = self._authority(change, deltas, now, found)
            if authority == "unseen":
                self.late.found(change, deltas, now)
            cause = None if authority.startswith("own:") else self.desk.take(change, deltas, authority, now)
            found.append(Record(Judged(change, deltas, authority, cause.id if cause else ""), now))
        for move in answer.moves:
            self._note_due(move.key)
            flips = () if self._dirty or event.first else self._judge(move)
            if flips is None:
                self._dirty = True
            elif flips:
                found += self._turned(flips, self.desk.by_key.get(move.key), now, "a describe answer")
        if event.first or (event.complete and self._built is None):
            self._dirty, self._built = True, None
        if self._dirty:
            found += self._rebuild(now, cause)
        return found

    def _rebuild(self, now: datetime, cause: Cause | None) -> list[Command]:
        """Let the engine begin anew, not too often: meanwhile nothing is kept for certain."""
        if self._built is not None and (now - self._built).total_seconds() < self.policy.rebuild_every:
            return self._turned(self.judge.doubt(True), None, now, "the estate is being put together again")
        self._dirty, self._built = False, now
        first = self.read is None or not self.desk.causes
        return self._turned(self.judge.replace(self.state), cause, now, "first look" if first else "the estate differs")

    def _turned(
        self, flips: tuple[Flip, ...], cause: Cause | None, now: datetime, why: str | None = None
    ) -> list[Command]:
        found: list[Command] = []
        if flips and why is not None:
            found.append(Record(Turned(flips, why), now))
        for flip in flips:
            found += self.blind.turned(flip.name, flip.after, now)
        found += self.desk.turned(flips, cause, now)
        return found

    # --- people and reverts -------------------------------------------------------------------------------------

    def _closed(self, event: MaintenanceClosed) -> list[Command]:
        window = self.windows.pop(event.id, None)
        if window is None:
            return []
        return self._ended(window, event.at, f"closed by {event.by or 'nobody named'}")

    def _ended(self, window: Window, now: datetime, how: str) -> list[Command]:
        found: list[Command] = [Record(Noted(f"{window.kind}-ended", window.id, how), now)]
        if window.follow_up is not None:
            found.append(OpenFollowUp(window, window.follow_up))
        return found

    def _acknowledged(self, event: Acknowledged) -> list[Command]:
        for cause in self.desk.causes.values():
            if cause.told is not None and cause.told.fingerprint == event.fingerprint:
                cause.acknowledged = event.by
        return [Record(Noted("acknowledged", event.fingerprint, event.by), event.at)]

    def _progressed(self, event: RevertProgressed) -> list[Command]:
        left = f"; left: {', '.join(event.left)}" if event.left else ""
        found: list[Command] = [Record(Noted(f"revert-{event.progress}", event.id, f"{event.text}{left}"), event.at)]
        known = self.desk.started.get(event.id)
        if known is None or event.progress not in ENDED:
            return found
        found.append(Describe(known.groups, "after a revert"))
        if event.progress == "done":
            found += self.blind.resolve("revert", event.id, event.at, "the revert is done")
        else:
            found += self.blind.raise_alarm(
                "revert", event.id, event.at, f"revert {event.id} is {event.progress}", (f"{event.text}{left}",),
                "critical" if event.progress == "partial" else "high",
            )  # fmt: skip
        return found

    # --- time ---------------------------------------------------------------------------------------------------

    def _note_due(self, key: Key) -> None:
        settles = self.state.settles(key)
        if settles is not None:
            heapq.heappush(self._due, (settles, key))

    def _time(self, now: datetime) -> list[Command]:
        """What is due by now, and when to look again."""
        found: list[Command] = []
        if self._dirty:
            found += self._rebuild(now, None)
        found += self._describes(now)
        found += self.desk.tell(now)
        found += self.blind.look(now, self.places, self.judge.contracts)
        for title in self.late.overdue(now):
            found += self.blind.raise_alarm("unseen", title, now, title, severity="medium")
        for window in [one for one in self.windows.values() if one.ends < now]:
            # Late events of its time may still come: it excuses them, but it is over.
            if (now - window.ends).total_seconds() > self.policy.late:
                del self.windows[window.id]
                found += self._ended(window, now, "expired")
        for one in self.approvals.expire(now, self.policy.late):
            left = sum(one.left.values())
            found.append(Record(Noted("approval-expired", one.approval.id, f"{left} acts of it were not used"), now))
        if self.read is not None and self.policy.reconcile_every:
            due = self.read + timedelta(seconds=self.policy.reconcile_every)
            if due <= now and self._reading is None:
                self._reading = now
                found.append(ReadSnapshot(None, "on schedule"))
        found += self._wake(now)
        return found

    def _describes(self, now: datetime) -> list[Command]:
        seconds = now.timestamp()
        keys: dict[Key, None] = {}
        again: list[tuple[float, Key]] = []
        while self._due and self._due[0][0] <= seconds:
            _, key = heapq.heappop(self._due)
            settles = self.state.settles(key)
            if settles is None or key in keys:
                continue
            asked = self._asked.get(key)
            if settles > seconds:
                again.append((settles, key))
            elif asked is not None and seconds - asked < self.policy.describe_patience:
                again.append((asked + self.policy.describe_patience, key))
            else:
                keys[key] = None
                self._asked[key] = seconds
                again.append((seconds + self.policy.describe_patience, key))
        for one in again:
            heapq.heappush(self._due, one)
        listed = list(keys)
        return [Describe(tuple(listed[at : at + MOST_KEYS])) for at in range(0, len(listed), MOST_KEYS)]

    def _wake(self, now: datetime) -> list[Command]:
        times = [self.desk.next(), self.blind.next(), self.late.next()]
        if self._due:
            times.append(datetime.fromtimestamp(self._due[0][0], UTC))
        if self._dirty and self._built is not None:
            times.append(self._built + timedelta(seconds=self.policy.rebuild_every))
        if self.read is not None and self.policy.reconcile_every and self._reading is None:
            times.append(self.read + timedelta(seconds=self.policy.reconcile_every))
        due = min((one for one in times if one is not None), default=None)
        if due is None or due == self._woken:
            return []
        self._woken = due
        return [WakeAt(max(due, now))]
