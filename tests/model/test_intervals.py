"""Laws of ``Intervals`` against sets of small integers.

What does not live here: what the numbers mean (``test_addresses``, ``test_services``).
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.model.intervals import EMPTY, Intervals, Span, union

TOP = 31
UNIVERSE = Intervals([(0, TOP)])
NUMBERS = st.integers(0, TOP)
SPANS = st.tuples(NUMBERS, NUMBERS).map(lambda pair: (min(pair), max(pair)))
LISTS = st.lists(SPANS, max_size=8)
laws = settings(max_examples=200, deadline=None)


def members(spans: list[Span]) -> set[int]:
    """The numbers of some spans, one by one."""
    return {number for first, last in spans for number in range(first, last + 1)}


def listed(found: Intervals) -> set[int]:
    """The numbers of a set, one by one."""
    return members(list(found.spans))


@laws
@given(LISTS)
def test_canonical_form(spans: list[Span]) -> None:
    """Spans come out sorted, apart by a gap of one or more, and hold the very numbers that went in."""
    made = Intervals(spans)
    assert members(spans) == listed(made)
    assert all(first <= last for first, last in made.spans)
    assert all(last + 1 < following for (_, last), (following, _) in zip(made.spans, made.spans[1:], strict=False))


@laws
@given(LISTS, LISTS)
def test_equal_sets_are_equal_values(one: list[Span], other: list[Span]) -> None:
    """Two sets are equal, and hash alike, exactly when they hold the same numbers."""
    a, b = Intervals(one), Intervals(other)
    assert (members(one) == members(other)) == (a == b)
    again = Intervals((number, number) for number in sorted(members(one), reverse=True))
    assert a == again
    assert hash(a) == hash(again)


@laws
@given(LISTS)
def test_round_trip(spans: list[Span]) -> None:
    """A set made from its own spans is the same set."""
    made = Intervals(spans)
    assert made == Intervals(made.spans)
    assert made.spans == tuple(made)


@laws
@given(LISTS, LISTS)
def test_operators(one: list[Span], other: list[Span]) -> None:
    """Union, intersection and difference are those of sets, and their results are canonical."""
    a, b = Intervals(one), Intervals(other)
    mine, theirs = members(one), members(other)
    for expected, actual in ((mine | theirs, a | b), (mine & theirs, a & b), (mine - theirs, a - b)):
        assert expected == listed(actual)
        assert Intervals(actual.spans).spans == actual.spans


@laws
@given(LISTS, LISTS)
def test_complement(one: list[Span], other: list[Span]) -> None:
    """Complements within a universe obey De Morgan, and the complement of the complement is the set."""
    a, b = Intervals(one), Intervals(other)
    assert set(range(TOP + 1)) - members(one) == listed(UNIVERSE - a)
    assert a == UNIVERSE - (UNIVERSE - a)
    assert UNIVERSE - (a | b) == (UNIVERSE - a) & (UNIVERSE - b)
    assert a - b == a & (UNIVERSE - b)


@laws
@given(LISTS, LISTS)
def test_comparisons(one: list[Span], other: list[Span]) -> None:
    """Subset, superset, disjointness, truth and size are those of sets."""
    a, b = Intervals(one), Intervals(other)
    mine, theirs = members(one), members(other)
    assert (mine <= theirs) == (a <= b)
    assert (mine >= theirs) == (a >= b)
    assert mine.isdisjoint(theirs) == a.isdisjoint(b)
    assert bool(mine) == bool(a)
    assert len(mine) == a.size


@laws
@given(LISTS, SPANS)
def test_questions_about_a_span(spans: list[Span], span: Span) -> None:
    """``holds`` asks for all of a span, ``meets`` for any of it."""
    made, asked = Intervals(spans), members([span])
    assert (asked <= members(spans)) == made.holds(*span)
    assert bool(asked & members(spans)) == made.meets(*span)


@laws
@given(LISTS)
def test_membership(spans: list[Span]) -> None:
    """``in`` is membership, also just outside of every span; the first number is the smallest."""
    made, mine = Intervals(spans), members(spans)
    assert mine == {number for number in range(-1, TOP + 2) if number in made}
    if mine:
        assert min(mine) == made.first
    assert "3" not in made


@laws
@given(st.lists(LISTS, max_size=5))
def test_union_of_many(lists: list[list[Span]]) -> None:
    """The union of many sets in one pass is their union one by one."""
    expected = EMPTY
    for spans in lists:
        expected = expected | Intervals(spans)
    assert expected == union(Intervals(spans) for spans in lists)


@laws
@given(LISTS, LISTS)
def test_operands_stay_as_they_are(one: list[Span], other: list[Span]) -> None:
    """No operation changes its operands."""
    a, b = Intervals(one), Intervals(other)
    before = a.spans, b.spans
    _ = a | b, a & b, a - b, a <= b, hash(a)
    assert before == (a.spans, b.spans)


def test_backward_span_is_refused() -> None:
    """A span that ends before it begins is an error, wherever it stands."""
    with pytest.raises(ValueError, match="ends before"):
        Intervals([(3, 2)])
    with pytest.raises(ValueError, match="ends before"):
        Intervals([(0, 5), (9, 7)])


def test_point_and_empty() -> None:
    """A point holds one number, the empty set none; only other sets can be equal to a set."""
    assert Intervals([(7, 7)]) == Intervals.point(7)
    assert EMPTY == Intervals()
    assert EMPTY != ()
    assert not EMPTY
    with pytest.raises(IndexError):
        _ = EMPTY.first
