"""The oracle's filters: do the groups of an interface, or the ACL of a subnet, admit one packet?

``may`` chooses the bound: False counts what is certain, True what is possible.
Sources: VPC User Guide, *Security group rules*, *Network ACL rules*; EC2 API Reference, *IpPermission*.
"""

from __future__ import annotations

from tests.oracle.world import (
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    Address,
    Block,
    Json,
    Nic,
    Service,
    World,
    block,
    inside,
    protocol_number,
    remembered,
)


def exists(service: Service, family: int) -> bool:
    """ICMP does not exist over IPv6, nor ICMPv6 over IPv4."""
    return service.protocol != (ICMPV6 if family == 4 else ICMP)


def permission_covers(permission: Json, service: Service) -> bool:
    """Does a security group permission name this service?"""
    protocol = protocol_number(permission["IpProtocol"])
    if protocol == -1:
        return True
    if protocol != service.protocol:
        return False
    low, high = permission.get("FromPort"), permission.get("ToPort")
    if protocol in (TCP, UDP):
        return low is None or high is None or bool(low <= service.detail <= high)
    if protocol in (ICMP, ICMPV6):
        kind, code = divmod(service.detail, 256)
        return low in (None, -1) or (low == kind and (high in (None, -1) or high == code))
    return True  # "allows traffic on all ports, regardless of any port range"


def lists_admit(world: World, permission: Json, peer: Address, may: bool) -> bool:
    """Does a CIDR or a prefix list of the permission hold the peer?"""
    for one in permission.get("IpRanges", []):
        if inside(peer, [block(one["CidrIp"])]):
            return True
    for one in permission.get("Ipv6Ranges", []):
        if inside(peer, [block(one["CidrIpv6"])]):
            return True
    for one in permission.get("PrefixListIds", []):
        entries = world.prefix_list(one["PrefixListId"])
        if may if entries is None else inside(peer, entries):
            return True
    return False


def active_peerings(world: World, one: str, other: str) -> list[Json]:
    """Active peering connections of exactly these two VPCs."""
    return [
        link
        for link in world.all("VpcPeeringConnections")
        if {link["RequesterVpcInfo"]["VpcId"], link["AccepterVpcInfo"]["VpcId"]} == {one, other}
        and link["Status"]["Code"] == "active"
    ]


def attachments_of(world: World, gateway: str, vpc: str) -> list[Json]:
    """The available attachments of a VPC to a transit gateway."""
    return [
        one
        for one in world.all("TransitGatewayVpcAttachments")
        if one["TransitGatewayId"] == gateway and one["VpcId"] == vpc and one["State"] == "available"
    ]


@remembered
def reference_works(world: World, vpc: str, group: str, ingress: bool) -> bool:
    """Can a rule in ``vpc`` name this group? Else it is stale and matches nothing.

    VPC Peering Guide, *Update your security groups to reference peer groups* (active, same Region);
    Transit Gateways, *Security group referencing* (inbound rules only, enabled on gateway and attachments).
    """
    if group not in world.groups:
        return False
    home = world.groups[group]["VpcId"]
    if home == vpc:
        return True
    for link in active_peerings(world, vpc, home):
        if link["RequesterVpcInfo"].get("Region") == link["AccepterVpcInfo"].get("Region"):
            return True
    for gateway in world.all("TransitGateways") if ingress else []:
        if gateway.get("Options", {}).get("SecurityGroupReferencingSupport") != "enable":
            continue
        sides = [attachments_of(world, gateway["TransitGatewayId"], side) for side in (vpc, home)]
        if all(
            any(one["Options"].get("SecurityGroupReferencingSupport") == "enable" for one in side) for side in sides
        ):
            return True
    return False


