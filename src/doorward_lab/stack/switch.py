"""The second, independent login stack: switched on and off while the first one runs, or fails.

On: its database and login service are started, they are scraped, and the portal may turn to them. Off: the reverse.
Not here: how the portal chooses (`portal`, `upstream`).
"""

from __future__ import annotations

import msgspec

from doorward_lab.errors import LabError
from doorward_lab.stack.prometheus import Job
from doorward_lab.stack.roles import Stack
from doorward_lab.stack.wiring import Wiring, role_of


def on(stack: Stack, wiring: Wiring) -> None:
    """Start what of the second stack does not run, and let the portals use it. Raises `LabError`."""
    if not wiring.second:
        raise LabError("the scene has no second login stack; it needs hosts for login-b and database-b")
    for seat in wiring.second:  # sorted by name: the database before the login service
        if seat.name not in stack.names():
            stack.add(seat)
    _watch(stack, wiring.jobs_with_second)
    for name in _portals(stack):
        stack[name].turn(second=True)


def off(stack: Stack, wiring: Wiring) -> None:
    """Let the portals use the first stack only, and stop the second."""
    for name in _portals(stack):
        stack[name].turn(second=False)
    _watch(stack, wiring.jobs)
    for seat in reversed(wiring.second):
        if seat.name in stack.names():
            stack.remove(seat.name)


def _portals(stack: Stack) -> list[str]:
    return [name for name in stack.names() if role_of(name) == "portal"]


def _watch(stack: Stack, jobs: tuple[Job, ...]) -> None:
    for name in stack.names():
        if role_of(name) == "monitor":
            config = stack[name].call("GET", "/config")
            stack[name].call("PUT", "/config", config | {"jobs": msgspec.to_builtins(jobs)})
