"""The ground that the project stands on: versions, locks, layers, what a clone must and must not contain.

What does not live here: tests of the program.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def tracked() -> list[Path]:
    """Files that git knows; skipped where this is no clone."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git clone: cannot tell which files belong to the project")
    names = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True, text=True
    ).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def test_installed_version_is_that_of_the_project() -> None:
    """The environment runs this tree: the installed version is the one in pyproject.toml."""
    assert PROJECT["project"]["version"] == metadata.version("doorward")


def test_changelog_tells_of_the_version() -> None:
    """The version of the project has its entry in the changelog."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{PROJECT['project']['version']}]" in changelog


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_file_has_a_hash(lock: Path) -> None:
    """Each requirement of a lock is pinned to one version and carries at least one SHA-256."""
    text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    requirements = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert [] == [line.split()[0] for line in requirements if "==" not in line or "--hash=sha256:" not in line]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks_name_no_registry(lock: Path) -> None:
    """A lock says what, not from where: no address and no path in it."""
    assert [] == re.findall(
        r"(?m)^.*(?:://|--index-url|--find-links|file:|^#.* /).*$", lock.read_text(encoding="utf-8")
    )


def test_locks_hold_what_the_project_asks_for() -> None:
    """Every dependency that pyproject.toml names is in its lock."""
    wanted = [re.split(r"[^A-Za-z0-9-]", one)[0].lower() for one in PROJECT["project"]["dependencies"]]
    runtime = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8").lower()
    assert [] == [name for name in wanted if not re.search(rf"(?m)^{re.escape(name)}==", runtime)]


def test_runtime_and_development_agree_on_versions() -> None:
    """What is tested is what users get: both locks pin the same version of what they share."""
    pins = [
        dict(re.findall(r"(?m)^([a-z0-9.-]+)==([^ ;\\]+)", (ROOT / "requirements" / name).read_text(encoding="utf-8")))
        for name in ("runtime.txt", "dev.txt")
    ]
    assert {} == {name: version for name, version in pins[0].items() if pins[1].get(name) != version}


def test_no_file_is_too_long_to_read() -> None:
    """Modules stay short enough to be read in one sitting; the list of exemptions may only shrink."""
    exempt: set[str] = set()
    long = {
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix == ".py" and len(path.read_text(encoding="utf-8").splitlines()) > 700
    }
    assert set() == long - exempt


def test_every_module_says_what_lives_in_it() -> None:
    """Each module of the program begins with a docstring (an empty package file needs none)."""
    silent = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "src").rglob("*.py"))
        if path.read_text(encoding="utf-8").strip() and not path.read_text(encoding="utf-8").startswith('"""')
    ]
    assert [] == silent


def test_no_large_file_is_tracked() -> None:
    """Estates for the benchmark are generated, never committed."""
    assert [] == [str(path.relative_to(ROOT)) for path in tracked() if path.stat().st_size > 2_000_000]
