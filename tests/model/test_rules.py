"""Rules and groups as values: what makes two of them equal."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.model.addresses import V4_ALL, V6_ALL
from doorward.model.rules import AnyPeer, Direction, Group, GroupPeer, Peer, PrefixListPeer, Rule
from doorward.model.services import rule_span

laws = settings(max_examples=150, deadline=None)
DIRECTIONS: list[Direction] = ["ingress", "egress"]
PEERS: list[Peer] = [V4_ALL, V6_ALL, (1, 1), GroupPeer("sg-1"), GroupPeer("sg-2"), PrefixListPeer("pl-1"), AnyPeer("x")]
SERVICES = [rule_span("tcp", 443, 443), rule_span("tcp", 22, 80), rule_span("-1", None, None)]
RULES = st.builds(
    Rule,
    st.sampled_from(DIRECTIONS),
    st.sampled_from(SERVICES),
    st.sampled_from(PEERS),
    st.none() | st.sampled_from(["sgr-1", "sgr-2"]),
    st.none() | st.just("aws_security_group.web"),
    st.none() | st.just("words"),
)


@laws
@given(RULES, RULES)
def test_key_is_what_is_allowed(one: Rule, other: Rule) -> None:
    """Two rules have one key exactly when direction, service and peer are the same; ids and words carry no traffic."""
    same = (one.direction, one.service, one.peer) == (other.direction, other.service, other.peer)
    assert same == (one.key == other.key)
    assert one.key == one._replace(id="sgr-9", origin="elsewhere", description="other").key


@laws
@given(RULES, RULES)
def test_rules_are_values(one: Rule, other: Rule) -> None:
    """Equal means equal in every field, and equal rules hash alike."""
    assert (tuple(one) == tuple(other)) == (one == other)
    assert hash(one) == hash(Rule(*one))


@laws
@given(st.lists(RULES, max_size=6), st.randoms(use_true_random=False))
def test_order_of_rules_is_nothing(rules: list[Rule], chance: object) -> None:
    """Groups with the same rules in another order, or one of them given twice, are equal and hash alike."""
    again = list(rules)
    chance.shuffle(again)  # type: ignore[attr-defined]  # a random.Random
    one = Group("sg-1", name="web", vpc="vpc-1", rules=tuple(rules))
    other = Group("sg-1", name="web", vpc="vpc-1", rules=(*again, *rules[:1]))
    assert one == other
    assert hash(one) == hash(other)


@laws
@given(st.lists(RULES, max_size=4), st.lists(RULES, max_size=4))
def test_other_rules_make_another_group(one: list[Rule], other: list[Rule]) -> None:
    """Groups are equal only with the same set of rules, and never across ids, names or VPCs."""
    group = Group("sg-1", name="web", vpc="vpc-1", rules=tuple(one))
    assert (set(one) == set(other)) == (group == group.with_rules(tuple(other)))
    assert group != Group("sg-2", name="web", vpc="vpc-1", rules=tuple(one))
    assert group != Group("sg-1", name="db", vpc="vpc-1", rules=tuple(one))
    assert group != Group("sg-1", name="web", vpc="vpc-2", rules=tuple(one))
    assert group != "sg-1"


@laws
@given(st.lists(RULES, max_size=6))
def test_directions_part_the_rules(rules: list[Rule]) -> None:
    """Every rule is in exactly one of ingress and egress, in its order."""
    group = Group("sg-1", rules=tuple(rules))
    assert [rule for rule in rules if rule.direction == "ingress"] == list(group.ingress)
    assert [rule for rule in rules if rule.direction == "egress"] == list(group.egress)


def test_rules_are_loaded_once() -> None:
    """Undecoded rules are decoded when first asked for, and not again."""
    calls: list[int] = []

    def load() -> tuple[Rule, ...]:
        calls.append(1)
        return (Rule("ingress", SERVICES[0], V4_ALL),)

    group = Group("sg-1", load=load)
    assert [] == calls
    assert group.rules == group.rules
    assert [1] == calls


def test_group_without_rules() -> None:
    """A group that was given no rules has none; replacing rules keeps everything else."""
    assert () == Group("sg-1").rules
    group = Group(
        "sg-1", name="web", vpc="vpc-1", owner="1", region="r", description="d", tags=(("a", "b"),), origin="o"
    )
    made = group.with_rules((Rule("ingress", SERVICES[0], V4_ALL),))
    fields = ("id", "name", "vpc", "owner", "region", "description", "tags", "origin")
    assert [getattr(group, name) for name in fields] == [getattr(made, name) for name in fields]