@remembered
def groups_admit(
    world: World,
    nic: str,
    ingress: bool,
    peer: Address,
    service: Service,
    who: str,
    may: bool,
    through: str = "",
) -> bool:
    """Do the groups of an interface admit a packet from (ingress) or to (egress) the peer?

    ``who``: the interface of the peer, for group references; "" on a path over public addresses, where none matches.
    A member is admitted for certain; possibly so is whoever has the private address of a member (VPCs that overlap).
    ``through``: an interface of a load balancer that hands the packet on; a reference to one of its groups matches too.
    """
    own = world.nics[nic]
    if not own.groups:
        return True
    for name in own.groups:
        if name not in world.groups:
            if may:
                return True
            continue
        for permission in world.groups[name]["IpPermissions" if ingress else "IpPermissionsEgress"]:
            if not permission_covers(permission, service):
                continue
            if lists_admit(world, permission, peer, may):
                return True
            for pair in permission.get("UserIdGroupPairs", []):
                if not reference_works(world, own.vpc, pair["GroupId"], ingress):
                    continue
                if through and pair["GroupId"] in world.nics[through].groups:
                    return True
                if who and pair["GroupId"] in world.nics[who].groups:
                    return True
                if (
                    who
                    and may
                    and any(pair["GroupId"] in one.groups and inside(peer, one.blocks) for one in world.nics.values())
                ):
                    return True
    return False


def entry_covers(entry: Json, service: Service) -> bool:
    """Does an ACL entry name this service?"""
    protocol = protocol_number(entry["Protocol"])
    if protocol == -1:
        return True
    if protocol != service.protocol:
        return False
    if protocol in (TCP, UDP) and "PortRange" in entry:
        return bool(entry["PortRange"]["From"] <= service.detail <= entry["PortRange"]["To"])
    if protocol in (ICMP, ICMPV6) and "IcmpTypeCode" in entry:
        kind, code = divmod(service.detail, 256)
        wanted = entry["IcmpTypeCode"]
        return wanted["Type"] in (-1, kind) and wanted["Code"] in (-1, code)
    return True


@remembered
def attachment_subnets(world: World) -> set[str]:
    """The subnets in which transit gateways have interfaces."""
    return {name for link in world.all("TransitGatewayVpcAttachments") for name in link["SubnetIds"]}


@remembered
def acl_is_open(world: World, subnet: str) -> bool:
    """Does the ACL of a subnet pass everything, both ways, in the families of its VPC?"""
    acl, vpc = world.acl_of(subnet), world.one("Vpcs", "VpcId", world.vpc_of(subnet))
    if acl is None:
        return False
    spans = [block("0.0.0.0/0")] + ([block("::/0")] if vpc is None or vpc.get("Ipv6CidrBlockAssociationSet") else [])
    named = {protocol_number(entry["Protocol"]) for entry in acl["Entries"]}
    services = [Service(p, detail) for p in named - {-1} for detail in [0, *service_cuts(world, p)]] + [Service(253, 0)]
    return all(
        acl_admits(world, subnet, egress, peer, service, False)
        for egress in (False, True)
        for peer in world.representatives(spans)
        for service in services
    )


@remembered
def acl_admits(world: World, subnet: str, egress: bool, peer: Address, service: Service, may: bool) -> bool:
    """Lowest number first, the first match decides, otherwise deny. No ACL in the estate: not known."""
    acl = world.acl_of(subnet)
    if acl is None:
        return may
    for entry in sorted(acl["Entries"], key=lambda one: int(one["RuleNumber"])):
        cidr = entry.get("CidrBlock") or entry.get("Ipv6CidrBlock")
        if bool(entry["Egress"]) == egress and inside(peer, [block(cidr)]) and entry_covers(entry, service):
            return bool(entry["RuleAction"] == "allow")
    return False


def answers(world: World, service: Service, ports: tuple[int, int]) -> list[Service]:
    """Every answer that must pass: for tcp and udp one of each class of ports that ACLs tell apart in the range."""
    if service.protocol in (TCP, UDP):
        return [Service(service.protocol, port) for port in answer_ports(world, ports)]
    if service.protocol == ICMP:
        return [Service(ICMP, 0)] if service.detail >> 8 == 8 else []
    if service.protocol == ICMPV6:
        return [Service(ICMPV6, 129 << 8)] if service.detail >> 8 == 128 else []
    return [service]


