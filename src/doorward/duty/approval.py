"""Approvals: what a passed gate allows, to whom, until when, once. And baselines for services that manage rules.

A change is authorised when its rule delta is part of an unused approval, in content: what rules allow, in which group.
Who made it counts by ARN; what a caller says of itself (user agent, session name) never counts.
What does not live here: where approvals are kept (the ledger), the gate (``contracts.gate``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import NamedTuple, TypeAlias, cast

from doorward.duty.deltas import Delta, DocumentDelta, MemberDelta, RuleDelta, key_of
from doorward.duty.rules import DEFAULT_EGRESS, DEFAULT_EGRESS_V6, Content, content_of, content_of_rule, rules_of
from doorward.errors import InvalidInput
from doorward.model.change import Change
from doorward.model.plan import Plan

Signed: TypeAlias = tuple[str, str, Content | tuple[str, ...]]
"""One act: ("+" or "-", group, what the rule allows), ("create" or "delete", group, ()), or ("member", interface, ids
of its groups). Ids of what a plan has yet to create are Terraform addresses."""
DEFAULTS = (content_of(DEFAULT_EGRESS), content_of(DEFAULT_EGRESS_V6))


@dataclass(frozen=True, slots=True)
class Approval:
    """The exact rule delta, who may apply it, and until when. Used once: every part of it at most once."""

    id: str
    delta: tuple[Signed, ...]
    principals: tuple[str, ...]
    """Patterns of ARNs of roles or users (``*``, ``?``)."""
    begins: datetime
    ends: datetime
    plan: str = ""
    """Where it comes from: a digest or name of the plan."""
    names: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Terraform address → (name, VPC) of groups that the plan creates; "" where not known."""

    def __post_init__(self) -> None:
        if not self.begins < self.ends:
            raise InvalidInput(f"approval {self.id} ends before it begins", hint="give an end after its begin")
        if not self.principals:
            raise InvalidInput(f"approval {self.id} names nobody", hint="name the role that applies, by ARN")


def delta_of_plan(plan: Plan) -> tuple[Signed, ...]:
    """The rule delta of a plan, net: what a step removes and another adds again in equal content is both there, as both
    calls will be made. Raises ``InvalidInput`` for a plan whose rules are not known before it is applied."""
    found: list[Signed] = []
    for step in plan.steps:
        for sign, rules in (("-", step.removed), ("+", step.added)):
            for group, rule in rules:
                content = content_of_rule(rule) if rule.certain else None
                if content is None:
                    raise InvalidInput(
                        f"{step.address}: what it allows is known only when it is applied, so it cannot be approved "
                        "by content",
                        hint="apply in two stages, or approve by hand what it turns out to be",
                    )
                found.append((sign, group, content))
    before, after = plan.before, plan.after
    found += (("create", id, ()) for id in after.groups if id not in before.groups)
    found += (("delete", id, ()) for id in before.groups if id not in after.groups)
    for id, interface in after.interfaces.items():
        was = before.interfaces.get(id)
        if was is not None and was.groups != interface.groups and interface.groups_unknown is None:
            found.append(("member", id, interface.groups))
    return tuple(found)


def approval_of_plan(
    id: str, plan: Plan, principals: Iterable[str], begins: datetime, ends: datetime, name: str = ""
) -> Approval:
    """What a passed gate leaves."""
    names = {
        group.id: (group.name, group.vpc or "")
        for group in plan.after.groups.values()
        if group.id not in plan.before.groups
    }
    return Approval(id, delta_of_plan(plan), tuple(principals), begins, ends, name, names)


def delta_of_change(deltas: Iterable[Delta]) -> tuple[Signed, ...] | None:
    """The same words for what a change did to rules and groups; None where that is not all it did, or not known."""
    found: list[Signed] = []
    for delta in deltas:
        if isinstance(delta, MemberDelta):
            found.append(("member", delta.interface.id, tuple(sorted(delta.after))))
            continue
        if isinstance(delta, DocumentDelta):
            one = _of_group(delta)
            if one is None:
                return None
            found.append(one)
            continue
        if not delta.sure:
            return None
        if delta.before is not None and delta.after is not None and delta.before.allows == delta.after.allows:
            continue
        for sign, fact in (("-", delta.before), ("+", delta.after)):
            if fact is not None:
                found.append((sign, delta.group.id, content_of(fact)))
    return tuple(found)


def _of_group(delta: DocumentDelta) -> Signed | None:
    """The creation or deletion of a group; None for anything else."""
    if delta.key.kind != "group" or (delta.before is None) == (delta.after is None):
        return None
    if delta.after is not None and set(map(content_of, rules_of(delta.after) or ())) - set(DEFAULTS):
        return None  # it came with more than every new group has
    return "delete" if delta.after is None else "create", delta.key.id, ()


@dataclass(slots=True)
class Open:
    """An approval of which not everything is used yet."""

    approval: Approval
    left: Counter[Signed]
    bound: dict[str, str] = field(default_factory=dict)
    """Terraform address → id, as it has turned out."""
    changes: list[str] = field(default_factory=list)
    free: Counter[Signed] = field(default_factory=Counter)
    """Acts that follow from what was used, and need not happen."""

    @property
    def used_up(self) -> bool:
        """Nothing of it is left."""
        return not +self.left


class Match(NamedTuple):
    """How a change fits an approval."""

    approval: str
    used: tuple[Signed, ...]
    bound: Mapping[str, str]


