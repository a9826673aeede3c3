"""Load balancers, listeners and their rules, target groups and what is registered in them.

A plan does not hold a load balancer's interfaces. One a subnet stands for them, with an address somewhere in it; with
a snapshot the real ones are meant.
"""

from __future__ import annotations

from dataclasses import replace

from doorward.model.estate import Listener, LoadBalancer, Target, TargetGroup
from doorward.model.intervals import Span
from doorward.model.services import TCP, UDP, block, rule_span
from doorward.readers.terraform.document import odd
from doorward.readers.terraform.families.interfaces import addresses_of, make_interface, places_of
from doorward.readers.terraform.families.vpcs import name_of
from doorward.readers.terraform.scene import Scene
from doorward.readers.terraform.values import Ref, Refs, View

BALANCERS = ("aws_lb", "aws_alb")
LISTENERS = ("aws_lb_listener", "aws_alb_listener")
LISTENER_RULES = ("aws_lb_listener_rule", "aws_alb_listener_rule")
TARGET_GROUPS = ("aws_lb_target_group", "aws_alb_target_group")
ATTACHMENTS = ("aws_lb_target_group_attachment", "aws_alb_target_group_attachment")
_KINDS = {"application": "interface", "network": "network_load_balancer", "gateway": "gateway_load_balancer"}


def real_interfaces(scene: Scene, kind: str, owner: str, name: str, subnet: str) -> list[str]:
    """The snapshot's interfaces of a load balancer or holder in a subnet, by the owner's id, else its name."""
    if scene.snapshot is None:
        return []
    owners = getattr(scene.snapshot, kind)
    found = owners.get(owner) or next((one for one in owners.values() if name and one.name == name), None)
    held = scene.snapshot.interfaces
    mine = found.interfaces if found is not None else ()
    return [str(id) for id in mine if id in held and held[id].subnet == subnet]


def snapshot_id(scene: Scene, kind: str, id: str, name: str | None) -> str:
    """The id under which the snapshot has an element that a plan may know by another name."""
    if scene.snapshot is None:
        return id
    known = getattr(scene.snapshot, kind)
    if id in known or not name:
        return id
    same = [one.id for one in known.values() if one.name == name]
    return str(same[0]) if len(same) == 1 else id


def read_balancers(scene: Scene) -> None:
    """aws_lb (aws_alb) with interfaces; listeners come in ``read_listeners``."""
    for view in scene.instances(*BALANCERS):
        kind = view.text("load_balancer_type") or "application"
        id = view.text("arn") or view.id
        groups = view.many("security_groups", "group")
        places: list[tuple[Ref, tuple[Span, ...]]] = []
        for mapping in view.blocks("subnet_mapping"):
            place = mapping.one("subnet_id", "subnet")
            if place.ids:
                places.append((place, addresses_of(mapping, "private_ipv4_address", "ipv6_address")))
        if not places:
            subnets = view.many("subnets", "subnet")
            places = [(one, ()) for one in places_of(scene, view, subnets, groups, view.where("subnets"))]
        facing = not view.flag("internal")
        if kind == "network" and groups == Refs():
            groups = Refs(
                ("",)
            )  # without groups nothing is filtered, unlike elsewhere, where the default group applies
        dual = view.text("ip_address_type") in ("dualstack", "dualstack-without-public-ipv4")
        v4_public = facing and view.text("ip_address_type") != "dualstack-without-public-ipv4"
        made: list[str] = []
        for place, known in places:
            subnet = place.ids[0] if len(place.ids) == 1 else "?"
            real = real_interfaces(scene, "load_balancers", id, view.text("name") or "", subnet)
            for own in real or [f"{view.address}/{subnet}"]:
                interface = make_interface(
                    scene, own, view, place, groups, addresses=known, has_public=v4_public, ipv6=int(dual),
                    kind=_KINDS.get(kind, "interface"), vpc=view.text("vpc_id") or "",
                )  # fmt: skip
                if "" in interface.groups:
                    interface = interface._replace(groups=())
                scene.put("interfaces", own, interface)
                made.append(own)
        scene.elements["groups"].pop("", None)
        scene.stubs.discard(("groups", ""))
        scene.members.setdefault(view.address, {}).update(dict.fromkeys(made))
        first = scene.elements["interfaces"].get(made[0]) if made else None
        scene.put(
            "load_balancers", id,
            LoadBalancer(
                id, view.text("name") or name_of(view), kind, facing,
                view.text("vpc_id") or (first.vpc if first is not None else None) or None, tuple(made), (),
                tuple(sorted(one for one in groups.certain if one)), view.tags(), view.address,
            ),
            view.address,
        )  # fmt: skip


