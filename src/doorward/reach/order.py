"""Every order in which an apply can run, bracketed by a few estates.

Rules only allow, so the least that can flow at any moment of an apply is found in the *trough* (all removals done, no
addition yet) and the most in the *crest* (all additions, no removal yet). Both are tightened by what can never be:

* a rule that is modified in place is old or new, never neither (EC2 API, *ModifySecurityGroupRules*): what both allow
  always flows;
* a rule that is removed only after another was added (the plan's own dependency order, ``create_before_destroy``):
  what both allow always flows. For one packet this is exact: it is unsupported at some moment if and only if the
  removals of all its rules can be done before any addition that supports it;
* an interface's list of groups is replaced at once (EC2 API, *ModifyNetworkInterfaceAttribute*): memberships are old
  or new, interface by interface, which gives a stage each;
* ACL entries: a changed allow is absent and a changed deny present in the trough, and the other way round in the crest:
  with entries in any state, no more and no less than that can pass;
* routes, tables and gateways are evaluated as they were, as they will be, and with only what stays.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple

from doorward.model.addresses import show_addresses
from doorward.model.estate import Acl, AclEntry, Estate, Interface, PrefixList, Route, RouteTable, TargetGroup
from doorward.model.intervals import Intervals
from doorward.model.plan import Plan, Step
from doorward.model.rules import AnyPeer, Group, GroupPeer, PrefixListPeer, Rule, Rules

MOST_MOVES = 4
"""Up to this many interfaces that change groups are combined in every way; beyond, one by one and all."""
NO_GROUP = "(no group at this moment)"


class Stage(NamedTuple):
    """One bracketing moment of an apply."""

    estate: Estate
    label: str


def stages(plan: Plan, side: Literal["trough", "crest"]) -> Iterator[Stage]:
    """The moments that bracket an apply from below (``trough``) or above (``crest``)."""
    before, after = plan.before, plan.after
    acls = {id: _acl(before.acls.get(id), after.acls.get(id), side) for id in {*before.acls, *after.acls}}
    lists = _prefix_lists(before, after, side)
    for groups, always in _rules(plan, side):
        for network, network_label in _networks(before, after):
            for interfaces, label in _memberships(plan):
                estate = replace(
                    network, groups=groups, acls=acls, prefix_lists=lists, notices=after.notices,
                    interfaces=_joined(interfaces, always), aliases={**before.aliases, **after.aliases},
                )  # fmt: skip
                yield Stage(estate, ", ".join(one for one in (network_label, label) if one))


# --- rules ------------------------------------------------------------------------------------------------------


class Always(NamedTuple):
    """Traffic that some removed or some added rule allows at every moment."""

    alone: dict[str, Rules]
    """By the rules of one group."""
    joint: dict[tuple[str, str], Rules]
    """By one or the other of two groups, for interfaces that are in both."""
    within: dict[str, tuple[str, Intervals]]
    """Names of member sets that no group has: (group, addresses) → its members inside these addresses."""


NOTHING_ALWAYS = Always({}, {}, {})


def _rules(plan: Plan, side: Literal["trough", "crest"]) -> Iterator[tuple[dict[str, Group], Always]]:
    """Groups at the moments that bracket the rules."""
    if side == "trough":
        always = _always_there(plan)

        def lowest(old: Group | None, new: Group | None) -> Rules:
            one = new or old
            return _trough(old, new, plan, always.alone.get(one.id, ()) if one is not None else ())

        groups = _groups(plan, lowest)
        for (one, other), rules in always.joint.items():
            groups[_joint_name(one, other)] = Group(_joint_name(one, other), rules=rules)
        for name in always.within:
            groups[name] = Group(name, rules=())
        yield groups, always
        return
    # A removal that always comes before some additions: either it is not done, nor they, or it is done.
    leading = [
        step
        for step in plan.steps
        if step.removed and any(other.added and _precedes(plan, step, other) for other in plan.steps)
    ]
    if len(leading) > MOST_MOVES:
        leading = []
    for size in range(len(leading) + 1):
        for done in itertools.combinations(leading, size):
            absent = {(group, rule.key) for step in done for group, rule in step.removed}
            for step in leading:
                if step not in done:
                    followers = [one for one in plan.steps if _precedes(plan, step, one)]
                    absent |= {(group, rule.key) for one in followers for group, rule in one.added}
            yield _groups(plan, partial(_crest, absent=absent)), NOTHING_ALWAYS


def _groups(plan: Plan, rules: Callable[[Group | None, Group | None], Rules]) -> dict[str, Group]:
    before, after = plan.before.groups, plan.after.groups
    found: dict[str, Group] = {}
    for id in {*before, *after}:
        old, new = before.get(id), after.get(id)
        home = new or old
        assert home is not None
        same = old is new or (old is not None and new is not None and old.raw is not None and old.raw == new.raw)
        found[id] = home if same else home.with_rules(rules(old, new))
    found[NO_GROUP] = Group(NO_GROUP, rules=())
    return found


def _crest(old: Group | None, new: Group | None, absent: AbstractSet[tuple[str, object]]) -> Rules:
    both = dict.fromkeys((*(old.rules if old else ()), *(new.rules if new else ())))
    stays = {rule.key for rule in old.rules} & {rule.key for rule in new.rules} if old and new else set()
    id = (new or old).id  # type: ignore[union-attr]  # one of them is there
    return tuple(rule for rule in both if rule.key in stays or (id, rule.key) not in absent)


def _joint_name(one: str, other: str) -> str:
    return f"{one} and {other}"


def _joined(interfaces: Mapping[str, Interface], always: Always) -> Mapping[str, Interface]:
    """Interfaces, also in the member sets that only this bracket knows."""
    if not always.joint and not always.within:
        return interfaces
    found = dict(interfaces)
    for id, interface in interfaces.items():
        mine = interface.groups
        extra = [_joint_name(*pair) for pair in always.joint if pair[0] in mine and pair[1] in mine]
        extra += [
            name
            for name, (group, addresses) in always.within.items()
            if group in mine and all(addresses.holds(*span) for span in (*interface.addresses, *interface.wide))
        ]
        if extra:
            found[id] = interface._replace(groups=(*mine, *extra))
    return found


def _trough(old: Group | None, new: Group | None, plan: Plan, always: tuple[Rule, ...]) -> Rules:
    if old is None:
        assert new is not None
        # A new group and the rules in its own block are complete before anything can be put into it.
        mine = {rule.key for step in plan.steps if step.does == "create" for id, rule in step.added
                if id == new.id and step.address == (new.origin or new.id)}  # fmt: skip
        return tuple(rule for rule in new.rules if rule.key in mine)
    if new is None:
        # A group goes after everything that uses it; only its standalone rules may go before.
        early = {rule.key for step in plan.steps if step.address != (old.origin or old.id)
                 for id, rule in step.removed if id == old.id}  # fmt: skip
        return tuple(rule for rule in old.rules if rule.key not in early)
    after = {rule.key: rule for rule in new.rules}
    flapping = _flapping(plan, old.id)
    kept = [
        rule if rule.certain else after[rule.key]
        for rule in old.rules
        if rule.key in after and rule.key not in flapping
    ]
    return tuple(dict.fromkeys((*kept, *always)))


def _flapping(plan: Plan, group: str) -> set[object]:
    """Rules that one step removes and puts back (a description edited inline): there before and after, not in
    between."""
    found: set[object] = set()
    for step in plan.steps:
        if step.atomic:
            continue
        removed = {rule.key for id, rule in step.removed if id == group}
        found |= removed & {rule.key for id, rule in step.added if id == group}
    # The two halves of a replacement are two steps.
    gone = {rule.key: step for step in plan.steps for id, rule in step.removed if id == group}
    for step in plan.steps:
        for id, rule in step.added:
            other = gone.get(rule.key)
            if id == group and other is not None and other is not step and not _precedes(plan, step, other):
                found.add(rule.key)
    return found


def _always_there(plan: Plan) -> Always:
    found: dict[tuple[str, ...], list[Rule]] = defaultdict(list)
    within: dict[str, tuple[str, Intervals]] = {}
    for removing in plan.steps:
        for group, gone in removing.removed:
            for adding in plan.steps:
                if not (adding is removing and adding.atomic) and not _precedes(plan, adding, removing):
                    continue
                for other, come in adding.added:
                    found[(group,) if other == group else (group, other)].extend(_both(gone, come, plan, within))
    alone = {key[0]: tuple(rules) for key, rules in found.items() if len(key) == 1 and rules}
    joint = {(key[0], key[1]): tuple(rules) for key, rules in found.items() if len(key) == 2 and rules}
    return Always(alone, joint, within)


def _precedes(plan: Plan, first: Step, second: Step) -> bool:
    """Whether ``first`` always ends before ``second`` begins, by the plan's dependencies."""
    by_id = {step.id: step for step in plan.steps}
    seen: set[str] = set()
    todo = list(second.needs)
    while todo:
        id = todo.pop()
        if id == first.id:
            return True
        if id not in seen and id in by_id:
            seen.add(id)
            todo.extend(by_id[id].needs)
    return False


