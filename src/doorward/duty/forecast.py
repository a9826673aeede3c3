"""Steps of a revert as a plan of the engine: the estate after them, and the order in which they are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from doorward.duty.inverse import Step
from doorward.duty.rules import Content, content_of, content_of_rule, engine_rule
from doorward.duty.state import State
from doorward.model.change import Key
from doorward.model.estate import Estate
from doorward.model.plan import Step as PlanStep
from doorward.model.revert import AclEntryBack, Authorize, Modify, PrefixEntriesBack, Revoke, RouteBack, SetGroups
from doorward.model.rules import Rule


def after_steps(
    estate: Estate,
    state: State,
    steps: Iterable[Step],
    build: Callable[[Iterable[tuple[Key, Mapping[str, object]]]], Estate],
) -> Estate:
    """The estate when all steps are done. Raises ``InvalidInput``."""
    groups = dict(estate.groups)
    interfaces = dict(estate.interfaces)
    documents: dict[Key, dict[str, object]] = {}
    for step in steps:
        match step:
            case Authorize(group, rule):
                groups[group.id] = groups[group.id].with_rules(
                    (*groups[group.id].rules, engine_rule(content_of(rule), True))
                )
            case Revoke(group, rule):
                groups[group.id] = groups[group.id].with_rules(_without(groups[group.id].rules, content_of(rule)))
            case Modify(group, _, now, back):
                left = _without(groups[group.id].rules, content_of(now))
                groups[group.id] = groups[group.id].with_rules((*left, engine_rule(content_of(back), True)))
            case SetGroups(interface, _, back_groups):
                interfaces[interface.id] = interfaces[interface.id]._replace(groups=tuple(sorted(back_groups)))
            case AclEntryBack(key, number, egress, _, back_entry):
                document = documents.setdefault(key, dict(state.document(key) or {}))
                document["Entries"] = _replaced(
                    document.get("Entries"), {"RuleNumber": number, "Egress": egress}, back_entry
                )
            case RouteBack(key, (field, value), _, back_route):
                document = documents.setdefault(key, dict(state.document(key) or {}))
                document["Routes"] = _replaced(document.get("Routes"), {field: value}, back_route)
            case PrefixEntriesBack(key, _, add, remove):
                document = documents.setdefault(key, dict(state.document(key) or {}))
                gone = {cidr for cidr, _ in (*add, *remove)}
                listed = document.get("Entries")
                left_entries = [
                    one
                    for one in (listed if isinstance(listed, list | tuple) else ())
                    if not (isinstance(one, Mapping) and one.get("Cidr") in gone)
                ]
                document["Entries"] = [*left_entries, *({"Cidr": cidr, "Description": said} for cidr, said in add)]
    made = replace(estate, groups=groups, interfaces=interfaces)
    if not documents:
        return made
    built = build((key, documents.get(key, document)) for key, document in state.documents())
    return replace(
        made,
        prefix_lists={
            **made.prefix_lists,
            **{key.id: built.prefix_lists[key.id] for key in documents if key.id in built.prefix_lists},
        },
        acls={**made.acls, **{key.id: built.acls[key.id] for key in documents if key.id in built.acls}},
        route_tables={
            **made.route_tables,
            **{key.id: built.route_tables[key.id] for key in documents if key.id in built.route_tables},
        },
    )  # fmt: skip


def plan_steps(steps: Iterable[Step], estate: Estate) -> tuple[PlanStep, ...]:
    """The steps that concern rules, one after the other."""
    found: list[PlanStep] = []
    for number, step in enumerate(steps):
        removed: tuple[tuple[str, Rule], ...] = ()
        added: tuple[tuple[str, Rule], ...] = ()
        match step:
            case Authorize(group, rule):
                added = ((group.id, engine_rule(content_of(rule), True)),)
            case Revoke(group, rule):
                removed = tuple((group.id, one) for one in _matching(estate, group.id, content_of(rule)))
            case Modify(group, _, now, back):
                removed = tuple((group.id, one) for one in _matching(estate, group.id, content_of(now)))
                added = ((group.id, engine_rule(content_of(back), True)),)
            case _:
                continue
        needs = (found[-1].id,) if found else ()
        found.append(
            PlanStep(f"step-{number}", f"step {number + 1}", "update", removed, added, atomic=True, needs=needs)
        )
    return tuple(found)


def _matching(estate: Estate, group: str, content: Content) -> tuple[Rule, ...]:
    known = estate.groups.get(group)
    return tuple(one for one in known.rules if content_of_rule(one) == content) if known is not None else ()


def _without(rules: tuple[Rule, ...], content: Content) -> tuple[Rule, ...]:
    return tuple(one for one in rules if content_of_rule(one) != content)


def _replaced(listed: object, name: Mapping[str, object], back: Mapping[str, object] | None) -> list[object]:
    left = [
        one
        for one in (listed if isinstance(listed, list | tuple) else ())
        if not (isinstance(one, Mapping) and all(one.get(key) == value for key, value in name.items()))
    ]
    return [*left, dict(back)] if back is not None else left
