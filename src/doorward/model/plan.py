"""A planned change: the estate before, the estate after, and the steps in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from doorward.model.estate import Estate, Notice
from doorward.model.rules import Rule


@dataclass(frozen=True, slots=True)
class Step:
    """One act of an apply on security group rules or on membership.

    ``removed`` and ``added`` are (group id, rule). A step that is not ``atomic`` first removes, then adds, and may be
    seen, or stop, in between (Terraform AWS provider: inline rules are revoked, then authorised). ``rule_atomic`` pairs
    are changed in place by ModifySecurityGroupRules: old or new, never neither.
    """

    id: str
    """Unique: the Terraform address, with ``#delete`` or ``#create`` for the halves of a replacement."""
    address: str
    does: Literal["create", "update", "delete"]
    removed: tuple[tuple[str, Rule], ...] = ()
    added: tuple[tuple[str, Rule], ...] = ()
    atomic: bool = False
    needs: tuple[str, ...] = ()
    """Ids of steps that always end before this one begins."""
    note: str = ""
    """What a reader of the plan would not see, e.g. that a description-only edit revokes and re-adds the rule."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a Terraform or OpenTofu plan does to an estate.

    ``before`` is the snapshot (or the plan's prior state when there is none); ``after`` is ``before`` with every
    resource change applied. Elements that differ and are in no step (routes, ACL entries …) change at some moment of
    the apply that is not known.
    """

    before: Estate
    after: Estate
    steps: tuple[Step, ...] = ()
    notices: tuple[Notice, ...] = ()
    terraform_version: str = ""
    replaced: tuple[str, ...] = field(default=())
    """Addresses of security groups that are replaced (new id), for words."""
