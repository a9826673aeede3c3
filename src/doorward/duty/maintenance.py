"""Maintenance windows, which expire, and break-glass, which also wants a reason and a follow-up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Literal

from doorward.errors import InvalidInput
from doorward.model.change import Change, Key

LONGEST = timedelta(hours=24)
LONGEST_BREAK_GLASS = timedelta(hours=4)
FOLLOW_UP_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which changes by some are expected. It excuses changes, never a broken contract.

    ``principals`` and ``groups`` are patterns (``*``, ``?``); ARNs of roles and users, ids of documents.
    """

    id: str
    kind: Literal["maintenance", "break-glass"]
    reason: str
    opened_by: str
    begins: datetime
    ends: datetime
    principals: tuple[str, ...] = ("*",)
    groups: tuple[str, ...] = ("*",)

    def __post_init__(self) -> None:
        if not self.begins < self.ends:
            raise InvalidInput(f"window {self.id} ends before it begins", hint="give an end that lies after its begin")
        longest = LONGEST if self.kind == "maintenance" else LONGEST_BREAK_GLASS
        if self.ends - self.begins > longest:
            raise InvalidInput(
                f"window {self.id} is open for {self.ends - self.begins}, at most {longest} are allowed",
                hint="windows expire: open another one when this has ended",
            )
        if self.kind == "break-glass" and not self.reason.strip():
            raise InvalidInput(f"break-glass {self.id} has no reason", hint="say why in a sentence")

    def excuses(self, change: Change, keys: tuple[Key, ...]) -> bool:
        """Whether a change, and all that it touches, falls into this window."""
        return (
            self.begins <= change.at <= self.ends
            and any(fnmatchcase(change.who.arn, pattern) for pattern in self.principals)
            and all(any(fnmatchcase(key.id, pattern) for pattern in self.groups) for key in keys)
        )

    @property
    def follow_up(self) -> datetime | None:
        """When a review of it is due; None: no review."""
        return self.ends + FOLLOW_UP_AFTER if self.kind == "break-glass" else None
