"""The state converges to the truth, and says in between what it does not know."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.duty.rules import content_of
from doorward.duty.state import NO_EVENT, State
from doorward.model.change import Ask, Change, Key, Put, RuleAdded, RuleFact, RuleRemoved, RuleSet
from tests.duty.histories import GROUP, PLACE, WHO, document, history, states, when

WEB = RuleFact(False, "tcp", (443, 443), cidr="0.0.0.0/0")


def begun(rules: dict[str, RuleFact], *, ids: bool = True) -> State:
    """A state that has read the group once."""
    state = State()
    state.take_documents(PLACE, {GROUP: document(rules, ids=ids)}, when(0), when(1), ("group",), first=True)
    return state


def change(id: str, second: int, *effects: object) -> Change:
    """A change by anybody."""
    return Change(id, when(second), when(second), PLACE, "ec2:Something", WHO, tuple(effects))  # type: ignore[arg-type]  # effects are written out in each test


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 32), st.booleans(), st.floats(0, 1))
def test_any_delivery_and_one_answer_end_in_the_truth(seed: int, ids: bool, named: float) -> None:
    """Shuffled, doubled and lost events of a random history, and one describe answer: the final state, nothing open."""
    chance = Random(seed)
    true = history(chance, 12, named=named)
    state = begun(true.base, ids=ids)
    delivered = [act for act in true.acts if chance.random() > 0.2]
    delivered += [act for act in delivered if chance.random() < 0.3]
    chance.shuffle(delivered)
    cut = chance.randint(0, len(delivered))
    for act in delivered[:cut]:
        state.take(act.change)
    state.take_documents(PLACE, {GROUP: document(true.end, ids=True)}, when(1000), when(1001), ("group",))
    for act in delivered[cut:]:  # late ones change nothing any more
        assert not state.take(act.change).moves
    expected = {id: content_of(rule) for id, rule in true.end.items()}
    assert expected == {one.id: content_of(one) for one in state.group(GROUP).facts()}
    assert not state.group(GROUP).unsure


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 1 << 32), st.booleans(), st.floats(0, 1), st.floats(0, 0.9))
def test_every_state_that_fits_what_was_seen_lies_between_the_bounds(
    seed: int, ids: bool, named: float, busy: float
) -> None:
    """After every event, in any order of delivery and with losses: lower ⊆ every consistent state ⊆ upper."""
    chance = Random(seed)
    true = history(chance, 7, busy=busy, named=named)
    state = begun(true.base, ids=ids)
    delivered = [act for act in true.acts if chance.random() > 0.15]
    chance.shuffle(delivered)
    for number, act in enumerate(delivered, 1):
        state.take(act.change)
        known = state.group(GROUP)
        status = known.statuses()
        lower = {content for content, value in status.items() if value == 2}
        for one in states(true.base, delivered[:number], ids=ids):
            assert lower <= one, (delivered[:number], lower - one)
            assert known.open or one <= status.keys(), (delivered[:number], one - status.keys())


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1 << 32), st.booleans())
def test_the_order_of_delivery_makes_no_difference(seed: int, ids: bool) -> None:
    """The same events in two orders: the same knowledge."""
    chance = Random(seed)
    true = history(chance, 60, busy=0.3)
    found = []
    for _ in range(2):
        delivered = list(true.acts)
        chance.shuffle(delivered)
        state = begun(true.base, ids=ids)
        for act in delivered:
            state.take(act.change)
        found.append((state.group(GROUP).statuses(), state.group(GROUP).open))
    assert found[0] == found[1]


def test_events_in_order_are_certain_without_any_answer() -> None:
    """A rule added, changed and removed by id, each in its second: nothing is open at any moment."""
    state = begun({})
    rule = RuleFact(False, "tcp", (443, 443), cidr="0.0.0.0/0", id="sgr-1")
    state.take(change("a", 10, RuleAdded(GROUP, rule)))
    assert 2 == state.group(GROUP).status(content_of(rule))
    narrow = RuleFact(False, "tcp", (443, 443), cidr="10.0.0.0/8", id="sgr-1")
    taken = state.take(change("b", 11, RuleSet(GROUP, "sgr-1", narrow)))
    assert (0, 2) == tuple(state.group(GROUP).status(content_of(one)) for one in (rule, narrow))
    assert [(rule, narrow, True)] == [(one.before, one.after, one.sure) for one in taken.deltas]  # type: ignore[union-attr]  # rule deltas
    state.take(change("c", 12, RuleRemoved(GROUP, "sgr-1", None)))
    assert {} == state.group(GROUP).statuses()
    assert not state.unsure


def test_two_changes_of_one_rule_in_one_second_leave_both_open() -> None:
    """Set to A and set to B in the same second, by different calls: either may be the last."""
    state = begun({"sgr-1": WEB})
    one, two = (RuleFact(False, "tcp", (port, port), cidr="0.0.0.0/0") for port in (80, 81))
    state.take(change("a", 10, RuleSet(GROUP, "sgr-1", one)))
    state.take(change("b", 10, RuleSet(GROUP, "sgr-1", two)))
    assert {content_of(one): 1, content_of(two): 1} == state.group(GROUP).statuses()
    assert (when(11).timestamp()) == state.settles(GROUP)


def test_a_call_that_ended_while_the_answer_was_given_is_open() -> None:
    """An event of the second in which the answer was read, not shown by it: perhaps there, perhaps removed again."""
    state = State()
    state.take_documents(PLACE, {GROUP: document({}, ids=True)}, when(10.2), when(10.4), ("group",), first=True)
    state.take(change("a", 10, RuleAdded(GROUP, RuleFact(False, "tcp", (443, 443), cidr="0.0.0.0/0", id="sgr-1"))))
    assert 1 == state.group(GROUP).status(content_of(WEB))
    state.take_documents(PLACE, {GROUP: document({"sgr-1": WEB}, ids=True)}, when(11.1), when(11.2))
    assert 2 == state.group(GROUP).status(content_of(WEB))
    assert not state.unsure


def test_what_no_event_told_is_found_and_recorded_as_such() -> None:
    """A rule appears in a describe answer without an event: a change "no event seen" with its delta."""
    state = begun({})
    found = state.take_documents(PLACE, {GROUP: document({"sgr-9": WEB}, ids=True)}, when(60), when(61), ("group",))
    ((made, deltas),) = found.changes
    assert (NO_EVENT, "reconcile", (GROUP,)) == (made.call, made.source, tuple(one.key for one in found.moves))
    assert ["sgr-9"] == [one.after.id for one in deltas]  # type: ignore[union-attr]  # rule deltas


def test_a_new_group_begins_with_a_default_egress_that_no_event_told() -> None:
    """CreateSecurityGroup alone: allow-all egress may be there; the next answer shows it, recorded as no event seen."""
    state = begun({})
    new = Key(PLACE, "group", "sg-new")
    state.take(change("a", 10, Put(new, {"GroupId": "sg-new", "VpcId": "vpc-1"})))
    assert [1] == list(state.group(new).statuses().values())
    rule = RuleFact(True, "-1", None, cidr="0.0.0.0/0", id="sgr-5")
    answer = {**document({}, ids=True), "GroupId": "sg-new", "IpPermissionsEgress": [
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]}  # fmt: skip
    found = state.take_documents(PLACE, {new: answer}, when(12), when(13))
    assert [NO_EVENT] == [one.call for one, _ in found.changes]
    assert {content_of(rule): 2} == state.group(new).statuses()


def test_events_before_the_creation_of_their_group_end_in_the_same_state() -> None:
    """Replay in the order of files puts Authorize before Create: the same in the end."""
    new = Key(PLACE, "group", "sg-new")
    made = change("a", 10, Put(new, {"GroupId": "sg-new", "VpcId": "vpc-1"}))
    rule = RuleFact(False, "tcp", (22, 22), cidr="0.0.0.0/0", id="sgr-1")
    added = change("b", 10, RuleAdded(new, rule))
    gone = change("c", 12, RuleRemoved(new, None, RuleFact(True, "-1", None, cidr="0.0.0.0/0")))
    found = []
    for order in ((made, added, gone), (gone, added, made), (added, made, gone)):
        state = begun({})
        for one in order:
            state.take(one)
        found.append((state.group(new).statuses(), state.group(new).unsure))
    assert [({content_of(rule): 2}, False)] * 3 == found


def test_what_an_event_does_not_tell_is_open_until_asked_and_credited_to_who_did_it() -> None:
    """Ask: anything may be true; the answer's difference is recorded in the name of the call that made us ask."""
    state = begun({})
    state.take(change("a", 10, Ask(GROUP, "a call whose effect is not told")))
    assert state.group(GROUP).open
    found = state.take_documents(PLACE, {GROUP: document({"sgr-9": WEB}, ids=True)}, when(11), when(12))
    ((made, _),) = found.changes
    assert (WHO, ("answers a",)) == (made.who, made.notes)
    assert not state.unsure
