"""JUnit XML for CI systems: kept = passed, broken = ``failure``, cannot tell = ``error``.

Cannot tell is never ``skipped``: most CI systems show skipped tests as green, and what cannot be told is not safe.
It is an ``error`` (the test could not come to a result) and so stays apart from a ``failure`` (contract broken).
"""

from __future__ import annotations

from doorward.console.render.clean import xml
from doorward.console.render.sheet import WORDS, Sheet
from doorward.console.render.words import must_text, place_text, reasons_of, times_text, witness_text
from doorward.model.verdict import Outcome, Verdict


def report_junit(sheet: Sheet) -> str:
    """The report as one test suite."""
    broken, untold = len(sheet.having(Outcome.BROKEN)), len(sheet.having(Outcome.CANNOT_TELL))
    counts = f'tests="{len(sheet.report.verdicts)}" failures="{broken}" errors="{untold}" skipped="0"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="doorward" {counts}>',
        f'  <testsuite name="doorward {sheet.verb}" {counts}>',
    ]
    for verdict in sheet.ordered:
        lines += _case(sheet, verdict)
    notes = [*(f"{one.resource}: {one.text}" for one in sheet.notices), *sheet.warnings]
    if notes:
        lines += ["    <system-err>", *(xml(note) for note in notes), "    </system-err>"]
    return "\n".join([*lines, "  </testsuite>", "</testsuites>", ""])


def _case(sheet: Sheet, verdict: Verdict) -> list[str]:
    contract = sheet.by_name.get(verdict.name)
    place = ""
    if contract and contract.file:
        place = f' file="{xml(contract.file)}"' + (f' line="{contract.line}"' if contract.line else "")
    head = f'    <testcase classname="{xml(f"doorward.{verdict.severity}")}" name="{xml(verdict.name)}"{place}'
    outcome = sheet.outcome_of(verdict)
    if outcome is Outcome.KEPT:
        return [head + "/>"]
    reasons, during = reasons_of(sheet, verdict)
    kind = outcome.value + ("-during-apply" if during else "")
    message = reasons[0].text if reasons else WORDS[outcome]
    body = [must_text(contract), verdict.why, f"owner: {verdict.owner}" if verdict.owner else None]
    body.append(f"packet: {witness_text(verdict.witness, sheet.names)}" if verdict.witness else None)
    body += [f"because: {reason.text} [{place_text(reason, sheet.names)}]" for reason in reasons]
    body += [times_text(verdict), *verdict.notices, verdict.repair_note]
    tag = "failure" if outcome is Outcome.BROKEN else "error"
    inner = "\n".join(xml(line) for line in body if line)
    return [head + ">", f'      <{tag} type="{kind}" message="{xml(message)}">{inner}</{tag}>', "    </testcase>"]
