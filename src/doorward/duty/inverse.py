"""The inverse of changes, rule by rule, never bucket by bucket, and only where nothing else has come in between.

For every delta of the changes: what is there *now* must still be what the change left (*after*); then the step leads
back to *before*. Anything else is held, and said. Steps that restore come before steps that remove, so that nothing
that worked before is cut in between.
What does not live here: performing steps (``remedy``), whether they may be taken (``guard``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

from doorward.duty.deltas import Delta, DocumentDelta, MemberDelta, RuleDelta
from doorward.duty.document import Document, member_groups
from doorward.duty.group import GroupRules
from doorward.duty.rules import Content, content_of, rules_of, show_content
from doorward.duty.state import State
from doorward.model.change import Key, RuleFact
from doorward.model.revert import (
    AclEntryBack,
    Act,
    Authorize,
    Modify,
    PrefixEntriesBack,
    Revoke,
    RouteBack,
    SetGroups,
    key_of,
)

Step: TypeAlias = Act


@dataclass(frozen=True, slots=True)
class Held:
    """A part of a change that is not undone, and why."""

    key: Key
    why: str


@dataclass(frozen=True, slots=True)
class Inverse:
    """What a revert does: steps in order, and what it leaves alone."""

    id: str
    changes: tuple[str, ...]
    steps: tuple[Step, ...]
    held: tuple[Held, ...] = ()

    @property
    def groups(self) -> tuple[Key, ...]:
        """The documents that it changes."""
        return tuple(dict.fromkeys(key_of(step) for step in self.steps))


DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")


def inverse(changes: Iterable[tuple[str, Iterable[Delta]]], state: State) -> Inverse:
    """The inverse of changes (id, deltas), given in the order in which they happened, against what is there now."""
    ids: list[str] = []
    deltas: list[Delta] = []
    for id, some in changes:
        ids.append(id)
        deltas += some
    steps: list[Step] = []
    held: list[Held] = []
    for delta in _net(deltas):
        match delta:
            case RuleDelta():
                _rule(delta, state, steps, held)
            case MemberDelta():
                _member(delta, state, steps, held)
            case DocumentDelta():
                _document(delta, state, steps, held)
    ordered = tuple(sorted(steps, key=_rank))
    digest = hashlib.sha256("\0".join([*sorted(ids), *map(repr, ordered)]).encode()).hexdigest()
    return Inverse(f"rv-{digest[:16]}", tuple(ids), ordered, tuple(held))


def _rank(step: Step) -> int:
    """Restore, change in place, move, remove."""
    match step:
        case Authorize():
            return 0
        case AclEntryBack(back=back) | RouteBack(back=back):
            return 3 if back is None else 1
        case Modify():
            return 1
        case SetGroups() | PrefixEntriesBack():
            return 2
        case Revoke():
            return 4


def _net(deltas: Iterable[Delta]) -> list[Delta]:
    """Several changes of one thing as one: before the first, after the last. What cancels out is left out."""
    found: dict[object, Delta] = {}
    for delta in deltas:
        match delta:
            case RuleDelta(group, before, after, sure):
                one = before or after
                name = (group, one.id or content_of(one)) if one is not None else (group, None)
                known = found.get(name)
                if isinstance(known, RuleDelta):
                    delta = RuleDelta(group, known.before, after, known.sure and sure)
                found[name] = delta
            case MemberDelta(interface, _, now):
                known = found.get(interface)
                found[interface] = (
                    MemberDelta(interface, known.before, now) if isinstance(known, MemberDelta) else delta
                )
            case DocumentDelta(key, _, now_document, sure):
                known = found.get(key)
                if isinstance(known, DocumentDelta):
                    delta = DocumentDelta(key, known.before, now_document, sure)
                found[key] = delta
    return _by_content([one for one in found.values() if not _nothing(one)])


def _by_content(deltas: list[Delta]) -> list[Delta]:
    """The same, without what one rule took away and another brings: a content that was there before and is there
    after stays untouched, whichever rule holds it."""
    before: dict[Key, set[Content]] = {}
    after: dict[Key, set[Content]] = {}
    for delta in deltas:
        if isinstance(delta, RuleDelta):
            for fact, side in ((delta.before, before), (delta.after, after)):
                if fact is not None:
                    side.setdefault(delta.group, set()).add(content_of(fact))
    made: list[Delta] = []
    for delta in deltas:
        if isinstance(delta, RuleDelta):
            was, now = before.get(delta.group, set()), after.get(delta.group, set())
            lost = delta.before if delta.before is not None and content_of(delta.before) not in now else None
            gained = delta.after if delta.after is not None and content_of(delta.after) not in was else None
            if delta.sure or delta.before is not None:
                delta = replace(delta, before=lost, after=gained)
                if lost is gained is None:
                    continue
        made.append(delta)
    return made


def _nothing(delta: Delta) -> bool:
    if isinstance(delta, RuleDelta):
        if delta.before is None or delta.after is None:
            return delta.before is delta.after
        return delta.before.allows == delta.after.allows
    return delta.before == delta.after


def _rule(delta: RuleDelta, state: State, steps: list[Step], held: list[Held]) -> None:
    key, before, after = delta.group, delta.before, delta.after
    now = state.group(key)
    if not delta.sure:
        held.append(Held(key, "what was there before the change is not known for certain"))
    elif now.gone:
        held.append(Held(key, "the group does not exist any more"))
    elif now.open:
        held.append(Held(key, "something about the group is not known: it is being asked"))
    elif after is None:
        assert before is not None
        status = now.status(content_of(before))
        if status == 0:
            steps.append(Authorize(key, replace(before, id=None)))
        else:
            there = "is there again" if status == 2 else "may be there again"
            held.append(Held(key, f"{show_content(content_of(before))} {there}"))
    else:
        _present(key, before, after, now, steps, held)


def _present(
    key: Key, before: RuleFact | None, after: RuleFact, now: GroupRules, steps: list[Step], held: list[Held]
) -> None:
    """The change left a rule there: it must still be this one."""
    there = now.find(after.id, content_of(after))
    if there is None or content_of(there) != content_of(after):
        said = "is not there any more" if now.status(content_of(after)) == 0 else "is not the same rule for certain"
        if after.id is not None and there is not None:
            said = f"was changed since: it is {show_content(content_of(there))} now"
        held.append(Held(key, f"{show_content(content_of(after))} {said}"))
    elif before is None:
        steps.append(Revoke(key, replace(there, id=there.id or after.id)))
    elif now.status(content_of(before)):
        held.append(Held(key, f"{show_content(content_of(before))} is there already, as another rule"))
    elif (id := there.id or after.id) is not None:
        steps.append(Modify(key, id, there, replace(before, id=id)))
    else:
        held.append(Held(key, f"the id of the rule {show_content(content_of(after))} is not known"))


def _member(delta: MemberDelta, state: State, steps: list[Step], held: list[Held]) -> None:
    key = delta.interface
    known = state.known(key)
    assert isinstance(known, Document)
    now = member_groups(known.document() or {})
    missing = [group for group in delta.before or () if state.group(Key(key.place, "group", group)).gone]
    if delta.before is None:
        held.append(Held(key, "its groups before the change are not known"))
    elif known.unsure or known.gone:
        held.append(Held(key, "it does not exist any more" if known.gone else "it is not known for certain"))
    elif now != tuple(sorted(delta.after)):
        held.append(Held(key, f"was moved since: it is in {', '.join(now) or 'no group'} now"))
    elif missing:
        held.append(Held(key, f"{', '.join(missing)} does not exist any more"))
    else:
        steps.append(SetGroups(key, now, tuple(sorted(delta.before))))


def _document(delta: DocumentDelta, state: State, steps: list[Step], held: list[Held]) -> None:
    key = delta.key
    if key.kind == "group" and delta.before is not None and delta.after is not None:
        before, after = rules_of(delta.before), rules_of(delta.after)
        if before == after or before is None or after is None:
            return  # names and tags
    if not delta.sure:
        held.append(Held(key, "what the change did is not known for certain"))
    elif key.kind not in ("acl", "route-table", "prefix-list") or delta.before is None or delta.after is None:
        done = "made" if delta.before is None else "deleted" if delta.after is None else "changed"
        held.append(Held(key, f"was {done}: undoing that is not done here"))
    else:
        known = state.known(key)
        assert isinstance(known, Document)
        if known.unsure or known.gone:
            held.append(Held(key, "it does not exist any more" if known.gone else "it is not known for certain"))
            return
        if key.kind == "prefix-list":
            _listed(key, delta.before, delta.after, known.document() or {}, steps, held)
            return
        pick = _entries if key.kind == "acl" else _routes
        was, left, now = (pick(one) for one in (delta.before, delta.after, known.document() or {}))
        for name in sorted({*was, *left}, key=repr):
            if was.get(name) == left.get(name):
                continue
            if now.get(name) != left.get(name):
                held.append(Held(key, f"{_show(name)} was changed since"))
                continue
            steps.append(_numbered(key, name, left.get(name), was.get(name)))


def _listed(
    key: Key, before: Mapping[str, object], after: Mapping[str, object], now: Mapping[str, object],
    steps: list[Step], held: list[Held],
) -> None:  # fmt: skip
    """Entries of a prefix list, each on its own; one call, as the API knows the list's version."""
    was, left, there = (
        {str(one.get("Cidr")): str(one.get("Description") or "") for one in _dicts(side.get("Entries"))}
        for side in (before, after, now)
    )
    changed = [cidr for cidr in {**was, **left} if was.get(cidr) != left.get(cidr)]
    held += (Held(key, f"entry {cidr} was changed since") for cidr in changed if there.get(cidr) != left.get(cidr))
    mine = [cidr for cidr in changed if there.get(cidr) == left.get(cidr)]
    version = now.get("Version")
    if mine and not isinstance(version, int):
        held.append(Held(key, "its version is not known"))
    elif mine:
        add = tuple((cidr, was[cidr]) for cidr in mine if cidr in was)
        remove = tuple((cidr, left[cidr]) for cidr in mine if cidr in left and cidr not in was)
        steps.append(PrefixEntriesBack(key, cast("int", version), add, remove))


