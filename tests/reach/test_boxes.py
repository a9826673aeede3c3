"""Boxes (services × sources × targets) against sets of single flows."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.reach.boxes import Box, difference, merged

laws = settings(max_examples=200, deadline=None)
SERVICES, ENDS = 8, 4
NUMBERS = st.integers(0, SERVICES - 1)
BITS = st.integers(1, (1 << ENDS) - 1)
BOXES = st.lists(
    st.builds(lambda a, b, sources, targets: Box(min(a, b), max(a, b), sources, targets), NUMBERS, NUMBERS, BITS, BITS),
    max_size=6,
)
Flow = tuple[int, int, int]


def flows(boxes: list[Box]) -> set[Flow]:
    """Every (service, source, target) of some boxes."""
    return {
        (service, source, target)
        for box in boxes
        for service in range(box.first, box.last + 1)
        for source in range(ENDS)
        for target in range(ENDS)
        if box.sources >> source & 1 and box.targets >> target & 1
    }


@laws
@given(BOXES, BOXES)
def test_difference(ours: list[Box], theirs: list[Box]) -> None:
    """The difference holds exactly the flows of ours that are not theirs, in boxes that are not empty."""
    found = difference(ours, theirs)
    assert flows(ours) - flows(theirs) == flows(found)
    assert all(box.first <= box.last and box.sources and box.targets for box in found)


@laws
@given(BOXES)
def test_nothing_is_left_of_itself(boxes: list[Box]) -> None:
    """Boxes without themselves are none, however they overlap; without nothing they stay."""
    assert [] == difference(boxes, list(reversed(boxes)))
    assert flows(boxes) == flows(difference(boxes, []))


@laws
@given(BOXES)
def test_pieces_of_one_box_do_not_overlap(boxes: list[Box]) -> None:
    """What is left of one box is in pieces that do not overlap."""
    whole = Box(0, SERVICES - 1, (1 << ENDS) - 1, (1 << ENDS) - 1)
    pieces = difference([whole], boxes)
    assert len(flows(pieces)) == sum(len(flows([piece])) for piece in pieces)


@laws
@given(BOXES)
def test_merging_keeps_all(boxes: list[Box]) -> None:
    """Joined boxes hold the same flows."""
    joined = [
        Box(first, last, sources, targets)
        for (sources, targets), services in merged(boxes).items()
        for first, last in services.spans
    ]
    assert flows(boxes) == flows(joined)
