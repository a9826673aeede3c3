"""One side of a plan (before or after) while its estate is put together.

Resources are read family by family and leave elements, rules and notices here. An element that is only spoken of
(a route added to a table that the plan does not hold) is a *stub*: it exists, and what else it holds is not known.
Merging with a snapshot is for ``merge``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

from doorward.model.estate import (
    Acl,
    Estate,
    Holder,
    Interface,
    LoadBalancer,
    NatGateway,
    Notice,
    Peering,
    PrefixList,
    RouteTable,
    Subnet,
    TargetGroup,
    TransitGateway,
    Vpc,
)
from doorward.model.intervals import EMPTY
from doorward.model.rules import Direction, Group, Rule
from doorward.readers.terraform.document import Instance, Side
from doorward.readers.terraform.values import View, World

ELEMENTS = (
    "interfaces", "groups", "subnets", "vpcs", "acls", "route_tables", "peerings", "transit_gateways", "nat_gateways",
    "load_balancers", "target_groups", "prefix_lists", "holders",
)  # fmt: skip
"""The mappings of an estate, by field name."""
Element = (
    Interface | Group | Subnet | Vpc | Acl | RouteTable | Peering | TransitGateway | NatGateway | LoadBalancer
    | TargetGroup | PrefixList | Holder
)  # fmt: skip
E = TypeVar("E")


class Scene:
    """The elements of one side."""

    def __init__(self, world: World, side: Side, snapshot: Estate | None) -> None:
        self.world = world
        self.side = side
        self.snapshot = snapshot
        self.elements: dict[str, dict[str, Any]] = {name: {} for name in ELEMENTS}
        self.stubs: set[tuple[str, str]] = set()
        self.rules: dict[str, list[Rule]] = {}
        """Group id → rules, mirrored ones excluded."""
        self.mirrors: dict[str, list[Rule]] = {}
        """Group id → rules that the plan shows as facts of the group without managing them there."""
        self.given: dict[str, list[tuple[str, Rule]]] = {}
        """Terraform address → the rules that this resource manages, with their groups."""
        self.everywhere: list[Rule] = []
        """Rules of a group that cannot be named: they may be in any."""
        self.emptied: dict[str, tuple[str, set[Direction]]] = {}
        """Group id → (address, directions) whose rules are all taken over, as by aws_default_security_group."""
        self.taken: dict[tuple[str, str], str] = {}
        """(kind, id) → address: ACLs and tables whose former entries are all taken over."""
        self.notices: dict[Notice, None] = {}
        self.aliases: dict[str, dict[str, None]] = {}
        self.members: dict[str, dict[str, None]] = {}
        """Terraform address → interfaces whose groups it sets."""
        self.tied: set[str] = set()
        """Subnets whose route table an association names."""
        self.guarded: set[str] = set()
        """Subnets whose ACL the plan names."""
        self.mains: dict[str, str] = {}
        """VPC id → main route table, where the plan says."""
        self.default_acls: dict[str, str] = {}
        self.eips: dict[str, str] = {}
        """Allocation id → public address, where known."""

    # --- elements ----------------------------------------------------------------------------------------------

    def put(self, kind: str, id: str, element: Any, address: str | None = None) -> None:
        """Add what a resource defines; an earlier definition of the same id is replaced."""
        self.elements[kind][id] = element
        self.stubs.discard((kind, id))
        if address is not None:
            self.alias(address, id)

    def find(self, kind: str, id: str) -> Any:
        """The element, from this plan or the snapshot; None when neither has it."""
        found = self.elements[kind].get(id)
        if (found is None or (kind, id) in self.stubs) and self.snapshot is not None:
            return getattr(self.snapshot, kind).get(id) or found
        return found

    def ensure(self, kind: str, id: str) -> Any:
        """The plan's element, made as a stub when the plan only speaks of it."""
        found = self.elements[kind].get(id)
        if found is None:
            found = self.elements[kind][id] = stub(kind, id)
            self.stubs.add((kind, id))
        return found

    def edit(self, kind: str, id: str, **fields: Any) -> None:
        """Change fields of an element, which may be a stub."""
        found = self.ensure(kind, id)
        self.elements[kind][id] = found._replace(**fields) if hasattr(found, "_replace") else replace(found, **fields)

    def extend(self, kind: str, id: str, field: str, items: Iterable[Any]) -> None:
        """Add to a tuple field of an element, which may be a stub."""
        found = self.ensure(kind, id)
        old = getattr(found, field) or ()
        self.edit(kind, id, **{field: (*old, *(one for one in items if one not in old))})

    def is_stub(self, kind: str, id: str) -> bool:
        """Whether the plan only speaks of it."""
        return (kind, id) in self.stubs

    # --- the rest ----------------------------------------------------------------------------------------------

    def alias(self, address: str, *ids: str) -> None:
        """A Terraform address as another name of elements."""
        self.aliases.setdefault(address, {}).update(dict.fromkeys(ids))

    def notice(self, resource: str, text: str, vpc: str | None = None, could_block: bool = False) -> None:
        """Name something that is not modelled or not known."""
        self.notices[Notice(resource, text, vpc, could_block)] = None

    def give(self, address: str, group: str, rule: Rule) -> None:
        """A rule that the resource at ``address`` manages."""
        self.ensure("groups", group)
        self.rules.setdefault(group, []).append(rule)
        self.given.setdefault(address, []).append((group, rule))

    def instances(self, *types: str, data: bool = True) -> Iterable[View]:
        """All instances of these types on this side, managed ones first."""
        found = self.world.of_type(self.side, *types)
        for one in found:
            if data and one.mode == "data" and not one.unknown.get("id"):
                yield self.world.view(one)
        for one in found:
            if one.mode == "managed":
                yield self.world.view(one)

    def is_new(self, instance: Instance) -> bool:
        """Whether the instance on this side does not exist before the apply."""
        if self.side == "before" or instance.mode == "data":
            return False
        old = self.world.document.before.get(instance.address)
        return old is None or old.id != instance.id

    def vpc_of(self, subnet: str | None) -> str:
        """The VPC of a subnet, or an empty text."""
        found = self.find("subnets", subnet) if subnet else None
        return found.vpc if found is not None else ""


def stub(kind: str, id: str) -> Any:
    """An element of which only the id is known."""
    if kind == "interfaces":
        return Interface(id, "", "", (), ())
    if kind == "groups":
        return Group(id)
    if kind == "subnets":
        return Subnet(id, "")
    if kind == "peerings":
        return Peering(id, ("", ""))
    if kind == "nat_gateways":
        return NatGateway(id, "")
    if kind == "target_groups":
        return TargetGroup(id, targets=())
    if kind == "prefix_lists":
        return PrefixList(id, cidrs=EMPTY)
    if kind == "load_balancers":
        return LoadBalancer(id, listeners=())
    if kind == "holders":
        return Holder(id, "instance")
    made: dict[str, Any] = {
        "vpcs": Vpc, "acls": Acl, "route_tables": RouteTable, "transit_gateways": TransitGateway,
    }  # fmt: skip
    return made[kind](id)
