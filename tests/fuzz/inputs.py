"""The example's files as a place to break things in, and the one way in which every input is tried.

What does not live here: the ways of breaking them (the tests, and ``run`` for atheris).
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from doorward import api
from doorward.errors import DoorwardError
from doorward.model.verdict import Report

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "examples" / "outage-2024-02-15"
CONTRACTS = EXAMPLE / "doorward.yaml"
ESTATE = EXAMPLE / "estate"
PLAN = EXAMPLE / "plan-bad.json"


@cache
def estate_files() -> dict[str, bytes]:
    """Name → bytes of the example's estate."""
    return {path.name: path.read_bytes() for path in sorted(ESTATE.iterdir())}


@cache
def plan_text() -> bytes:
    """The plan that caused the outage."""
    return PLAN.read_bytes()


@contextmanager
def copied(changes: dict[str, bytes | None]) -> Iterator[Path]:
    """The estate in a folder of its own, with files replaced, added or (None) removed."""
    with tempfile.TemporaryDirectory(prefix="doorward-fuzz-") as folder:
        place = Path(folder)
        for name, data in {**estate_files(), **changes}.items():
            if data is not None:
                (place / name).write_bytes(data)
        yield place


def check(estate: Path, contracts: Path = CONTRACTS) -> Report | DoorwardError:
    """A report, or the error that is meant for people; anything else is a fault of ours and passes through."""
    try:
        return api.check(api.read_contracts(contracts), api.read_estate(estate))
    except DoorwardError as error:
        assert str(error).strip()
        return error


def gate(plan: Path, estate: Path | None, contracts: Path = CONTRACTS) -> Report | DoorwardError:
    """The same for a plan."""
    try:
        state = None if estate is None else api.read_estate(estate)
        return api.gate(api.read_contracts(contracts), api.read_plan(plan, state))
    except DoorwardError as error:
        assert str(error).strip()
        return error


def outcomes(report: Report) -> dict[str, str]:
    """Contract → outcome."""
    return {verdict.name: verdict.outcome.value for verdict in report.verdicts}


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value in a JSON document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def altered(document: Any, path: tuple[str | int, ...], new: Any, *, remove: bool = False) -> Any:
    """A copy of a JSON document with one value replaced or removed."""
    if not path:
        return None if remove else new
    made = json.loads(json.dumps(document))
    at = made
    for key in path[:-1]:
        at = at[key]
    if remove:
        del at[path[-1]]
    else:
        at[path[-1]] = new
    return made


def clean(folder: Path) -> None:
    """Remove a folder that a test made."""
    shutil.rmtree(folder, ignore_errors=True)
