"""Endpoints that nothing tells apart, and what flows between them: the answer of ``pairs``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from doorward.model.intervals import Intervals, Span
from doorward.reach.world import Cls, Component, numbers_in, union_bits

Cell = tuple[int, int, int]
"""On services first … last: these sources, as a set of atoms."""


class Atom(NamedTuple):
    """Endpoints of one class that nothing tells apart."""

    cls: Cls
    endpoints: int
    """As bits of the component's numbering."""
    interface: str | None
    """The only interface among them, if it is one."""


class Pair(NamedTuple):
    """What flows from the endpoints of one class to those of another; same interfaces are left out by ``owners``."""

    source: Cls
    target: Cls
    sources: int
    """Endpoints of the component."""
    targets: int
    services: Intervals


class Pairs:
    """All private flows of one component, by target."""

    def __init__(self, component: Component, atoms: list[Atom], into: list[list[Cell]]) -> None:
        self.component = component
        self.atoms = atoms
        self.into = into
        """For each atom (as target) cells of services and sources; spans may overlap, what they hold is united."""

    def sources_of(self, target: int) -> int:
        """All atoms that reach an atom on any service."""
        found = 0
        for _, _, bits in self.into[target]:
            found |= bits
        return found

    def count(self) -> int:
        """How many (source atom, target atom) pairs something flows between."""
        return sum(self.sources_of(target).bit_count() for target in range(len(self.atoms)))

    def endpoints(self, atoms: int) -> int:
        """A set of atoms as endpoints of the component."""
        return union_bits(self.atoms[number].endpoints for number in numbers_in(atoms))

    def on(self, target: int, service: int) -> int:
        """The atoms that reach an atom on one service."""
        return union_bits(bits for first, last, bits in self.into[target] if first <= service <= last)

    def __iter__(self) -> Iterator[Pair]:
        """Pairs of atoms with their services. Quadratic: for what is small, or taken in part."""
        for number, target in enumerate(self.atoms):
            spans: dict[int, list[Span]] = {}
            for first, last, bits in self.into[number]:
                for source in numbers_in(bits):
                    spans.setdefault(source, []).append((first, last))
            for source, found in sorted(spans.items()):
                atom = self.atoms[source]
                yield Pair(atom.cls, target.cls, atom.endpoints, target.endpoints, Intervals(found))
