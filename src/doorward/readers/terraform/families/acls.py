"""Network ACLs, their entries (inline and standalone) and which subnets they guard."""

from __future__ import annotations

from doorward.model.addresses import V4_ALL, V6_ALL, parse_network
from doorward.model.estate import Acl, AclEntry
from doorward.model.services import ALL_SPAN, ICMP, ICMPV6, TCP, UDP, block, protocol_number, rule_span
from doorward.readers.terraform.families.mirrors import mirrored_blocks
from doorward.readers.terraform.families.vpcs import name_of
from doorward.readers.terraform.scene import Scene
from doorward.readers.terraform.values import View

ACLS = ("aws_network_acl", "aws_default_network_acl")


def read_acls(scene: Scene) -> None:
    """aws_network_acl, aws_default_network_acl, aws_network_acl_rule, aws_network_acl_association."""
    for view in scene.instances(*ACLS, data=False):
        default = view.instance.type == "aws_default_network_acl"
        id = view.id
        if default:
            id = view.one("default_network_acl_id", "acl").id or view.id
        vpc = view.one("vpc_id", "vpc").id or next((v for v, acl in scene.default_acls.items() if acl == id), None)
        if vpc is None and (held := scene.find("acls", id)) is not None:
            vpc = held.vpc
        entries: list[AclEntry] = []
        unknown: str | None = None
        for direction in ("ingress", "egress"):
            if (
                view.unknown.get(direction) is True
                and view.unsettled(direction)
                and _configured(scene, view, direction)
            ):
                unknown = view.where(direction)
                continue
            blocks, mirrored = mirrored_blocks(scene, view, direction)
            gone = _standalone_before(scene, id, direction == "egress") if mirrored else set()
            for each in blocks:
                entry = _entry(scene, each, direction == "egress", each.number("rule_no"))
                if entry is not None and (entry.number, entry.cidr[0] > V4_ALL[1]) not in gone:
                    entries.append(entry)
        acl = Acl(id, vpc, tuple(entries), name_of(view), default, view.address, unknown)
        scene.put("acls", id, acl, view.address)
        if default and vpc:
            scene.default_acls.setdefault(vpc, id)
        if default and scene.is_new(view.instance):
            scene.taken["acls", id] = view.address
        for subnet in view.many("subnet_ids", "subnet").certain:
            scene.edit("subnets", subnet, acl=id)
            scene.guarded.add(subnet)
    for view in scene.instances("aws_network_acl_rule", data=False):
        target = view.one("network_acl_id", "acl")
        scene.alias(view.address, view.id)
        if view.unsettled("egress"):
            egress = None
        else:
            egress = bool(view.flag("egress"))
        entry = None if egress is None else _entry(scene, view, egress, view.number("rule_number"))
        for id in target.ids:
            found = scene.ensure("acls", id)
            if not target.certain or entry is None or not entry.certain:
                scene.edit("acls", id, unknown=found.unknown or target.unknown or view.where("rule_number"))
            if entry is not None and target.certain:
                scene.edit("acls", id, entries=(*found.entries, entry))
        if not target.ids:
            scene.notice(view.address, "the ACL of this entry is not known before the apply", None, True)
    for view in scene.instances("aws_network_acl_association", data=False):
        guard, guarded = view.one("network_acl_id", "acl").id, view.one("subnet_id", "subnet")
        if guarded.id is not None and guard is not None:
            scene.edit("subnets", guarded.id, acl=guard)
            scene.ensure("acls", guard)
            scene.guarded.add(guarded.id)
        else:
            for subnet in guarded.ids:
                scene.edit("subnets", subnet, acl=None)
            scene.notice(view.address, "which ACL guards which subnet is not known before the apply")


def _configured(scene: Scene, view: View, direction: str) -> bool:
    return scene.world.configuration.configured(view.instance, direction) is not False


def _standalone_before(scene: Scene, acl: str, egress: bool) -> set[tuple[int, bool]]:
    gone: set[tuple[int, bool]] = set()
    for one in scene.world.of_type("before", "aws_network_acl_rule"):
        if one.values.get("network_acl_id") == acl:
            view = scene.world.view(one)
            number = view.number("rule_number")
            if bool(view.flag("egress")) == egress and number is not None:
                gone.add((number, view.text("ipv6_cidr_block") is not None))
    return gone


def _entry(scene: Scene, view: View, egress: bool, number: int | None) -> AclEntry | None:
    if number is None:
        state = "not known yet" if view.unsettled("rule_no") or view.unsettled("rule_number") else "missing"
        scene.notice(view.address, f"an ACL entry whose number is {state}: left out")
        return None
    certain = not any(view.unsettled(name) for name in ("protocol", "from_port", "to_port", "action", "rule_action"))
    cidr = V4_ALL
    text = view.text("cidr_block") or view.text("ipv6_cidr_block")
    if text is None:
        certain = False
        cidr = V6_ALL if view.unsettled("ipv6_cidr_block") else V4_ALL
    else:
        try:
            cidr = parse_network(text)
        except ValueError as error:
            scene.notice(view.address, f"{error}: the ACL entry is not certain")
            certain = False
    action = view.text("action") or view.text("rule_action") or "deny"
    span = ALL_SPAN
    protocol = view.get("protocol")
    try:
        wanted = protocol_number(str(protocol)) if protocol not in (None, "") else None
        if wanted in (ICMP, ICMPV6):
            kind, code = view.number("icmp_type"), view.number("icmp_code")
            if kind is None:
                scene.notice(view.address, "an ICMP entry without a type: taken as all types, not certain")
                certain = False
            span = rule_span(str(wanted), -1 if kind is None else kind, -1 if code is None else code)
        elif wanted in (TCP, UDP):
            span = rule_span(str(wanted), view.number("from_port"), view.number("to_port"))
        elif wanted is not None:
            span = block(wanted)
    except ValueError as error:
        scene.notice(view.address, f"{error}: the ACL entry is not certain")
        certain = False
    return AclEntry(number, egress, action.lower() == "allow", span, cidr, view.address, certain)
