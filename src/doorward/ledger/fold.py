"""What effects make of documents: a default for documents as the ledger tells them.

A document is a resource in the words of the describe calls. Rules stand in a group's ``SecurityGroupRules``, as
DescribeSecurityGroupRules tells them; groups in an interface's ``Groups``. Not here: convergence under shuffle and
loss, and bounds on what is not known: that is `duty`'s, and its fold can be given to the ledger instead of this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeAlias

from doorward.model.change import Ask, Effect, Gone, Member, Put, RuleAdded, RuleFact, RuleRemoved, RuleSet

Document: TypeAlias = Mapping[str, object]
RULES = "SecurityGroupRules"
_RULE_FIELDS = (RULES, "IpPermissions", "IpPermissionsEgress")
_PEERS = (
    ("IpRanges", "CidrIp"),
    ("Ipv6Ranges", "CidrIpv6"),
    ("UserIdGroupPairs", "GroupId"),
    ("PrefixListIds", "PrefixListId"),
)
UNKNOWN = "doorward:unknown"
"""A list of reasons, in a document of which something is not known: asked for and not yet described."""


class Fold(Protocol):
    """What one effect makes of the document that it is about; None: there is none. Pure; alters no input."""

    def __call__(self, document: Document | None, effect: Effect, /) -> Document | None:
        """The document afterwards."""


def fold(document: Document | None, effect: Effect) -> Document | None:
    """The default `Fold`."""
    match effect:
        case Gone():
            return None
        case Put(_, new, part):
            kept = document or {}
            if part:
                return {**_begun(document, "only a part of it was seen"), **new}
            # A description that tells no rules leaves those that are known; DescribeSecurityGroups always tells them.
            told = any(name in new for name in _RULE_FIELDS)
            return {**({} if told else {name: kept[name] for name in _RULE_FIELDS if name in kept}), **new}
        case Ask(_, why):
            base = _begun(document, why)
            reasons = base.get(UNKNOWN)
            known = list(reasons) if isinstance(reasons, list) else []
            return {**base, UNKNOWN: known if why in known else [*known, why]}
        case Member(_, groups):
            base = _begun(document, "only its groups were seen")
            return {**base, "Groups": [{"GroupId": group} for group in groups]}
        case RuleAdded(key, rule):
            rows = [row for row in _rules(document, key.id) if not _same(row, rule.id, rule)]
            return _with(document, [*rows, _row(key.id, rule)])
        case RuleRemoved(key, id, removed):
            return _with(document, [row for row in _rules(document, key.id) if not _same(row, id, removed)])
        case RuleSet(key, id, rule):
            rows = [row for row in _rules(document, key.id) if row.get("SecurityGroupRuleId") != id]
            return _with(document, [*rows, {**_row(key.id, rule), "SecurityGroupRuleId": id}])
    raise TypeError(f"not an effect: {effect!r}")


def _with(document: Document | None, rows: list[Document]) -> Document:
    base = _begun(document, "only changes of its rules were seen")
    return {**{name: value for name, value in base.items() if name not in _RULE_FIELDS}, RULES: rows}


def _begun(document: Document | None, why: str) -> Document:
    return {UNKNOWN: [why]} if document is None else document


def _rules(document: Document | None, group: str) -> list[Document]:
    """The rules one by one, whichever of the two layouts the document has."""
    if document is None:
        return []
    if RULES in document:
        return _list(document[RULES])
    return [
        row
        for side, egress in (("IpPermissions", False), ("IpPermissionsEgress", True))
        for permission in _list(document.get(side))
        for row in _permission(permission, group, egress)
    ]


def _permission(permission: Document, group: str, egress: bool) -> Iterator[Document]:
    """One row for each peer of an ``IpPermission``."""
    base = {"GroupId": group, "IsEgress": egress, "IpProtocol": permission.get("IpProtocol")}
    base["FromPort"], base["ToPort"] = permission.get("FromPort", -1), permission.get("ToPort", -1)
    for field, name in _PEERS:
        for peer in _list(permission.get(field)):
            who = peer.get(name)
            row = {**base, "CidrIpv4" if name == "CidrIp" else name: who}
            if name == "GroupId":
                row = {**base, "ReferencedGroupInfo": {"GroupId": who}}
            yield row if peer.get("Description") is None else {**row, "Description": peer["Description"]}


def _list(value: object) -> list[Document]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _same(row: Mapping[str, object], id: str | None, rule: RuleFact | None) -> bool:
    """Told by its id when both have one, else by what it allows."""
    if id is not None and row.get("SecurityGroupRuleId") is not None:
        return row["SecurityGroupRuleId"] == id
    if rule is None:
        return False
    words = _row("", rule)
    return all(row.get(name) == words.get(name) for name in _ALLOWS)


_ALLOWS = (
    "IsEgress",
    "IpProtocol",
    "FromPort",
    "ToPort",
    "CidrIpv4",
    "CidrIpv6",
    "ReferencedGroupInfo",
    "PrefixListId",
)


def _row(group: str, rule: RuleFact) -> dict[str, object]:
    """The rule as DescribeSecurityGroupRules tells it."""
    row: dict[str, object] = {"GroupId": group, "IsEgress": rule.egress, "IpProtocol": rule.protocol}
    row["FromPort"], row["ToPort"] = rule.ports if rule.ports is not None else (-1, -1)
    if rule.id is not None:
        row["SecurityGroupRuleId"] = rule.id
    if rule.cidr is not None:
        row["CidrIpv6" if ":" in rule.cidr else "CidrIpv4"] = rule.cidr
    if rule.group is not None:
        row["ReferencedGroupInfo"] = {"GroupId": rule.group}
    if rule.prefix_list is not None:
        row["PrefixListId"] = rule.prefix_list
    if rule.description is not None:
        row["Description"] = rule.description
    return row
