"""``doorward check``: contracts against a state."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doorward.console.options import EstateOption, Output, Picture, RepairOption, ReportFormat, ReportFormatOption
from doorward.console.shell import verb


@verb
def check(
    contracts: Annotated[Path, typer.Argument(metavar="CONTRACTS", help="The contracts file.")],
    estate: EstateOption,
    format: ReportFormatOption = ReportFormat.TEXT,
    output: Output = None,
    picture: Picture = None,
    repair: RepairOption = True,
) -> int:
    """Say which contracts a state of the network keeps.

    Exit status: 0 all kept, 1 something broken, 3 nothing broken but something cannot be told, 2 invalid input.
    """
    from doorward import api
    from doorward.console.render.sheet import Names, Sheet
    from doorward.console.report import publish

    declared = api.read_contracts(contracts)
    state = api.read_estate(estate)
    report = api.check(declared, state, repair=repair)
    sheet = Sheet(report, "check", declared, names=Names((state,)), picture=str(picture) if picture else None)
    return publish(sheet, format, output, picture)
