"""Options and arguments that several verbs share, so that they read the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ReportFormat(StrEnum):
    """Formats of ``check`` and ``gate``."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"
    MARKDOWN = "markdown"
    HTML = "html"


class PathFormat(StrEnum):
    """Formats of ``explain``."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"
    SVG = "svg"


class ListFormat(StrEnum):
    """Formats of ``diff`` and ``exposure``."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class During(StrEnum):
    """What a contract counts as that breaks only while the plan is applied."""

    FAIL = "fail"
    WARN = "warn"


ESTATE_HELP = "Folder or file of AWS answers (describe-… as JSON), or a snapshot."
EstateOption = Annotated[Path, typer.Option("--estate", metavar="PATH", help=ESTATE_HELP)]
OptionalEstate = Annotated[Path | None, typer.Option("--estate", metavar="PATH", help=ESTATE_HELP)]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file instead.")]
Picture = Annotated[
    Path | None, typer.Option("--picture", metavar="FILE.svg", help="Write the picture of the worst broken path.")
]
ReportFormatOption = Annotated[ReportFormat, typer.Option("--format", "-f", help="How to print the verdicts.")]
PathFormatOption = Annotated[PathFormat, typer.Option("--format", "-f", help="How to print the path.")]
ListFormatOption = Annotated[ListFormat, typer.Option("--format", "-f", help="How to print the answer.")]
ExitCode = Annotated[bool, typer.Option("--exit-code", help="End with 1 when there is a difference.")]
RepairOption = Annotated[
    bool, typer.Option("--repair/--no-repair", help="Whether to look for the smallest repair of what is broken.")
]
