"""Whether we still see: canary, queue, unreadable records, changes that no event told, contracts that nobody can tell.

Blindness is an alarm of its own, and is never limited: who does not see cannot know what to hold back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from doorward.duty.alerts import AlertBody, Touched, fingerprint
from doorward.duty.commands import Alert, Command, ResolveAlert, TouchCanary
from doorward.duty.events import CanarySeen, QueueRead, UnreadableSeen
from doorward.duty.policy import Policy
from doorward.duty.ports import Owner
from doorward.model.change import Place
from doorward.model.verdict import Outcome


@dataclass(slots=True)
class Blindness:
    """What we know of our own sight. Part of the watcher's state."""

    policy: Policy
    touched: dict[Place, datetime] = field(default_factory=dict)
    """When a canary was touched last, per place."""
    waiting: dict[Place, datetime] = field(default_factory=dict)
    """Since when a canary's event is waited for."""
    latency: dict[Place, timedelta] = field(default_factory=dict)
    unsure: dict[str, datetime] = field(default_factory=dict)
    alarms: dict[str, datetime] = field(default_factory=dict)
    """Fingerprints of alarms that stand."""

    def raise_alarm(
        self, kind: str, name: str, now: datetime, title: str, notes: Iterable[str] = (), severity: str = "high"
    ) -> list[Command]:
        """Tell of an alarm, once until it is resolved."""
        mark = fingerprint(kind, name)
        if mark in self.alarms:
            return []
        self.alarms[mark] = now
        return [Alert(AlertBody(mark, "blind", severity, title, now, notes=tuple(notes)))]

    def resolve(self, kind: str, name: str, now: datetime, why: str) -> list[Command]:
        """The alarm is over, if it stood."""
        mark = fingerprint(kind, name)
        return [ResolveAlert(mark, why, now)] if self.alarms.pop(mark, None) is not None else []

    def unreadable(self, event: UnreadableSeen) -> list[Command]:
        """A record that says nothing to us may have said anything."""
        return self.raise_alarm(
            "unreadable", event.id, event.at, f"a record could not be read: {event.why}", severity="medium"
        )

    def canary(self, event: CanarySeen) -> list[Command]:
        """We see."""
        self.latency[event.place] = event.at - event.touched
        waits = self.waiting.get(event.place)
        if waits is not None and event.touched >= waits:
            del self.waiting[event.place]
        return self.resolve("canary", "/".join(event.place), event.at, "the canary's event came")

    def queue(self, event: QueueRead) -> list[Command]:
        """The queue's age and depth."""
        found: list[Command] = []
        age = (event.at - event.oldest).total_seconds() if event.oldest is not None else 0.0
        if age > self.policy.queue_age:
            found += self.raise_alarm(
                "queue", "age", event.at, f"the oldest event has waited for {age:.0f} s",
                ("verdicts are that old, and what waits is not judged yet",),
            )  # fmt: skip
        else:
            found += self.resolve("queue", "age", event.at, "events are read in time again")
        if event.depth > self.policy.queue_depth:
            found += self.raise_alarm("queue", "depth", event.at, f"{event.depth} events wait")
        else:
            found += self.resolve("queue", "depth", event.at, f"{event.depth} events wait")
        return found

    def turned(self, name: str, outcome: Outcome, now: datetime) -> list[Command]:
        """A contract turned."""
        if outcome is Outcome.CANNOT_TELL:
            self.unsure.setdefault(name, now)
            return []
        self.unsure.pop(name, None)
        return self.resolve("unsure", name, now, f"{name} is {outcome}")

    def look(self, now: datetime, places: Iterable[Place], owners: Mapping[str, Owner]) -> list[Command]:
        """What time alone brings: canaries to touch, canaries overdue, contracts unknown for too long."""
        found: list[Command] = []
        policy = self.policy
        for place in places if policy.canary_every else ():
            last = self.touched.get(place)
            if last is None or (now - last).total_seconds() >= policy.canary_every:
                self.touched[place] = now
                self.waiting.setdefault(place, now)
                found.append(TouchCanary(place))
            waits = self.waiting.get(place)
            if waits is not None and (now - waits).total_seconds() > policy.canary_late:
                found += self.raise_alarm(
                    "canary", "/".join(place), now, f"changes in {place.account} {place.region} are not seen any more",
                    (f"a change of our own at {waits.isoformat()} has brought no event",), "critical",
                )  # fmt: skip
        for name, since in self.unsure.items():
            mark = fingerprint("unsure", name)
            if mark not in self.alarms and (now - since).total_seconds() >= policy.unsure_after:
                self.alarms[mark] = now
                owner = owners.get(name, Owner("high", None, None))
                touched = Touched(name, owner.severity, owner.owner, Outcome.KEPT, Outcome.CANNOT_TELL, owner.why or "")
                title = f"whether {name} is kept cannot be told since {since.isoformat()}"
                found.append(Alert(AlertBody(mark, "unsure", owner.severity, title, now, contracts=(touched,))))
        return found

    def next(self) -> datetime | None:
        """When to look again."""
        policy = self.policy
        times = [one + timedelta(seconds=policy.canary_every) for one in self.touched.values()]
        times += [one + timedelta(seconds=policy.canary_late + 1) for one in self.waiting.values()]
        times += [
            since + timedelta(seconds=policy.unsure_after)
            for name, since in self.unsure.items()
            if fingerprint("unsure", name) not in self.alarms
        ]
        return min(times, default=None)
