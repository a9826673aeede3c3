"""Corrections of moto against AWS, a module per kind of resource; `load` registers them all."""

from __future__ import annotations

from importlib import import_module

from doorward_lab.cloud.turn import Settings

MODULES = ("rules", "groups")


def install(settings: Settings) -> None:
    """Register every correction and make moto's classes behave (`patches`), with this lab's choices."""
    for name in MODULES:
        import_module(f"{__name__}.{name}")
    from doorward_lab.cloud.fixes import patches

    patches.install(settings)
