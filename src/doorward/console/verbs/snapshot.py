"""``doorward snapshot``: reads a live account into a folder."""

from __future__ import annotations

from doorward.console.shell import verb


@verb
def snapshot() -> int:
    """Read the network state of AWS accounts into a folder (read-only)."""
    return 0
