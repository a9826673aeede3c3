"""When to try again. Pure: the attempt's number and a chance in [0, 1) are given, nothing is drawn or waited for here.

What does not live here: the queue that waits (the daemon's).
"""

from __future__ import annotations

from dataclasses import dataclass

from doorward.console.notify.notice import Notice


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential backoff with full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog).

    The wait before attempt n + 1 is chance × min(``longest``, ``base`` × 2ⁿ⁻¹) seconds. After ``attempts`` tries the
    route has failed: with the defaults after about two and a half hours.
    """

    base: float = 2.0
    longest: float = 300.0
    attempts: int = 70
    obey: float = 3_600.0

    def ceiling(self, number: int) -> float:
        """The longest wait after attempt ``number`` (from 1), in seconds."""
        return min(self.longest, self.base * 2.0 ** min(max(number, 1) - 1, 60))

    def wait(self, number: int, chance: float, after: float | None = None) -> float | None:
        """Seconds to wait after attempt ``number`` has failed; None = give up.

        ``after`` is what the receiver asked for (Retry-After): never less than that, but at most ``obey`` seconds of
        it, so that a receiver's mistake cannot silence an alert for a year. The jitter comes on top of it.
        """
        if number >= self.attempts:
            return None
        jitter = min(max(chance, 0.0), 1.0) * self.ceiling(number)
        return jitter if after is None else min(max(after, 0.0), self.obey) + jitter


def superseded(notice: Notice, newest: int) -> bool:
    """Whether a waiting notice must not be sent any more, given the newest sequence that this route has taken of its
    fingerprint: an old "firing" that comes after "resolved" would open an incident that nobody ends."""
    return notice.sequence < newest