@remembered
def answer_ports(world: World, ports: tuple[int, int]) -> list[int]:
    """The range's first port and every port in it at which some ACL entry begins or has just ended."""
    edges = {ports[0]}
    for acl in world.all("NetworkAcls"):
        for entry in acl["Entries"]:
            if "PortRange" in entry:
                edges |= {entry["PortRange"]["From"], entry["PortRange"]["To"] + 1}
    return sorted(edge for edge in edges if ports[0] <= edge <= ports[1])


@remembered
def acl_admits_answer(
    world: World, subnet: str, egress: bool, peer: Address, service: Service, ports: tuple[int, int], may: bool
) -> bool:
    """Does the ACL admit every answer to the service?"""
    return all(acl_admits(world, subnet, egress, peer, answer, may) for answer in answers(world, service, ports))


def service_cuts(world: World, protocol: int) -> list[int]:
    """Where a port (or type and code) of one protocol may begin to be treated differently."""
    if protocol not in (TCP, UDP, ICMP, ICMPV6):
        return []
    return _service_cuts(world)[protocol]


@remembered
def _service_cuts(world: World) -> dict[int, list[int]]:
    found: dict[int, set[int]] = {p: set() for p in (TCP, UDP, ICMP, ICMPV6)}
    found[ICMP] |= {8 << 8, 9 << 8}
    found[ICMPV6] |= {128 << 8, 129 << 8}
    for group in world.groups.values():
        for permission in group["IpPermissions"] + group["IpPermissionsEgress"]:
            protocol, low, high = (
                protocol_number(permission["IpProtocol"]),
                permission.get("FromPort"),
                permission.get("ToPort"),
            )
            if protocol in (TCP, UDP) and low is not None:
                found[protocol] |= {low, high + 1}
            elif protocol in (ICMP, ICMPV6) and low not in (None, -1):
                found[protocol] |= {
                    low << 8,
                    (low + 1) << 8,
                    *((high + (low << 8) + e) for e in (0, 1) if high not in (None, -1)),
                }
    for acl in world.all("NetworkAcls"):
        for entry in acl["Entries"]:
            protocol = protocol_number(entry["Protocol"])
            if protocol in (TCP, UDP) and "PortRange" in entry:
                found[protocol] |= {entry["PortRange"]["From"], entry["PortRange"]["To"] + 1}
            elif protocol in (ICMP, ICMPV6) and "IcmpTypeCode" in entry:
                # A code without a type cuts every type: list all of them.
                kinds = range(256) if entry["IcmpTypeCode"]["Type"] == -1 else [entry["IcmpTypeCode"]["Type"]]
                for kind in kinds:
                    code = entry["IcmpTypeCode"]["Code"]
                    found[protocol] |= (
                        {kind << 8, (kind + 1) << 8} if code == -1 else {(kind << 8) + code, (kind << 8) + code + 1}
                    )
    for port in listener_edges(world):
        found[TCP] |= {port, port + 1}
        found[UDP] |= {port, port + 1}
    return {protocol: sorted(cuts) for protocol, cuts in found.items()}


def listener_edges(world: World) -> set[int]:
    """Ports of listeners and of registered targets."""
    found = {listener["Port"] for listener in world.all("Listeners")}
    for nested in world.all("LoadBalancerListeners"):
        found |= {listener["Port"] for listener in nested["Listeners"]}
    for group in world.all("TargetGroups"):
        found |= {group["Port"]} if "Port" in group else set()
    for health in world.estate.get("TargetHealth", {}).values():
        found |= {one["Target"]["Port"] for one in health["TargetHealthDescriptions"] if "Port" in one["Target"]}
    return found


def all_of(nic: Nic, family: int) -> list[Block]:
    """The private addresses of one family."""
    return [one for one in nic.blocks if one.family == family]
