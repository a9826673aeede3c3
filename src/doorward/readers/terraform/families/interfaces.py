"""Network interfaces: standalone ones, those of instances, group attachments, public addresses, instances to come.

Interfaces of load balancers, databases and other services are in ``balancers`` and ``services``.
"""

from __future__ import annotations

from doorward.model.addresses import V4_ALL, V6_ALL, parse_address, parse_network
from doorward.model.estate import Holder, Interface
from doorward.model.intervals import Span
from doorward.readers.terraform.document import odd
from doorward.readers.terraform.families.vpcs import name_of
from doorward.readers.terraform.scene import Scene
from doorward.readers.terraform.values import Ref, Refs, View

NO_ADDRESS = (0, 0)
"""A public address that exists for certain while its value is not known. It is that of the ``wide`` addresses; a
private address that is known is put among them then, as a range of one."""


def make_interface(
    scene: Scene,
    id: str,
    view: View,
    subnet: Ref,
    groups: Refs,
    *,
    addresses: tuple[Span, ...] = (),
    public: tuple[tuple[int, int], ...] = (),
    kind: str = "interface",
    instance: str | None = None,
    has_public: bool | None = False,
    ipv6: int = 0,
    vpc: str = "",
) -> Interface:
    """An interface with what is known; an address that is not known yet lies somewhere in its subnet.

    ``has_public``: True certain with a value not known yet, None cannot be known, False none beyond ``public``.
    ``groups`` without any member mean the VPC's default group, as AWS attaches it.
    """
    place = subnet.id or (subnet.ids[0] if len(subnet.ids) == 1 else "")
    if place:
        scene.ensure("subnets", place)
    if not vpc:
        vpcs = {scene.vpc_of(one) for one in subnet.ids} - {""}
        vpc = vpcs.pop() if len(vpcs) == 1 else ""
    if not vpc:
        found = {one.vpc for each in groups.certain if (one := scene.find("groups", each)) is not None and one.vpc}
        vpc = found.pop() if len(found) == 1 else ""
    ranges = _ranges(scene, subnet, vpc)
    wide: list[Span] = []
    if not any(one[0] <= V4_ALL[1] for one in addresses):
        wide.extend(_hull([one for one in ranges if one[0] <= V4_ALL[1]]) or [V4_ALL])
    if ipv6 and not any(one[0] > V4_ALL[1] for one in addresses):
        wide.extend((_hull([one for one in ranges if one[0] > V4_ALL[1]]) or [V6_ALL]) * min(ipv6, 16))
    unknown = groups.unknown
    certain = groups.certain
    if not certain and not groups.maybe and unknown is None:
        default = _default_group(scene, vpc)
        certain, unknown = ((default,), None) if default else ((), f"{view.address}: the VPC's default group")
    if not subnet.certain or not place:
        scene.notice(view.address, "its subnet is not known before the apply", vpc or None)
    public_unknown = f"{view.address}: public address" if has_public is None else None
    if has_public and not public:
        public = (NO_ADDRESS,)
        first = next((one for one in addresses if one[0] == one[1] and one[0] <= V4_ALL[1]), None)
        if first is not None:
            addresses, wide = tuple(one for one in addresses if one != first), [*wide, first]
    for group in (*certain, *groups.maybe):
        scene.ensure("groups", group)
    return Interface(
        id, vpc, place, tuple(sorted(certain)), addresses, public, kind, name_of(view), view.text("description") or "",
        instance, view.tags(), view.address, tuple(sorted(set(groups.maybe) - set(certain))), unknown, tuple(wide),
        public_unknown,
    )  # fmt: skip


def _hull(spans: list[Span]) -> list[Span]:
    return [(min(one[0] for one in spans), max(one[1] for one in spans))] if spans else []


def _ranges(scene: Scene, subnet: Ref, vpc: str) -> list[Span]:
    found: list[Span] = []
    for id in subnet.ids:
        one = scene.find("subnets", id)
        if one is None or not one.cidrs:
            found = []
            break
        found.extend(one.cidrs)
    if not found or subnet.open:
        network = scene.find("vpcs", vpc) if vpc else None
        found = list(network.cidrs) if network is not None else []
    return found


