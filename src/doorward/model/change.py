"""Changes of an estate, as they are seen: what was done, by whom, when, and what is known of its effect.

An estate is kept as *documents*: one per resource, in the words of the API's describe answers, named by (kind, id). A
change is a list of *effects* on documents. An event tells effects in part (a modified rule's new value, not its old
one); where it does not tell enough, the effect is `Ask`: describe the resource, until then anything may be true of it.
What does not live here: records of CloudTrail (`readers.cloudtrail`), what a change means for contracts (`duty`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal[
    "group", "interface", "acl", "route-table", "prefix-list", "peering", "internet-gateway", "egress-only-gateway",
    "nat-gateway", "transit-gateway", "vpc", "subnet", "load-balancer", "target-group", "endpoint", "database",
    "instance", "other",
]  # fmt: skip
"""What a document is about. ``other``: something that the estate does not hold; kept for the history alone."""


class Place(NamedTuple):
    """Where a resource lives."""

    account: str
    region: str


class Key(NamedTuple):
    """The name of a document."""

    place: Place
    kind: Kind
    id: str


@dataclass(frozen=True, slots=True)
class RuleFact:
    """One security-group rule in the words of ``describe-security-group-rules``: exactly one peer is given.

    CIDRs are canonical (no host bits), protocols lower-case names or numbers as text, ``-1`` for all. ``ports`` are
    (from, to), for ICMP (type, code), None where the protocol has none.
    """

    egress: bool
    protocol: str
    ports: tuple[int, int] | None
    cidr: str | None = None
    group: str | None = None
    prefix_list: str | None = None
    id: str | None = None  # sgr-…; not told by every event
    description: str | None = None

    @property
    def allows(self) -> tuple[object, ...]:
        """What it allows: equal for rules that differ in id and description only."""
        return self.egress, self.protocol, self.ports, self.cidr, self.group, self.prefix_list


@dataclass(frozen=True, slots=True)
class RuleAdded:
    """A rule has appeared in a group."""

    group: Key
    rule: RuleFact


@dataclass(frozen=True, slots=True)
class RuleRemoved:
    """A rule is gone from a group: told by its id, by what it allowed, or by both."""

    group: Key
    id: str | None
    rule: RuleFact | None


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A rule keeps its id and allows something else now."""

    group: Key
    id: str
    rule: RuleFact


@dataclass(frozen=True, slots=True)
class Member:
    """An interface is in exactly these groups now."""

    interface: Key
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Put:
    """A document is this now (``describe``-shaped), or part of it: ``part`` False replaces all of it."""

    key: Key
    document: Mapping[str, object]
    part: bool = False


@dataclass(frozen=True, slots=True)
class Gone:
    """A resource is no more."""

    key: Key


@dataclass(frozen=True, slots=True)
class Ask:
    """Something about a resource has changed, and the event does not tell what it is now."""

    key: Key
    why: str


Effect: TypeAlias = RuleAdded | RuleRemoved | RuleSet | Member | Put | Gone | Ask


@dataclass(frozen=True, slots=True)
class Who:
    """Who did it. ``arn`` is the role's for an assumed role (the session issuer), else the user's or service's.

    The user agent is what the caller says of itself: kept for the history, never evidence.
    """

    arn: str
    kind: str  # IAMUser, AssumedRole, Root, AWSService, AWSAccount, Unknown
    session: str = ""
    source_identity: str = ""
    service: str = ""  # the AWS service that acted for them (invokedBy)
    access_key: str = ""
    address: str = ""
    agent: str = ""
    console: bool = False


Source: TypeAlias = Literal["event", "reconcile", "own"]


@dataclass(frozen=True, slots=True)
class Change:
    """One call (or, from a reconcile, one difference with no event seen) and what it did.

    ``at`` is when it happened (completion, whole seconds for events), ``learned`` when we heard of it; both UTC.
    ``error`` is set for calls that failed and for dry runs: they have no effects, and stay in the history.
    """

    id: str  # the event's id; for a reconcile one of our own
    at: datetime
    learned: datetime
    place: Place
    call: str  # "ec2:AuthorizeSecurityGroupIngress"; for a reconcile "no event seen"
    who: Who
    effects: tuple[Effect, ...]
    source: Source = "event"
    request: str = ""  # the API's request id
    error: str | None = None
    revert: str | None = None  # id of our own revert that made this call, when it is ours
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record of a call that could not be read: a value, so that it can be kept, counted and alarmed, never raised.

    ``digest`` is the SHA-256 (hexadecimal) of the bytes as they came and ``size`` their number. The bytes themselves
    are not kept: they are hostile, or secret, or both.
    """

    reason: str
    digest: str
    size: int
    learned: datetime
