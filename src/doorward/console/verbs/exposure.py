"""``doorward exposure``: everything that the internet can open."""

from __future__ import annotations

from doorward.console.options import EstateOption, ListFormat, ListFormatOption, Output
from doorward.console.shell import verb


@verb
def exposure(estate: EstateOption, format: ListFormatOption = ListFormat.TEXT, output: Output = None) -> int:
    """List everything that the internet can open, by interface and service.

    Exit status: 0 listed, 3 there is no interface in the input, so it cannot be told, 2 invalid input.
    """
    from doorward import api
    from doorward.console.out import say, show, write

    state = api.read_estate(estate)
    found = api.exposure(state)
    # What was not read cannot be listed: the same status as of a contract that cannot be told.
    status = 0 if state.interfaces else 3
    for notice in dict.fromkeys(state.notices):
        say(f"! {notice.resource}: {notice.text}")
    if not state.interfaces:
        say("! no network interface in the input: cannot be told; add `aws ec2 describe-network-interfaces`")
    if format is ListFormat.JSON:
        from doorward.console.render.data import exposure_json

        write(exposure_json(found, state.notices), output)
        return status
    from doorward.console.render.answers import exposure_markdown, exposure_page

    if format is ListFormat.TEXT:
        show(exposure_page(found), output)
    else:
        write(exposure_markdown(found), output)
    return status
