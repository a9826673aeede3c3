"""What the watch may do, and when it speaks: the policy, as values, read from a mapping.

What does not live here: files and formats (the shell reads them), the words of contracts (``contracts``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

from doorward.duty.approval import Baseline
from doorward.errors import InvalidInput
from doorward.model.services import parse_service

Mode: TypeAlias = Literal["propose", "approve", "automatic"]
"""propose: say what a revert would do. approve: do it when a person says yes. automatic: do it."""
SEVERITIES = ("critical", "high", "medium", "low")


@dataclass(frozen=True, slots=True)
class Policy:
    """All settings of the watch; times in seconds. Defaults are careful: nothing is changed unasked."""

    mode: Mode = "propose"
    modes_by_severity: Mapping[str, Mode] | None = None
    modes_by_contract: Mapping[str, Mode] | None = None
    pipelines: tuple[str, ...] = ()
    """ARN patterns of roles that apply plans: never reverted against."""
    own_role: str = ""
    """ARN pattern of the role that ``remedy`` uses. A call is our own only if it also carries our source identity."""
    baselines: tuple[Baseline, ...] = ()
    reverts_per_group_and_hour: int = 2
    reverts_per_hour: int = 10
    fights: int = 2
    """After so many reverts against one actor on one group in ``fight_window``, no more: a person is called."""
    fight_window: float = 3600
    cause_window: float = 120
    """Changes of one principal and session at most so far apart are one cause."""
    alerts_per_hour: int = 30
    """For alerts that break nothing; broken contracts are always told."""
    compare_after: float = 2
    """Flows of a cause are compared when no more changes of it came for so long."""
    unsure_after: float = 120
    """A contract that cannot be told for so long is an alarm."""
    reconcile_every: float = 900
    lag: float = 2
    """For how long describe answers may lack what was done before."""
    describe_patience: float = 30
    rebuild_every: float = 1
    """Changes other than of rules make the engine begin anew, at most so often."""
    late: float = 900
    """Until so long after a change its event may still come; then what reconcile found counts as unseen."""
    canary_every: float = 300
    canary_late: float = 120
    queue_age: float = 300
    queue_depth: int = 200_000

    def mode_of(self, contract: str, severity: str) -> Mode:
        """How far a revert for a broken contract may go: by its name, else by its severity, else the default."""
        by_name = (self.modes_by_contract or {}).get(contract)
        return by_name or (self.modes_by_severity or {}).get(severity) or self.mode


_NUMBERS = {
    one.name: one.type for one in fields(Policy) if one.type in ("int", "float")
}  # fmt: skip


def parse_policy(given: Mapping[str, Any], where: str = "policy") -> Policy:
    """The policy in a mapping (from YAML, JSON or TOML). Raises ``InvalidInput`` naming the key."""
    known = {one.name for one in fields(Policy)} - {"modes_by_severity", "modes_by_contract"} | {"modes"}
    for key in given:
        if key not in known:
            raise InvalidInput(f"unknown key {key!r}", where=where, hint=f"known are {', '.join(sorted(known))}")
    found: dict[str, Any] = {}
    for key, value in given.items():
        at = f"{where}: {key}"
        if key in _NUMBERS:
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise InvalidInput(f"got {value!r}, expected a number that is not negative", where=at)
            if _NUMBERS[key] == "int" and value != int(value):
                raise InvalidInput(f"got {value!r}, expected a whole number", where=at)
            found[key] = int(value) if _NUMBERS[key] == "int" else float(value)
        elif key == "mode":
            found[key] = _mode(value, at)
        elif key == "modes":
            found.update(_modes(value, at))
        elif key == "pipelines":
            found[key] = _texts(value, at)
        elif key == "own_role":
            if not isinstance(value, str):
                raise InvalidInput(f"got {value!r}, expected the ARN of a role", where=at)
            found[key] = value
        else:
            found["baselines"] = _baselines(value, at)
    return Policy(**found)


def _mode(value: object, where: str) -> Mode:
    if value not in get_args(Mode):
        raise InvalidInput(f"got {value!r}, expected propose, approve or automatic", where=where)
    return value  # type: ignore[return-value]  # just checked


def _modes(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not set(value) <= {"severity", "contract"}:
        raise InvalidInput(f"got {value!r}, expected severity: and contract:", where=where)
    found: dict[str, Any] = {}
    for side in value:
        table = value[side]
        if not isinstance(table, Mapping):
            raise InvalidInput(f"got {table!r}, expected names with modes", where=f"{where}: {side}")
        for name in table:
            if side == "severity" and name not in SEVERITIES:
                raise InvalidInput(f"unknown severity {name!r}", where=where, hint=f"known: {', '.join(SEVERITIES)}")
        found[f"modes_by_{side}"] = {str(name): _mode(mode, f"{where}: {name}") for name, mode in table.items()}
    return found


def _texts(value: object, where: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(one, str) and one for one in listed):
        raise InvalidInput(f"got {value!r}, expected a text or a list of texts", where=where)
    return tuple(listed)


def _baselines(value: object, where: str) -> tuple[Baseline, ...]:
    if not isinstance(value, list):
        raise InvalidInput(f"got {value!r}, expected a list", where=where)
    found = []
    for one in value:
        if not isinstance(one, Mapping) or not isinstance(one.get("name"), str):
            raise InvalidInput(f"got {one!r}, expected a baseline with a name", where=where)
        at = f"{where}: {one['name']}"
        more = set(one) - {"name", "principals", "groups", "tags", "services", "peers"}
        if more:
            raise InvalidInput(f"unknown key {sorted(more)[0]!r}", where=at)
        principals = _texts(one.get("principals", ()), at)
        groups, tags = _texts(one.get("groups", ()), at), one.get("tags", {})
        if not principals or not (groups or tags) or not isinstance(tags, Mapping):
            raise InvalidInput(
                "is too wide: it names nobody, or no group", where=at, hint="give principals:, and groups: or tags:"
            )
        try:
            services = [span for text in _texts(one.get("services", ()), at) for span in parse_service(text).spans]
        except ValueError as error:
            raise InvalidInput(str(error), where=at) from error
        pairs = tuple((str(key), str(pattern)) for key, pattern in tags.items())
        peers = _texts(one.get("peers", ()), at)
        found.append(Baseline(one["name"], principals, groups, pairs, tuple(services), peers))
    return tuple(found)
