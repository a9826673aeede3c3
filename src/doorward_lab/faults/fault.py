"""What a fault is: a name, parameters, how it is injected into a lab, and a record from which any process can heal it.

What does not live here: the faults themselves, and how each step is undone (`undo`).
"""

from __future__ import annotations

import difflib
import json
import random
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

from doorward_lab.errors import LabError
from doorward_lab.scenes import Built, Connect

Value: TypeAlias = "str | int | float | bool"
Step: TypeAlias = "dict[str, Any]"
"""One thing to undo: `do` names it, the rest is what it needs; plain JSON."""


class Lab(Protocol):
    """What a fault needs of a running lab. Faults of the network use `built`, `connect` and `principal` alone."""

    @property
    def built(self) -> Built:
        """The scene as it was built."""
        ...

    def connect(self, service: str) -> Any:
        """The boto3 client of a service, as the lab's own operator."""
        ...

    def principal(self, role: str, session: str) -> Connect:
        """boto3 clients of another principal: a role, under a session name."""
        ...

    def run(self, host: str, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a program to its end in a host's network, with power over it. The host is named as in the scene."""
        ...

    def services(self) -> Mapping[str, str]:
        """The services that run (login-1, database-b) → the scene's host that each runs on; users run on none ("")."""
        ...

    def call(self, service: str, method: str, path: str, body: object = None) -> Any:
        """A call of a service's admin endpoint; the decoded answer. Raises `LabError`, `NotRunning`."""
        ...

    def start(self, name: str, role: str, settings: Mapping[str, object]) -> None:
        """Start one more service on the lab's internet (flood, scan)."""
        ...

    def stop(self, name: str) -> None:
        """Stop a service that `start` started; nothing happens when it does not run."""
        ...

    def expired_certificate(self) -> tuple[str, str]:
        """Files of a certificate for the portal that has expired, and of its key."""
        ...


@dataclass(frozen=True, slots=True)
class Parameter:
    """What of a fault can be set. The default's type is the parameter's."""

    name: str
    default: Value
    doc: str


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that was injected: what was done, and the steps that undo it, the last first."""

    fault: str
    seed: int
    text: str
    """What was done, for people."""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    undo: tuple[Step, ...] = ()
    at: str = ""
    """When, UTC, ISO 8601."""

    def to_json(self) -> str:
        """As text; `from_json` reads it."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Injected:
        """From text of `to_json`. Raises `LabError`."""
        try:
            value = json.loads(text)
            return cls(**{**value, "undo": tuple(value["undo"])})
        except (ValueError, TypeError, KeyError) as error:
            raise LabError(f"not the record of a fault ({error}); expected what Injected.to_json wrote") from error


@dataclass(slots=True)
class Act:
    """An injection under way: the lab, chance, parameters, and what has been done so far."""

    lab: Lab
    random: random.Random
    parameters: Mapping[str, Any]
    undo: list[Step] = field(default_factory=list)

    def done(self, do: str, **what: Any) -> None:
        """Remember how to undo what was just done."""
        self.undo.append({"do": do, **what})

    def text(self, name: str) -> str:
        """A parameter that is a text."""
        return str(self.parameters[name])

    def number(self, name: str) -> float:
        """A parameter that is a number."""
        return float(self.parameters[name])


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that can go wrong. `act` does it and says what it did; it raises `LabError` when it cannot."""

    name: str
    summary: str
    act: Callable[[Act], str]
    parameters: tuple[Parameter, ...] = ()
    needs_stack: bool = False
    """Whether it acts on the web stack, so that a lab without one cannot have it."""

    def inject(self, lab: Lab, seed: int = 0, parameters: Mapping[str, object] | None = None) -> Injected:
        """Make it happen: the same lab, seed and parameters, the same fault.

        Raises `LabError` when it cannot; then what was done until then has been undone.
        """
        from doorward_lab.faults.undo import undo_all

        values = self.values(parameters or {})
        act = Act(lab, random.Random(f"{self.name} {seed}"), values)  # noqa: S311 - chance, no secret
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        whole = False
        try:
            text = self.act(act)
            whole = True
        finally:
            if not whole:
                undo_all(lab, tuple(act.undo))
        return Injected(self.name, seed, text, values, tuple(act.undo), began)

    def heal(self, lab: Lab, injected: Injected) -> list[str]:
        """Undo it; what was done, line by line. Once healed, healing again changes nothing.

        Raises `LabError` when the lab refuses.
        """
        from doorward_lab.faults.undo import undo_all

        return undo_all(lab, injected.undo)

    def values(self, given: Mapping[str, object]) -> dict[str, Value]:
        """All parameters, those given as the types that they have. Raises `LabError`."""
        known = {one.name: one for one in self.parameters}
        for name in given:
            if name not in known:
                raise LabError(f"{self.name} has no parameter {name!r}{hint(name, known)}")
        return {name: _typed(self.name, one, given.get(name, one.default)) for name, one in known.items()}


def hint(name: str, known: Iterable[str]) -> str:
    """What was meant, or what there is."""
    listed = list(known)
    near = difflib.get_close_matches(name, listed, 1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; expected {', '.join(listed)}" if listed else "; it has none"


def _typed(fault: str, parameter: Parameter, value: object) -> Value:
    kind = type(parameter.default)
    try:
        if kind is bool:
            return {"true": True, "false": False}[str(value).lower()]
        if kind is int:
            return int(str(value))
        if kind is float:
            return float(str(value))
        return str(value)
    except (ValueError, KeyError) as error:
        words = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise LabError(f"{fault}: {parameter.name} is {value!r}; expected {words}") from error
