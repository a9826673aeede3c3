"""Corrections of moto against AWS, a module per kind of resource; `load` registers them all."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from moto.ec2.models import ec2_backends

from doorward_lab.cloud.turn import Settings

MODULES = (
    "rules", "groups", "interfaces", "instances", "elastic", "gateways", "prefix_lists", "acls", "networks", "transit",
    "absent",
)  # fmt: skip

OWNERS = ("balancers", "databases")
"""Modules outside this package that correct the calls of other services."""


def install(settings: Settings) -> None:
    """Register every correction and make moto's classes behave (`patches`), with this lab's choices."""
    for name in MODULES:
        import_module(f"{__name__}.{name}")
    for name in OWNERS:
        import_module(f"doorward_lab.cloud.{name}")
    from doorward_lab.cloud.fixes import patches

    patches.install(settings)


def prepare(account: str, region: str) -> None:
    """Give the default VPC of an account and region, which moto makes by itself, what AWS gives it. Once."""
    from doorward_lab.cloud.fixes import networks

    ec2: Any = ec2_backends[account][region]
    if not getattr(ec2, "lab_prepared", False):
        ec2.lab_prepared = True
        for vpc in ec2.vpcs.values():
            networks.settle(ec2, vpc)