def services_of(protocol: str | None, port: int | None) -> tuple[Span, ...]:
    """What a listener accepts: HTTP, HTTPS, TLS and TCP are tcp, TCP_UDP is both (ELB, *Listeners*)."""
    numbers = {"UDP": (UDP,), "TCP_UDP": (TCP, UDP), "QUIC": (UDP,), "TCP_QUIC": (TCP, UDP)}.get(
        (protocol or "HTTP").upper(), (TCP,)
    )
    if port is None:
        return tuple(block(number) for number in numbers)
    if not 0 <= port < 65_536:
        raise odd(port, "a port")
    return tuple(rule_span(str(number), port, port) for number in numbers)


def _forwarded(view: View, attribute: str) -> Refs:
    certain: dict[str, None] = {}
    maybe: dict[str, None] = {}
    unknown: str | None = None
    for action in view.blocks(attribute):
        refs = [action.one("target_group_arn", "target-group")]
        for forward in action.blocks("forward"):
            refs.extend(group.one("arn", "target-group") for group in forward.blocks("target_group"))
        for ref in refs:
            (certain if ref.certain else maybe).update(dict.fromkeys(ref.ids))
            unknown = unknown or (ref.unknown if ref.open else None)
    return Refs(tuple(certain), tuple(maybe), unknown)


def read_listeners(scene: Scene) -> None:
    """aws_lb_listener and aws_lb_listener_rule."""
    owners: dict[str, tuple[str, Listener]] = {}
    further: dict[str, list[str]] = {}
    unsure: dict[str, None] = {}
    """Listeners of which some rule is not known."""
    for view in scene.instances(*LISTENER_RULES, data=False):
        target = view.one("listener_arn", "listener")
        groups = _forwarded(view, "action")
        if groups.unknown or groups.maybe:
            scene.notice(view.address, "the target group it forwards to is not known before the apply")
            unsure.update(dict.fromkeys(target.ids))
        for id in target.ids if target.certain else ():
            further.setdefault(id, []).extend(groups.certain)
        if not target.certain:
            scene.notice(view.address, "the listener of this rule is not known before the apply")
            unsure.update(dict.fromkeys(target.ids or _fresh(scene, LISTENERS)))
    for view in scene.instances(*LISTENERS):
        ref = view.one("load_balancer_arn", "balancer")
        owner = ref.id
        scene.alias(view.address, view.text("arn") or view.id)
        if owner is None:
            if ref.unknown is not None:
                scene.notice(view.address, "the load balancer of this listener is not known before the apply")
                for id in ref.ids or _fresh(scene, BALANCERS):
                    scene.edit("load_balancers", id, listeners=None)
            continue
        groups = _forwarded(view, "default_action")
        if groups.unknown or groups.maybe:
            scene.notice(view.address, "the target group it forwards to is not known before the apply")
        names = {view.id, view.text("arn") or view.id}
        behind = dict.fromkeys(groups.certain)
        for id in names:
            behind.update(dict.fromkeys(further.pop(id, ())))
        if groups.unknown or groups.maybe or names & unsure.keys():
            behind.update(dict.fromkeys(_some_group(scene, owner, view)))
        if view.unsettled("port") or view.unsettled("protocol"):
            scene.edit("load_balancers", owner, listeners=None)
            scene.notice(view.address, "its port is not known before the apply: the listeners count as unknown")
            continue
        listener = Listener(services_of(view.text("protocol"), view.number("port")), tuple(behind), view.address)
        owners[view.id] = owner, listener
        found = scene.ensure("load_balancers", owner)
        if found.listeners is not None:
            scene.edit("load_balancers", owner, listeners=(*found.listeners, listener))
    for id, groups_behind in further.items():
        scene.notice(id, "rules of a listener that the plan does not hold forward to " + ", ".join(groups_behind))


