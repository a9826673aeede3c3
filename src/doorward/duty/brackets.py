"""What is not known for certain, put into an estate as the engine's two bounds.

Groups, interfaces, network ACLs and prefix lists have bounds of their own. For any other document in doubt nothing is
kept for certain until it is known (``whole``).
"""

from __future__ import annotations

from dataclasses import replace

from doorward.duty.document import Document, member_groups
from doorward.duty.group import GroupRules
from doorward.duty.rules import content_of_rule, engine_rule
from doorward.duty.state import State
from doorward.model.estate import Estate, Interface
from doorward.model.rules import Group, Rule

HARMLESS = frozenset({"Tags", "TagSet", "Description", "Status"})
"""Fields of an interface that decide nothing but what selectors may say of it."""


def bracketed(estate: Estate, state: State, anything: tuple[Rule, ...]) -> tuple[Estate, bool]:
    """The estate with its doubts, and whether there is one that could not be put into it.

    ``anything``: rules that may be there in a group of which something is not known.
    """
    groups: dict[str, Group] = {}
    interfaces: dict[str, Interface] = {}
    acls, lists = dict(estate.acls), dict(estate.prefix_lists)
    whole = False
    for key in state.unsure:
        known = state.known(key)
        if isinstance(known, GroupRules) and key.id in estate.groups:
            groups[key.id] = _group(estate.groups[key.id], known, anything)
        elif isinstance(known, Document) and key.kind == "interface" and key.id in estate.interfaces:
            made = _interface(estate.interfaces[key.id], known, estate)
            if made is None:
                whole = True
            else:
                interfaces[key.id] = made
        elif isinstance(known, Document) and key.kind == "acl" and key.id in acls and True in known.exists:
            acls[key.id] = replace(acls[key.id], unknown="its entries are being asked")
        elif isinstance(known, Document) and key.kind == "prefix-list" and key.id in lists and True in known.exists:
            lists[key.id] = replace(lists[key.id], cidrs=None, entries=())
        elif isinstance(known, Document) and not known.open and set(known.doubts()) <= {"Tags"} and known.exists:
            whole |= len(known.exists) > 1
        else:
            whole = True
    if not (groups or interfaces or acls or lists):
        return estate, whole
    made_estate = replace(
        estate,
        groups={**estate.groups, **groups},
        interfaces={**estate.interfaces, **interfaces},
        acls=acls,
        prefix_lists=lists,
    )
    return made_estate, whole


def _group(group: Group, known: GroupRules, anything: tuple[Rule, ...]) -> Group:
    peers = {content_of_rule(rule): rule.peer for rule in group.rules}
    rules: list[Rule] = []
    for content, status in known.statuses().items():
        rule = engine_rule(content, status == 2)
        rules.append(rule._replace(peer=peers.get(content, rule.peer)))
    return group.with_rules((*rules, *anything) if known.open else tuple(rules))


def _interface(interface: Interface, known: Document, estate: Estate) -> Interface | None:
    """The interface with the groups that it may be in; None when more than its groups is in doubt."""
    doubts = known.doubts()
    if len(known.exists) > 1 or set(doubts) - {"Groups"} - HARMLESS:
        return None
    if known.open:
        # It may be in any group of its VPC, and outside all.
        near = (id for id, group in estate.groups.items() if group.vpc in (interface.vpc, None))
        return interface._replace(
            groups=(), maybe_groups=tuple(sorted(near)), groups_unknown="its groups are being asked"
        )
    candidates = [set(member_groups({"Groups": value})) for value in doubts.get("Groups", ())]
    if not candidates:
        return interface
    both = set.intersection(*candidates)
    maybe = set.union(*candidates) - both
    return interface._replace(
        groups=tuple(sorted(both)),
        maybe_groups=tuple(sorted(maybe)),
        groups_unknown=None if both else "events of one second leave open which groups it is in",
    )
