"""What the engine answers with: an outcome plus why. No bare bool leaves the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from doorward.model.addresses import show_address
from doorward.model.estate import Notice
from doorward.model.intervals import Intervals, Span
from doorward.model.services import show_span


class Outcome(StrEnum):
    """The three outcomes of a contract."""

    KEPT = "kept"
    BROKEN = "broken"
    CANNOT_TELL = "cannot-tell"

    @property
    def badness(self) -> int:
        """0 kept, 1 cannot tell, 2 broken: for "worst of"."""
        return {"kept": 0, "cannot-tell": 1, "broken": 2}[self.value]


@dataclass(frozen=True, slots=True)
class Witness:
    """One packet that decides: where it starts, where it ends, on which service."""

    source: str
    """Interface id, or ``internet`` / ``outside``."""
    source_address: int
    target: str
    target_address: int
    service: int

    @property
    def text(self) -> str:
        """In words."""
        return (
            f"{self.source} ({show_address(self.source_address)}) → {self.target} "
            f"({show_address(self.target_address)}) on {show_span((self.service, self.service))}"
        )


ReasonKind = Literal[
    "security-group", "network-acl", "route", "gateway", "public-address", "load-balancer", "prefix-list", "membership",
    "not-modelled", "unknown", "nobody",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: which resource, which rule, which direction, in words."""

    kind: ReasonKind
    resource: str
    text: str
    rule: str | None = None
    """Id of the responsible rule (``sgr-…``, Terraform address, or ACL entry number)."""
    direction: Literal["ingress", "egress"] | None = None
    answer: bool = False
    """The reason lies on the way back."""
    origin: str | None = None
    """Terraform address of the responsible rule, when known."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of one rule of a security group: a step of a repair."""

    action: Literal["authorize", "revoke"]
    group: str
    direction: Literal["ingress", "egress"]
    service: Span
    peer: str
    """CIDR, group id or prefix list id, as it is written."""
    rule: str | None = None
    """``sgr-…`` of the rule to revoke, when known."""
    origin: str | None = None
    """Terraform address of the rule to put back or remove."""
    restores: bool = False
    """True when this puts back exactly a rule that the plan removes or narrows."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a path, for ``explain`` and the picture."""

    kind: ReasonKind
    resource: str
    text: str
    passes: Literal["yes", "no", "unknown"]
    rule: str | None = None
    origin: str | None = None
    direction: Literal["ingress", "egress"] | None = None
    answer: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one contract."""

    name: str
    outcome: Outcome
    severity: str = "high"
    owner: str | None = None
    why: str | None = None
    witness: Witness | None = None
    reasons: tuple[Reason, ...] = ()
    hops: tuple[Hop, ...] = ()
    """The path of the witness, as far as it gets."""
    repair: tuple[Edit, ...] | None = None
    """None: not looked for, or none exists (then ``repair_note`` says why)."""
    repair_note: str | None = None
    before: Outcome | None = None
    during_apply: Outcome | None = None
    during_reasons: tuple[Reason, ...] = ()
    safe_order: tuple[str, ...] = ()
    established: Outcome | None = None
    """What happens to connections that exist when the plan is applied; None when not a plan."""
    notices: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Report:
    """All verdicts of one ``check`` or ``gate``, worst first."""

    verdicts: tuple[Verdict, ...]
    notices: tuple[Notice, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """The worst outcome; a contract that breaks only during the apply counts as broken."""
        return max((worst(verdict) for verdict in self.verdicts), key=lambda one: one.badness, default=Outcome.KEPT)


def worst(verdict: Verdict) -> Outcome:
    """What a verdict counts as: its outcome, or that during the apply when it is worse and the contract held before."""
    during = verdict.during_apply
    if during is not None and verdict.before is Outcome.KEPT and during.badness > verdict.outcome.badness:
        return during
    return verdict.outcome


@dataclass(frozen=True, slots=True)
class Exposed:
    """What the internet can open on one interface."""

    interface: str
    name: str
    address: int
    """The public address on which it is opened."""
    services: Intervals
    sources: Intervals
    answered: bool
    """False: the first packet arrives, the answer cannot return."""
    certain: bool = True
    """False: only in the upper bound."""
    rules: tuple[str, ...] = ()
    """Ids (or Terraform addresses, or group ids) of the rules that admit it."""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """A family of packets that behave alike: for ``diff`` and for words."""

    sources: tuple[str, ...]
    """Interface ids, or one text such as ``internet`` or CIDRs for outside addresses."""
    targets: tuple[str, ...]
    services: Intervals
    source_text: str
    target_text: str
    certain: bool = True


@dataclass(frozen=True, slots=True)
class FlowDiff:
    """The semantic difference of two estates."""

    gained: tuple[Flow, ...] = ()
    lost: tuple[Flow, ...] = ()
    notices: tuple[str, ...] = ()
    """E.g. interfaces that exist on one side only."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Hop by hop, there and back, for one pair of endpoints and one service."""

    outcome: Outcome
    """kept = passes, broken = stopped, cannot-tell."""
    source: str
    target: str
    service: int
    source_address: int
    target_address: int
    hops: tuple[Hop, ...]
