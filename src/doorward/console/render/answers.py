"""Answers of ``diff`` and ``exposure`` for people, as a page and as Markdown.

What does not live here: their JSON (``data``), paths (``text``).
"""

from __future__ import annotations

from collections.abc import Sequence

from doorward.console.render.clean import code, markdown
from doorward.console.render.page import Page
from doorward.model.addresses import INTERNET, INTERNET_V4, INTERNET_V6, show_address, show_addresses
from doorward.model.intervals import Intervals
from doorward.model.services import show_services
from doorward.model.verdict import Exposed, Flow, FlowDiff


def diff_page(difference: FlowDiff) -> Page:
    """Flows gained and lost."""
    page = Page()
    for flow in difference.lost:
        page.line(("- lost    ", "bold red"), flow_text(flow))
    for flow in difference.gained:
        page.line(("+ gained  ", "bold green"), flow_text(flow))
    for notice in difference.notices:
        page.line(("! ", "yellow"), notice)
    page.line((diff_headline(difference), "bold"))
    return page


def diff_headline(difference: FlowDiff) -> str:
    """One line."""
    if not difference.gained and not difference.lost:
        return "no flow gained, none lost"
    return f"{_count(len(difference.lost))} lost, {_count(len(difference.gained))} gained"


def flow_text(flow: Flow) -> str:
    """One family of packets in words."""
    sure = "" if flow.certain else "  (perhaps: something on the way cannot be told)"
    return f"{flow.source_text} → {flow.target_text} on {show_services(flow.services)}{sure}"


def diff_markdown(difference: FlowDiff) -> str:
    """Flows gained and lost, as a comment."""
    lines = ["<!-- doorward diff -->", f"### Doorward: {diff_headline(difference)}", ""]
    for word, flows in (("lost", difference.lost), ("gained", difference.gained)):
        if not flows:
            continue
        lines += ["| | from | to | on |", "|---|---|---|---|"]
        for flow in flows[:40]:
            cells = (word + ("" if flow.certain else ", perhaps"), markdown(flow.source_text),
                     markdown(flow.target_text), code(show_services(flow.services)))  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
        lines += [f"… and {len(flows) - 40} more {word}"] if len(flows) > 40 else []
        lines.append("")
    lines += [f"* {markdown(notice)}" for notice in difference.notices]
    return "\n".join(lines) + "\n"


def exposure_page(found: Sequence[Exposed]) -> Page:
    """What the internet can open, by interface."""
    page = Page()
    last = None
    for one in found:
        if one.interface != last:
            title = f"{one.name} ({one.interface})" if one.name and one.name != one.interface else one.interface
            page.line((title, "bold"))
            last = one.interface
        page.line(
            "  ", (show_services(one.services), "red"), f" at {show_address(one.address)}",
            (f" from {sources_text(one.sources)}", "dim"), (_remarks(one), "yellow"),
            (f"  [{', '.join(one.rules or one.groups)}]" if one.rules or one.groups else "", "dim"),
        )  # fmt: skip
    interfaces = len({one.interface for one in found})
    page.line((f"the internet can open {interfaces} interface{'' if interfaces == 1 else 's'}", "bold"))
    return page


def exposure_markdown(found: Sequence[Exposed]) -> str:
    """What the internet can open, as a table."""
    lines = ["| interface | address | services | from | by |", "|---|---|---|---|---|"]
    for one in found:
        cells = (
            code(f"{one.name} ({one.interface})" if one.name else one.interface),
            code(show_address(one.address)),
            markdown(show_services(one.services, 12) + _remarks(one)),
            markdown(sources_text(one.sources)),
            ", ".join(code(rule) for rule in (one.rules or one.groups)),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines if found else ["The internet can open nothing."]) + "\n"


def sources_text(sources: Intervals) -> str:
    """Addresses in words, the whole internet by its name."""
    if not INTERNET - sources:
        return "the whole internet"
    if not INTERNET_V4 - sources:
        return "the whole internet (IPv4)" + (f", {show_addresses(rest)}" if (rest := sources - INTERNET_V4) else "")
    if not INTERNET_V6 - sources:
        return "the whole internet (IPv6)" + (f", {show_addresses(rest)}" if (rest := sources - INTERNET_V6) else "")
    return show_addresses(sources)


def _remarks(one: Exposed) -> str:
    remarks = [] if one.answered else ["answers cannot return"]
    if not one.certain:
        remarks.append("perhaps: something on the way cannot be told")
    return f" ({'; '.join(remarks)})" if remarks else ""


def _count(number: int) -> str:
    return f"{number} flow" if number == 1 else f"{number} flows"
