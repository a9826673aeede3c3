"""Databases, functions, container services and interface endpoints: what they hold are interfaces that no plan shows.

One a subnet stands for them, with an address somewhere in it; with a snapshot the real ones are meant.
"""

from __future__ import annotations

from typing import Literal

from doorward.model.estate import Holder
from doorward.readers.terraform.families.balancers import real_interfaces, snapshot_id
from doorward.readers.terraform.families.interfaces import make_interface, places_of
from doorward.readers.terraform.families.vpcs import name_of
from doorward.readers.terraform.scene import Scene
from doorward.readers.terraform.values import Refs, View

HolderKind = Literal["db", "lambda", "ecs", "instance", "endpoint"]


def _hold(
    scene: Scene,
    view: View,
    id: str,
    kind: HolderKind,
    subnets: Refs,
    groups: Refs,
    *,
    name: str = "",
    has_public: bool | None = False,
    interface_kind: str = "interface",
) -> tuple[str, ...]:
    """A holder with one interface a subnet."""
    id = snapshot_id(scene, "holders", id, name)
    places = places_of(scene, view, subnets, groups, f"{view.address}: its subnets")
    made: list[str] = []
    for place in places:
        subnet = place.ids[0] if len(place.ids) == 1 else "?"
        real = real_interfaces(scene, "holders", id, name, subnet)
        if not real and scene.snapshot is not None and id in scene.snapshot.holders and kind == "db":
            continue  # a database has interfaces in some subnets of its group only; the snapshot knows which
        vpc = view.text("vpc_id") or ""
        for own in real or [f"{view.address}/{subnet}"]:
            interface = make_interface(
                scene, own, view, place, groups, has_public=has_public, kind=interface_kind, vpc=vpc
            )
            scene.put("interfaces", own, interface)
            made.append(own)
    scene.members.setdefault(view.address, {}).update(dict.fromkeys(made))
    scene.put(
        "holders", id, Holder(id, kind, tuple(made), name or name_of(view), view.tags(), view.address), view.address
    )
    return tuple(made)


def read_databases(scene: Scene) -> None:
    """aws_db_instance, aws_rds_cluster and its instances, each in all subnets of its subnet group."""
    sets: dict[str, Refs] = {}
    for view in scene.instances("aws_db_subnet_group"):
        subnets = view.many("subnet_ids", "subnet")
        for key in {view.id, view.text("name") or view.id, view.address}:
            sets[key] = subnets
    for view in scene.instances("aws_db_instance", "aws_rds_cluster"):
        cluster = view.instance.type == "aws_rds_cluster"
        place = view.one("db_subnet_group_name", "database-subnets")
        subnets = sets.get(place.id or "", Refs(unknown=view.where("db_subnet_group_name")))
        groups = view.many("vpc_security_group_ids", "group")
        name = view.text("cluster_identifier" if cluster else "identifier") or ""
        asked = view.flag("publicly_accessible")
        public: bool | None = bool(asked)
        if cluster:
            public = _cluster_public(scene, view)
        _hold(
            scene, view, view.text("arn") or view.id, "db", subnets, groups, name=name, has_public=public,
        )  # fmt: skip
    for view in scene.instances("aws_rds_cluster_instance", data=False):
        owner = view.one("cluster_identifier", "cluster").id
        for one in scene.instances("aws_rds_cluster"):
            if owner in (one.id, one.text("cluster_identifier"), one.address):
                made = scene.members.get(one.address, {})
                scene.alias(view.address, one.text("arn") or one.id)
                scene.members.setdefault(view.address, {}).update(made)


def _cluster_public(scene: Scene, view: View) -> bool:
    names = {view.id, view.text("cluster_identifier"), view.address}
    for one in scene.instances("aws_rds_cluster_instance", data=False):
        if one.flag("publicly_accessible") and names & set(one.one("cluster_identifier", "cluster").ids):
            return True
    return False


def read_functions(scene: Scene) -> None:
    """aws_lambda_function with a vpc_config."""
    for view in scene.instances("aws_lambda_function"):
        for config in view.blocks("vpc_config"):
            subnets, groups = config.many("subnet_ids", "subnet"), config.many("security_group_ids", "group")
            if subnets == Refs():
                continue
            id = view.text("arn") or view.id
            _hold(
                scene,
                view,
                id,
                "lambda",
                subnets,
                groups,
                name=view.text("function_name") or "",
                interface_kind="lambda",
            )


def read_containers(scene: Scene) -> None:
    """aws_ecs_service in awsvpc mode."""
    for view in scene.instances("aws_ecs_service"):
        for config in view.blocks("network_configuration"):
            public = None if config.unsettled("assign_public_ip") else bool(config.flag("assign_public_ip"))
            _hold(
                scene, view, view.id, "ecs", config.many("subnets", "subnet"), config.many("security_groups", "group"),
                name=view.text("name") or "", has_public=public,
            )  # fmt: skip


def read_endpoints(scene: Scene) -> None:
    """aws_vpc_endpoint: interfaces of interface endpoints, routes of gateway endpoints, firewalls named."""
    for view in scene.instances("aws_vpc_endpoint"):
        kind = view.text("vpc_endpoint_type") or "Gateway"
        scene.alias(view.address, view.id)
        if kind == "GatewayLoadBalancer":
            vpc = view.one("vpc_id", "vpc").id
            scene.notice(view.address, "a gateway load balancer endpoint is not looked into", vpc, True)
        if kind == "Gateway" and scene.is_new(view.instance):
            scene.notice(view.address, "a gateway endpoint takes over the route to its service: not judged")
        if kind != "Interface":
            continue
        subnets, groups = view.many("subnet_ids", "subnet"), view.many("security_group_ids", "group")
        own = view.texts("network_interface_ids")
        for association in scene.instances("aws_vpc_endpoint_subnet_association", data=False):
            if view.id in association.one("vpc_endpoint_id", "endpoint").ids:
                more = association.one("subnet_id", "subnet").ids
                subnets = subnets._replace(certain=tuple(dict.fromkeys((*subnets.certain, *more))))
        replaced: list[str] = []
        for association in scene.instances("aws_vpc_endpoint_security_group_association", data=False):
            if view.id in association.one("vpc_endpoint_id", "endpoint").ids:
                more = association.one("security_group_id", "group").ids
                replaced.extend(more)
        if replaced:
            groups = groups._replace(certain=tuple(dict.fromkeys((*groups.certain, *replaced))))
        if subnets == Refs() and own:
            continue
        made = _hold(
            scene, view, view.id, "endpoint", subnets, groups, name=name_of(view), interface_kind="vpc_endpoint"
        )
        if len(own) == 1 and len(made) == 1 and scene.snapshot is None:
            scene.alias(view.address, own[0])
