"""Doorward keeps the doors that must stay open open, and the doors that must stay shut shut.

The Python API: ``read_estate``, ``read_plan``, ``read_contracts``, then ``check``, ``gate``, ``diff``, ``explain``,
``exposure``. Names are loaded when first used, so that ``import doorward`` costs nothing. See docs/reference/python.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doorward.api import check as check
    from doorward.api import diff as diff
    from doorward.api import explain as explain
    from doorward.api import exposure as exposure
    from doorward.api import gate as gate
    from doorward.api import read_contracts as read_contracts
    from doorward.api import read_estate as read_estate
    from doorward.api import read_plan as read_plan
    from doorward.contracts.contract import Contract as Contract
    from doorward.errors import DoorwardError as DoorwardError
    from doorward.errors import InvalidContract as InvalidContract
    from doorward.errors import InvalidInput as InvalidInput
    from doorward.errors import Unreadable as Unreadable
    from doorward.model.estate import Estate as Estate
    from doorward.model.plan import Plan as Plan
    from doorward.model.verdict import Outcome as Outcome
    from doorward.model.verdict import Report as Report
    from doorward.model.verdict import Verdict as Verdict

_HOMES = {
    **dict.fromkeys(
        ("check", "diff", "explain", "exposure", "gate", "read_contracts", "read_estate", "read_plan"), "doorward.api"
    ),
    **dict.fromkeys(("DoorwardError", "InvalidContract", "InvalidInput", "Unreadable"), "doorward.errors"),
    **dict.fromkeys(("Outcome", "Report", "Verdict"), "doorward.model.verdict"),
    "Contract": "doorward.contracts.contract",
    "Estate": "doorward.model.estate",
    "Plan": "doorward.model.plan",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605  (the table is the one list of names)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'doorward' has no attribute {name!r}")
