"""The resident engine says after every change what a full judgement of the changed estate says."""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from doorward import api
from doorward.contracts.check import check
from doorward.contracts.contract import Contract
from doorward.contracts.watching import watch
from doorward.errors import DoorwardError
from doorward.model.addresses import parse_network
from doorward.model.estate import Estate
from doorward.model.rules import AnyPeer, Direction, Group, GroupPeer, Peer, PrefixListPeer, Rule
from doorward.model.services import ALL_SPAN, TCP, UDP, block
from doorward.model.verdict import Outcome
from doorward.reach.watch import Flip, Watch
from tests.oracle.compare import write_contracts, write_estate
from tests.oracle.estates import PORTS, from_seed

NETWORKS = ("0.0.0.0/0", "::/0", "10.0.0.0/8", "203.0.113.0/24", "8.8.8.0/24", "0.0.0.0/1", "128.0.0.0/1")


def read(seed: int, contracts: int) -> tuple[Estate, tuple[Contract, ...]] | None:
    """A small random estate with contracts; None where they do not fit (a selector that matches nothing)."""
    estate, wanted = from_seed(seed, contracts)
    with tempfile.TemporaryDirectory(prefix="doorward-") as name:
        folder = Path(name)
        (folder / "estate").mkdir()
        write_estate(estate, folder / "estate")
        write_contracts(wanted, folder / "doorward.yaml")
        try:
            made = api.read_estate(folder / "estate"), api.read_contracts(folder / "doorward.yaml")
            check(made[1], made[0])
        except DoorwardError:
            return None
    return made


def peer(chance: random.Random, estate: Estate) -> Peer:
    """Somebody who exists, most often."""
    kind = chance.randrange(10)
    if kind < 3 and estate.groups:
        return GroupPeer(chance.choice(sorted(estate.groups)))
    if kind < 6 and estate.interfaces:
        one = estate.interfaces[chance.choice(sorted(estate.interfaces))]
        spans = [*one.addresses, *one.wide, *((public, public) for _, public in one.public)]
        if spans:
            low, high = chance.choice(spans)
            return low & ~3, max(high, low | 3)
    if kind == 6 and estate.prefix_lists:
        return PrefixListPeer(chance.choice(sorted(estate.prefix_lists)))
    return parse_network(chance.choice(NETWORKS))


def rule(chance: random.Random, estate: Estate) -> Rule:
    """A new rule, or one that stands in another group."""
    known = [one for group in estate.groups.values() for one in group.rules]
    if known and chance.random() < 0.4:
        return chance.choice(known)
    port = chance.choice((*PORTS, 0, 65_535))
    protocol = chance.choice((TCP, TCP, TCP, UDP))
    width = chance.choice((0, 0, 1, 1000))
    low = protocol * 65_536 + port
    span = (low, min(low + width, block(protocol)[1])) if chance.random() < 0.8 else ALL_SPAN
    direction: Direction = "ingress" if chance.random() < 0.5 else "egress"
    if chance.random() < 0.15:
        where = AnyPeer("aws_x.y") if chance.random() < 0.5 else peer(chance, estate)
        return Rule(direction, span, where, certain=False, unknown="aws_x.y")
    return Rule(direction, span, peer(chance, estate))


def outcomes(contracts: tuple[Contract, ...], estate: Estate) -> dict[str, Outcome]:
    """What a check of the whole estate says."""
    return {verdict.name: verdict.outcome for verdict in check(contracts, estate).verdicts}


def follow(seed: int, steps: int) -> int:
    """Random changes of one random estate, each compared with a full check; how many flips there were."""
    found = read(seed, 12)
    if found is None or not found[0].groups:
        return 0
    estate, contracts = found
    chance = random.Random(seed)
    watcher = watch(contracts, estate)
    groups = dict(estate.groups)
    before = outcomes(contracts, estate)
    assert before == watcher.outcomes
    flips = 0
    for step in range(steps):
        name = chance.choice(sorted(groups))
        rules = groups[name].rules
        removed = tuple(chance.sample(rules, min(len(rules), chance.choice((0, 1, 1, 2)))))
        added = tuple(rule(chance, estate) for _ in range(chance.choice((0, 0, 1) if removed else (1, 1, 2))))
        left = list(rules)
        for one in removed:
            left.remove(one)
        groups[name] = groups[name].with_rules((*left, *added))
        after = outcomes(contracts, replace(estate, groups=dict(groups)))
        expected = {Flip(one, before[one], after[one]) for one in after if before[one] is not after[one]}
        actual = watcher.apply(name, added, removed)
        assert (seed, step, expected) == (seed, step, set(actual)), (name, added, removed)
        assert len(actual) == len(expected)
        flips += len(expected)
        before = after
    assert before == watcher.outcomes
    assert before == outcomes(contracts, watcher.estate)
    return flips


@pytest.mark.parametrize("part", range(4))
def test_every_change_flips_what_a_full_check_flips(part: int) -> None:
    """On random estates, one or several rules that come or go flip exactly what a check of the whole estate flips."""
    assert sum(follow(seed, 12) for seed in range(part * 40, part * 40 + 40)) > 20


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(20))
def test_every_change_flips_what_a_full_check_flips_at_length(part: int) -> None:
    """The same on many more estates."""
    assert sum(follow(seed, 25) for seed in range(1000 + part * 200, 1200 + part * 200)) > 200


def test_rules_of_a_group_without_members_flip_nothing() -> None:
    """A group in which no interface is judges nothing, but its rules are kept up to date."""
    watcher = Watch({}, Estate(groups={"g": Group("g")}))
    made = Rule("ingress", ALL_SPAN, parse_network("10.0.0.0/8"))
    assert () == watcher.apply("g", added=(made,))
    assert (made,) == watcher.estate.groups["g"].rules


def test_many_edits_of_one_group_that_nobody_reads() -> None:
    """A long series of edits of one group is worked out without trouble when it is finally asked for."""
    watcher = Watch({}, Estate(groups={"g": Group("g")}))
    made = [Rule("ingress", (port, port), parse_network("10.0.0.0/8")) for port in range(3000)]
    for one in made:
        watcher.apply("g", added=(one,))
    for one in made[1:]:
        watcher.apply("g", removed=(one._replace(description="told otherwise"),))
    assert (made[0],) == watcher.estate.groups["g"].rules
