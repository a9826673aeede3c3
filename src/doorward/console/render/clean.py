"""Texts from outside made harmless: names of resources are written by anybody who can tag one.

What lives here: removal of what a terminal, a browser, a Markdown or XML reader would obey instead of show.
What does not live here: any layout.
"""

from __future__ import annotations

import html
import re

_HARMFUL = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\uffff\\ud800-\\udfff]"
)
"""Control characters (C0, C1), invisible and direction-changing characters, lone surrogates, non-characters."""
_MARKDOWN = re.compile(r"[\\`*_\[\]|~$<>&]|:(?=//)|(?<=www)\.|[@#]")
_MOST = 4_000


def clean(text: str) -> str:
    r"""One line that shows every harmful character as ``\x1b`` or ``\u202e`` and obeys none; absurd lengths are cut."""
    if len(text) > _MOST:
        text = text[: _MOST - 1] + "…"
    return _HARMFUL.sub(_shown, text)


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def xml(text: str) -> str:
    """Text for XML and HTML, in elements and in quoted attributes."""
    return html.escape(clean(text), quote=True)


def markdown(text: str) -> str:
    """Text for GitHub Markdown, within a line or a table cell: nothing in it formats, links, mentions or embeds.

    Punctuation that could mean something becomes a character reference, which Markdown shows as itself and never reads
    as syntax (CommonMark 0.31, *Entity and numeric character references*). Mentions and issue numbers are looked for
    in the finished page, so an empty comment parts their sign from what follows.
    """
    return _MARKDOWN.sub(_escaped, clean(text).strip())


def _escaped(match: re.Match[str]) -> str:
    return f"{match[0]}<!-- -->" if match[0] in "@#" else f"&#{ord(match[0])};"


def code(text: str) -> str:
    """Text as code within Markdown, pipes of table cells and backticks included."""
    return f"<code>{html.escape(clean(text), quote=True).replace('|', '&#124;').replace('`', '&#96;')}</code>"


def fence(lines: list[str], language: str) -> list[str]:
    """A fenced block that its own contents cannot close."""
    lines = [clean(line) for line in lines]
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    ticks = "`" * max(3, longest + 1)
    return [ticks + language, *lines, ticks]
