"""A report for people at a terminal: worst first, what is kept on one line.

What does not live here: sentences (``words``), repairs (``repairs``), colours' escape sequences (``page``).
"""

from __future__ import annotations

from doorward.console.render.page import Page
from doorward.console.render.repairs import commands, terraform
from doorward.console.render.sheet import WORDS, Names, Sheet
from doorward.console.render.words import (
    HOP_MARK,
    MARK,
    edit_text,
    end_text,
    established_text,
    must_text,
    place_text,
    reasons_of,
    times_text,
    witness_text,
)
from doorward.model.services import show_span
from doorward.model.verdict import Explanation, Hop, Outcome, Verdict

STYLE = {Outcome.KEPT: "green", Outcome.BROKEN: "bold red", Outcome.CANNOT_TELL: "bold yellow"}
HOP_STYLE = {"yes": "green", "no": "bold red", "unknown": "bold yellow"}
MOST_NAMES = 12


def report_page(sheet: Sheet) -> Page:
    """The report."""
    page = Page()
    for verdict in sheet.ordered:
        if sheet.outcome_of(verdict) is not Outcome.KEPT:
            _verdict(page, sheet, verdict)
            page.line()
    _kept(page, sheet)
    for warning in sheet.warnings:
        page.line(("! ", "bold yellow"), warning)
    for notice in sheet.notices:
        page.line(("! ", "yellow"), (f"{notice.resource}: ", "dim"), notice.text)
    page.line((sheet.headline, STYLE[sheet.outcome]))
    return page


def _verdict(page: Page, sheet: Sheet, verdict: Verdict) -> None:
    names = sheet.names
    outcome = sheet.outcome_of(verdict)
    contract = sheet.by_name.get(verdict.name)
    when = " DURING THE APPLY" if sheet.only_during(verdict) and sheet.during == "fail" else ""
    facts = [f"severity {verdict.severity}", f"owner {verdict.owner}" if verdict.owner else ""]
    if contract and contract.file and contract.line:
        facts.append(f"{contract.file}:{contract.line}")
    page.line(
        (f"{MARK[outcome]} {WORDS[outcome].upper()}{when}  ", STYLE[outcome]), (verdict.name, "bold"),
        ("  " + " · ".join(filter(None, facts)), "dim"),
    )  # fmt: skip
    must = must_text(contract)
    if must:
        page.field("contract", must)
    if verdict.why:
        page.field("protects", verdict.why)
    if verdict.witness:
        page.field("packet", witness_text(verdict.witness, names))
    reasons, during = reasons_of(sheet, verdict)
    for at, reason in enumerate(reasons):
        page.field("" if at else "because", reason.text, STYLE[outcome])
        page.field("", place_text(reason, names), "dim")
    _path(page, verdict.hops, names)
    times = times_text(verdict)
    if times:
        page.field("apply", times)
    if during:
        for at, step in enumerate(verdict.safe_order):
            page.field("" if at else "do", step)
    established = established_text(verdict)
    if established:
        page.field("sessions", established)
    for note in verdict.notices:
        page.field("notice", note, "yellow")
    _repair(page, verdict, names)


def _path(page: Page, hops: tuple[Hop, ...], names: Names) -> None:
    for at, hop in enumerate(hops):
        page.line(
            ("  path      " if not at else " " * 12, "dim"), (HOP_MARK[hop.passes] + " ", HOP_STYLE[hop.passes]),
            ("← " if hop.answer else "→ ", "dim"), hop.text, (f"  [{place_text(hop, names)}]", "dim"),
        )  # fmt: skip


def _repair(page: Page, verdict: Verdict, names: Names) -> None:
    if verdict.repair_note:
        page.field("repair", verdict.repair_note)
    if not verdict.repair:
        return
    for at, edit in enumerate(verdict.repair):
        page.field("" if at or verdict.repair_note else "repair", edit_text(edit, names), "bold")
    page.field("", "as Terraform:", "dim")
    for at, edit in enumerate(verdict.repair):
        page.block(terraform(edit, names, f"{verdict.name}_{at + 1}" if at else verdict.name))
    lines = [line for edit in verdict.repair for line in commands(edit)]
    if lines:
        page.field("", "with the AWS CLI:", "dim")
        page.block(lines)


def _kept(page: Page, sheet: Sheet) -> None:
    kept = sheet.having(Outcome.KEPT)
    if not kept:
        return
    names = ", ".join(one.name for one in kept[:MOST_NAMES])
    more = f" and {len(kept) - MOST_NAMES} more" if len(kept) > MOST_NAMES else ""
    page.line(("✓ kept  ", "green"), (names + more, "dim"))


def explanation_page(found: Explanation, before: Explanation | None, names: Names) -> Page:
    """One path, hop by hop, there and back."""
    page = Page()
    words = {Outcome.KEPT: "passes", Outcome.BROKEN: "is stopped", Outcome.CANNOT_TELL: "cannot be told"}
    title = explanation_title(found, names)
    page.line((f"{MARK[found.outcome]} {words[found.outcome]}  ", STYLE[found.outcome]), title)
    if before is not None and before.outcome is not found.outcome:
        page.line(("  before the plan: ", "dim"), (words[before.outcome], STYLE[before.outcome]))
    for back in (False, True):
        hops = [hop for hop in found.hops if hop.answer is back]
        if hops:
            page.line(("  the way back" if back else "  the way there", "bold"))
        for hop in hops:
            page.line(
                ("    ", ""), (HOP_MARK[hop.passes] + " ", HOP_STYLE[hop.passes]), hop.text,
                (f"  [{place_text(hop, names)}]", "dim"),
            )  # fmt: skip
    return page


def explanation_title(found: Explanation, names: Names) -> str:
    """Who asks whom for what."""
    return (
        f"{end_text(found.source, found.source_address, names)} → "
        f"{end_text(found.target, found.target_address, names)} on {show_span((found.service, found.service))}"
    )
