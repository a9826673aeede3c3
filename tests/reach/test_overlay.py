"""A world with edited groups answers as a world made anew, and leaves the one that it came from alone."""

from __future__ import annotations

import random
from dataclasses import replace

from doorward.model.addresses import parse_network
from doorward.model.estate import Acl, AclEntry, Estate, Interface, Route, RouteTable, Subnet, Vpc
from doorward.model.intervals import EMPTY, Intervals
from doorward.model.rules import Group, GroupPeer, Peer, Rule
from doorward.model.services import ALL_SPAN, rule_span
from doorward.reach.judge import judge
from doorward.reach.question import Must, Question, Side
from doorward.reach.world import World

NAMES = ("a", "b", "c", "d")
SERVICES = [rule_span("tcp", 80, 80), rule_span("tcp", 0, 1000), rule_span("udp", 53, 53), ALL_SPAN]
PEERS: list[Peer] = [GroupPeer(name) for name in NAMES]
PEERS += [parse_network(text) for text in ("10.0.0.0/24", "10.0.1.0/24", "10.0.0.1", "0.0.0.0/0", "8.8.8.8/32")]


def _group(chance: random.Random, name: str) -> Group:
    rules = tuple(
        Rule(direction, chance.choice(SERVICES), chance.choice(PEERS), certain=chance.random() < 0.9)
        for direction in ("ingress", "egress")
        for _ in range(chance.randrange(4))
    )
    return Group(name, name=name, vpc="vpc", rules=rules)


def _estate(chance: random.Random) -> Estate:
    everything = parse_network("0.0.0.0/0")
    interfaces = {}
    for number in range(6):
        groups = tuple(sorted(chance.sample(NAMES, chance.randrange(1, 3))))
        address = parse_network(f"10.0.{number % 2}.{number + 1}")
        public = ((address[0], parse_network(f"52.0.0.{number}")[0]),) if number % 3 == 0 else ()
        maybe = ("d",) if number == 5 and "d" not in groups else ()
        interfaces[f"eni-{number}"] = Interface(
            f"eni-{number}", "vpc", f"net-{number % 2}", groups, (address,), public, maybe_groups=maybe
        )
    routes = (Route(parse_network("10.0.0.0/16"), "local", "local"), Route(everything, "internet-gateway", "igw"))
    acl = Acl("acl", "vpc", tuple(AclEntry(100, egress, True, ALL_SPAN, everything) for egress in (True, False)))
    return Estate(
        interfaces=interfaces,
        groups={name: _group(chance, name) for name in NAMES},
        subnets={f"net-{n}": Subnet(f"net-{n}", "vpc", (), "table", "acl") for n in range(2)},
        vpcs={"vpc": Vpc("vpc", (parse_network("10.0.0.0/16"),), ("igw",))},
        acls={"acl": acl},
        route_tables={"table": RouteTable("table", "vpc", routes)},
    )


def _questions() -> list[Question]:
    musts: tuple[Must, ...] = ("reach", "never-reach", "only-from")
    found = []
    for must in musts:
        for service in SERVICES[:3]:
            for one in NAMES:
                for outside in (EMPTY, Intervals([parse_network("8.8.8.8")])):
                    sources = Side(groups=(one,), outside=outside)
                    found.append(Question(must, sources, Side(groups=("b",)), Intervals([service])))
    return found


def _answers(world: World) -> list[tuple[object, ...]]:
    return [tuple(judge(world, question)) for question in _questions()]


def test_variant_answers_as_made_anew() -> None:
    """Any chain of edits, made as variants or in place, gives the verdicts and witnesses of a fresh world."""
    for seed in range(10):
        chance = random.Random(seed)
        estate = _estate(chance)
        world = World(estate)
        if seed % 2:
            _answers(world)
        moved = world.with_groups({})
        for step in range(12):
            edited = {name: _group(chance, name) for name in chance.sample(NAMES, chance.randrange(1, 3))}
            estate = replace(estate, groups={**estate.groups, **edited})
            world = world.with_groups(edited)
            moved.take_groups(edited)
            if step % 3 != 1:
                expected = _answers(World(estate))
                assert expected == _answers(world)
                assert expected == _answers(moved)


def test_variant_leaves_the_first_world_alone() -> None:
    """Questions put to a variant change nothing of what the first world answers, before or after."""
    for seed in range(8):
        chance = random.Random(seed)
        estate = _estate(chance)
        expected = _answers(World(estate))
        world = World(estate)
        variants = [world.with_groups({name: _group(chance, name)}) for name in NAMES]
        for variant in variants:
            _answers(variant)
        assert expected == _answers(world)
        assert [_answers(World(replace(estate, groups=dict(one.estate.groups)))) for one in variants] == [
            _answers(one) for one in variants
        ]
