"""What the watcher is told. Every event carries the moment (UTC) at which the shell tells it: the watcher's only
clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from doorward.duty.approval import Approval
from doorward.duty.maintenance import Window
from doorward.duty.ports import Forecast
from doorward.model.change import Change, Key, Kind, Place
from doorward.model.revert import RevertState
from doorward.model.verdict import FlowDiff


@dataclass(frozen=True, slots=True)
class ChangesSeen:
    """Changes from the queue, in any order, perhaps known already. One message of the shell: a batch."""

    changes: tuple[Change, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class SnapshotRead:
    """Describe answers of one place: asked for and given at ``began`` and ``ended``; a document that is None does not
    exist. ``complete``: kinds of which these are all documents there are (then absent ones do not exist either); empty
    for the answer to ``Describe``. ``first``: nothing was known before."""

    place: Place
    documents: Mapping[Key, Mapping[str, object] | None]
    began: datetime
    ended: datetime
    at: datetime
    complete: tuple[Kind, ...] = ()
    first: bool = False


@dataclass(frozen=True, slots=True)
class UnreadableSeen:
    """A message that could not be read; it is kept in the ledger, and skipped."""

    id: str
    why: str
    at: datetime
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: after ``WakeAt``, or on a beat."""

    at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalGiven:
    """A passed gate, or a person, has left an approval."""

    approval: Approval
    at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalWithdrawn:
    """An approval holds no longer."""

    id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class MaintenanceOpened:
    """A maintenance window, or break-glass, begins."""

    window: Window
    at: datetime


@dataclass(frozen=True, slots=True)
class MaintenanceClosed:
    """A window is closed before it expires."""

    id: str
    at: datetime
    by: str = ""


@dataclass(frozen=True, slots=True)
class RevertProgressed:
    """What ``remedy`` says of a revert. ``partial`` is an alarm until somebody ends it."""

    id: str
    progress: RevertState
    at: datetime
    text: str = ""
    left: tuple[str, ...] = ()
    """Steps that are not done, in words."""


@dataclass(frozen=True, slots=True)
class RevertApproved:
    """A person says yes to a proposed revert."""

    id: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A person has seen an alert."""

    fingerprint: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CanarySeen:
    """The event of a canary change has come through."""

    place: Place
    touched: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class QueueRead:
    """The state of the queue: messages waiting, and since when the oldest waits (None: none does)."""

    depth: int
    oldest: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True)
class FlowsCompared:
    """The answer to ``CompareFlows``: what the changes lost and gained when they were made, and what ``undo`` (its id)
    would do now (``Judge.forecast``)."""

    cause: str
    undo: str
    flows: FlowDiff
    forecast: Forecast
    at: datetime


Event: TypeAlias = (
    ChangesSeen | SnapshotRead | UnreadableSeen | Tick | ApprovalGiven | ApprovalWithdrawn | MaintenanceOpened
    | MaintenanceClosed | RevertProgressed | RevertApproved | Acknowledged | CanarySeen | QueueRead | FlowsCompared
)  # fmt: skip
