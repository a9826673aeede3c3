"""What the watcher needs of others, as Protocols: tests give it scripts, the shell the real engine (``judge``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from doorward.duty.inverse import Step
from doorward.duty.rules import Content
from doorward.duty.state import State
from doorward.model.verdict import FlowDiff, Outcome
from doorward.reach.watch import Flip


class Owner(NamedTuple):
    """What is said of a contract to people."""

    severity: str
    owner: str | None
    why: str | None


class Forecast(NamedTuple):
    """What steps would do, computed before anything is done."""

    before: Mapping[str, Outcome]
    after: Mapping[str, Outcome]
    during: Mapping[str, Outcome]
    """The worst while the steps are taken one after the other."""
    established: Mapping[str, Outcome]
    """What becomes of connections that are open; only for contracts where that can be told."""
    flows: FlowDiff
    failed: str | None = None
    """Why it could not be computed."""


class Judge(Protocol):
    """The engine. It holds what it was told last, and answers which contracts flip."""

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """All contracts, as they stand."""
        ...

    @property
    def contracts(self) -> Mapping[str, Owner]:
        """What is said of them."""
        ...

    def rules(
        self, group: str, changed: Mapping[Content, tuple[int, int]], opened: tuple[bool, bool]
    ) -> tuple[Flip, ...] | None:
        """Rules of one group change in place: content → (status before, now), 0 not there, 1 perhaps, 2 there;
        ``opened``: whether anything might be there, before and now. None: it does not know the group (begin anew)."""
        ...

    def replace(self, state: State) -> tuple[Flip, ...]:
        """Begin anew with all that is known."""
        ...

    def doubt(self, whole: bool) -> tuple[Flip, ...]:
        """While ``whole`` is set, nothing is kept for certain: something is not known that could break anything."""
        ...

    def why(self, contract: str) -> str:
        """Why a contract stands as it does, in a sentence."""
        ...

    def forecast(self, state: State, steps: tuple[Step, ...]) -> Forecast:
        """What steps would do to contracts and flows."""
        ...