def _both(one: Rule, other: Rule, plan: Plan, within: dict[str, tuple[str, Intervals]]) -> list[Rule]:
    """Rules for what two rules both allow."""
    if one.direction != other.direction:
        return []
    low, high = max(one.service[0], other.service[0]), min(one.service[1], other.service[1])
    if low > high:
        return []
    both = Rule(
        one.direction, (low, high), one.peer, one.id, other.origin or one.origin, None,
        one.certain and other.certain, one.unknown or other.unknown,
    )  # fmt: skip
    if one.peer == other.peer:
        return [both]
    groups = [rule.peer.group for rule in (one, other) if isinstance(rule.peer, GroupPeer)]
    sets = [addresses for rule in (one, other) if (addresses := _addresses(rule, plan)) is not None]
    if len(sets) == 2:
        return [both._replace(peer=span) for span in (sets[0] & sets[1]).spans]
    if len(sets) == 1 and len(groups) == 1:
        name = f"{groups[0]} within {show_addresses(sets[0], 99)}"
        within[name] = (groups[0], sets[0])
        return [both._replace(peer=GroupPeer(name))]
    return []


def _addresses(rule: Rule, plan: Plan) -> Intervals | None:
    """The addresses that a rule names, for as long as the plan runs; None for groups and what is not known."""
    peer = rule.peer
    if isinstance(peer, GroupPeer | AnyPeer):
        return None
    if isinstance(peer, PrefixListPeer):
        lists = [estate.prefix_lists.get(peer.prefix_list) for estate in (plan.before, plan.after)]
        known = [one.cidrs for one in lists if one is not None and one.cidrs is not None]
        return known[0] & known[-1] if known and len(known) == sum(one is not None for one in lists) else None
    return Intervals([peer])


