"""Names from outside cannot command a terminal, a browser or a pull request."""

from __future__ import annotations

import unicodedata
import xml.etree.ElementTree as ElementTree

from hypothesis import given
from hypothesis import strategies as st

from doorward.console.render.clean import clean, code, fence, markdown, xml
from tests.console.samples import NASTY


@given(st.text())
def test_nothing_to_obey_is_left(text: str) -> None:
    """Whatever goes in, no control, format, surrogate or line-breaking character comes out."""
    bad = [char for char in clean(text) if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
    assert [] == bad
    turning = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200b\u200f\ufeff"
    assert [] == [char for char in clean(text) if char in turning]


def test_what_was_there_is_shown() -> None:
    """A harmful character is shown, not dropped: two names that differ stay different."""
    assert r"a\x1b[31mb\u202e\x9b\x0a" == clean("a\x1b[31mb\u202e\x9b\n")


@given(st.text())
def test_xml_is_always_well_formed(text: str) -> None:
    """Any text can stand in an element and in an attribute."""
    parsed = ElementTree.fromstring(f'<a b="{xml(text)}">{xml(text)}</a>')  # noqa: S314 - our own text
    assert clean(text) == (parsed.text or "") == parsed.get("b")


def test_markdown_obeys_nothing() -> None:
    """A name cannot make a link, a mention, a reference, a heading, a table cell or an HTML element."""
    shown = markdown(NASTY)
    for sign in ("|", "`", "<script", "](", "@octocat", " #12", "https://", "\n", "[x]"):
        assert sign not in shown
    assert "|" not in code(NASTY)
    assert "`" not in code(NASTY)
    assert "<script" not in code(NASTY)


def test_a_fence_holds_its_contents() -> None:
    """Contents with backticks get a longer fence."""
    lines = fence(["a", "````", "```js"], "hcl")
    assert ("`````hcl", "`````") == (lines[0], lines[-1])
