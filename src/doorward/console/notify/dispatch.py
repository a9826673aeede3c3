"""Puts it together: which routes a notice goes to, and one try to deliver it, as a value.

The queue is the daemon's (durable workflows): it asks `Dispatcher.routes_for` once a notice, then calls `attempt` with
1, 2, 3 … until the answer is not `Later`, one fingerprint in order on each route (`retry.superseded` drops what is out
of date), and keeps each outcome's ``record()`` in the ledger. On `Failed` it goes on with `instead`.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from doorward.console.notify.limit import Limit
from doorward.console.notify.notice import Notice
from doorward.console.notify.outcome import Delivered, Failed, Later, NotDelivered, Outcome
from doorward.console.notify.retry import Retry
from doorward.console.notify.route import Route
from doorward.console.notify.table import Table
from doorward.errors import InvalidInput

log = logging.getLogger("doorward.notify")


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Routes by name, the table, and the rules of trying again. ``chance`` draws from [0, 1)."""

    routes: Mapping[str, Route]
    table: Table
    retry: Retry = field(default_factory=Retry)
    limits: Mapping[str, Limit] = field(default_factory=dict)
    fallback: tuple[str, ...] = ()
    chance: Callable[[], float] = random.SystemRandom().random

    def routes_for(self, notice: Notice, told: Iterable[str] = ()) -> tuple[str, ...]:
        """Where it goes; ``told`` are the routes that have heard of its fingerprint before."""
        return self.table.routes(notice, [name for name in told if name in self.routes])

    def instead(self, failed: Iterable[str]) -> tuple[str, ...]:
        """The fallback routes that have not failed themselves."""
        gone = set(failed)
        return tuple(name for name in self.fallback if name not in gone)

    def resends(self) -> dict[str, timedelta]:
        """Routes that must hear again and again of what still fires, and how often."""
        return {name: route.resend for name, route in self.routes.items() if route.resend is not None}

    def check(self) -> list[str]:
        """What would keep each route from working, one line each, without sending; empty when fine."""
        problems = []
        for name, route in self.routes.items():
            try:
                route.check()
            except InvalidInput as error:
                problems.append(f"{name}: {error}")
        return problems

    def attempt(self, route: str, notice: Notice, number: int) -> Outcome:
        """Try ``number`` (from 1) to tell one route. Never raises for what a receiver, a network or a secret does."""
        problem: NotDelivered
        try:
            told = self.routes[route].send(notice)
        except KeyError:
            return Failed(route, "no such route in the settings any more")
        except NotDelivered as error:
            problem = error
        except InvalidInput as error:
            # A secret that cannot be read now: it may be in the middle of being changed.
            problem = NotDelivered(str(error), passing=True)
        else:
            log.info("told %s of %s (%s)", route, notice.fingerprint, notice.status)
            return told
        return self._answer(route, notice, number, problem)

    def _answer(self, route: str, notice: Notice, number: int, problem: NotDelivered) -> Later | Failed:
        why = str(problem)
        if not problem.passing:
            log.error("route %s failed for %s: %s", route, notice.fingerprint, why)
            return Failed(route, why)
        seconds = self.retry.wait(number, self.chance(), problem.after)
        if seconds is None:
            log.error("route %s given up for %s after %d tries: %s", route, notice.fingerprint, number, why)
            return Failed(route, f"given up after {number} tries: {why}")
        log.warning("route %s not now for %s, again in %.0f s: %s", route, notice.fingerprint, seconds, why)
        return Later(route, seconds, why)


__all__ = ["Delivered", "Dispatcher", "Failed", "Later", "Outcome"]
