"""Sets of endpoints as the bits of one Python integer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

NEAR = 512
"""Numbers that lie in a row of so many make up one small number first."""
MANY = 256
"""So many numbers are put into bytes instead, for which it does not matter how far apart they are."""


def bits_of(numbers: Iterable[int]) -> int:
    """The set of some endpoint numbers. Cheap where neighbours in ``numbers`` are near each other, as those of a subnet
    are: they are put together in a small number, which is put in its place at last."""
    numbers = list(numbers)
    if len(numbers) >= MANY:
        raw = bytearray(max(numbers) // 8 + 1)
        for number in numbers:
            raw[number >> 3] |= 1 << (number & 7)
        return int.from_bytes(raw, "little")
    found = near = base = end = 0
    for number in numbers:
        if base <= number < end:
            near |= 1 << number - base
        else:
            found |= near << base
            near, base, end = 1, number, number + NEAR
    return found | near << base


def union_bits(sets: Iterable[int]) -> int:
    """The union of sets of endpoints."""
    found = 0
    for one in sets:
        found |= one
    return found


def numbers_in(bits: int) -> Iterator[int]:
    """The endpoint numbers of a set, ascending."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low
