"""``doorward diff``: flows gained and lost between two states, or by a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doorward.console.options import ExitCode, ListFormat, ListFormatOption, OptionalEstate, Output
from doorward.console.shell import verb


@verb
def diff(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A state, or a plan alone.")],
    after: Annotated[Path | None, typer.Argument(metavar="[AFTER]", help="Another state.")] = None,
    estate: OptionalEstate = None,
    format: ListFormatOption = ListFormat.TEXT,
    output: Output = None,
    exit_code: ExitCode = False,
) -> int:
    """Say which flows are gained and lost between two states, or by a plan.

    Silent on changes that change no flow: split CIDRs, renamed rules, inline rules made standalone.
    """
    from doorward import api
    from doorward.console.out import show, write
    from doorward.errors import InvalidInput

    if after is not None:
        if estate is not None:
            raise InvalidInput("--estate belongs to a plan; got two states", hint="leave --estate out")
        difference = api.diff(api.read_estate(before), api.read_estate(after))
    else:
        if before.is_dir():
            raise InvalidInput("one state alone has no difference", where=str(before), hint="name the other state too")
        plan = api.read_plan(before, api.read_estate(estate) if estate is not None else None)
        difference = api.diff(plan.before, plan.after)
    if format is ListFormat.JSON:
        from doorward.console.render.data import diff_json

        write(diff_json(difference), output)
    else:
        from doorward.console.render.answers import diff_markdown, diff_page

        if format is ListFormat.TEXT:
            show(diff_page(difference), output)
        else:
            write(diff_markdown(difference), output)
    return 1 if exit_code and (difference.gained or difference.lost) else 0
