"""``doorward lint``: are contracts files well formed? Needs no state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from doorward.console.shell import INVALID, verb


@verb
def lint(
    contracts: Annotated[list[Path], typer.Argument(metavar="CONTRACTS...", help="Contracts files.")],
) -> int:
    """Say whether contracts files are well formed, and show every mistake. Exit status: 0 or 2."""
    from doorward.console.out import say_error, write
    from doorward.contracts.language import read_all
    from doorward.errors import InvalidInput
    from doorward.readers.files import read_bytes

    mistakes = 0
    total = 0
    wrong: Sequence[InvalidInput]
    for path in contracts:
        try:
            found, wrong = read_all(read_bytes(path), str(path))
        except InvalidInput as error:
            found, wrong = (), [error]
        total += len(found)
        mistakes += len(wrong)
        for one in wrong:
            say_error(one)
    if mistakes:
        return INVALID
    write(f"{total} contract{'' if total == 1 else 's'} well formed\n", None)
    return 0
