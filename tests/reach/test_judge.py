"""Laws that verdicts obey whatever the estate: opposites exclude each other, wholes follow their parts, rules only
add.

Random estates come from the oracle's generator; its verdicts are not used here.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from doorward import api
from doorward.contracts.contract import INTERNET_SELECTOR, Contract
from doorward.model.addresses import EVERYWHERE
from doorward.model.estate import Estate
from doorward.model.intervals import Intervals
from doorward.model.rules import Group, Rule
from doorward.model.services import ALL_SPAN
from doorward.model.verdict import Outcome
from tests.contracts.scene import BROKEN, CANNOT_TELL, KEPT
from tests.oracle.compare import write_contracts, write_estate
from tests.oracle.estates import from_seed

Json = dict[str, Any]
SEEDS = range(40)


def cases() -> Iterator[tuple[int, Estate, tuple[Contract, ...]]]:
    """Random estates with contracts that aim at them."""
    for seed in SEEDS:
        described, contracts = from_seed(seed, contracts=6)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "estate").mkdir()
            write_estate(described, folder / "estate")
            write_contracts(contracts, folder / "doorward.yaml")
            yield seed, api.read_estate(folder / "estate"), api.read_contracts(folder / "doorward.yaml")


def outcome(contract: Contract, estate: Estate) -> Outcome:
    """The outcome of one contract."""
    (verdict,) = api.check([contract], estate).verdicts
    return verdict.outcome


def test_opposites() -> None:
    """``reach`` and ``never-reach`` on the same traffic are never both kept."""
    for seed, estate, contracts in cases():
        for one in contracts:
            if one.must != "only-from":
                found = {outcome(replace(one, must=must), estate) for must in ("reach", "never-reach")}
                assert {KEPT} != found, (seed, one)


def test_never_reach_follows_its_parts() -> None:
    """``never-reach`` on several services is as bad as on the worst of them."""
    for seed, estate, contracts in cases():
        for one in contracts:
            low, high = one.services.spans[0]
            if one.must == "reach" or low == high:
                continue
            middle = (low + high) // 2
            parts = [replace(one, services=Intervals([span])) for span in ((low, middle), (middle + 1, high))]
            whole = replace(one, services=Intervals([(low, high)]))
            worst = max((outcome(part, estate) for part in parts), key=lambda found: found.badness)
            assert worst == outcome(whole, estate), (seed, one)


def test_reach_implies_its_parts() -> None:
    """What is kept on several services is kept on each; what is broken on one is broken on all."""
    for seed, estate, contracts in cases():
        for one in contracts:
            low, high = one.services.spans[0]
            if one.must != "reach" or low == high or any(side.kind == "lb" for side in one.targets):
                continue
            middle = (low + high) // 2
            whole = outcome(replace(one, services=Intervals([(low, high)])), estate)
            for span in ((low, middle), (middle + 1, high)):
                part = outcome(replace(one, services=Intervals([span])), estate)
                if whole is KEPT:
                    assert KEPT == part, (seed, one)
                if part is BROKEN and span[0] >> 16 == span[1] >> 16 and span[0] >> 16 not in (1, 58):
                    assert BROKEN == whole, (seed, one)


def test_only_from_everybody() -> None:
    """``only-from`` everybody is never broken."""
    everybody = INTERNET_SELECTOR._replace(kind="cidr", value="all", text="all", addresses=EVERYWHERE)
    for seed, estate, contracts in cases():
        for one in contracts:
            if one.must == "only-from":
                assert BROKEN != outcome(replace(one, sources=(everybody,)), estate), (seed, one)


def with_more(estate: Estate, chance: random.Random) -> Estate:
    """The estate with a rule more in some groups."""
    groups: dict[str, Group] = dict(estate.groups)
    for id in chance.sample(sorted(groups), min(2, len(groups))):
        peer = chance.choice(EVERYWHERE.spans)
        rule = Rule(chance.choice(("ingress", "egress")), ALL_SPAN, peer)
        groups[id] = groups[id].with_rules((*groups[id].rules, rule))
    return replace(estate, groups=groups)


def test_rules_only_add() -> None:
    """Security groups only allow: one more rule never breaks ``reach``, and never mends the others."""
    for seed, estate, contracts in cases():
        more = with_more(estate, random.Random(seed))
        for one in contracts:
            before, after = outcome(one, estate), outcome(one, more)
            if one.must == "reach":
                assert after.badness <= before.badness, (seed, one)
            else:
                assert after.badness >= before.badness, (seed, one)


def test_order_of_everything_is_nothing() -> None:
    """The order in which files list things changes no outcome."""
    for seed in SEEDS:
        described, contracts = from_seed(seed, contracts=6)
        shuffled = json.loads(json.dumps(described))
        chance = random.Random(seed)
        for key, items in shuffled.items():
            if isinstance(items, list) and key != "NetworkInterfaces":
                chance.shuffle(items)
        assert judged(described, contracts) == judged(shuffled, contracts), seed


def judged(described: Json, contracts: list[Json]) -> list[Outcome]:
    """Outcomes on an estate as files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "estate").mkdir()
        write_estate(described, folder / "estate")
        write_contracts(contracts, folder / "doorward.yaml")
        estate = api.read_estate(folder / "estate")
        return [outcome(one, estate) for one in api.read_contracts(folder / "doorward.yaml")]


def test_unknown_rules_are_between() -> None:
    """A rule that is not certain leaves a contract between what it is without it and with it."""
    for seed, estate, contracts in cases():
        chance = random.Random(seed)
        more = with_more(estate, chance)
        doubtful = {
            id: group.with_rules(
                tuple(
                    rule if rule in estate.groups[id].rules else rule._replace(certain=False, unknown="x")
                    for rule in group.rules
                )
            )
            for id, group in more.groups.items()
        }
        between = replace(estate, groups=doubtful)
        for one in contracts:
            ends, found = {outcome(one, estate), outcome(one, more)}, outcome(one, between)
            if len(ends) == 1 and CANNOT_TELL not in ends:
                assert ends == {found}, (seed, one)
            else:
                assert CANNOT_TELL == found, (seed, one)
