"""Managed prefix lists and their standalone entries."""

from __future__ import annotations

from doorward.model.addresses import parse_network
from doorward.model.estate import PrefixList
from doorward.model.intervals import Intervals
from doorward.readers.terraform.families.mirrors import mirrored_blocks
from doorward.readers.terraform.scene import Scene
from doorward.readers.terraform.values import View


def read_prefix_lists(scene: Scene) -> None:
    """aws_ec2_managed_prefix_list(_entry), and the data sources of managed and AWS's own lists."""
    for view in scene.instances("aws_ec2_managed_prefix_list", "aws_prefix_list"):
        id = view.id
        cidrs = _entries(scene, view)
        scene.put(
            "prefix_lists", id,
            PrefixList(
                id, view.text("name") or "", cidrs, view.number("max_entries"), view.address, view.tags()
            ),
            view.address,
        )  # fmt: skip
    for view in scene.instances("aws_ec2_managed_prefix_list_entry", data=False):
        target = view.one("prefix_list_id", "prefix-list")
        for id in target.ids:
            if not target.certain or view.unsettled("cidr"):
                scene.edit("prefix_lists", id, cidrs=None)
                scene.notice(
                    view.address, f"an entry of {id} is not known before the apply: the list counts as unknown"
                )
                continue
            found = scene.ensure("prefix_lists", id)
            added = _network(scene, view, view.text("cidr"))
            if found.cidrs is not None:
                scene.edit("prefix_lists", id, cidrs=found.cidrs | Intervals(added))


def _entries(scene: Scene, view: View) -> Intervals | None:
    if view.instance.type == "aws_prefix_list":
        return Intervals([span for text in view.texts("cidr_blocks") for span in _network(scene, view, text)])
    if view.unknown.get("entry") is True and view.unsettled("entry"):
        return None
    blocks, mirrored = mirrored_blocks(scene, view, "entry")
    blocks = blocks or view.blocks("entries")
    if any(block.unsettled("cidr") for block in blocks):
        scene.notice(view.address, "an entry is not known before the apply: the list counts as unknown")
        return None
    cidrs = Intervals([span for block in blocks for span in _network(scene, view, block.text("cidr"))])
    if mirrored:
        for one in scene.world.of_type("before", "aws_ec2_managed_prefix_list_entry"):
            if one.values.get("prefix_list_id") == view.id:
                cidrs -= Intervals(_network(scene, view, scene.world.view(one).text("cidr")))
    return cidrs


def _network(scene: Scene, view: View, text: str | None) -> list[tuple[int, int]]:
    if text is None:
        return []
    try:
        return [parse_network(text)]
    except ValueError as error:
        scene.notice(view.address, f"{error}: the entry is left out")
        return []
