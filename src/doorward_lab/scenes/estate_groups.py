"""Groups, prefix lists and ACLs of an estate, as a scene has them. What does not live here: see `estate`."""

from __future__ import annotations

from collections.abc import Iterable

from doorward.model.addresses import span_networks
from doorward.model.rules import AnyPeer, GroupPeer, PrefixListPeer
from doorward.model.rules import Group as EstateGroup
from doorward.model.rules import Rule as EstateRule
from doorward_lab.scenes.scene import Acl, AclEntry, Group, PrefixList, Rule, Vpc
from doorward_lab.scenes.taking import Taking, cidr, service_of

_WORDS = {"0.0.0.0/0": "internet:v4", "::/0": "internet:v6"}
MANAGED = "com.amazonaws."
"""How the names of AWS's own prefix lists begin; nobody else's may."""
LAST = 32_767
"""AWS's own entry."""


def prefix_lists(taking: Taking) -> dict[str, PrefixList]:
    """Lists whose entries are known, all of one family."""
    used = {
        rule.peer.prefix_list
        for group in taking.estate.groups.values()
        for rule in group.rules
        if isinstance(rule.peer, PrefixListPeer)
    } | {route.destination for table in taking.estate.route_tables.values() for route in table.routes}
    found = {}
    for id, one in taking.estate.prefix_lists.items():
        spans = one.entries or (one.cidrs.spans if one.cidrs is not None else ())
        managed = one.name.startswith(MANAGED)
        if managed and id not in used:
            continue  # AWS's own, there in every account
        entries = tuple(dict.fromkeys(text for span in spans for text in span_networks(span)))
        if not entries or len({":" in text for text in entries}) > 1:
            taking.leave(f"prefix list {one.name or id}", "its entries are not known, or of both families")
            continue
        if managed:
            taking.leave(
                f"prefix list {one.name}", "that AWS keeps it up to date; it is a list with its present entries"
            )
        name = taking.name("prefix_lists", id, one.name.removeprefix(MANAGED))
        most = one.max_entries if one.max_entries and one.max_entries >= len(entries) else 0
        found[name] = PrefixList(name, entries, most)
    return found


def groups(taking: Taking, vpcs: dict[str, Vpc], joined: set[frozenset[str]]) -> dict[str, Group]:
    """Groups of the scene's VPCs; `joined` are the pairs of VPCs with a peering."""
    mine: dict[str, EstateGroup] = {}
    for id, one in taking.estate.groups.items():
        if taking.known("vpcs", one.vpc or ""):
            taking.name("groups", id, one.name or _name_tag(one))
            mine[id] = one
        elif one.vpc not in taking.estate.vpcs or any(id in each.groups for each in taking.estate.interfaces.values()):
            taking.leave(f"group {one.name or id}", "its VPC is not in the scene")
    found: dict[str, Group] = {}
    for id, one in mine.items():
        name = taking.known("groups", id)
        vpc = taking.known("vpcs", one.vpc or "")
        default = one.name == "default"
        other_name = one.name if one.name not in ("", name, "default") else ""
        found[name] = Group(
            name, vpc, _rules(taking, vpc, name, one.ingress, joined), _rules(taking, vpc, name, one.egress, joined),
            one.description if _plain(one.description) else "", other_name, default,
        )  # fmt: skip
    return found


def _name_tag(group: EstateGroup) -> str:
    return dict(group.tags).get("Name", "")


def _plain(text: str) -> bool:
    return bool(text) and len(text) <= 255 and text.isprintable() and text.strip() == text


def _rules(
    taking: Taking, vpc: str, group: str, rules: Iterable[EstateRule], joined: set[frozenset[str]]
) -> tuple[Rule, ...]:
    found: dict[tuple[object, str], Rule] = {}
    for rule in rules:
        peers, why = _peers(taking, vpc, rule, joined)
        if not rule.certain:
            peers, why = [], rule.unknown or "whether it exists is not known"
        if why:
            taking.leave(f"{rule.direction} rule {rule.id or rule.origin or ''} of {group}".replace("  ", " "), why)
        service = service_of(rule.service)
        said = rule.description if rule.description and _plain(rule.description) else ""
        for peer in peers:
            found.setdefault((service, peer), Rule(service, peer, said))
    return tuple(found.values())


def _peers(taking: Taking, vpc: str, rule: EstateRule, joined: set[frozenset[str]]) -> tuple[list[str], str]:
    """A rule's peers in the scene's words, or none and why not."""
    peer = rule.peer
    if isinstance(peer, GroupPeer):
        name = taking.known("groups", peer.group)
        if not name:
            return [], f"the group {peer.group} is not in the scene"
        other = taking.known("vpcs", taking.estate.groups[peer.group].vpc or "")
        if other != vpc and frozenset((other, vpc)) not in joined:
            return [], f"the group {name} is of {other}, which no peering joins with {vpc}"
        return [f"group:{name}"], ""
    if isinstance(peer, PrefixListPeer):
        name = taking.known("prefix_lists", peer.prefix_list)
        return ([f"prefix-list:{name}"], "") if name else ([], f"{peer.prefix_list} is not in the scene")
    if isinstance(peer, AnyPeer):
        return [], f"its peer is not known: {peer.unknown}"
    return [_WORDS.get(text, text) for text in span_networks(peer)], ""


def acls(taking: Taking, vpcs: dict[str, Vpc]) -> dict[str, Acl]:
    """ACLs of the scene's VPCs."""
    found = {}
    for id, one in taking.estate.acls.items():
        vpc = taking.known("vpcs", one.vpc or "")
        if not vpc:
            continue  # with its VPC
        if one.unknown is not None:
            taking.leave(f"ACL {one.name or id}", f"not known: {one.unknown}; its subnets have the VPC's default ACL")
            continue
        name = taking.name("acls", id, one.name)
        sides: tuple[list[AclEntry], list[AclEntry]] = ([], [])
        for entry in sorted(one.entries, key=lambda each: each.number):
            if entry.number >= LAST:
                continue
            if not entry.certain:
                taking.leave(f"entry {entry.number} of the ACL {name}", "whether it exists is not known")
                continue
            made = AclEntry(entry.number, entry.allow, service_of(entry.service), cidr(entry.cidr))
            sides[entry.egress].append(made)
        found[name] = Acl(name, vpc, tuple(sides[0]), tuple(sides[1]), one.is_default)
    return found
