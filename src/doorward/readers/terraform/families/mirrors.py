"""Blocks that the provider also fills in by itself from standalone resources: prefix list entries, routes, ACL entries.

As with security groups, such a block is managed where the configuration gives it or this change alters it. Otherwise
it is what the provider last read, and standalone resources say what becomes of it.
"""

from __future__ import annotations

from doorward.readers.terraform.scene import Scene
from doorward.readers.terraform.values import View, any_true


def mirrored_blocks(scene: Scene, view: View, attribute: str) -> tuple[list[View], bool]:
    """The blocks of this side, and whether they are only a mirror."""
    document = scene.world.document
    before, after = document.before.get(view.address), document.after.get(view.address)
    if view.instance.mode == "data":
        return view.blocks(attribute), False
    same = before is not None and after is not None and before.id == after.id
    if after is not None and scene.world.configuration.configured(after, attribute):
        return view.blocks(attribute), False
    if same and before is not None and after is not None:
        if after.unknown.get(attribute) is True:
            return scene.world.view(before).blocks(attribute), True
        changed = any_true(after.unknown.get(attribute)) or before.values.get(attribute) != after.values.get(attribute)
        return view.blocks(attribute), not changed
    if view.unknown.get(attribute) is True:
        return [], True
    return view.blocks(attribute), scene.side == "before"