def _prefix_lists(before: Estate, after: Estate, side: str) -> dict[str, PrefixList]:
    """Modifying a list's entries is one call: old or new. What both hold always counts, what either holds may."""
    found: dict[str, PrefixList] = {}
    for id in {*before.prefix_lists, *after.prefix_lists}:
        old, new = before.prefix_lists.get(id), after.prefix_lists.get(id)
        home = new or old
        assert home is not None
        if old is None or new is None or old.cidrs == new.cidrs:
            found[id] = home
        elif old.cidrs is None or new.cidrs is None:
            found[id] = replace(home, cidrs=None)
        else:
            found[id] = replace(home, cidrs=old.cidrs & new.cidrs if side == "trough" else old.cidrs | new.cidrs)
    return found


# --- ACLs, routes and the rest of the network -------------------------------------------------------------------


def _acl(old: Acl | None, new: Acl | None, side: Literal["trough", "crest"]) -> Acl:
    home = new or old
    assert home is not None
    if old is None or new is None or old.entries == new.entries:
        return home
    same = {_entry(one) for one in old.entries} & {_entry(one) for one in new.entries}
    entries = tuple(
        one
        for one in dict.fromkeys((*new.entries, *old.entries))
        if _entry(one) in same or one.allow == (side == "crest")
    )
    return replace(home, entries=entries, unknown=old.unknown or new.unknown)


def _entry(one: AclEntry) -> AclEntry:
    return one._replace(origin=None)


NETWORK = (
    "subnets", "route_tables", "vpcs", "peerings", "transit_gateways", "nat_gateways", "load_balancers",
    "target_groups",
)  # fmt: skip


