"""``doorward gate``: contracts against a plan, before it is applied."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doorward.console.options import (
    During,
    OptionalEstate,
    Output,
    Picture,
    RepairOption,
    ReportFormat,
    ReportFormatOption,
)
from doorward.console.shell import verb


@verb
def gate(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="What 'terraform show -json PLANFILE' printed.")],
    contracts: Annotated[Path, typer.Option("--contracts", metavar="FILE", help="The contracts file.")],
    estate: OptionalEstate = None,
    during: Annotated[
        During, typer.Option("--during", help="Whether a contract that breaks only during the apply fails the gate.")
    ] = During.FAIL,
    format: ReportFormatOption = ReportFormat.TEXT,
    output: Output = None,
    picture: Picture = None,
    repair: RepairOption = True,
) -> int:
    """Say which contracts a plan keeps: before, during and after the apply.

    Without --estate, the plan's own prior state is the state before.
    Exit status: 0 all kept, 1 something broken, 3 nothing broken but something cannot be told, 2 invalid input.
    """
    from doorward import api
    from doorward.console.render.sheet import Names, Sheet
    from doorward.console.report import publish

    declared = api.read_contracts(contracts)
    state = api.read_estate(estate) if estate is not None else None
    planned = api.read_plan(plan, state)
    report = api.gate(declared, planned, repair=repair)
    sheet = Sheet(
        report,
        "gate",
        declared,
        during="warn" if during is During.WARN else "fail",
        plan=str(plan),
        names=Names((planned.after, planned.before)),
        picture=str(picture) if picture else None,
    )
    return publish(sheet, format, output, picture)
