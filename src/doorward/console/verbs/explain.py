"""``doorward explain``: one path, hop by hop, there and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doorward.console.options import OptionalEstate, Output, PathFormat, PathFormatOption
from doorward.console.shell import verb


@verb
def explain(
    source: Annotated[str, typer.Argument(metavar="FROM", help="Selector or address, e.g. group:web or 10.0.1.5.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="Selector or address, e.g. group:auth-db.")],
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="E.g. tcp/5432.")],
    estate: OptionalEstate = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="PLAN", help="Explain the state after this plan.")
    ] = None,
    format: PathFormatOption = PathFormat.TEXT,
    output: Output = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 1 when it is stopped, 3 when it cannot be told.")
    ] = False,
) -> int:
    """Say hop by hop what lets a connection pass, or stops it: groups, subnet ACLs, routes, and the way back."""
    from doorward import api
    from doorward.console.out import show, write
    from doorward.console.render.sheet import EXIT, Names
    from doorward.errors import InvalidInput

    if estate is None and plan is None:
        raise InvalidInput("no state to explain", hint="give --estate PATH or --plan PLAN, or both")
    state = api.read_estate(estate) if estate is not None else None
    earlier = None
    if plan is not None:
        planned = api.read_plan(plan, state)
        found = api.explain(planned.after, source, target, service)
        try:
            earlier = api.explain(planned.before, source, target, service)
        except InvalidInput:
            earlier = None  # an end that the plan creates
        names = Names((planned.after, planned.before))
    else:
        assert state is not None
        found = api.explain(state, source, target, service)
        names = Names((state,))
    if format is PathFormat.JSON:
        from doorward.console.render.data import explanation_json

        write(explanation_json(found, earlier), output)
    elif format is PathFormat.SVG:
        from doorward.console.render.picture import explanation_svg

        write(explanation_svg(found, names), output)
    elif format is PathFormat.HTML:
        from doorward.console.render.html import explanation_html

        write(explanation_html(found, names), output)
    else:
        from doorward.console.render.text import explanation_page

        show(explanation_page(found, earlier, names), output)
    return EXIT[found.outcome] if exit_code else 0
