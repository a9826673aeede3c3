"""What `up` is given → a scene: by name, or a file or folder that is known by its content."""

from __future__ import annotations

import json
from pathlib import Path

from doorward_lab import scenes
from doorward_lab.errors import BadScene

PLAN = frozenset(("planned_values", "resource_changes", "terraform_version"))
"""Keys at the top of what `terraform show -json` prints (Terraform, *JSON Output Format*)."""
SCENE = frozenset(("version", "vpcs"))


def load(given: str) -> scenes.Scene:
    """The scene of a name or a path: a scene file, a plan, a snapshot, or AWS CLI output. Raises BadScene."""
    if given in scenes.names():
        return scenes.load(given)
    path = Path(given)
    if path.is_dir():
        return scenes.from_snapshot(path)
    if not path.is_file():
        raise BadScene(
            f"{given!r} is neither a scene ({', '.join(scenes.names())}) nor a file or folder: give a scene's YAML "
            "file, a snapshot, a file or folder of AWS CLI output, or a plan from `terraform show -json`"
        )
    keys = _keys(path)
    if keys is None or SCENE <= keys:
        return scenes.load(path.absolute())
    return scenes.from_plan(path) if keys & PLAN else scenes.from_snapshot(path)


def _keys(path: Path) -> frozenset[str] | None:
    """The keys at the top of a JSON file; none of a list, or of JSON that is broken. None: it is no JSON."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadScene(f"{path}: cannot be read: {error.strerror}") from error
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return frozenset() if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else None
    return frozenset(value) if isinstance(value, dict) else frozenset()
