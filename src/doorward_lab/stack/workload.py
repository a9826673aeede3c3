"""When users come and what they do: a seeded Poisson process, decided without any knowledge of how the system fares.

That is what makes the load open-loop: a slow answer delays nobody else, so failures are counted as users meet them.
Not here: connections (`users`).
"""

from __future__ import annotations

import bisect
import ipaddress
import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["login", "refresh", "session", "admin", "service"]
MIX: Mapping[Kind, float] = {"login": 0.4, "refresh": 0.1, "session": 0.35, "admin": 0.05, "service": 0.1}


@dataclass(frozen=True, slots=True)
class Arrival:
    """One user's act: `gap` seconds after the one before it."""

    gap: float
    kind: Kind
    user: int
    wrong: bool  # a login with a mistyped password
    source: str  # the client's address


class Arrivals:
    """The acts of users, one after the other; the same seed gives the same acts."""

    def __init__(
        self, seed: str, sources: Sequence[str], users: int, *, mix: Mapping[Kind, float] = MIX, wrong: float = 0.02
    ) -> None:
        if not sources or users < 1 or sum(mix.values()) <= 0:
            raise ValueError("users need a source address, an account, and something to do")
        self._random = random.Random(seed)  # noqa: S311 - a load, not a secret
        self._sources = sources
        self._users = users
        self._kinds = list(mix)
        self._bounds = list(itertools.accumulate(mix.values()))
        self._wrong = wrong

    def next(self, rate: float) -> Arrival:
        """The next act, when `rate` acts come per second on average."""
        chance = self._random
        kind = self._kinds[bisect.bisect(self._bounds, chance.random() * self._bounds[-1], hi=len(self._bounds) - 1)]
        return Arrival(
            chance.expovariate(rate),
            kind,
            chance.randrange(self._users),
            kind == "login" and chance.random() < self._wrong,
            chance.choice(self._sources),
        )


def clients(networks: Sequence[str], count: int, seed: str) -> list[str]:
    """`count` different host addresses of these networks, taken in turn; fewer when a network has fewer.

    Raises `ValueError` for what is no network.
    """
    chance = random.Random(f"clients {seed}")  # noqa: S311
    found: dict[str, None] = {}
    parsed = [ipaddress.ip_network(network) for network in networks]
    for i in range(count):
        network = parsed[i % len(parsed)]
        if network.num_addresses < 4:
            found[str(network[0])] = None
        else:
            found[str(network[chance.randrange(1, min(network.num_addresses, 2**32) - 1)])] = None
    return list(found)
