"""Where ingress, egress and network meet: the inner loop of ``sweep``."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from doorward.reach.atoms import Cell

NARROW = 64
"""Egress on at most so many services is found by its place, wider ones are few and always tried."""
FEW = 12
"""So many are tried one after the other."""
Sending = tuple[int, list[Cell]]
"""Services → sources that may send them; before it, all these sources together."""


def meet(heard: list[Cell], always: int, sending: list[Sending], net: list[Cell]) -> list[Cell]:
    """Ingress & egress & network of one target."""
    found: list[Cell] = []
    left: list[Cell] = []
    wanted = 0
    for first, last, admitted in heard:
        for begin, end, through in net:
            sources = admitted & through
            if not sources or last < begin or end < first:
                continue
            low = first if first > begin else begin
            high = last if last < end else end
            certain = sources & always
            if certain:
                found.append((low, high, certain))
                sources ^= certain
            if sources:
                left.append((low, high, sources))
                wanted |= sources
    if not wanted:
        return found
    cells = [cell for union, cells in sending if union & wanted for cell in cells if cell[2] & wanted]
    if len(cells) > FEW:
        cells.sort()
        lows = [cell[0] for cell in cells]
        wide = [cell for cell in cells if cell[1] - cell[0] > NARROW]
        for low, high, sources in left:
            near = cells[bisect_left(lows, low - NARROW) : bisect_right(lows, high)]
            for start, stop, bits in near:
                bits &= sources
                if bits and low <= stop and stop - start <= NARROW:
                    found.append((start if start > low else low, stop if stop < high else high, bits))
            for start, stop, bits in wide:
                if start <= high and low <= stop and bits & sources:
                    found.append((start if start > low else low, stop if stop < high else high, bits & sources))
        return found
    for low, high, sources in left:
        for start, stop, bits in cells:
            if start <= high and low <= stop:
                bits &= sources
                if bits:
                    found.append((start if start > low else low, stop if stop < high else high, bits))
    return found
