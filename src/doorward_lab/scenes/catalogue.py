"""The scenes that come with the lab, and those of the user: by name or by path."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from doorward_lab.errors import BadScene
from doorward_lab.scenes.read import load_file
from doorward_lab.scenes.reader import close
from doorward_lab.scenes.scene import Scene

SUFFIX = ".yaml"
CONTRACTS = ".contracts.yaml"
"""What the contracts file beside a scene is called."""


def _folder() -> Path:
    # The wheel is installed as files: the lab itself could not run from an archive.
    return Path(str(resources.files("doorward_lab.scenes")))


def names() -> list[str]:
    """The names of the scenes that come with the lab."""
    files = (path.name for path in _folder().glob(f"*{SUFFIX}"))
    return sorted(name.removesuffix(SUFFIX) for name in files if not name.endswith(CONTRACTS))


def load(name: str | Path) -> Scene:
    """A scene of the lab by name, or any scene file by its path. Raises `BadScene`."""
    text = str(name)
    if text in names():
        return load_file(_folder() / f"{text}{SUFFIX}")
    if text.endswith((".yaml", ".yml", ".json")) or "/" in text or Path(text).exists():
        return load_file(Path(text))
    raise BadScene(f"{text!r} is no scene; expected one of {', '.join(names())}, or a path{close(text, names())}")
