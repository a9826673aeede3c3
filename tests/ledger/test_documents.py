"""Documents at any moment, as known at any moment: against a fold of everything, one entry after another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.errors import LedgerPruned
from doorward.ledger import documents
from doorward.ledger.documents import LAG
from doorward.ledger.entry import Entry, effect_key, micros
from doorward.ledger.fold import RULES, UNKNOWN, Document, fold
from doorward.ledger.ledger import Ledger
from doorward.model.change import Ask, Change, Gone, Key, Member, Put, RuleAdded, RuleFact, RuleRemoved, RuleSet
from tests.ledger.samples import DEPLOYER, PLACE, START, after, change, entries, group, note, rule

Row = tuple[int, Change]
INTERFACE = Key(PLACE, "interface", "eni-1")


def truth(rows: Sequence[Change], at: datetime, known: datetime | None) -> dict[Key, Document]:
    """What the documents were: everything that happened by then and was known by then, in the order of happening."""
    chosen = [one for one in rows if one.at <= at and (known is None or one.learned <= known)]
    found: dict[Key, Document] = {}
    for one in sorted(chosen, key=lambda one: one.at):  # stable: ties keep the order of the chain
        for effect in one.effects:
            key = effect_key(effect)
            made = fold(found.pop(key, None), effect)
            if made is not None:
                found[key] = made
    return found


GROUPS = st.sampled_from([group("sg-1"), group("sg-2"), INTERFACE])
RULES_OF = st.integers(0, 3).map(rule)
EFFECT = st.one_of(
    st.builds(RuleAdded, GROUPS, RULES_OF),
    st.builds(lambda key, one: RuleRemoved(key, one.id, None), GROUPS, RULES_OF),
    st.builds(lambda key, one: RuleSet(key, str(one.id), one), GROUPS, RULES_OF),
    st.builds(Put, GROUPS, st.fixed_dictionaries({"Name": st.sampled_from("abc")}), st.booleans()),
    st.builds(Gone, GROUPS),
    st.builds(Ask, GROUPS, st.just("asked")),
    st.builds(Member, st.just(INTERFACE), st.just(("sg-1",))),
)
MOMENT = st.integers(0, 40)
STEP = st.one_of(
    st.tuples(MOMENT, MOMENT, st.lists(EFFECT, min_size=1, max_size=2)),  # a change: at, delay, effects
    MOMENT,  # a checkpoint of this moment
)
QUESTIONS = st.lists(st.tuples(MOMENT, st.none() | MOMENT), min_size=1, max_size=6)


@settings(max_examples=60)
@given(
    st.lists(STEP, max_size=14),
    st.lists(st.tuples(MOMENT, st.none() | MOMENT), min_size=1, max_size=6),
    st.none() | MOMENT,
)
def test_documents_are_those_of_the_moment(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[int | tuple[int, int, list[RuleAdded]]],
    questions: list[tuple[int, int | None]],
    pruned: int | None,
) -> None:
    """Whatever comes in whatever order, with checkpoints made in between at any moment, the documents at a moment, as
    known at a moment, are those that a fold of all changes gives; one document alone is the same; and after pruning
    every answer is the same as before, or a refusal."""
    place = tmp_path_factory.mktemp("documents") / "ledger.db"
    rows: list[Change] = []
    with Ledger.open(place) as ledger:
        for number, step in enumerate(steps):
            if isinstance(step, int):
                documents.make_checkpoint(ledger._database, fold, micros(after(step)))
                continue
            at, delay, effects = step
            one = Change(f"e{number}", after(at), after(at + delay), PLACE, "ec2:Call", DEPLOYER, tuple(effects))
            rows.append(one)
            ledger.append([Entry.of(one), note("between")])
        for when, known in questions:
            moment = None if known is None else after(known)
            expected = truth(rows, after(when), moment)
            assert expected == ledger.documents_at(after(when), moment)
            for key in (group("sg-1"), group("sg-2"), INTERFACE):
                assert expected.get(key) == ledger.document_at(key, after(when), moment)
        assert ledger.verify() == []
        if pruned is None:
            return
        ledger.prune(after(pruned), now=after(100))
        assert ledger.verify() == []
        for when, known in questions:
            moment = None if known is None else after(known)
            try:
                assert truth(rows, after(when), moment) == ledger.documents_at(after(when), moment)
            except LedgerPruned:
                assert when < pruned or (known is not None and known < 80)


def test_the_bitemporal_question(ledger: Ledger) -> None:
    """A change that is learned an hour late is absent from what was known then, and present in what is known now."""
    ledger.append([Entry.of(change(1, at=0, on="sg-1")), Entry.of(change(2, at=10, learned=3600, on="sg-1"))])
    key = group("sg-1")
    assert 1 == len(_rules(ledger.documents_at(after(60), after(60))[key]))
    assert 2 == len(_rules(ledger.documents_at(after(60), after(3600))[key]))
    assert 2 == len(_rules(ledger.documents_at(after(60))[key]))
    assert {} == ledger.documents_at(after(-1))
    assert {} == ledger.documents_at(after(60), after(6))


def test_checkpoints_change_no_answer(ledger: Ledger) -> None:
    """On both databases: made by `tend`, with late changes before and after, answers stay what they were."""
    rows = [change(number, at=number * 10) for number in range(400)]
    late = [change(1000 + n, at=n * 100 + 5, learned=9000 + n) for n in range(10)]
    ledger.append([Entry.of(one) for one in rows])
    assert not ledger.tend(every=1000)
    assert ledger.tend(every=100)
    assert not ledger.tend(every=100)
    ledger.append([Entry.of(one) for one in late])
    more = [change(number, at=number * 10) for number in range(400, 600)]
    ledger.append([Entry.of(one) for one in more])
    assert ledger.tend(every=100)
    everything = [*rows, *late, *more]
    for seconds in (0, 500, 1505, 3000, 3995, 5000, 6000):
        for known in (None, after(seconds + 7), after(9004)):
            assert truth(everything, after(seconds), known) == ledger.documents_at(after(seconds), known)
    assert ledger.verify() == []


def test_a_checkpoint_stays_behind(ledger: Ledger) -> None:
    """A checkpoint leaves room for events that are still on their way."""
    ledger.append(entries(0, 2000))
    point = documents.make_checkpoint(ledger._database, fold)
    assert point is not None
    assert point.at == micros(after(1999)) - LAG


def test_folding_rules() -> None:
    """The default fold: rules by id or by what they allow, in either layout; other fields stay."""
    key = group("sg-1")
    permissions = [
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "x"}]},
        {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-2"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
    ]
    document = fold(None, Put(key, {"GroupId": "sg-1", "GroupName": "web", "IpPermissions": permissions}))
    added = fold(document, RuleAdded(key, rule(1)))
    assert added is not None
    assert "IpPermissions" not in added
    assert "web" == added["GroupName"]
    assert 4 == len(_rules(added))
    told_again = fold(added, RuleAdded(key, rule(1)))
    assert 4 == len(_rules(told_again or {}))
    ssh = RuleFact(False, "tcp", (22, 22), cidr="10.0.0.0/8")
    without = fold(added, RuleRemoved(key, None, ssh))
    assert [None, None, rule(1).id] == [row.get("SecurityGroupRuleId") for row in _rules(without or {})]
    moved = fold(without, RuleSet(key, str(rule(1).id), rule(9)))
    assert rule(9).cidr == _rules(moved or {})[-1]["CidrIpv4"]
    assert rule(1).id == _rules(moved or {})[-1]["SecurityGroupRuleId"]
    kept = fold(moved, Put(key, {"GroupName": "other"}))
    assert _rules(moved or {}) == _rules(kept or {})
    assert fold(moved, Gone(key)) is None


def test_what_is_not_known_is_said() -> None:
    """A document of which only changes were seen, or which was asked for, says so; a description ends that."""
    key = group("sg-1")
    partial = fold(None, RuleAdded(key, rule(1)))
    assert partial is not None
    assert UNKNOWN in partial
    asked = fold({"GroupId": "sg-1"}, Ask(key, "membership changed"))
    assert asked is not None
    assert ["membership changed"] == asked[UNKNOWN]
    assert fold(asked, Ask(key, "membership changed")) == asked
    assert UNKNOWN not in (fold(asked, Put(key, {"GroupId": "sg-1"})) or {})


def test_documents_before_the_edge_are_refused(ledger: Ledger, tmp_path: Path) -> None:
    """After pruning, moments before its edge are refused with a reason, and later ones are as they were."""
    rows = [change(number, at=number * 10) for number in range(300)]
    ledger.append([Entry.of(one) for one in rows])
    before = ledger.documents_at(after(2500))
    assert ledger.prune(after(2000), now=after(4000)).removed == 200
    assert before == ledger.documents_at(after(2500))
    assert truth(rows, after(2000), None) == ledger.documents_at(after(2000))
    with pytest.raises(LedgerPruned, match="no longer kept"):
        ledger.documents_at(after(1500))
    late = [change(900, at=100, learned=5000), change(901, at=2600, learned=5000, on="sg-1")]
    ledger.append([Entry.of(one) for one in late])
    assert ledger.tend(every=1)
    now = ledger.documents_at(START + timedelta(days=1))
    assert truth([*rows, late[1]], after(9999), None) == now


def _rules(document: Document) -> list[dict[str, object]]:
    rows = document.get(RULES)
    assert isinstance(rows, list)
    return rows
