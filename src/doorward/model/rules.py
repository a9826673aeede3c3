"""Security groups and their rules, one allowed (peer, service, direction) each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

from doorward.model.intervals import Span
from doorward.model.services import ALL_SPAN

Direction = Literal["ingress", "egress"]


class GroupPeer(NamedTuple):
    """A reference to a group: the private addresses of its members (VPC User Guide, *Security group rules*)."""

    group: str
    vpc: str | None = None
    """VPC of the referenced group where the input tells (peered references); None otherwise."""
    owner: str | None = None
    """Account of the referenced group where the input tells."""


class PrefixListPeer(NamedTuple):
    """A reference to a managed prefix list."""

    prefix_list: str


class AnyPeer(NamedTuple):
    """A peer that cannot be known yet; in the upper bound it is everybody. Only in rules with ``certain=False``."""

    unknown: str


Peer: TypeAlias = Span | GroupPeer | PrefixListPeer | AnyPeer
"""A plain ``(first, last)`` pair is a CIDR on the address line."""


class Rule(NamedTuple):
    """One rule. Immutable; equality for *what it allows* is ``Rule.key``, as ids and descriptions carry no traffic."""

    direction: Direction
    service: Span
    peer: Peer
    id: str | None = None
    """``sgr-…`` when the input tells."""
    origin: str | None = None
    """Terraform address that manages it, when known."""
    description: str | None = None
    certain: bool = True
    """False: present in the upper bound only."""
    unknown: str | None = None
    """For ``certain=False``: the very unknown that decides (e.g. ``aws_security_group.web.ingress[0].cidr_blocks``)."""

    @property
    def key(self) -> tuple[Direction, Span, Peer]:
        """What the rule allows."""
        return self.direction, self.service, self.peer


Rules: TypeAlias = tuple[Rule, ...]


WIDE = 1 << 18
"""Spans of more services than this are cut from all rules of a direction, decoded once."""


def _within(rules: Rules, span: Span) -> Rules:
    first, last = span
    return tuple(rule for rule in rules if rule.service[0] <= last and first <= rule.service[1])


class Group:
    """A security group; its rules are decoded when first asked for, since large estates touch few of them.

    Treat as immutable. ``load`` returns all rules (both directions) and may raise ``Unreadable``; ``load_part`` returns
    those of one direction that touch a span of services, for less.
    """

    __slots__ = (
        "_load", "_load_part", "_parts", "_rules", "description", "id", "name", "origin", "owner", "raw", "region",
        "tags",
        "vpc",
    )  # fmt: skip

    def __init__(
        self,
        id: str,
        *,
        name: str = "",
        vpc: str | None = None,
        owner: str | None = None,
        region: str | None = None,
        description: str = "",
        tags: tuple[tuple[str, str], ...] = (),
        origin: str | None = None,
        rules: Rules | None = None,
        load: Callable[[], Rules] | None = None,
        load_part: Callable[[Direction, Span], Rules] | None = None,
        raw: object = None,
    ) -> None:
        self.id = id
        self.name = name
        self.vpc = vpc
        self.owner = owner
        self.region = region
        self.description = description
        self.tags = tags
        self.origin = origin
        self._rules = rules if load is None else None
        self._load = load
        self._load_part = load_part
        self._parts: dict[tuple[Direction, Span], Rules] | None = None
        self.raw = raw
        """Opaque, comparable bytes of the undecoded rules, or None: equal bytes mean equal rules."""
        if rules is None and load is None:
            self._rules = ()

    @property
    def rules(self) -> Rules:
        """All rules, decoded once."""
        if self._rules is None:
            assert self._load is not None
            self._rules = self._load()
        return self._rules

    def touching(self, direction: Direction, span: Span) -> Rules:
        """The rules of one direction that allow any of a span of services."""
        if self._parts is None:
            self._parts = {}
        found = self._parts.get((direction, span))
        if found is None:
            if self._rules is None and self._load_part is not None and (span == ALL_SPAN or span[1] - span[0] < WIDE):
                found = self._load_part(direction, span)
            elif self._rules is None and self._load_part is not None:
                # Several wide spans are asked for in turn (one family, then the other): decode once.
                found = _within(self.touching(direction, ALL_SPAN), span)
            else:
                found = tuple(rule for rule in _within(self.rules, span) if rule.direction == direction)
            self._parts[direction, span] = found
        return found

    @property
    def ingress(self) -> Rules:
        """The ingress rules."""
        return tuple(rule for rule in self.rules if rule.direction == "ingress")

    @property
    def egress(self) -> Rules:
        """The egress rules."""
        return tuple(rule for rule in self.rules if rule.direction == "egress")

    def with_rules(self, rules: Rules) -> Group:
        """The same group with other rules."""
        return Group(
            self.id, name=self.name, vpc=self.vpc, owner=self.owner, region=self.region,
            description=self.description, tags=self.tags, origin=self.origin, rules=rules,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"Group({self.id!r}, name={self.name!r}, vpc={self.vpc!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Group):
            return NotImplemented
        return (self.id, self.name, self.vpc) == (other.id, other.name, other.vpc) and frozenset(
            self.rules
        ) == frozenset(other.rules)

    def __hash__(self) -> int:
        return hash(self.id)
