"""Repairs on estates drawn at random, against counting out: no repair harms, opens more, or is larger than it says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations

from doorward.contracts.mend import Mended, Mender
from doorward.contracts.selectors import Matcher
from doorward.model.estate import Estate
from doorward.model.rules import Direction, GroupPeer, Rule
from doorward.model.verdict import Edit, Outcome
from doorward.reach.diff import diff
from doorward.reach.draft import Change, Draft
from doorward.reach.judge import judge
from doorward.reach.question import Question
from doorward.reach.world import Bound, World
from tests.contracts.town import balanced, carried_out, contracts, group, interface, peer, span, town

NAMES = ("a", "b", "c")
PEERS = (*NAMES, "10.0.0.0/24", "10.0.1.0/24", "10.0.0.1/32", "0.0.0.0/0", "10.0.0.0/8")
SERVICES = ("tcp/80", "tcp/0-1000", "tcp/443", "all")
ENDS = ("group:a", "group:b", "group:c", "subnet:front", "interface:eni-1", "10.0.1.0/24", "group:a+group:b")


def _estate(chance: random.Random, with_balancer: bool) -> Estate:
    groups = [
        group(
            name,
            [(chance.choice(SERVICES), chance.choice(PEERS)) for _ in range(chance.randrange(3))],
            [(chance.choice(SERVICES), chance.choice(PEERS)) for _ in range(chance.randrange(3))],
        )
        for name in NAMES
    ]
    interfaces = []
    for number in range(1, 6):
        mine = chance.sample(NAMES, chance.choice((1, 1, 2)))
        subnet, net = chance.choice((("front", 0), ("back", 1)))
        public = f"52.0.0.{number}" if subnet == "front" and chance.random() < 0.5 else None
        interfaces.append(interface(f"eni-{number}", subnet, f"10.0.{net}.{number}", *mine, public=public))
    if not any(one.subnet == "front" for one in interfaces):
        interfaces[0] = interface("eni-1", "front", "10.0.0.1", "a")
    present = {name for one in interfaces for name in one.groups}
    for number, name in enumerate(sorted(set(NAMES) - present), 6):
        interfaces.append(interface(f"eni-{number}", "back", f"10.0.1.{number}", name))
    if not with_balancer:
        return town(groups, interfaces)
    nodes = chance.choice(((), ("lb",), ("lb",)))
    interfaces.append(interface("eni-lb", "front", "10.0.0.50", *nodes, public="52.0.0.50"))
    interfaces.append(interface("eni-app", "back", "10.0.1.50", chance.choice(NAMES)))
    more = [(chance.choice(("tcp/443", "all")), chance.choice(PEERS)) for _ in range(chance.randrange(2))]
    groups.append(group("lb", more, [(chance.choice(SERVICES), chance.choice(PEERS))]))
    return balanced(town(groups, interfaces), chance.choice(("application", "network")), nodes)


def _texts(chance: random.Random, with_balancer: bool) -> list[str]:
    found = ["c9: reach internet:v4 lb:lb tcp/443", "c8: reach group:a lb:lb tcp/443"] if with_balancer else []
    for number in range(4):
        must = chance.choice(("reach", "reach", "never-reach", "only-from"))
        from_ = chance.choice((*ENDS, "internet:v4", "8.8.8.0/24"))
        to = chance.choice([one for one in ENDS if one != from_])
        found.append(f"c{number}: {must} {from_} {to} {chance.choice(SERVICES[:3])}")
    return found


def _judged(estate: Estate, texts: list[str]) -> tuple[World, list[Question], list[Outcome]]:
    world = World(estate)
    matcher = Matcher(world)
    questions = [matcher.question(one) for one in contracts(*texts)]
    return world, questions, [judge(world, one).outcome for one in questions]


def _cases(seeds: range) -> Iterator[tuple[Estate, list[str], int, Mended, list[Outcome]]]:
    for seed in seeds:
        chance = random.Random(seed)
        with_balancer = seed % 3 == 0
        estate, texts = _estate(chance, with_balancer), _texts(chance, with_balancer)
        world, questions, before = _judged(estate, texts)
        mender = Mender(contracts(*texts), questions, world)
        for index, outcome in enumerate(before):
            if outcome is Outcome.BROKEN:
                yield estate, texts, index, mender.mend(index), before


def test_repairs_mend_and_harm_nobody() -> None:
    """On an estate made anew after the edits, the contract is kept and no other is worse."""
    repaired = refused = 0
    for estate, texts, index, found, before in _cases(range(300)):
        assert found.note
        if found.edits is None:
            refused += 1
            continue
        repaired += 1
        assert found.edits
        _, _, after = _judged(carried_out(estate, found.edits), texts)
        assert Outcome.KEPT == after[index], (texts, index, found)
        worse = [at for at, one in enumerate(after) if one.badness > before[at].badness]
        assert [] == worse, (texts, index, found)
    assert repaired > 100
    assert refused > 10


def test_repairs_open_only_the_contract() -> None:
    """What flows after a repair and did not before goes from the contract's sources to its targets on its services."""
    for estate, texts, index, found, _ in _cases(range(300, 450)):
        for flow in _gained(estate, found.edits or ()):
            assert _own(estate, texts[index], *flow), (texts[index], found, flow)


