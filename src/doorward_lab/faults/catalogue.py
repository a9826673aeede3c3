"""All faults by name."""

from __future__ import annotations

from doorward_lab.errors import LabError
from doorward_lab.faults import groups, paths, services
from doorward_lab.faults.fault import Fault, hint

_ALL = {one.name: one for one in (*groups.FAULTS, *paths.FAULTS, *services.FAULTS)}


def names() -> list[str]:
    """The names of all faults: of groups, of the way, of services."""
    return list(_ALL)


def get(name: str) -> Fault:
    """A fault by its name. Raises `LabError`."""
    if name not in _ALL:
        raise LabError(f"there is no fault {name!r}{hint(name, _ALL)}")
    return _ALL[name]
