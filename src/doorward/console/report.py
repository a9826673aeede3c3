"""From a report to what is printed: chooses the format, writes it, and gives the exit status.

What does not live here: the formats (``render``).
"""

from __future__ import annotations

from pathlib import Path

from doorward.console.options import ReportFormat
from doorward.console.out import say, show, write
from doorward.console.render.sheet import Sheet
from doorward.model.verdict import Outcome


def publish(sheet: Sheet, format: ReportFormat, output: Path | None, picture: Path | None) -> int:
    """Print a report, and its picture where one is asked for; returns the exit status."""
    if picture is not None:
        _picture(sheet, picture)
    if format is ReportFormat.TEXT:
        from doorward.console.render.text import report_page

        show(report_page(sheet), output)
    else:
        write(_rendered(sheet, format), output)
        for warning in sheet.warnings:
            say(f"doorward: warning: {warning}")
    return sheet.exit_status


def _rendered(sheet: Sheet, format: ReportFormat) -> str:
    """Each format is imported when it is asked for."""
    if format is ReportFormat.JSON:
        from doorward.console.render.data import report_json

        return report_json(sheet)
    if format is ReportFormat.SARIF:
        from doorward.console.cli import version
        from doorward.console.render.sarif import report_sarif

        return report_sarif(sheet, version())
    if format is ReportFormat.JUNIT:
        from doorward.console.render.junit import report_junit

        return report_junit(sheet)
    if format is ReportFormat.HTML:
        from doorward.console.render.html import report_html

        return report_html(sheet)
    from doorward.console.render.markdown import report_markdown

    return report_markdown(sheet)


def _picture(sheet: Sheet, path: Path) -> None:
    from doorward.console.render.picture import path_svg

    if not sheet.ordered:
        return
    worst = sheet.ordered[0]
    if sheet.outcome_of(worst) is Outcome.KEPT:
        say("doorward: no picture: every contract is kept")
        return
    contract = sheet.by_name.get(worst.name)
    write(path_svg(worst, sheet.names, sheet.outcome_of(worst), contract.must if contract else None), path)
