"""One vector set, three judges: the engine, the kernel, and the brute-force oracle on the same snapshot."""

from __future__ import annotations

from typing import Any

import pytest

from doorward_lab.kernel import universe
from tests.lab.judge import guests, vector_files

PATHS = vector_files.files()


@pytest.fixture(scope="module")
def said() -> dict[str, list[dict[str, list[str]]]]:
    """What the judges say: all three where a universe can be made, else the engine and the oracle."""
    paths = [str(path) for path in PATHS]
    if universe.check():
        return guests.vectors(paths, False)
    found: dict[str, Any] = universe.run("tests.lab.judge.guests:vectors", paths, True, timeout=240.0)
    return found


@pytest.mark.parametrize("judge", ["engine", "oracle", "kernel"])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_vectors(said: dict[str, list[dict[str, list[str]]]], path: Any, judge: str) -> None:
    """Each judge says of each packet what AWS's documentation says."""
    file = vector_files.read(path)
    rows = said[file.name]
    if judge == "kernel" and "kernel" not in rows[0]:
        pytest.skip(f"{len(rows)} packets not judged by the kernel: {'; '.join(universe.check())}")
    wrong = []
    for expected, row in zip(file.packets, rows, strict=True):
        arrives, answered = row[judge]
        if ("yes" if expected.arrives else "no") != arrives:
            wrong.append(f"{expected.case}: {expected.packet}: {judge} says it arrives: {arrives} ({expected.source})")
        elif expected.answered is not None and ("yes" if expected.answered else "no") != answered:
            wrong.append(f"{expected.case}: {expected.packet}: {judge} says it is answered: {answered}")
    assert [] == wrong


def test_set() -> None:
    """At least 40 cases; each names the page that it comes from, and its name is its own."""
    read = [vector_files.read(path) for path in PATHS]
    names = [name for file in read for name in file.cases]
    assert len(names) >= 40
    assert sorted(set(names)) == sorted(names)
    assert all("Guide" in one.source or "API Reference" in one.source for file in read for one in file.packets)
