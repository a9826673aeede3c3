"""A contract as a value: what was declared, not yet matched with any estate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from doorward.model.addresses import INTERNET
from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.model.services import EPHEMERAL

Must = Literal["reach", "never-reach", "only-from"]
SelectorKind = Literal["internet", "cidr", "group", "interface", "instance", "subnet", "vpc", "lb", "db", "tag"]
Severity = Literal["critical", "high", "medium", "low"]


class Selector(NamedTuple):
    """One end of a contract."""

    kind: SelectorKind
    value: str
    """What stands after the colon: id, name, Terraform address or ``Key=Value``; the CIDR's text for ``cidr``."""
    text: str
    """As it was written."""
    addresses: Intervals = EMPTY
    """For ``internet`` (the families asked for) and ``cidr``."""


INTERNET_SELECTOR = Selector("internet", "", "internet", INTERNET)


@dataclass(frozen=True, slots=True)
class Contract:
    """A declared requirement on traffic."""

    name: str
    must: Must
    sources: tuple[Selector, ...]
    targets: tuple[Selector, ...]
    services: Intervals
    ephemeral: Span = EPHEMERAL
    why: str | None = None
    owner: str | None = None
    severity: Severity = "high"
    line: int | None = None
    """Line of the contracts file, 1-based."""
    file: str | None = None
