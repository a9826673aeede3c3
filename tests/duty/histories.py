"""Random true histories of one group, the events that tell of them in part, and all states that fit what was told.

Written apart from the watcher: states here are plain dicts, and every order of the calls of one second is tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby, permutations, product
from random import Random

from doorward.duty.rules import Content, content_of
from doorward.model.change import Change, Effect, Key, Place, RuleAdded, RuleFact, RuleRemoved, RuleSet, Who

PLACE = Place("123456789012", "eu-west-1")
GROUP = Key(PLACE, "group", "sg-1")
WHO = Who("arn:aws:iam::123456789012:role/ops", "AssumedRole", session="ann")
START = 1_700_000_000
CIDRS = ("10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "192.0.2.0/24")


def when(seconds: float) -> datetime:
    """A moment so many seconds after the start."""
    return datetime.fromtimestamp(START + seconds, UTC)


@dataclass
class Act:
    """One call: what it truly did, and what its event tells."""

    id: str
    second: int
    does: str
    rule: str
    content: RuleFact
    told: Effect

    @property
    def change(self) -> Change:
        """The event."""
        at = when(self.second)
        return Change(self.id, at, at, PLACE, "ec2:Something", WHO, (self.told,))


@dataclass
class History:
    """A group from its first describe answer on."""

    base: dict[str, RuleFact]
    acts: list[Act]
    end: dict[str, RuleFact] = field(default_factory=dict)


def fact(chance: Random) -> RuleFact:
    """One of few rules, so that they meet."""
    port = chance.choice((22, 443, 5432))
    return RuleFact(chance.random() < 0.3, "tcp", (port, port), cidr=chance.choice(CIDRS))


def history(chance: Random, length: int, busy: float = 0.5, named: float = 0.7) -> History:
    """``busy``: how often a call shares its second with the one before; ``named``: how often events tell ids."""
    now: dict[str, RuleFact] = {}
    number = 0

    def fresh() -> RuleFact | None:
        taken = {content_of(one) for one in now.values()}
        made = fact(chance)
        return None if content_of(made) in taken else made

    for _ in range(4):
        made = fresh()
        if made is not None:
            number += 1
            now[f"sgr-{number}"] = made
    found = History(dict(now), [])
    second, shared = 10, 0
    while len(found.acts) < length:
        if chance.random() < busy and shared < 3:
            shared += 1
        else:
            second, shared = second + chance.randint(1, 5), 0
        does = chance.choice(("add", "add", "remove", "set"))
        tell = chance.random() < named
        made = fresh()
        if does == "add" and made is not None:
            number += 1
            rule = f"sgr-{number}"
            now[rule] = made
            told: Effect = RuleAdded(GROUP, with_id(made, rule) if tell else made)
        elif does == "remove" and now:
            rule = chance.choice(sorted(now))
            made = now.pop(rule)
            told = RuleRemoved(GROUP, rule if tell else None, made if not tell or chance.random() < 0.5 else None)
        elif does == "set" and now and made is not None:
            rule = chance.choice(sorted(now))
            now[rule] = made
            told = RuleSet(GROUP, rule, made)
        else:
            continue
        found.acts.append(Act(f"e{len(found.acts)}", second, does, rule, made, told))
    found.end = dict(now)
    return found


def with_id(rule: RuleFact, id: str) -> RuleFact:
    """The same fact, with its id."""
    return RuleFact(rule.egress, rule.protocol, rule.ports, rule.cidr, rule.group, rule.prefix_list, id)


def document(rules: dict[str, RuleFact], *, ids: bool) -> dict[str, object]:
    """A describe answer, with or without ids of rules."""
    from doorward.duty.rules import with_rules

    told = [with_id(rule, id) if ids else rule for id, rule in rules.items()]
    made = with_rules({"GroupId": "sg-1", "GroupName": "one", "VpcId": "vpc-1"}, told)
    if not ids:
        made.pop("SecurityGroupRules", None)
    return made


def states(base: dict[str, RuleFact], seen: Iterable[Act], *, ids: bool = True) -> Iterator[frozenset[Content]]:
    """Every state that fits the calls seen, in the order of seconds, in any order within one."""
    acts = sorted(seen, key=lambda one: one.second)
    seconds = [list(some) for _, some in groupby(acts, key=lambda one: one.second)]
    for orders in product(*([order for order in permutations(some) if possible(order)] for some in seconds)):
        yield replayed(base, [one for order in orders for one in order], ids=ids)


LIFE = {"add": 0, "set": 1, "remove": 2}


def possible(order: Iterable[Act]) -> bool:
    """Whether the life of every rule runs the right way."""
    last: dict[str, int] = {}
    for act in order:
        if LIFE[act.does] < last.get(act.rule, 0):
            return False
        last[act.rule] = LIFE[act.does]
    return True


def replayed(base: dict[str, RuleFact], acts: Iterable[Act], *, ids: bool = True) -> frozenset[Content]:
    """The contents after calls in this order. A rule that is gone never comes back. Without ``ids`` the base did not
    tell which rule is which: a removal that tells a content then means that."""
    named = set(base) if ids else set()
    now = {id: content_of(rule) for id, rule in base.items()}
    dead: set[str] = set()
    for act in acts:
        content = content_of(act.content)
        if act.does == "remove":
            assert isinstance(act.told, RuleRemoved)
            told = act.told.id
            nameless = [id for id, held in now.items() if held == content and (told is None or id not in named)]
            by_id = told is not None and (act.rule in named or act.told.rule is None or not nameless)
            for id in [id for id in now if id == act.rule] if by_id else nameless:
                del now[id]
                dead.add(id)
            if act.told.id is not None:
                dead.add(act.rule)
            continue
        if isinstance(act.told, RuleSet) or (isinstance(act.told, RuleAdded) and act.told.rule.id is not None):
            named.add(act.rule)
        if act.rule not in dead and not (act.does == "add" and act.rule in now):
            # A group holds one rule of a content at most: another one must have gone, unseen.
            for id in [id for id in now if now[id] == content]:
                del now[id]
            now[act.rule] = content
    return frozenset(now.values())
