"""What users met, one JSON line an act, and what such a log tells: shares, and when logins began to fail.

Not here: the acts (`users`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

# Outcomes that are no failure of the system.
FINE = frozenset({"ok", "wrong-password"})


class Outcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One act. `due` and `began` are Unix seconds; `outcome` is one of

    ok, wrong-password (refused as it should be), denied (refused although in the right), timeout (the user's patience),
    refused, reset, unreachable, tls, http-NNN, shed (the generator's own limit).
    """

    due: float
    began: float
    ms: float
    kind: str
    outcome: str
    status: int | None = None
    source: str = ""
    user: str = ""
    fresh: bool = True  # made its own connection, rather than use one that stood

    @property
    def failed(self) -> bool:
        """Whether the user has reason to complain."""
        return self.outcome not in FINE


def read(path: Path) -> Iterator[Outcome]:
    """The log, oldest first, with the part that was rotated away. A last line that is half written is left out."""
    for file in (path.with_suffix(path.suffix + ".1"), path):
        if file.exists():
            with file.open("rb") as lines:
                for line in lines:
                    if line.endswith(b"\n"):
                        yield msgspec.json.decode(line, type=Outcome)


def first_failure(outcomes: Iterable[Outcome], since: float, kind: str = "login") -> float | None:
    """Milliseconds from `since` (Unix seconds) to the start of the first act of this kind that failed."""
    began = [o.began for o in outcomes if o.kind == kind and o.failed and o.began >= since]
    return (min(began) - since) * 1000 if began else None


def tally(outcomes: Iterable[Outcome]) -> dict[str, dict[str, int]]:
    """How many of each outcome, by kind."""
    found: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.kind, Counter())[outcome.outcome] += 1
    return {kind: dict(counter) for kind, counter in found.items()}