def _default_group(scene: Scene, vpc: str) -> str | None:
    if not vpc:
        return None
    for one in scene.instances("aws_vpc", "aws_default_vpc"):
        if one.id == vpc and (known := one.text("default_security_group_id")):
            return known
    where = [scene.elements["groups"]] + ([scene.snapshot.groups] if scene.snapshot is not None else [])
    for groups in where:
        for group in groups.values():
            if group.name == "default" and group.vpc == vpc:
                return str(group.id)
    return None


def places_of(scene: Scene, view: View, subnets: Refs, groups: Refs, where: str) -> list[Ref]:
    """Where the interfaces of something stand: one place a subnet.

    Subnets that it may only be in count as one place each where they are alike (the verdict is then the same in all),
    else as a single place that is not known.
    """
    places = [Ref((one,)) for one in subnets.certain]
    vpcs = {one.vpc for each in groups.certain if (one := scene.find("groups", each)) is not None and one.vpc}
    maybe = [one for one in subnets.maybe if len(vpcs) != 1 or scene.vpc_of(one) in (*vpcs, "")]
    ways = {(one.vpc, one.route_table, one.acl) for each in maybe if (one := scene.find("subnets", each)) is not None}
    if len(ways) == 1:
        places.extend(Ref((one,)) for one in maybe)
    elif maybe:
        places.append(Ref(tuple(maybe), certain=False, unknown=where))
    if subnets.unknown is not None or not places:
        places.append(Ref((), certain=False, open=True, unknown=subnets.unknown or where))
    return places


def addresses_of(view: View, *attributes: str) -> tuple[Span, ...]:
    """Known addresses of text and list attributes; delegated prefixes count as their range."""
    found: list[Span] = []
    for attribute in attributes:
        several = isinstance(view.get(attribute), list)
        for text in view.texts(attribute) if several else [view.text(attribute)]:
            if text is None:
                continue
            try:
                found.append(parse_network(text))
            except ValueError as error:
                raise odd(text, "an address", view.where(attribute)) from error
    return tuple(dict.fromkeys(found))


def read_interfaces(scene: Scene) -> None:
    """aws_network_interface."""
    for view in scene.instances("aws_network_interface"):
        id = view.id
        addresses = addresses_of(
            view, "private_ip", "private_ips", "ipv6_addresses", "ipv4_prefixes", "ipv6_prefixes", "private_ip_list"
        )
        public = tuple(
            pair for block in view.blocks("association") if (pair := _pair(block, "public_ip", addresses)) is not None
        )
        attached = [block.one("instance", "instance").id for block in view.blocks("attachment")]
        interface = make_interface(
            scene, id, view, view.one("subnet_id", "subnet"), view.many("security_groups", "group"),
            addresses=addresses, public=public, kind=view.text("interface_type") or "interface",
            instance=next((one for one in attached if one), None), ipv6=view.number("ipv6_address_count") or 0,
        )  # fmt: skip
        scene.put("interfaces", id, interface, view.address)
        scene.members.setdefault(view.address, {})[id] = None
    for view in scene.instances("aws_network_interface_attachment", data=False):
        interface_id = view.one("network_interface_id", "interface").id
        if interface_id:
            scene.edit("interfaces", interface_id, instance=view.one("instance_id", "instance").id)


def _pair(view: View, attribute: str, addresses: tuple[Span, ...]) -> tuple[int, int] | None:
    text = view.text(attribute)
    first = next((one[0] for one in addresses if one[0] == one[1] and one[0] <= V4_ALL[1]), None)
    if text is None or first is None:
        return None
    try:
        return first, parse_address(text)
    except ValueError:
        return None


