"""Lines of styled text: one content, shown plain in files and pipes, in colour by Rich on a terminal.

Rich is imported only for a terminal: a pipe does not pay for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from doorward.console.render.clean import clean


class Piece(NamedTuple):
    """A text in one style; ``style`` is a Rich style such as ``bold red``."""

    text: str
    style: str = ""


class Page:
    """Lines being gathered. Every text is cleaned on its way in."""

    def __init__(self) -> None:
        self.lines: list[list[Piece]] = []

    def line(self, *pieces: str | tuple[str, str]) -> None:
        """Add a line of texts and (text, style) pairs."""
        made = [Piece(clean(one)) if isinstance(one, str) else Piece(clean(one[0]), one[1]) for one in pieces]
        self.lines.append(made)

    def field(self, name: str, text: str, style: str = "") -> None:
        """Add an indented line with its name in a column."""
        self.line((f"  {name:<9} " if name else " " * 12, "dim"), (text, style))

    def block(self, lines: Iterable[str], indent: int = 14) -> None:
        """Add lines of code."""
        for one in lines:
            self.line((" " * indent + one, "cyan"))

    def plain(self) -> str:
        """Without styles."""
        return "".join("".join(piece.text for piece in line).rstrip() + "\n" for line in self.lines)

    def coloured(self, width: int | None = None) -> str:
        """With the escape sequences of a terminal; never wrapped, so that commands can be copied."""
        from rich.console import Console
        from rich.text import Text

        console = Console(force_terminal=True, width=width, highlight=False, markup=False, emoji=False)
        with console.capture() as captured:
            for line in self.lines:
                console.print(Text.assemble(*((piece.text, piece.style) for piece in line)), soft_wrap=True)
        return captured.get()
