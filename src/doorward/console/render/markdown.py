"""A report as a comment on a pull request: worst first, one screen, the rest folded.

The first line is a hidden marker, by which an action finds and renews its own comment.
GitHub takes at most 65,536 characters; details are left out from the mildest end before that.
"""

from __future__ import annotations

from doorward.console.render.clean import code, fence, markdown
from doorward.console.render.repairs import commands, terraform
from doorward.console.render.sheet import WORDS, Sheet
from doorward.console.render.words import (
    HOP_MARK,
    edit_text,
    established_text,
    must_text,
    place_text,
    reasons_of,
    times_text,
    witness_text,
)
from doorward.model.verdict import Outcome, Verdict

MARKER = "<!-- doorward -->"
EMOJI = {Outcome.KEPT: "✅", Outcome.BROKEN: "❌", Outcome.CANNOT_TELL: "❓"}
MOST_ROWS = 12
"""Rows of the table above the fold."""
MOST_CHARACTERS = 60_000


def report_markdown(sheet: Sheet) -> str:
    """The report."""
    bad = [one for one in sheet.ordered if sheet.outcome_of(one) is not Outcome.KEPT]
    lines = [MARKER, f"### {EMOJI[sheet.outcome]} Doorward: {markdown(sheet.headline)}", ""]
    if bad:
        lines += _table(sheet, bad[:MOST_ROWS])
        if len(bad) > MOST_ROWS:
            lines += ["", f"… and {len(bad) - MOST_ROWS} more, folded below."]
        lines.append("")
    if sheet.picture and bad:
        lines += [f"![{_alt(bad[0], sheet)}](<{_destination(sheet.picture)}>)", ""]
    lines += [f"⚠️ {markdown(text)}" for text in sheet.warnings[:MOST_ROWS]]
    tail = _tail(sheet, bad)
    room = MOST_CHARACTERS - _size(lines) - _size(tail)
    left_out = 0
    for at, verdict in enumerate(bad):
        details = _details(sheet, verdict, opened=at == 0 and len(bad) == 1)
        if _size(details) > room:
            left_out = len(bad) - at
            break
        room -= _size(details)
        lines += details
    if left_out:
        lines += [f"*Details of {left_out} more are in the log: this comment has no room for them.*", ""]
    return "\n".join([*lines, *tail]) + "\n"


def _size(lines: list[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def _table(sheet: Sheet, verdicts: list[Verdict]) -> list[str]:
    lines = ["| | contract | why it matters | because |", "|---|---|---|---|"]
    for verdict in verdicts:
        reasons, during = reasons_of(sheet, verdict)
        outcome = sheet.outcome_of(verdict)
        word = WORDS[outcome] + (" during the apply" if during else "")
        matters = [verdict.why or "", f"({verdict.severity}" + (f", {verdict.owner})" if verdict.owner else ")")]
        because = reasons[0].text if reasons else ""
        cells = (
            f"{EMOJI[outcome]} {word}",
            code(_cut(verdict.name, 80)),
            markdown(_cut(" ".join(filter(None, matters)), 160)),
            markdown(_cut(because, 200)),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _details(sheet: Sheet, verdict: Verdict, *, opened: bool) -> list[str]:
    names = sheet.names
    outcome = sheet.outcome_of(verdict)
    contract = sheet.by_name.get(verdict.name)
    title = f"{EMOJI[outcome]} {code(verdict.name)}: details{' and repair' if verdict.repair else ''}"
    lines = [f"<details{' open' if opened else ''}><summary>{title}</summary>", ""]
    must = must_text(contract)
    place = f" ({code(f'{contract.file}:{contract.line}')})" if contract and contract.file and contract.line else ""
    if must:
        lines.append(f"* **Contract**: {markdown(must)}{place}")
    if verdict.witness:
        lines.append(f"* **Packet**: {markdown(witness_text(verdict.witness, names))}")
    for reason in reasons_of(sheet, verdict)[0]:
        lines.append(f"* **Because**: {markdown(reason.text)}: {code(place_text(reason, names))}")
    times = times_text(verdict)
    if times:
        lines.append(f"* **Apply**: {markdown(times)}")
    for step in verdict.safe_order:
        lines.append(f"* **Safe order**: {markdown(step)}")
    established = established_text(verdict)
    if established:
        lines.append(f"* **Sessions**: {markdown(established)}")
    lines += [f"* **Notice**: {markdown(note)}" for note in verdict.notices]
    if verdict.repair_note:
        lines.append(f"* **Repair**: {markdown(verdict.repair_note)}")
    if verdict.hops:
        lines += ["", *fence([_hop_text(sheet, verdict, at) for at in range(len(verdict.hops))], "text")]
    if verdict.repair:
        lines += ["", *(f"* **Repair**: {markdown(edit_text(edit, names))}" for edit in verdict.repair), ""]
        blocks: list[str] = []
        for at, edit in enumerate(verdict.repair):
            blocks += terraform(edit, names, f"{verdict.name}_{at + 1}" if at else verdict.name)
        lines += fence(blocks, "hcl")
        shell = [line for edit in verdict.repair for line in commands(edit)]
        if shell:
            lines += ["", *fence(shell, "sh")]
    return [*lines, "", "</details>", ""]


def _hop_text(sheet: Sheet, verdict: Verdict, at: int) -> str:
    hop = verdict.hops[at]
    return f"{HOP_MARK[hop.passes]} {'←' if hop.answer else '→'} {hop.text}  [{place_text(hop, sheet.names)}]"


def _tail(sheet: Sheet, bad: list[Verdict]) -> list[str]:
    lines: list[str] = []
    kept = sheet.having(Outcome.KEPT)
    if kept:
        shown = ", ".join(code(_cut(one.name, 80)) for one in kept[:100])
        more = f" and {len(kept) - 100} more" if len(kept) > 100 else ""
        lines += [f"<details><summary>✅ {len(kept)} kept</summary>", "", shown + more, "", "</details>", ""]
    notices = sheet.notices
    if notices:
        lines += [f"<details><summary>ℹ️ {len(notices)} notice{'s' if len(notices) > 1 else ''}</summary>", ""]
        lines += [f"* {code(one.resource)}: {markdown(_cut(one.text, 300))}" for one in notices[:30]]
        lines += [f"* … and {len(notices) - 30} more"] if len(notices) > 30 else []
        lines += ["", "</details>", ""]
    return lines


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _alt(verdict: Verdict, sheet: Sheet) -> str:
    return markdown(f"the path of {verdict.name}: {WORDS[sheet.outcome_of(verdict)]}")


def _destination(path: str) -> str:
    return "".join(f"%{ord(one):02X}" if one in "<>\\ \n\r\t" else one for one in path)