def read_instances(scene: Scene) -> None:
    """aws_instance: its primary interface, unless another resource is that interface."""
    for view in scene.instances("aws_instance", "aws_spot_instance_request"):
        id = view.id
        template = _template_of(scene, view)
        borrowed: list[str] = []
        for block in [*view.blocks("network_interface"), *view.blocks("primary_network_interface")]:
            ref = block.one("network_interface_id", "interface")
            borrowed.extend(ref.ids if ref.certain else ())
        if borrowed:
            for one in borrowed:
                scene.edit("interfaces", one, instance=id)
                scene.members.setdefault(view.address, {})[one] = None
            _hold(scene, view, id, tuple(borrowed))
            continue
        own = view.text("primary_network_interface_id") or view.text("network_interface_id") or view.address
        subnet = view.one("subnet_id", "subnet")
        groups = view.many("vpc_security_group_ids", "group")
        if groups == Refs() and view.get("vpc_security_group_ids") is None:
            groups = Refs() if template is None else _template_groups(template)
        if not subnet.ids and template is not None:
            subnet = next((b.one("subnet_id", "subnet") for b in template.blocks("network_interfaces")), subnet)
        addresses = addresses_of(view, "private_ip", "ipv6_addresses", "secondary_private_ips")
        public = tuple(pair for pair in (_pair(view, "public_ip", addresses),) if pair is not None)
        wanted = False if public or not scene.is_new(view.instance) else _wants_public(scene, view, subnet, template)
        interface = make_interface(
            scene, own, view, subnet, groups, addresses=addresses, public=public, instance=id, has_public=wanted,
            ipv6=view.number("ipv6_address_count") or 0,
        )  # fmt: skip
        scene.put("interfaces", own, interface)
        scene.members.setdefault(view.address, {})[own] = None
        _hold(scene, view, id, (own,))


def _hold(scene: Scene, view: View, id: str, interfaces: tuple[str, ...]) -> None:
    holder = Holder(id, "instance", interfaces, name_of(view), view.tags(), view.address)
    scene.put("holders", id, holder, view.address)


def _wants_public(scene: Scene, view: View, subnet: Ref, template: View | None) -> bool | None:
    """Whether a new instance gets a public address: its own wish, its template's, else its subnet's."""
    for source in (view, *(template.blocks("network_interfaces") if template is not None else ())):
        asked: bool | None = source.flag("associate_public_ip_address")
        if asked is not None:
            return asked
        if source.unsettled("associate_public_ip_address"):
            return None
    if template is not None and (asked := template.flag("associate_public_ip_address")) is not None:
        return asked
    if not subnet.ids or not subnet.certain:
        return None
    for one in scene.instances("aws_subnet", "aws_default_subnet"):
        if one.id == subnet.id:
            given = one.flag("map_public_ip_on_launch")
            if one.instance.type == "aws_default_subnet" and given is None:
                return True
            return bool(given) if given is not None or not one.unsettled("map_public_ip_on_launch") else None
    return None


def _template_of(scene: Scene, view: View) -> View | None:
    for block in view.blocks("launch_template"):
        for attribute in ("id", "name", "launch_template_id", "launch_template_name"):
            ref = block.one(attribute, "launch-template")
            if ref.id:
                return _find(scene, ref.id, "aws_launch_template")
    ref = view.one("launch_configuration", "launch-configuration")
    return _find(scene, ref.id, "aws_launch_configuration") if ref.id else None


def _find(scene: Scene, id: str, kind: str) -> View | None:
    for one in scene.instances(kind):
        if id in (one.id, one.text("name"), one.address):
            return one
    return None


def _template_groups(template: View) -> Refs:
    if template.instance.type == "aws_launch_configuration":
        return template.many("security_groups", "group")
    for block in template.blocks("network_interfaces"):
        found = block.many("security_groups", "group")
        if found != Refs():
            return found
    return template.many("vpc_security_group_ids", "group")


def read_scaling(scene: Scene) -> None:
    """aws_autoscaling_group: one interface of unknown address a subnet stands for the instances to come."""
    for view in scene.instances("aws_autoscaling_group", data=False):
        template = _template_of(scene, view)
        for policy in view.blocks("mixed_instances_policy"):
            for block in policy.blocks("launch_template"):
                for spec in block.blocks("launch_template_specification"):
                    for attribute in ("launch_template_id", "launch_template_name"):
                        ref = spec.one(attribute, "launch-template")
                        template = template or (_find(scene, ref.id, "aws_launch_template") if ref.id else None)
        unknown = f"{view.address}: its launch template"
        groups = _template_groups(template) if template is not None else Refs(unknown=unknown)
        subnets = view.many("vpc_zone_identifier", "subnet")
        if view.number("max_size") == 0:
            continue
        places = places_of(scene, view, subnets, groups, view.where("vpc_zone_identifier"))
        made: list[str] = []
        _running(scene, view.text("name"))
        for place in places:
            id = f"{view.address}/{place.ids[0] if len(place.ids) == 1 else '?'}"
            wanted = _wants_public(scene, view, place, template) if template is not None else None
            interface = make_interface(scene, id, view, place, groups, has_public=wanted, instance=id)
            scene.put("interfaces", id, interface)
            made.append(id)
        scene.members.setdefault(view.address, {}).update(dict.fromkeys(made))
        _hold(scene, view, view.address, tuple(made))
        if template is not None:
            scene.members.setdefault(template.address, {}).update(dict.fromkeys(made))


