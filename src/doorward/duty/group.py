"""What is known of one group's rules at a moment: which are there for certain, and which may be.

The identity of a rule is its id where it is known: ids are never given twice, so that for one id the order is always
added, changed, removed, whatever order events come in. Without an id a rule is known by what it allows.
What does not live here: the order of effects (``timeline``); every method here is one effect at its turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from doorward.duty.rules import DEFAULT_EGRESS, RULE_FIELDS, Content, content_of, rules_of, with_rules
from doorward.model.change import Ask, Effect, Gone, Put, RuleAdded, RuleFact, RuleRemoved, RuleSet


class Held(NamedTuple):
    """One rule that is there (``sure``) or may be there."""

    id: str | None
    fact: RuleFact
    sure: bool


class GroupRules:
    """The rules of a group, with what is not certain of them. Changed in place; ``copy`` is cheap."""

    __slots__ = ("by_id", "dead", "gone", "held", "known", "meta", "open")

    def __init__(self) -> None:
        self.held: dict[Content, tuple[Held, ...]] = {}
        self.by_id: dict[str, tuple[Content, ...]] = {}
        self.dead: frozenset[str] = frozenset()
        """Ids that are gone: never given again."""
        self.open = False
        """Anything may be there besides (a change that did not tell what it did)."""
        self.gone = False
        self.known = False
        """A document or a creation of it was seen."""
        self.meta: Mapping[str, object] = {}

    @classmethod
    def of(cls, document: Mapping[str, object] | None) -> GroupRules:
        """As a describe answer shows it; None: it does not exist. Raises ``InvalidInput``."""
        made = cls()
        made.known = True
        if document is None:
            made.gone = True
            return made
        made.put(document, part=False)
        return made

    @classmethod
    def never_seen(cls) -> GroupRules:
        """A group of which nothing was read."""
        made = cls()
        made.open = True
        return made

    def copy(self) -> GroupRules:
        """The same, to be changed apart."""
        made = GroupRules.__new__(GroupRules)
        made.held, made.by_id, made.dead = self.held.copy(), self.by_id.copy(), self.dead
        made.open, made.gone, made.known, made.meta = self.open, self.gone, self.known, self.meta
        return made

    # --- what is known ------------------------------------------------------------------------------------------

    @property
    def unsure(self) -> bool:
        """Whether anything is left open."""
        if self.open:
            return True
        for some in self.held.values():  # loops: twice as fast here as any() of a generator
            for one in some:
                if not one[2]:
                    return True
        return False

    def status(self, content: Content) -> int:
        """0: not there, 1: may be there, 2: there."""
        some = self.held.get(content)
        if some is None:
            return 0
        return 2 if any(one.sure for one in some) else 1

    def statuses(self) -> dict[Content, int]:
        """The status of all contents that are or may be there."""
        return {content: self.status(content) for content in self.held}

    def facts(self) -> tuple[RuleFact, ...]:
        """Rules that are there for certain."""
        return tuple(one.fact for some in self.held.values() for one in some if one.sure)

    def document(self) -> dict[str, object] | None:
        """As a describe answer would show it, what is certain alone; None: it does not exist."""
        return None if self.gone else with_rules(self.meta, self.facts())

    def find(self, id: str | None, content: Content | None) -> RuleFact | None:
        """The one rule that is there for certain under an id, or else with this content; None: not known."""
        contents = self.by_id.get(id, ()) if id is not None else ()
        if len(contents) == 1:
            return next((one.fact for one in self.held[contents[0]] if one.id == id and one.sure), None)
        if contents or content is None:
            return None
        some = self.held.get(content, ())
        return some[0].fact if len(some) == 1 and some[0].sure and (id is None or some[0].id in (None, id)) else None

    # --- effects ------------------------------------------------------------------------------------------------

    def apply(self, effect: Effect) -> None:
        """One effect, at its turn."""
        if self.gone and isinstance(effect, RuleAdded | RuleSet | RuleRemoved | Ask):
            self.gone, self.open = False, True  # its creation was not seen: what it began with is not known
        match effect:
            case RuleAdded(_, rule):
                self.add(rule)
            case RuleRemoved(_, id, rule):
                self.remove(id, rule)
            case RuleSet(_, id, rule):
                self.set(id, rule)
            case Put(_, document, part):
                self.put(document, part)
            case Gone():
                self._clear()
                self.gone, self.open = True, False
            case Ask():
                self.blur()
            case _:
                pass

    def add(self, rule: RuleFact) -> None:
        """A rule has appeared. Another one of the same content must have gone before: that was not seen."""
        id = rule.id
        if id is not None and (id in self.dead or id in self.by_id):
            return
        content = content_of(rule)
        kept = tuple(one._replace(sure=False) for one in self.held.get(content, ()) if one.id is not None)
        self.held[content] = (*kept, Held(id, rule, True))
        if id is not None:
            self.by_id[id] = (content,)

    def remove(self, id: str | None, rule: RuleFact | None) -> None:
        """A rule is gone, told by id, by content, or both. What was not there stays away."""
        content = None if rule is None else content_of(rule)
        if id is None:
            assert content is not None, "a removal names an id or a content"
            if content not in self.held:
                self._doubt()  # a rule came to this content, from nothing or from another, and that was not seen
            for one in self.held.pop(content, ()):
                if one.id is not None:
                    self._forget(one.id, content)
                    self.dead |= {one.id}
            return
        known = self.by_id.pop(id, None)
        self.dead |= {id}
        if known is not None:
            for place in known:
                self._drop(place, id)
        elif content is not None and any(one.id is None for one in self.held.get(content, ())):
            self._drop(content, None)
        else:
            self._any_nameless()

    def set(self, id: str, rule: RuleFact) -> None:
        """A rule keeps its id and allows something else now."""
        if id in self.dead:
            return
        content = content_of(rule)
        known = self.by_id.pop(id, None)
        for place in known or ():
            self._drop(place, id)
        if known is None:
            self._any_nameless()
        others = tuple(one._replace(sure=False) for one in self.held.get(content, ()) if one.id is not None)
        self.held[content] = (*others, Held(id, rule, True))
        self.by_id[id] = (content,)

    def put(self, document: Mapping[str, object], part: bool) -> None:
        """A description of the group; with rules in it, these are all. Raises ``InvalidInput``."""
        rules = rules_of(document)
        told = {key: value for key, value in document.items() if key not in RULE_FIELDS}
        self.meta = {**self.meta, **told} if part else told
        if rules is not None:
            before = frozenset(self.by_id)
            self.held.clear()
            self.by_id.clear()
            self.open = False
            for rule in rules:
                self.add(rule)
            self.dead |= before - self.by_id.keys()
        elif not part and (self.gone or not self.known):
            # A creation: it begins empty, but for what the API adds and no event tells.
            self.open = False
            self._maybe_default()
        self.known, self.gone = True, False

    def blur(self) -> None:
        """Anything may be true of it now."""
        self._doubt()
        self.open = True

    # --- what may be --------------------------------------------------------------------------------------------

    def merge(self, other: GroupRules) -> None:
        """This or the other is true: certain is what both are certain of, possible what either allows."""
        for content in [*self.held, *(one for one in other.held if one not in self.held)]:
            mine, theirs = self.held.get(content, ()), other.held.get(content, ())
            found = {one.id: one for one in mine}
            for one in theirs:
                known = found.get(one.id)
                found[one.id] = one._replace(sure=known is not None and known.sure and one.sure)
            told = {one.id for one in theirs}
            for id in found:
                if id not in told:
                    found[id] = found[id]._replace(sure=False)
            both = any(one.sure for one in mine) and any(one.sure for one in theirs)
            if both and not any(one.sure for one in found.values()):
                # Some rule of this content is there either way, only which one is open: the content is certain.
                last = next(reversed(found))
                found[last] = found[last]._replace(sure=True)
            self.held[content] = tuple(found.values())
            for id in found:
                if id is not None and content not in self.by_id.get(id, ()):
                    self.by_id[id] = (*self.by_id.get(id, ()), content)
        self.dead &= other.dead
        self.open |= other.open
        self.gone &= other.gone
        self.known |= other.known
        if len(other.meta) > len(self.meta):
            self.meta = other.meta

    def shows(self, effect: Effect) -> bool:
        """Whether this, read while the effect happened, has it in already."""
        match effect:
            case RuleAdded(_, rule):
                return rule.id in self.by_id if rule.id is not None else content_of(rule) in self.held
            case RuleRemoved(_, id, rule):
                if id is not None and self.by_id:
                    return id not in self.by_id and None not in {one.id for some in self.held.values() for one in some}
                return rule is not None and content_of(rule) not in self.held
            case RuleSet(_, id, rule):
                return self.by_id.get(id) == (content_of(rule),)
            case Put(_, document, _):
                return rules_of(document) is None and not self.gone
            case Gone():
                return self.gone
            case _:
                return False

    # --- inside -------------------------------------------------------------------------------------------------

    def _clear(self) -> None:
        self.dead |= frozenset(self.by_id)
        self.held.clear()
        self.by_id.clear()

    def _drop(self, content: Content, id: str | None) -> None:
        left = tuple(one for one in self.held.get(content, ()) if one.id != id)
        if left:
            self.held[content] = left
        else:
            self.held.pop(content, None)

    def _forget(self, id: str, content: Content) -> None:
        left = tuple(one for one in self.by_id.get(id, ()) if one != content)
        if left:
            self.by_id[id] = left
        else:
            self.by_id.pop(id, None)

    def _doubt(self) -> None:
        """None of the rules is certain any more."""
        for content, some in self.held.items():
            self.held[content] = tuple(one._replace(sure=False) for one in some)

    def _any_nameless(self) -> None:
        """One rule whose id is not known may be the one that is meant."""
        for content, some in self.held.items():
            if any(one.id is None for one in some):
                self.held[content] = tuple(one._replace(sure=False) if one.id is None else one for one in some)

    def _maybe_default(self) -> None:
        self.held.setdefault(content_of(DEFAULT_EGRESS), (Held(None, DEFAULT_EGRESS, False),))

    # --- as JSON ------------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """All of it in JSON values."""
        rules = [[one.id, _plain(one.fact), one.sure] for some in self.held.values() for one in some]
        return {
            "rules": rules, "dead": sorted(self.dead), "open": self.open, "gone": self.gone, "known": self.known,
            "meta": dict(self.meta),
        }  # fmt: skip

    @classmethod
    def load(cls, saved: Mapping[str, Any]) -> GroupRules:
        """What ``dump`` wrote."""
        made = cls()
        for id, plain, sure in saved["rules"]:
            fact = fact_of(plain)
            content = content_of(fact)
            made.held[content] = (*made.held.get(content, ()), Held(id, fact, sure))
            if id is not None:
                made.by_id[id] = (*made.by_id.get(id, ()), content)
        made.dead = frozenset(saved["dead"])
        made.open, made.gone, made.known, made.meta = saved["open"], saved["gone"], saved["known"], saved["meta"]
        return made


def _plain(fact: RuleFact) -> list[object]:
    return [
        fact.egress, fact.protocol, fact.ports, fact.cidr, fact.group, fact.prefix_list, fact.id, fact.description,
    ]  # fmt: skip


def fact_of(plain: Iterable[Any]) -> RuleFact:
    """The fact from the list of its fields."""
    egress, protocol, ports, cidr, group, listed, id, said = plain
    return RuleFact(egress, protocol, None if ports is None else (ports[0], ports[1]), cidr, group, listed, id, said)