def _networks(before: Estate, after: Estate) -> Iterator[tuple[Estate, str]]:
    """Everything but groups, ACL entries and memberships, in every mix of old and new where that is a handful."""
    changed = [
        (part, id)
        for part in NETWORK
        for id, old in getattr(before, part).items()
        if getattr(after, part).get(id) != old
    ]
    yield after, ""
    if not changed:
        return
    if len(changed) > MOST_MOVES:
        yield _mixed(before, after, changed), "routes and gateways as before"
        yield _unsettled(before, after), "some routes changed already, others not yet"
    else:
        for size in range(len(changed), 0, -1):
            for old in itertools.combinations(changed, size):
                names = ", ".join(id for _, id in old)
                yield _mixed(before, after, old), f"{names} as before"
    tables = {id: _staying(before.route_tables.get(id), table) for id, table in after.route_tables.items()}
    if tables != dict(after.route_tables) and tables != dict(before.route_tables):
        yield replace(after, route_tables={**after.route_tables, **tables}), "without the routes that change"


def _mixed(before: Estate, after: Estate, old: Iterable[tuple[str, str]]) -> Estate:
    """The estate after, with some elements as they were before. What is new stays: it is of no concern before it is
    there."""
    parts: dict[str, Any] = {}
    for part, id in old:
        if part not in parts:
            parts[part] = dict(getattr(after, part))
        parts[part][id] = getattr(before, part)[id]
        if part == "target_groups":
            parts[part][id] = _still_there(parts[part][id], after)
    return replace(after, **parts)


def _still_there(group: TargetGroup, after: Estate) -> TargetGroup:
    """A target group without instances that the plan takes away: they are deregistered before they go."""
    if group.target_type != "instance" or group.targets is None:
        return group
    instances = {one.instance for one in after.interfaces.values()} | set(after.holders)
    kept = tuple(one for one in group.targets if one.id in instances)
    return replace(
        group, targets=kept or group.targets
    )  # where all go, what is behind the balancer meanwhile is not known


def _unsettled(before: Estate, after: Estate) -> Estate:
    """Too many changes to try every mix: routes that change may or may not be there, changed associations are not
    known."""
    tables = dict(after.route_tables)
    for id, new in after.route_tables.items():
        old = before.route_tables.get(id)
        if old is not None and old.routes != new.routes:
            same = {one._replace(origin=None) for one in old.routes} & {one._replace(origin=None) for one in new.routes}
            routes = dict.fromkeys((*new.routes, *old.routes))
            tables[id] = replace(
                new,
                routes=tuple(
                    one if one._replace(origin=None) in same else one._replace(certain=False) for one in routes
                ),
            )
    subnets = {
        id: replace(new, route_table=None)
        if (old_subnet := before.subnets.get(id)) is not None and old_subnet.route_table != new.route_table
        else new
        for id, new in after.subnets.items()
    }
    return replace(after, route_tables=tables, subnets=subnets)


def _staying(old: RouteTable | None, new: RouteTable) -> RouteTable:
    if old is None:
        return new
    mine: set[Route] = {one._replace(origin=None) for one in old.routes}
    return replace(new, routes=tuple(one for one in new.routes if one._replace(origin=None) in mine))


# --- memberships ------------------------------------------------------------------------------------------------


def _memberships(plan: Plan) -> Iterator[tuple[Mapping[str, Interface], str]]:
    before, after = plan.before.interfaces, plan.after.interfaces
    if before is after:
        yield after, ""
        return
    moved = [
        id
        for id, now in after.items()
        if (was := before.get(id)) is not None and was.groups != now.groups and was is not now
    ]
    if not moved:
        yield after, ""
        return
    for chosen in _subsets(moved):
        mixed = dict(after)
        for id in moved:
            if id not in chosen:
                mixed[id] = after[id]._replace(groups=before[id].groups or (NO_GROUP,))
        label = "groups of interfaces as before" if not chosen else ""
        if chosen and len(chosen) < len(moved):
            label = f"{', '.join(sorted(chosen)[:3])} already in its new groups, others not yet"
        yield mixed, label


def _subsets(moved: list[str]) -> Iterator[frozenset[str]]:
    if len(moved) <= MOST_MOVES:
        for size in range(len(moved) + 1):
            for chosen in itertools.combinations(moved, size):
                yield frozenset(chosen)
        return
    everyone = frozenset(moved)
    yield frozenset()
    yield everyone
    for one in moved[:64]:
        yield frozenset([one])
        yield everyone - {one}


def touched(plan: Plan) -> bool:
    """Whether a plan changes anything that traffic depends on."""
    return plan.before is not plan.after and (bool(plan.steps) or plan.before != plan.after)