def _numbered(
    key: Key, name: tuple[object, object], now: Mapping[str, object] | None, back: Mapping[str, object] | None
) -> Step:
    if key.kind == "acl":
        number, egress = name
        return AclEntryBack(key, int(str(number)), bool(egress), now, back)
    return RouteBack(key, (str(name[0]), str(name[1])), now, back)


def _show(name: tuple[object, object]) -> str:
    return f"entry {name[0]}" if isinstance(name[0], int) else f"the route to {name[1]}"


def _entries(document: Mapping[str, object]) -> dict[tuple[object, object], Mapping[str, object]]:
    return {(one.get("RuleNumber"), bool(one.get("Egress"))): one for one in _dicts(document.get("Entries"))}


def _routes(document: Mapping[str, object]) -> dict[tuple[object, object], Mapping[str, object]]:
    """Routes that people set; state and origin are the API's own."""
    found: dict[tuple[object, object], Mapping[str, object]] = {}
    for one in _dicts(document.get("Routes")):
        for field in DESTINATIONS:
            if one.get(field) and one.get("Origin") in (None, "CreateRoute"):
                found[field, one[field]] = {key: value for key, value in one.items() if key not in ("State", "Origin")}
    return found


def _dicts(value: object) -> list[Mapping[str, object]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list | tuple) else []
