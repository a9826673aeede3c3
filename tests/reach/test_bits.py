"""Sets of endpoints as bits, against sets of numbers."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.reach.bits import MANY, bits_of, numbers_in

laws = settings(max_examples=200, deadline=None)
NEAR = st.lists(st.integers(0, 40), max_size=60)
FAR = st.lists(st.integers(0, 5_000), max_size=60)


@laws
@given(NEAR | FAR)
def test_bits_hold_the_numbers_that_were_given(numbers: list[int]) -> None:
    """Whatever their order, however far apart, and however often each is given."""
    assert sorted(set(numbers)) == list(numbers_in(bits_of(numbers)))


def test_many_numbers_are_the_same_set_as_few_at_a_time() -> None:
    """The two ways of putting numbers together agree."""
    numbers = [number * number % 3_001 for number in range(2 * MANY)]
    few = 0
    for number in numbers:
        few |= bits_of([number])
    assert few == bits_of(numbers)