class Approvals:
    """All approvals that may still be used."""

    def __init__(self) -> None:
        self.open: dict[str, Open] = {}

    def give(self, approval: Approval, used: Iterable[Signed] = ()) -> None:
        """A new one, or one from the ledger of which some is used."""
        left = Counter(approval.delta)
        left.subtract(Counter(used))
        self.open[approval.id] = Open(approval, +left)

    def withdraw(self, id: str) -> None:
        """It holds no longer."""
        self.open.pop(id, None)

    def use(self, change: Change, deltas: Iterable[Delta], names: Mapping[str, tuple[str, str]]) -> Match | None:
        """Use what a change did, if one approval has all of it left; None: none has, and none is touched.

        ``names``: id → (name, VPC) of groups that are not in the approval by id. A group that a plan creates is known
        by its name and VPC, and once bound to an id stays bound.
        """
        wanted = delta_of_change(deltas)
        if not wanted:
            return None
        for one in sorted(self.open.values(), key=lambda one: (one.approval.ends, one.approval.id)):
            approval = one.approval
            if not approval.begins <= change.at <= approval.ends:
                continue
            if not any(fnmatchcase(change.who.arn, pattern) for pattern in approval.principals):
                continue
            bound = _bind(one, wanted, names)
            if bound is None:
                continue
            said = Counter(_renamed(signed, bound) for signed in wanted)
            said -= one.free & said
            if said <= one.left:
                one.left -= said
                # What every new group begins with may be taken away: Terraform does so when it creates one.
                one.free.update(
                    ("-", address, content) for sign, address, _ in said if sign == "create" for content in DEFAULTS
                )
                one.bound.update(bound)
                one.changes.append(change.id)
                return Match(approval.id, tuple(said.elements()), bound)
        return None

    def expire(self, now: datetime, grace: float) -> tuple[Open, ...]:
        """Those whose window is over for so long (seconds) that no late event can use them; they are forgotten."""
        found = [one for one in self.open.values() if (now - one.approval.ends).total_seconds() > grace]
        for one in found:
            del self.open[one.approval.id]
        return tuple(found)


def _bind(one: Open, wanted: Iterable[Signed], names: Mapping[str, tuple[str, str]]) -> dict[str, str] | None:
    """Which address of the plan each id stands for that the plan could not know. None: one fits none."""
    listed = {group for _, group, _ in one.approval.delta}
    listed |= {id for _, _, content in one.approval.delta for id in _named(content)}
    bound = dict(one.bound)
    taken = {id: address for address, id in bound.items()}
    for _, group, content in wanted:
        for id in (group, *_named(content)):
            if id in listed or id in taken:
                continue
            fits = [
                address
                for address, (name, vpc) in one.approval.names.items()
                if address not in bound and _fits(names.get(id), name, vpc)
            ]
            if len(fits) != 1:
                return None
            bound[fits[0]], taken[id] = id, fits[0]
    return bound


def _fits(known: tuple[str, str] | None, name: str, vpc: str) -> bool:
    """Whether a group that exists now is the one that was planned: the same name, and the VPC where that was known."""
    return known is not None and bool(name) and known[0] == name and (not vpc.startswith("vpc-") or known[1] == vpc)


def _named(content: Content | tuple[str, ...]) -> tuple[str, ...]:
    """Ids of groups and lists that an act names besides the one it is on."""
    return tuple(one for one in content if isinstance(one, str))


def _renamed(signed: Signed, bound: Mapping[str, str]) -> Signed:
    addresses = {id: address for address, id in bound.items()}
    sign, on, content = signed
    said = tuple(addresses.get(one, one) if isinstance(one, str) else one for one in content)
    if sign == "member":
        said = tuple(sorted(cast("tuple[str, ...]", said)))
    return sign, addresses.get(on, on), cast("Content | tuple[str, ...]", said)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a service may always do: one role, in some groups, on some ports."""

    name: str
    principals: tuple[str, ...]
    """Patterns of role ARNs."""
    groups: tuple[str, ...] = ()
    """Patterns of group ids or names."""
    tags: tuple[tuple[str, str], ...] = ()
    """Groups with all of these tags (value patterns) belong to the scope as well."""
    services: tuple[tuple[int, int], ...] = ()
    """Spans of services; empty: any."""
    peers: tuple[str, ...] = ()
    """Patterns of group or prefix list ids, or the word ``cidr``; empty: any peer but all addresses."""

    def allows(
        self, change: Change, deltas: Iterable[Delta], groups: Mapping[str, tuple[str, Mapping[str, str]]]
    ) -> bool:
        """Whether all of a change is the service's own business. ``groups``: id → (name, tags)."""
        listed = tuple(deltas)
        if not listed or not any(fnmatchcase(change.who.arn, pattern) for pattern in self.principals):
            return False
        if not all(isinstance(delta, RuleDelta) and delta.sure for delta in listed):
            return False
        contents = [
            content_of(fact)
            for delta in listed
            if isinstance(delta, RuleDelta)
            for fact in (delta.before, delta.after)
            if fact is not None
        ]
        return all(self._in_scope(key_of(delta).id, groups) for delta in listed) and all(map(self._content, contents))

    def _in_scope(self, id: str, groups: Mapping[str, tuple[str, Mapping[str, str]]]) -> bool:
        name, tags = groups.get(id, ("", {}))
        if any(fnmatchcase(one, pattern) for pattern in self.groups for one in (id, name) if one):
            return True
        return bool(self.tags) and all(key in tags and fnmatchcase(tags[key], value) for key, value in self.tags)

    def _content(self, content: Content) -> bool:
        _, (first, last), peer = content
        if self.services and not any(low <= first and last <= high for low, high in self.services):
            return False
        if isinstance(peer, str):
            return not self.peers or any(fnmatchcase(peer, pattern) for pattern in self.peers)
        everyone = peer[1] - peer[0] in ((1 << 32) - 1, (1 << 128) - 1)
        return not everyone and (not self.peers or "cidr" in self.peers)
