"""The documentation says what is so: generated parts are up to date, links lead somewhere, promises have their pages.

What does not live here: the contract schema's content and the semantics page.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])


def ids(path: Path) -> str:
    """A page's name for the test's id."""
    return str(path.relative_to(ROOT))


def test_generated_parts_are_up_to_date() -> None:
    """Every output, help page, picture and schema that is shown is what the program prints today."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, timeout=300
    )
    assert (0, "") == (done.returncode, done.stdout + done.stderr)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link or image names a file of the project."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    dead = [
        target
        for target in targets
        if "://" not in target and not target.startswith(("#", "mailto:"))
        if not (page.parent / target.split("#")[0]).exists()
    ]
    assert [] == dead


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_a_page_has_one_title_and_comes_to_the_point(page: Path) -> None:
    """A page begins with its only first-level heading."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert text.lstrip().startswith("# ")
    assert 1 == len(re.findall(r"(?m)^# ", text))


def test_every_page_is_reached_from_the_readme() -> None:
    """Somebody who follows links from the README finds every page of docs/."""
    seen: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or not page.is_file():
            continue
        seen.add(page)
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target and target.split("#")[0].endswith(".md"):
                todo.append((page.parent / target.split("#")[0]).resolve())
    assert [] == [ids(page) for page in (ROOT / "docs").rglob("*.md") if page not in seen]
