"""What a report is printed from: the report, the contracts it judges, and where everything came from.

What lives here: order (worst first), what an outcome counts as, exit status, names of resources.
What does not live here: any format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from doorward.contracts.contract import Contract
from doorward.model.addresses import show_address, show_addresses
from doorward.model.estate import Estate, Interface, Notice
from doorward.model.intervals import Intervals
from doorward.model.rules import Group
from doorward.model.verdict import Outcome, Report, Verdict, worst

Verb = Literal["check", "gate"]
During = Literal["fail", "warn"]
SEVERITY_RANK = {"critical": 0, "high": 1, "medium": 2, "low": 3}
EXIT = {Outcome.KEPT: 0, Outcome.BROKEN: 1, Outcome.CANNOT_TELL: 3}
"""Exit status by outcome; 2 is invalid input or usage."""
WORDS = {Outcome.KEPT: "kept", Outcome.BROKEN: "broken", Outcome.CANNOT_TELL: "cannot tell"}
_KINDS = (
    "groups", "interfaces", "subnets", "vpcs", "acls", "route_tables", "load_balancers", "target_groups",
    "nat_gateways", "peerings", "transit_gateways", "prefix_lists", "holders",
)  # fmt: skip


@dataclass(frozen=True)
class Names:
    """Names and Terraform addresses of resources, looked up only when a line needs them."""

    estates: tuple[Estate, ...] = ()
    """The newest state first."""

    def element(self, id: str) -> Any:
        """The element of any kind with this id, or None."""
        for estate in self.estates:
            for kind in _KINDS:
                elements: Mapping[str, Any] = getattr(estate, kind)
                found = elements.get(id)
                if found is not None:
                    return found
        return None

    def label(self, id: str) -> str:
        """``name (id)`` where a name is known and says more than the id."""
        name = self.short(id)
        return f"{name} ({id})" if name != id else id

    def short(self, id: str) -> str:
        """The name, else the id; an interface without a name is known by its instance's name or by its groups."""
        element = self.element(id)
        name = getattr(element, "name", "")
        if name or not isinstance(element, Interface):
            return name or id
        instance = getattr(self.element(element.instance), "name", "") if element.instance else ""
        groups = [group.name for one in element.groups if (group := self.group(one)) is not None and group.name]
        return instance or (f"interface in {', '.join(groups)}" if groups else id)

    def place(self, id: str, address: int) -> str:
        """The address of an end of a packet, or the range of one that is not known."""
        interface = self.element(id)
        if isinstance(interface, Interface):
            for first, last in interface.wide:
                if first <= address <= last:
                    return f"an address in {show_addresses(Intervals([(first, last)]))}"
        return show_address(address) if address else "an address that is not known"

    def address(self, id: str) -> str | None:
        """The Terraform address of an element, when known."""
        origin = getattr(self.element(id), "origin", None)
        if isinstance(origin, str) and origin.startswith(("aws_", "module.")):
            return origin
        return id if id.startswith(("aws_", "module.")) else None

    def group(self, id: str) -> Group | None:
        """A security group."""
        return next((estate.groups[id] for estate in self.estates if id in estate.groups), None)


@dataclass(frozen=True)
class Sheet:
    """Everything that a report's formats print."""

    report: Report
    verb: Verb
    contracts: tuple[Contract, ...] = ()
    during: During = "fail"
    plan: str | None = None
    names: Names = field(default_factory=Names)
    picture: str | None = None
    """Path of the picture, as Markdown shall refer to it."""

    def outcome_of(self, verdict: Verdict) -> Outcome:
        """What a verdict counts as here."""
        return verdict.outcome if self.during == "warn" else worst(verdict)

    def only_during(self, verdict: Verdict) -> bool:
        """Whether it is worse during the apply than after it, and that is what counts (or would, without ``warn``)."""
        return worst(verdict) is not verdict.outcome

    @cached_property
    def outcome(self) -> Outcome:
        """The worst of all."""
        return max((self.outcome_of(one) for one in self.report.verdicts), key=_badness, default=Outcome.KEPT)

    @property
    def exit_status(self) -> int:
        """0 all kept, 1 something broken, 3 nothing broken but something cannot be told."""
        return EXIT[self.outcome]

    @cached_property
    def ordered(self) -> tuple[Verdict, ...]:
        """Worst first, then by severity; among equals, in the order of the contracts file."""
        return tuple(
            sorted(
                self.report.verdicts,
                key=lambda one: (-_badness(self.outcome_of(one)), SEVERITY_RANK.get(one.severity, 9)),
            )
        )

    def having(self, outcome: Outcome) -> tuple[Verdict, ...]:
        """The verdicts that count as ``outcome``, in order."""
        return tuple(one for one in self.ordered if self.outcome_of(one) is outcome)

    @cached_property
    def by_name(self) -> Mapping[str, Contract]:
        """Contracts by name."""
        return {contract.name: contract for contract in self.contracts}

    @property
    def contracts_file(self) -> str | None:
        """The file of the contracts."""
        return self.contracts[0].file if self.contracts else None

    @cached_property
    def notices(self) -> tuple[Notice, ...]:
        """The report's notices, each once."""
        return tuple(dict.fromkeys(self.report.notices))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What ``--during warn`` lets pass."""
        if self.during != "warn":
            return ()
        return tuple(
            f"{one.name} is {WORDS[worst(one)]} during the apply; let pass by --during warn"
            for one in self.ordered
            if self.only_during(one)
        )

    @property
    def headline(self) -> str:
        """One line: how many contracts are what."""
        counts = {outcome: len(self.having(outcome)) for outcome in Outcome}
        total = len(self.report.verdicts)
        if not counts[Outcome.BROKEN] and not counts[Outcome.CANNOT_TELL]:
            return f"all {total} contracts kept" if total != 1 else "the contract is kept"
        order = (Outcome.BROKEN, Outcome.CANNOT_TELL, Outcome.KEPT)
        parts = [f"{counts[one]} {WORDS[one]}" for one in order if counts[one]]
        return f"{', '.join(parts)} of {total} contract{'s' if total != 1 else ''}"


def _badness(outcome: Outcome) -> int:
    return outcome.badness
