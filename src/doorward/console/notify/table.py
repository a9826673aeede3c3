"""Which notice goes to which routes. Pure.

The first rule that fits decides; ``go_on`` lets the next ones decide too. What no rule fits goes to ``otherwise``:
there is no way to say "nowhere".
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass

from doorward.console.notify.notice import SEVERITIES, Notice, Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """Fits when every field that is given fits; texts are patterns with ``*`` and ``?``, case-sensitive.

    ``at_least`` = this severity or worse. ``broken`` True = only with a broken contract, False = only without.
    """

    to: tuple[str, ...]
    at_least: Severity | None = None
    severities: tuple[Severity, ...] = ()
    owners: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    contracts: tuple[str, ...] = ()
    broken: bool | None = None
    go_on: bool = False

    def fits(self, notice: Notice) -> bool:
        """Whether the notice is this rule's."""
        if self.at_least is not None and SEVERITIES.index(notice.severity) > SEVERITIES.index(self.at_least):
            return False
        if self.severities and notice.severity not in self.severities:
            return False
        if self.broken is not None and self.broken != bool(notice.broken):
            return False
        return (
            _any(self.owners, (notice.owner,))
            and _any(self.accounts, (notice.account,))
            and _any(self.regions, (notice.region,))
            and _any(self.contracts, notice.broken)
        )


def _any(patterns: tuple[str, ...], texts: Iterable[str]) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(text, pattern) for text in texts for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Table:
    """Rules in order, and where the rest goes."""

    otherwise: tuple[str, ...]
    rules: tuple[Rule, ...] = ()

    def routes(self, notice: Notice, told: Iterable[str] = ()) -> tuple[str, ...]:
        """The names of its routes, each once.

        ``told`` are the routes that have heard of this fingerprint before: they hear the rest of the story too, even
        when its severity or contracts have changed so that other rules fit. Else an incident would stay open there.
        """
        found: list[str] = list(told) if notice.sequence > 0 else []
        decided = False
        for rule in self.rules:
            if rule.fits(notice):
                found += rule.to
                decided = True
                if not rule.go_on:
                    break
        if not decided:
            found += self.otherwise
        return tuple(dict.fromkeys(found))
