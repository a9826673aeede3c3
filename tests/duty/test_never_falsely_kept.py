"""What the watcher calls kept is kept in every state that fits what was seen; at the end of all events, in truth."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward import api
from doorward.duty.events import ChangesSeen, SnapshotRead
from doorward.duty.judge import EngineJudge
from doorward.duty.policy import Policy
from doorward.duty.rules import Content, content_of
from doorward.duty.watch import Watcher
from doorward.model.change import Key, RuleFact
from doorward.model.verdict import Outcome
from tests.duty.histories import CIDRS, GROUP, PLACE, document, history, states, when
from tests.duty.town import DB, ENI_DB, LISTS, build, contracts, documents, interface

TEXT = b"""
version: 1
contracts:
  web-reaches-db: {must: reach, from: group:web, to: group:sg-1, service: tcp/5432}
  db-stays-private: {must: never-reach, from: internet, to: group:sg-1, service: tcp/22}
  only-inside: {must: only-from, from: 10.0.0.0/8, to: group:sg-1, service: tcp/443}
"""
POOL = {
    content_of(one): one
    for egress, port, cidr in product((False, True), (22, 443, 5432), CIDRS)
    for one in (RuleFact(egress, "tcp", (port, port), cidr=cidr),)
}


def town(rules: dict[str, RuleFact], *, ids: bool) -> dict[Key, Mapping[str, object] | None]:
    """The town with its database in the group of the history."""
    made = {key: value for key, value in documents().items() if key != DB}
    made[GROUP] = document(rules, ids=ids)
    made[ENI_DB] = interface("eni-db", "10.0.2.7", "subnet-b", ["sg-1"], "198.51.100.7")
    return made


@cache
def truth(contents: frozenset[Content]) -> dict[str, Outcome]:
    """The verdicts on one state, by a full check that knows nothing of the watcher."""
    rules = {f"sgr-{number}": POOL[content] for number, content in enumerate(sorted(contents, key=repr))}
    estate = build((key, value) for key, value in town(rules, ids=True).items() if value is not None)
    report = api.check(contracts(TEXT), estate, repair=False)
    return {one.name: one.outcome for one in report.verdicts}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 32), st.booleans(), st.floats(0, 1), st.floats(0, 0.9))
def test_kept_is_kept_in_every_state_that_fits(seed: int, ids: bool, named: float, busy: float) -> None:
    """Random histories, shuffled and with losses: whenever the watcher says kept (or broken), all states that fit what
    was seen until then say so."""
    chance = Random(seed)
    true = history(chance, 6, busy=busy, named=named)
    made = Watcher(Policy(lag=0, rebuild_every=0, canary_every=0), EngineJudge(contracts(TEXT), build))
    made.handle(SnapshotRead(PLACE, town(true.base, ids=ids), when(0), when(1), when(1), tuple(LISTS), first=True))
    delivered = [act for act in true.acts if chance.random() > 0.15]
    chance.shuffle(delivered)
    for number, act in enumerate(delivered, 1):
        made.handle(ChangesSeen((act.change,), when(100 + number)))
        told = made.outcomes
        for contents in states(true.base, delivered[:number], ids=ids):
            for name, outcome in truth(contents).items():
                assert told[name] in (outcome, Outcome.CANNOT_TELL), (name, delivered[:number])
    answer = {GROUP: document(true.end, ids=True)}
    made.handle(SnapshotRead(PLACE, answer, when(900), when(901), when(901)))
    assert truth(frozenset(map(content_of, true.end.values()))) == dict(made.outcomes)
