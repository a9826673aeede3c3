"""One alert a cause: what is said to people, how urgent it is, and when it is said again.

A *cause* is a set of changes: of one principal in one session, close to each other (one Terraform apply is one cause).
What does not live here: routes to people and their formats (``console.notify``).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from doorward.duty.deltas import Delta, DocumentDelta, MemberDelta, RuleDelta
from doorward.duty.inverse import Inverse
from doorward.duty.ports import Forecast
from doorward.duty.rules import content_of, show_content
from doorward.model.change import Change
from doorward.model.verdict import FlowDiff, Outcome

Level: TypeAlias = Literal["broken", "exposed", "unsure", "blind", "nothing"]
"""What it did: broke a contract; opened a flow; made something unknowable; hid things from us; nothing that counts."""


@dataclass(frozen=True, slots=True)
class Touched:
    """A contract in an alert."""

    name: str
    severity: str
    owner: str | None
    before: Outcome
    after: Outcome
    why: str


@dataclass(frozen=True, slots=True)
class AlertBody:
    """An alert. ``fingerprint`` stays the same for one cause, whatever else is learned of it."""

    fingerprint: str
    level: Level
    severity: str
    """critical, high, medium, low."""
    title: str
    at: datetime
    cause: str = ""
    who: str = ""
    changes: tuple[str, ...] = ()
    authority: tuple[str, ...] = ()
    contracts: tuple[Touched, ...] = ()
    diff: tuple[str, ...] = ()
    flows: FlowDiff | None = None
    """None: not compared yet."""
    revert: Inverse | None = None
    mode: str = ""
    """How far the revert may go: propose, approve, automatic, refused."""
    notes: tuple[str, ...] = ()


def fingerprint(kind: str, name: str) -> str:
    """A stable name for an alert, of which nothing can be told."""
    return hashlib.sha256(f"doorward\0{kind}\0{name}".encode()).hexdigest()[:32]


@dataclass(slots=True)
class Cause:
    """A set of changes that are one thing, and what came of them."""

    id: str
    actor: str
    session: tuple[str, ...]
    first: datetime
    last: datetime
    seen: datetime
    """When a change of it came last."""
    changes: list[tuple[Change, tuple[Delta, ...], str]] = field(default_factory=list)
    """Change, what it did, by what right."""
    broken: dict[str, tuple[Outcome, Outcome]] = field(default_factory=dict)
    """Contracts that it broke → (before, after)."""
    flows: FlowDiff | None = None
    compared: int = 0
    """How many of its changes the flows are of; -n: asked for n."""
    forecast: tuple[str, Forecast] | None = None
    """(id of the inverse, what it would do)."""
    told: AlertBody | None = None
    acknowledged: str = ""
    resolved: bool = False
    revert: str = ""
    held_back: bool = False
    """Not told because of the rate limit."""

    @property
    def unauthorised(self) -> bool:
        """Whether any of it had no right."""
        return any(one[2] in ("unauthorised", "unseen") for one in self.changes)

    @property
    def level(self) -> Level:
        """What it did."""
        if self.broken:
            return "broken"
        return "exposed" if self.flows is not None and self.flows.gained else "nothing"

    def ordered(self) -> list[tuple[str, tuple[Delta, ...]]]:
        """Its changes in the order in which they happened, with what they did."""
        return [
            (change.id, deltas)
            for change, deltas, _ in sorted(self.changes, key=lambda one: (one[0].at, one[0].id))
            if deltas
        ]

    def fits(self, change: Change, window: float) -> bool:
        """Whether a change belongs to it: the same principal and session, close to the others."""
        if (change.who.arn, session_of(change)) != (self.actor, self.session) or self.resolved:
            return False
        gap = max((self.first - change.at).total_seconds(), (change.at - self.last).total_seconds())
        return gap <= window

    def add(self, change: Change, deltas: tuple[Delta, ...], authority: str, now: datetime) -> None:
        """One more change of it."""
        self.changes.append((change, deltas, authority))
        self.first, self.last = min(self.first, change.at), max(self.last, change.at)
        self.seen = now


def session_of(change: Change) -> tuple[str, ...]:
    """What makes two calls one session."""
    who = change.who
    return who.session, who.source_identity, who.access_key, change.place.account


def begin(change: Change, now: datetime) -> Cause:
    """A new cause."""
    digest = hashlib.sha256("\0".join([change.who.arn, *session_of(change), change.id]).encode()).hexdigest()
    return Cause(f"cs-{digest[:16]}", change.who.arn, session_of(change), change.at, change.at, now)


def lines(deltas: tuple[Delta, ...]) -> list[str]:
    """What a change did, as a diff for people."""
    found: list[str] = []
    for delta in deltas:
        match delta:
            case RuleDelta(group, before, after, sure):
                doubt = "" if sure else "  (what was there before is not known for certain)"
                if before is not None:
                    found.append(f"- {group.id} {show_content(content_of(before))}{doubt}")
                if after is not None:
                    found.append(f"+ {group.id} {show_content(content_of(after))}{doubt if before is None else ''}")
            case MemberDelta(interface, was, now):
                found.append(f"- {interface.id} in {', '.join(was) if was is not None else 'groups not known'}")
                found.append(f"+ {interface.id} in {', '.join(now) or 'no group'}")
            case DocumentDelta(key, old, new, known):
                verb = "made" if old is None else "gone" if new is None and known else "changed"
                found.append(f"{'+' if old is None else '-' if verb == 'gone' else '~'} {key.kind} {key.id} {verb}")
    return found


@dataclass(slots=True)
class Limit:
    """Protects people from many alerts that break nothing."""

    sent: list[datetime] = field(default_factory=list)
    held: int = 0

    def admits(self, now: datetime, per_hour: int) -> bool:
        """Whether one more may be told now; counts it if so."""
        self.sent = [one for one in self.sent if (now - one).total_seconds() < 3600]
        if len(self.sent) < per_hour:
            self.sent.append(now)
            return True
        self.held += 1
        return False