def _some_group(scene: Scene, owner: str, view: View) -> tuple[str, ...]:
    """A target group of which nothing is known. Where clients' addresses may reach targets, no listener is sure."""
    if scene.ensure("load_balancers", owner).kind != "application":
        scene.edit("load_balancers", owner, listeners=None)
        return ()
    id = f"{view.address}: a target group"
    scene.put("target_groups", id, TargetGroup(id, targets=None))
    return (id,)


def _fresh(scene: Scene, types: tuple[str, ...]) -> tuple[str, ...]:
    """What the plan makes of these types: a reference that is not known before the apply can mean any of them."""
    return tuple(one.id for one in scene.instances(*types, data=False) if scene.is_new(one.instance))


def read_target_groups(scene: Scene) -> None:
    """aws_lb_target_group, its attachments, and Auto Scaling groups and services that register by themselves."""
    for view in scene.instances(*TARGET_GROUPS):
        id = view.text("arn") or view.id
        checks = view.blocks("health_check")
        port = checks[0].text("port") if checks else None
        number = checks[0].port("port") if checks else None
        preserve = view.text("preserve_client_ip")
        scene.put(
            "target_groups", id,
            TargetGroup(
                id, view.text("name") or name_of(view), view.text("protocol") or "HTTP", view.number("port"),
                view.text("target_type") or "instance", None if port in (None, "traffic-port") else number,
                checks[0].flag("enabled") is not False if checks else True,
                None if preserve in (None, "") else preserve == "true", (), view.one("vpc_id", "vpc").id, view.address,
                view.tags(),
            ),
            view.address,
        )  # fmt: skip
    for view in scene.instances(*ATTACHMENTS, data=False):
        target_group = view.one("target_group_arn", "target-group")
        target = view.one("target_id", "target")
        open_ids = _fresh(scene, TARGET_GROUPS) if target_group.unknown is not None else ()
        for id in target_group.ids or open_ids:
            if target.id is None or not target_group.certain:
                scene.edit("target_groups", id, targets=None)
                scene.notice(
                    view.address, "what it registers is not known before the apply: the targets count as unknown"
                )
            elif scene.ensure("target_groups", id).targets is not None:
                scene.extend("target_groups", id, "targets", (Target(target.id, view.number("port")),))
    for view in scene.instances("aws_autoscaling_group", data=False):
        made = scene.members.get(view.address, {})
        for id in view.many("target_group_arns", "target-group").certain:
            _scaled(scene, id, tuple(made), view.address)
    for view in scene.instances("aws_autoscaling_attachment", data=False):
        wanted = view.one("autoscaling_group_name", "autoscaling").id
        groups = scene.instances("aws_autoscaling_group", data=False)
        group = next((one for one in groups if wanted and wanted in (one.id, one.text("name"))), None)
        for attribute in ("lb_target_group_arn", "alb_target_group_arn"):
            for id in view.one(attribute, "target-group").ids:
                made = scene.members.get(group.address, {}) if group is not None else {}
                _scaled(scene, id, tuple(made), view.address)
    for view in scene.instances("aws_ecs_service", data=False):
        for load in view.blocks("load_balancer"):
            for id in load.one("target_group_arn", "target-group").ids:
                scene.edit("target_groups", id, autoscaling=view.address)


