"""The reference pages say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from doorward_lab import scenes
from doorward_lab.scenes.keys import SECTIONS, STACK
from doorward_lab.scenes.read import load_text

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "lab-scenes.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("section", [*(one.name for one in SECTIONS), "stack"])
def test_every_key_is_on_the_page(section: str) -> None:
    """Each section's table has exactly the keys of the language, with their words."""
    keys = next((one.keys for one in SECTIONS if one.name == section), STACK)
    text = PAGE.partition(f"\n### `{section}`\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z0-9-]+)`(?: \(required\))? \| [^|]* \| (.*) \|$", text, re.MULTILINE)
    assert [(key.name, key.doc) for key in keys] == rows


def test_the_page_s_scene_is_a_scene() -> None:
    """The first example is taken by the reader; the three scenes of the lab are on the page."""
    example = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
    assert {"web", "db"} == set(load_text(example).hosts)
    assert yaml.safe_load(example)["version"] == 1
    for name in scenes.names():
        assert f"| `{name}` |" in PAGE
