"""Probes for experiments of the Chaos Toolkit (its python provider calls them).

What does not live here: the experiments (`experiment`).
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

TOLERATED = 0.01
"""Share of logins that may fail while people can log in."""
FINE = ("ok", "wrong-password")
"""Outcomes of a login that are no fault of the system's."""


def login_works(lab: str = "lab", command: str = "doorward-lab", tolerated: float = TOLERATED) -> bool:
    """Whether people can log in now, as the lab's users met it in the last seconds.

    Raises `RuntimeError` (which fails the probe) when the lab does not answer, or nobody has tried.
    """
    path = shutil.which(command)
    if path is None:
        raise RuntimeError(f"{command} is not on the PATH; install doorward[lab]")
    asked = [path, "users", "--name", lab, "--json"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"{command} users ended with {done.returncode}: {done.stderr.strip()}")
    return judge(json.loads(done.stdout), tolerated)


def judge(users: dict[str, Any], tolerated: float = TOLERATED) -> bool:
    """Whether the logins that `doorward-lab users` tells of went well."""
    logins: dict[str, int] = users["outcomes"].get("login", {})
    tried = sum(logins.values())
    if not tried:
        raise RuntimeError("nobody has tried to log in lately; raise the rate: doorward-lab users --rate 10")
    failed = sum(count for outcome, count in logins.items() if outcome not in FINE)
    return failed <= tolerated * tried
