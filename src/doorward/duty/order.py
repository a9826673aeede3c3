"""Which calls of one second concern each other, so that their order matters, and which do not.

A rule's id settles the order by itself: it appears, changes, and goes, once. What is told by content alone does not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from doorward.duty.rules import Content, content_of, rules_of
from doorward.model.change import Ask, Effect, Gone, Member, Put, RuleAdded, RuleRemoved, RuleSet

if TYPE_CHECKING:
    from doorward.duty.timeline import Entry, Known

Mark = tuple[object, ...]
RANKS = {Put: 0, RuleAdded: 1, RuleSet: 2, RuleRemoved: 3, Member: 3, Ask: 4, Gone: 5}


def ranked(entries: Iterable[Entry]) -> list[Entry]:
    """In the order of a life: created, added, changed, removed, gone. Equal ones by id, so that it is one order."""
    return sorted(entries, key=lambda one: (min(RANKS[type(effect)] for effect in one.effects), one.id))


def concern_each_other(entries: Iterable[Entry], known: Known) -> list[list[Entry]]:
    """Calls of one second in parts of which no two concern each other; within a part in the order of a life."""
    parts: list[tuple[list[Entry], list[tuple[Mark, str]]]] = []
    listed = ranked(entries)
    told = {
        effect.rule.id if isinstance(effect, RuleAdded) else effect.id
        for entry in listed
        for effect in entry.effects
        if isinstance(effect, RuleAdded | RuleSet)
    }
    for entry in listed:
        marks = [mark for effect in entry.effects for mark in _marks(effect, known, told)]
        if (("creation",), "creates") in marks:
            marks = []  # nothing comes before a creation, whatever else it does
        joined: tuple[list[Entry], list[tuple[Mark, str]]] = ([entry], marks)
        for part in [one for one in parts if _clash(one[1], marks)]:
            parts.remove(part)
            joined = (part[0] + joined[0], part[1] + joined[1])
        parts.append(joined)
    found = [ranked(part) for part, _ in parts]
    return sorted(found, key=_first_rank)


def _first_rank(part: Sequence[Entry]) -> tuple[int, str]:
    return min(RANKS[type(effect)] for effect in part[0].effects), part[0].id


def _clash(some: list[tuple[Mark, str]], others: list[tuple[Mark, str]]) -> bool:
    return any(_clashes(one, other) for one in some for other in others)


def _clashes(one: tuple[Mark, str], other: tuple[Mark, str]) -> bool:
    """Marks are (what is touched, how): two ways clash unless the identity of both settles the order."""
    (mine, how), (theirs, also) = one, other
    if mine != theirs:
        if {mine[0], theirs[0]} == {"nameless", "content"}:
            return "nameless" in (how, also)
        return "all" in (how, also) and "creates" not in (how, also)
    if how == also == "creates" or "creates" in (how, also):
        return False
    if mine[0] == "id":
        return how == also == "sets"
    if mine[0] == "content":
        return "nameless" in (how, also)
    return how != also


def _marks(effect: Effect, known: Known, told: Collection[str | None]) -> Iterable[tuple[Mark, str]]:
    """What an effect touches, and how. ``told``: ids of rules that appear in this very second."""
    from doorward.duty.group import GroupRules

    match effect:
        case RuleAdded(_, rule):
            yield ("content", content_of(rule)), "nameless" if rule.id is None else "named"
            if rule.id is not None:
                yield ("id", rule.id), "adds"
        case RuleSet(_, id, rule):
            yield ("id", id), "sets"
            held: tuple[Content, ...] = known.by_id.get(id, ()) if isinstance(known, GroupRules) else ()
            for content in {content_of(rule), *held}:
                yield ("content", content), "named"
            if not held:
                yield ("nameless",), f"set {id}"
        case RuleRemoved(_, id, rule):
            known_id = id is not None and (id in told or (isinstance(known, GroupRules) and id in known.by_id))
            if id is not None:
                yield ("id", id), "removes"
            if rule is not None:
                # The id of a rule that is not known by it may be that of one that is known by content only.
                yield ("content", content_of(rule)), "named" if known_id else "nameless"
            elif not known_id:
                yield ("nameless",), f"removed {id}"
        case Put(_, document, part):
            creates = not part and isinstance(known, GroupRules) and (known.gone or not known.known)
            if creates:
                yield ("creation",), "creates"
            elif isinstance(known, GroupRules):
                yield ("whole",), "all" if rules_of(document) is not None else "creates"
            elif part:
                for key, value in document.items():
                    yield ("field", key), repr(value)
            else:
                yield ("whole",), "all"
        case Member(_, groups):
            yield ("field", "Groups"), repr(sorted(groups))
        case Gone():
            yield ("whole",), "creates" if isinstance(known, GroupRules) else "all"
        case Ask():
            yield ("whole",), "all"
