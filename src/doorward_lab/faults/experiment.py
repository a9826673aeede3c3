"""Faults as experiments of the Chaos Toolkit: `chaos run` judges whether login survives one, and heals it.

The format is the toolkit's own (chaostoolkit.org, *The experiment*): a steady state, a method, rollbacks.
What does not live here: the faults.
"""

from __future__ import annotations

from typing import Any

from doorward_lab.faults.catalogue import get

COMMAND = "doorward-lab"
"""What the experiment calls; it must be on the PATH of `chaos run`."""
SETTLE = 15
"""Seconds between the fault and the second look at the steady state: a person's patience."""


def experiment(name: str, *, lab: str = "lab", seed: int = 0, command: str = COMMAND) -> dict[str, Any]:
    """The experiment of a fault in the lab named `lab`. Raises `LabError` for a fault that there is not."""
    fault = get(name)
    about = ["--name", lab]
    inject = _call(command, ["fault", name, "--seed", str(seed), *about], 120)
    return {
        "version": "1.0.0",
        "title": f"Can people log in: {fault.summary[:1].lower()}{fault.summary[1:]}?",
        "description": f"The fault {name} of Doorward's lab, seed {seed}. It deviates where the fault stops logins.",
        "tags": ["doorward", "lab", name.partition("-")[0]],
        "configuration": {},
        "secrets": {},
        "controls": [],
        "steady-state-hypothesis": {
            "title": "People can log in",
            "probes": [
                {
                    "type": "probe",
                    "name": "login-works",
                    "tolerance": True,
                    "provider": {
                        "type": "python",
                        "module": "doorward_lab.faults.probes",
                        "func": "login_works",
                        "arguments": {"lab": lab, "command": command},
                    },
                }
            ],
        },
        "method": [
            {"type": "action", "name": name, "provider": inject, "pauses": {"after": SETTLE}},
        ],
        "rollbacks": [
            {"type": "action", "name": f"heal-{name}", "provider": _call(command, ["heal", name, *about], 120)},
        ],
    }


def _call(command: str, words: list[str], timeout: int) -> dict[str, Any]:
    return {"type": "process", "path": command, "arguments": words, "timeout": timeout}
