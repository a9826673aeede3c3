"""``doorward snapshot``: reads live accounts into a folder.

What does not live here: the calls and the rights that they need (``readers.snapshot``).
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doorward.console.shell import verb

if TYPE_CHECKING:
    from doorward.readers.snapshot import Progress, Summary


@verb
def snapshot(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder to write; replaces a former snapshot.")
    ] = None,
    profile: Annotated[
        list[str] | None, typer.Option("--profile", help="Profile of the AWS configuration; may be repeated.")
    ] = None,
    region: Annotated[list[str] | None, typer.Option("--region", help="Region, or 'all'; may be repeated.")] = None,
    role_arn: Annotated[
        str | None, typer.Option("--role-arn", metavar="ARN", help="Role to assume from each profile.")
    ] = None,
    external_id: Annotated[str | None, typer.Option("--external-id", help="External id for that role.")] = None,
    endpoint_url: Annotated[
        str | None, typer.Option("--endpoint-url", metavar="URL", help="Another endpoint of the AWS API.")
    ] = None,
    print_policy: Annotated[
        bool, typer.Option("--print-policy", help="Print the IAM policy that a snapshot needs, and do nothing else.")
    ] = False,
) -> int:
    """Read the network state of AWS accounts into a folder (read-only).

    What a denied call would have told is noted as unknown. Exit status: 0, or 2 when an account cannot be read.
    """
    gc.enable()  # hours of paging leave more waste than one answer does
    from doorward.console.out import write
    from doorward.errors import InvalidInput
    from doorward.readers.snapshot import policy_json

    if print_policy:
        write(policy_json().rstrip("\n") + "\n", output)
        return 0
    if output is None:
        raise InvalidInput("no folder to write to", hint="give --output DIR")
    if external_id is not None and role_arn is None:
        raise InvalidInput("--external-id without --role-arn", hint="give --role-arn too, or leave --external-id out")
    return _tell(_take(output, profile or (), region or (), role_arn, external_id, endpoint_url))


def _take(
    output: Path,
    profiles: list[str] | tuple[str, ...],
    regions: list[str] | tuple[str, ...],
    role_arn: str | None,
    external_id: str | None,
    endpoint_url: str | None,
) -> Summary:
    """Take it, with a progress bar on a terminal."""
    import sys

    from doorward.readers.snapshot import take_snapshot

    def take(progress: Callable[[Progress], None] | None) -> Summary:
        return take_snapshot(
            output,
            profiles=profiles,
            regions=regions,
            role_arn=role_arn,
            external_id=external_id,
            endpoint_url=endpoint_url,
            progress=progress,
        )

    if not sys.stderr.isatty():
        return take(None)
    from rich import progress as bars
    from rich.console import Console
    from rich.markup import escape

    with bars.Progress(
        bars.BarColumn(), bars.MofNCompleteColumn(), bars.TimeElapsedColumn(), bars.TextColumn("{task.description}"),
        console=Console(stderr=True), transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("signing in", total=None)

        def seen(step: Progress) -> None:
            text = escape(f"{step.account} {step.region} {step.call}")
            bar.update(task, completed=step.done, total=step.total, description=text)

        return take(seen)


def _tell(summary: Summary) -> int:
    from doorward.console.out import say

    for scope in summary.scopes:
        items = ", ".join(f"{count} {key}" for key, count in sorted(scope.items.items()) if count)
        say(f"{scope.account} {scope.region}: {items or 'nothing there'}")
    for scope in summary.scopes:
        for gap in scope.denied:
            say(f"! {scope.account} {scope.region}: {gap.call} was refused ({gap.code}): what it tells stays unknown")
    if summary.denied:
        say("  hint: doorward snapshot --print-policy prints the rights that are needed")
    say(f"written to {summary.output}")
    return 0