def _running(scene: Scene, name: str | None) -> None:
    """Instances of the group that the snapshot holds live as long as the group does."""
    if scene.snapshot is None or name is None:
        return
    for holder in scene.snapshot.holders.values():
        if holder.kind == "instance" and ("aws:autoscaling:groupName", name) in holder.tags:
            scene.put("holders", holder.id, holder)
            for id in holder.interfaces:
                if id in scene.snapshot.interfaces:
                    scene.put("interfaces", id, scene.snapshot.interfaces[id])


def read_attachments(scene: Scene) -> None:
    """aws_network_interface_sg_attachment and elastic addresses."""
    for view in scene.instances("aws_network_interface_sg_attachment", data=False):
        group = view.one("security_group_id", "group")
        target = view.one("network_interface_id", "interface")
        for id in target.ids:
            scene.members.setdefault(view.address, {})[id] = None
            if target.certain and group.id is not None:
                scene.extend("interfaces", id, "groups", (group.id,))
                scene.edit("interfaces", id, groups=tuple(sorted(scene.ensure("interfaces", id).groups)))
                scene.ensure("groups", group.id)
            else:
                scene.extend("interfaces", id, "maybe_groups", group.ids)
                if group.open:
                    scene.edit("interfaces", id, groups_unknown=group.unknown)
        if not target.ids and target.unknown is not None:
            scene.notice(view.address, "which interface gets this group is not known before the apply")
            for one in scene.instances("aws_network_interface", "aws_instance", data=False):
                own = one.text("primary_network_interface_id") or one.id
                if scene.is_new(one.instance) and own in scene.elements["interfaces"]:
                    scene.extend("interfaces", own, "maybe_groups", group.ids)
    for view in scene.instances("aws_eip", "aws_eip_association", data=False):
        _elastic(scene, view)


def _elastic(scene: Scene, view: View) -> None:
    text = view.text("public_ip") or scene.eips.get(view.one("allocation_id", "eip").id or "")
    ids = list(view.one("network_interface_id", "interface").ids) or list(
        view.one("network_interface", "interface").ids
    )
    for attribute in ("instance", "instance_id"):
        for instance in view.one(attribute, "instance").ids if not ids else ():
            ids.extend(one.id for one in scene.elements["interfaces"].values() if one.instance == instance)
            if not ids and scene.snapshot is not None:
                ids.extend(one.id for one in scene.snapshot.interfaces.values() if one.instance == instance)
    for id in dict.fromkeys(ids):
        found = scene.ensure("interfaces", id)
        base = scene.find("interfaces", id) or found
        private = next(
            (one for one in addresses_of(view, "private_ip", "private_ip_address", "associate_with_private_ip")), None
        )
        first = private or next((one for one in base.addresses if one[0] == one[1] and one[0] <= V4_ALL[1]), None)
        try:
            known = parse_address(text) if text else None
        except ValueError:
            known = None
        if first is not None and known is not None:
            scene.edit("interfaces", id, public=tuple(dict.fromkeys((*found.public, (first[0], known)))))
        elif first is None and base.wide:
            if known is not None:  # the private address is somewhere in the range; its first one stands for it
                scene.edit("interfaces", id, public=((base.wide[0][0], known),), public_unknown=None)
            else:
                scene.edit("interfaces", id, public=(NO_ADDRESS,), public_unknown=None)
        elif first is not None and not base.public and first in found.addresses:
            others = tuple(one for one in found.addresses if one != first)
            scene.edit(
                "interfaces", id, addresses=others, wide=(*found.wide, first), public=(NO_ADDRESS,), public_unknown=None
            )
        elif not base.public:
            scene.edit("interfaces", id, public_unknown=f"{view.address}: public address")