def _scaled(scene: Scene, id: str, made: tuple[str, ...], address: str) -> None:
    found = scene.ensure("target_groups", id)
    if not made or found.target_type != "instance":
        scene.edit("target_groups", id, autoscaling=address)
    elif found.targets is not None:
        scene.extend("target_groups", id, "targets", (Target(one, found.port) for one in made))


def read_classic(scene: Scene) -> None:
    """aws_elb, each listener with the instances behind it as a target group of its own."""
    for view in scene.instances("aws_elb"):
        name = view.text("name") or view.id
        id = snapshot_id(scene, "load_balancers", name, view.text("name"))
        groups = view.many("security_groups", "group")
        subnets = view.many("subnets", "subnet")
        made: list[str] = []
        for place in places_of(scene, view, subnets, groups, view.where("subnets")):
            subnet = place.ids[0] if len(place.ids) == 1 else "?"
            real = real_interfaces(scene, "load_balancers", id, name, subnet)
            for own in real or [f"{view.address}/{subnet}"]:
                interface = make_interface(scene, own, view, place, groups, has_public=not view.flag("internal"))
                scene.put("interfaces", own, interface)
                made.append(own)
        vpc = scene.elements["interfaces"][made[0]].vpc
        scene.members.setdefault(view.address, {}).update(dict.fromkeys(made))
        instances = view.many("instances", "instance")
        listeners: list[Listener] = []
        check = _check_port(view)
        for each in view.blocks("listener"):
            port, own_port = each.number("lb_port"), each.number("instance_port")
            behind = f"{id}:{own_port}"
            sure = not instances.maybe and instances.unknown is None
            targets = tuple(Target(one, own_port) for one in instances.certain) if sure else None
            scene.put(
                "target_groups", behind,
                TargetGroup(
                    behind, f"{name}:{own_port}", (each.text("instance_protocol") or "TCP").upper(), own_port,
                    "instance",
                    check, True, False, targets, vpc, view.address,
                ),
            )  # fmt: skip
            listeners.append(Listener(services_of(each.text("lb_protocol"), port), (behind,), view.address))
        first = scene.elements["interfaces"].get(made[0]) if made else None
        scene.put(
            "load_balancers", id,
            LoadBalancer(
                id, name, "classic", not view.flag("internal"), (first.vpc if first is not None else "") or None,
                tuple(made), tuple(listeners), tuple(sorted(groups.certain)), view.tags(), view.address,
            ),
            view.address,
        )  # fmt: skip
    for view in scene.instances("aws_elb_attachment", data=False):
        owner, target = view.one("elb", "balancer").id, view.one("instance", "instance").id
        if owner is not None and target is not None:
            _register_classic(scene, owner, (target,))
    for view in scene.instances("aws_autoscaling_group", data=False):
        for owner in view.many("load_balancers", "balancer").certain:
            _register_classic(scene, owner, tuple(scene.members.get(view.address, {})))


def _check_port(view: View) -> int | None:
    for check in view.blocks("health_check"):
        _, _, rest = (check.text("target") or "").partition(":")
        digits = rest.partition("/")[0]
        if digits.isascii() and digits.isdigit():
            return int(digits)
    return None


def _register_classic(scene: Scene, owner: str, targets: tuple[str, ...]) -> None:
    for one in list(scene.elements["load_balancers"].values()):
        if owner not in (one.id, one.name, one.origin):
            continue
        for listener in one.listeners or ():
            for behind in listener.target_groups:
                group = scene.elements["target_groups"].get(behind)
                if group is not None and group.targets is not None:
                    added = tuple(Target(target, group.port) for target in targets)
                    scene.put(
                        "target_groups", behind, replace(group, targets=tuple(dict.fromkeys((*group.targets, *added))))
                    )
