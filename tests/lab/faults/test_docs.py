"""The reference page of faults says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from doorward_lab import faults

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "lab-faults.md").read_text(encoding="utf-8")
COMMON = ("role", "session", "noise")


def test_every_fault_is_on_the_page() -> None:
    """The table has all faults, in the catalogue's order."""
    assert faults.names() == re.findall(
        r"^\| `([a-z-]+)` \| .* \| .* \|$", PAGE.partition("## Changes")[0], re.MULTILINE
    )


@pytest.mark.parametrize("name", faults.names())
def test_a_fault_s_row_tells_its_parameters(name: str) -> None:
    """Each row has the fault's summary and its own parameters with their defaults."""
    fault = faults.get(name)
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
    assert fault.summary in row
    own = {one.name: str(one.default) for one in fault.parameters if one.name not in COMMON or name == "clock-skew"}
    assert own == dict(re.findall(r"`([a-z-]+)`(?:=([^,| ]*))?", row.rpartition(f"{fault.summary} |")[2]))
