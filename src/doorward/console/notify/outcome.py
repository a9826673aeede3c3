"""What became of one try to deliver: delivered, later, or failed; each a value that the ledger can keep.

None of them ever holds a secret: whoever makes one has passed what others said through `secret.safe`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from doorward.errors import DoorwardError


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has taken it. ``receipt`` is its word for it, ``note`` what a person should know all the same."""

    route: str
    receipt: str = ""
    note: str = ""

    def record(self) -> dict[str, object]:
        """As JSON for the ledger."""
        return {"outcome": "delivered", "route": self.route, "receipt": self.receipt, "note": self.note}


@dataclass(frozen=True, slots=True)
class Later:
    """Not now: try again after ``seconds``."""

    route: str
    seconds: float
    why: str

    def record(self) -> dict[str, object]:
        """As JSON for the ledger."""
        return {"outcome": "later", "route": self.route, "seconds": round(self.seconds, 3), "why": self.why}


@dataclass(frozen=True, slots=True)
class Failed:
    """It will not get there this way: a person must mend the route. Tell the fallback routes."""

    route: str
    why: str

    def record(self) -> dict[str, object]:
        """As JSON for the ledger."""
        return {"outcome": "failed", "route": self.route, "why": self.why}


Outcome: TypeAlias = Delivered | Later | Failed


class NotDelivered(DoorwardError):
    """A receiver did not take a notice.

    ``passing`` = the same may work later; ``after`` = not before so many seconds, when the receiver said so.
    """

    def __init__(
        self, message: str, *, passing: bool, after: float | None = None, where: str | None = None,
        hint: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message, where=where, hint=hint)
        self.passing = passing
        self.after = after
