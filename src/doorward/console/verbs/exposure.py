"""``doorward exposure``: everything that the internet can open."""

from __future__ import annotations

from doorward.console.options import EstateOption, ListFormat, ListFormatOption, Output
from doorward.console.shell import verb


@verb
def exposure(estate: EstateOption, format: ListFormatOption = ListFormat.TEXT, output: Output = None) -> int:
    """List everything that the internet can open, by interface and service."""
    from doorward import api
    from doorward.console.out import show, write

    found = api.exposure(api.read_estate(estate))
    if format is ListFormat.JSON:
        from doorward.console.render.data import exposure_json

        write(exposure_json(found), output)
        return 0
    from doorward.console.render.answers import exposure_markdown, exposure_page

    if format is ListFormat.TEXT:
        show(exposure_page(found), output)
    else:
        write(exposure_markdown(found), output)
    return 0
