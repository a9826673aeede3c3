"""The Python API: files in, values out. The command line is a thin shell around these functions.

Readers are imported when first used, so that importing this module costs little.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from doorward.contracts.contract import Contract
    from doorward.model.estate import Estate
    from doorward.model.plan import Plan
    from doorward.model.verdict import Explanation, Exposed, FlowDiff, Report
    from doorward.reach.pairs import Pairs
    from doorward.reach.watch import Watch


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection: walking all that an engine run makes, again and again, takes as long as the run.

    Nothing is frozen: what a run leaves in circles (worlds and their components) must be collected in a process that
    lives on. Such a process does well to call ``gc.freeze()`` once, when it has read what stays.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def read_estate(path: Path) -> Estate:
    """The estate in a file or folder of ``aws … describe-*`` JSON, or in a snapshot. Raises ``InvalidInput``."""
    from doorward.readers import aws

    return aws.read_estate(path)


def read_plan(path: Path, estate: Estate | None = None) -> Plan:
    """The plan in a file made by ``terraform show -json``, on top of ``estate`` or of its own prior state.

    Raises ``InvalidInput``.
    """
    from doorward.readers import terraform

    return terraform.read_plan(path, estate)


def read_contracts(path: Path) -> tuple[Contract, ...]:
    """The contracts in a YAML file. Raises ``Unreadable`` or ``InvalidContract``."""
    from doorward.contracts.language import parse_contracts
    from doorward.readers.files import read_bytes

    return parse_contracts(read_bytes(path), str(path))


def check(contracts: Iterable[Contract], estate: Estate, *, repair: bool = True) -> Report:
    """Every contract judged on one estate, broken ones with a repair.

    Raises ``InvalidContract`` for a selector that fits nothing.
    """
    from doorward.contracts.check import check as judge_all

    with _uncollected():
        return judge_all(contracts, estate, repair=repair)


def gate(contracts: Iterable[Contract], plan: Plan, *, repair: bool = True) -> Report:
    """Every contract judged before, during and after a plan, broken ones with a repair. Raises ``InvalidContract``."""
    from doorward.contracts.gate import gate as judge_plan

    with _uncollected():
        return judge_plan(contracts, plan, repair=repair)


def diff(before: Estate, after: Estate) -> FlowDiff:
    """Flows gained and lost between two estates; nothing for changes that alter no flow."""
    from doorward.reach.diff import diff as compare

    with _uncollected():
        return compare(before, after)


def explain(estate: Estate, source: str, target: str, service: str) -> Explanation:
    """Hop by hop, there and back. ``source`` and ``target`` are selectors, ids, names or addresses. Raises
    ``InvalidInput``."""
    from doorward.contracts.explain import explain as tell

    return tell(estate, source, target, service)


def exposure(estate: Estate) -> tuple[Exposed, ...]:
    """Everything that the internet can open, by interface and service."""
    from doorward.reach.exposure import exposure as expose

    with _uncollected():
        return expose(estate)


def watch(contracts: Iterable[Contract], estate: Estate) -> Watch:
    """All contracts judged, and ready to tell which of them each change of a rule flips. Raises ``InvalidContract``."""
    from doorward.contracts import watching

    with _uncollected():
        return watching.watch(contracts, estate)


def all_pairs(estate: Estate) -> list[Pairs]:
    """Who can open what on whom by private ways: every two interfaces, all services, what flows for certain."""
    from doorward.reach.pairs import all_pairs as pair
    from doorward.reach.world import World

    with _uncollected():
        return pair(World(estate))
