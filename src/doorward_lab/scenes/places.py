"""Where each part of a scene was read, so that whoever finds fault with it can point at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from doorward.contracts.yaml_safe import Node
from doorward_lab.errors import BadScene

Path: TypeAlias = tuple[str, ...]
"""Section, name, key, index: as much of it as is known."""


@dataclass(slots=True)
class Places:
    """Lines and columns by path. A scene that was not read from a file has none; then the path itself is named."""

    file: str = ""
    found: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def put(self, path: Path, node: Node) -> None:
        """Remember where a part stands."""
        self.found[path] = (node.line, node.column)

    def bad(self, path: Path, message: str) -> BadScene:
        """An error at the place of a part, or of the smallest part round it that is known."""
        whole = path
        while path:
            if path in self.found:
                line, column = self.found[path]
                return BadScene(f"{self.file}:{line}:{column}: {message}")
            path = path[:-1]
        where = ".".join(whole)
        return BadScene(f"{self.file or 'scene'}: {where}: {message}" if where else f"{self.file}: {message}")
