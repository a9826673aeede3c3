"""What the watcher wants done. The shell does it, durably, and tells what came of it in events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from doorward.duty.alerts import AlertBody
from doorward.duty.approval import Signed
from doorward.duty.deltas import Delta
from doorward.duty.guard import Permit
from doorward.duty.inverse import Inverse
from doorward.duty.maintenance import Window
from doorward.duty.ports import Forecast
from doorward.model.change import Change, Key, Place
from doorward.reach.watch import Flip


@dataclass(frozen=True, slots=True)
class Judged:
    """A change, what it did, by what right, and which contracts it turned."""

    change: Change
    deltas: tuple[Delta, ...]
    authority: str
    """``approval:ID``, ``baseline:NAME``, ``maintenance:ID``, ``break-glass:ID``, ``own:ID``, ``unauthorised``,
    ``unseen``, ``no-effect``."""
    cause: str
    flips: tuple[Flip, ...] = ()


@dataclass(frozen=True, slots=True)
class Turned:
    """Contracts that turned by something that is no single change: a snapshot, a doubt that ended."""

    flips: tuple[Flip, ...]
    why: str


@dataclass(frozen=True, slots=True)
class ApprovalUsed:
    """A part of an approval is used: never again."""

    approval: str
    change: str
    used: tuple[Signed, ...]
    bound: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Noted:
    """Anything else that is worth remembering."""

    what: str
    id: str
    text: str


Body: TypeAlias = Judged | Turned | ApprovalUsed | Noted


@dataclass(frozen=True, slots=True)
class Record:
    """Write to the ledger."""

    body: Body
    at: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """Tell people."""

    alert: AlertBody


@dataclass(frozen=True, slots=True)
class UpdateAlert:
    """The same alert says more now."""

    alert: AlertBody


@dataclass(frozen=True, slots=True)
class ResolveAlert:
    """It is mended, or is no alarm any more."""

    fingerprint: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CompareFlows:
    """Work out (it may be slow) which flows a cause's changes lost and gained when they were made, from the ledger's
    documents before the first and after the last of them, and what its inverse would do now: answer with
    ``FlowsCompared``."""

    cause: str
    undo: Inverse
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class ProposeRevert:
    """Show what a revert would do; with mode ``approve`` a ``RevertApproved`` starts it."""

    inverse: Inverse
    forecast: Forecast
    permit: Permit
    cause: str


@dataclass(frozen=True, slots=True)
class StartRevert:
    """Do it: hand it to ``remedy``."""

    inverse: Inverse
    cause: str
    approved_by: str


@dataclass(frozen=True, slots=True)
class ReadSnapshot:
    """Read everything; None: all places."""

    place: Place | None
    why: str


@dataclass(frozen=True, slots=True)
class Describe:
    """Describe these documents (an id ``*``: all of the kind), and answer with ``SnapshotRead``."""

    keys: tuple[Key, ...]
    why: Literal["not certain", "not told", "after a revert"] = "not certain"


@dataclass(frozen=True, slots=True)
class TouchCanary:
    """Change the description of our own group, and answer with ``CanarySeen`` when its event comes."""

    place: Place


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send a ``Tick`` then. A later one replaces an earlier one."""

    at: datetime


@dataclass(frozen=True, slots=True)
class OpenFollowUp:
    """Break-glass is over: somebody reviews it until then."""

    window: Window
    due: datetime


Command: TypeAlias = (
    Record | Alert | UpdateAlert | ResolveAlert | CompareFlows | ProposeRevert | StartRevert | ReadSnapshot | Describe
    | TouchCanary | WakeAt | OpenFollowUp
)  # fmt: skip
