"""What a run of the judge found, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MOST_UNKNOWN = 0.02
"""Share of packets of which the engine may say that it cannot tell: nothing in these estates is unknown to it."""


@dataclass(slots=True)
class Report:
    """A run. Times in seconds."""

    seed: int
    estates: int = 0
    pairs: int = 0
    """Ordered pairs of ends between which packets were sent."""
    probes: int = 0
    """Packets, each judged by both."""
    contracts: int = 0
    """Of these, how many were also asked as contracts through ``doorward.api.check`` (two contracts each)."""
    connections: int = 0
    """Standing connections under which rules were revoked."""
    cut: int = 0
    """Of these, how many were cut."""
    arrived: int = 0
    answered: int = 0
    unknown: int = 0
    """Packets of which the engine cannot tell: neither agreement nor disagreement."""
    apart: int = 0
    """Packets on which they differ and AWS does not say who is right."""
    disagreements: int = 0
    cases: list[str] = field(default_factory=list)
    """Files of minimal cases, one for each kind of disagreement."""
    unbuilt: list[str] = field(default_factory=list)
    """Estates that could not be built or read: they were not judged."""
    seconds: float = 0.0
    """From start to end, building included."""
    probe_seconds: float = 0.0
    """What sending and hearing the packets took."""
    slowest_follow: float = 0.0
    """What the data plane took to follow one API call, at most."""

    @property
    def ok(self) -> bool:
        """Whether the two agree: no disagreement, nothing left unjudged, little that cannot be told."""
        return (
            not (self.disagreements or self.unbuilt or not self.probes) and self.unknown <= MOST_UNKNOWN * self.probes
        )

    @property
    def text(self) -> str:
        """For people."""
        rate = self.probes / self.probe_seconds if self.probe_seconds else 0.0
        overall = self.probes / self.seconds if self.seconds else 0.0
        lines = [
            f"{self.estates} estates, {self.pairs} pairs, {self.probes} packets in {self.seconds:.1f} s "
            f"({rate:,.0f} packets a second on the wire, {overall:,.0f} with building and reading)",
            f"{self.arrived} arrived, {self.answered} were answered; {self.contracts} were asked as contracts too",
            f"{self.connections} standing connections under revoked rules, {self.cut} of them cut",
            f"{self.disagreements} disagreements, {self.unknown} cannot tell, {self.apart} undocumented at AWS",
        ]
        lines += [f"case: {name}" for name in self.cases]
        lines += [f"not judged: {text}" for text in self.unbuilt]
        return "\n".join(lines)

    def add(self, other: dict[str, Any]) -> None:
        """Add the counts of one estate."""
        for name, value in other.items():
            if name == "slowest_follow":
                self.slowest_follow = max(self.slowest_follow, value)
            elif isinstance(value, list):
                getattr(self, name).extend(value)
            else:
                setattr(self, name, getattr(self, name) + value)