def _gained(estate: Estate, edits: tuple[Edit, ...]) -> Iterator[tuple[str, str, int]]:
    for flow in diff(estate, carried_out(estate, edits)).gained:
        for source in flow.sources:
            for target in flow.targets:
                if source in estate.interfaces and target in estate.interfaces:
                    yield source, target, flow.services.first


def _own(estate: Estate, text: str, source: str, target: str, service: int) -> bool:
    if " lb:lb " in text and (source, target) == ("eni-lb", "eni-app"):
        return service & 65535 in (8443, 9000)
    world, questions, _ = _judged(estate, [text])
    asked = questions[0]
    if asked.must != "reach":
        return False
    if asked.sources.outside and not asked.sources.inside:
        return True  # 0.0.0.0/0 is how a rule names the internet; the note tells whom it names besides
    from doorward.reach.ends import ends_of

    found = service in asked.services
    for side, id in ((asked.sources, source), (asked.targets, target)):
        component = world.component_of("vpc")
        found = found and bool(ends_of(world, side, Bound.LOWER).get(component, 0) & component.of_interface(id))
    return found


def test_no_smaller_set_does_it() -> None:
    """Where the note certifies the number of changes, counting out all smaller sets of plain changes finds none."""
    counted = 0
    for estate, texts, index, found, before in _cases(range(500, 620)):
        if found.edits is None or len(found.edits) != 2 or "No smaller set" not in (found.note or ""):
            continue
        counted += 1
        world, questions, _ = _judged(estate, texts)
        for one in _changes(estate, questions[index], texts[index]):
            draft = Draft(world, *one)
            assert not _does_it(draft, questions, index, before, texts, estate), (texts, index, found, one)
    assert counted > 5


def test_what_is_called_impossible_is() -> None:
    """Where the note says that no rule can mend it, no one or two plain changes do."""
    counted = 0
    for estate, texts, index, found, before in _cases(range(700, 730)):
        if found.edits is not None or "no security group rule can mend it" not in (found.note or ""):
            continue
        counted += 1
        world, questions, _ = _judged(estate, texts)
        singles = list(_changes(estate, questions[index], texts[index]))
        pairs = [(a[0] + b[0], a[1] + b[1]) for a, b in combinations(singles, 2)]
        for one in (*singles, *random.Random(1).sample(pairs, min(len(pairs), 150))):
            draft = Draft(world, *one)
            assert not _does_it(draft, questions, index, before, texts, estate), (texts, index, found, one)
    assert counted > 2


def _changes(estate: Estate, question: Question, text: str) -> Iterator[tuple[list[Change], list[Change]]]:
    """All single changes that a person would think of."""
    if question.must != "reach":
        for id, had in estate.groups.items():
            for rule in had.rules:
                yield [], [(id, rule)]
        return
    service = span(text.split()[-1])
    directions: tuple[Direction, ...] = ("ingress", "egress")
    for id in estate.groups:
        for direction in directions:
            for name in NAMES:
                yield [(id, Rule(direction, service, GroupPeer(name)))], []
            if "lb:" in text:
                continue
            for cidr in (*PEERS[3:5], *(f"10.0.{net}.{host}/32" for net in (0, 1) for host in range(1, 7))):
                yield [(id, Rule(direction, service, peer(cidr)))], []


def _does_it(
    draft: Draft, questions: list[Question], index: int, before: list[Outcome], texts: list[str], estate: Estate
) -> bool:
    if not len(draft) or judge(draft.world, questions[index]).outcome is not Outcome.KEPT:
        return False
    after = [judge(draft.world, one).outcome for one in questions]
    if any(one.badness > was.badness for one, was in zip(after, before, strict=True)):
        return False
    return all(_own(estate, texts[index], *flow) for flow in _gained(estate, draft.edits()))
