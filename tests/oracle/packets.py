"""The oracle's paths: does one packet arrive, and does its answer come back?

The paths are those of ``docs/reference/semantics.md`` §4, step by step, for one packet at a time:
A private, B from outside, C to outside, D to a public address, E through a balancer that keeps the client's address.
Every path is two functions: ``…_first`` (the packet) and ``…_answer`` (what comes back). ``may`` chooses the bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.oracle.routing import (
    agreed,
    along,
    attached_gateway,
    component,
    edge_is_open,
    foreign_peering,
    hidden_way,
    hops,
    leads_to_vpc,
    leaves_centrally,
    leaves_hidden,
    nat_addresses,
    nat_is_hidden,
    public_nat,
)
from tests.oracle.rules import (
    acl_admits,
    acl_admits_answer,
    active_peerings,
    attachment_subnets,
    attachments_of,
    exists,
    groups_admit,
)
from tests.oracle.world import (
    ICMP,
    TCP,
    UDP,
    Address,
    Hop,
    Json,
    Nic,
    Service,
    World,
    address,
    block,
    inside,
    remembered,
    without,
)

NAT_PORTS = (1024, 65535)
Ports = tuple[int, int]


# --- what an interface is for -------------------------------------------------------------------------------------


@remembered
def balancer_of(world: World, nic: str) -> str | None:
    """The ARN of the load balancer of an interface; "" when that is not in the estate, None when there is none."""
    own = world.nics[nic]
    for one in world.all("LoadBalancers"):
        if own.description == "ELB " + one["LoadBalancerArn"].partition("loadbalancer/")[2]:
            return str(one["LoadBalancerArn"])
    return "" if own.description.startswith("ELB ") or own.kind == "network_load_balancer" else None


def listeners(world: World, balancer: str) -> list[Json] | None:
    """The listeners of a load balancer; None when the estate does not hold them."""
    for nested in world.all("LoadBalancerListeners"):
        if nested["LoadBalancerArn"] == balancer:
            return list(nested["Listeners"])
    return [one for one in world.all("Listeners") if one["LoadBalancerArn"] == balancer] or None


def listener_services(listener: Json) -> list[Service]:
    """What a listener accepts: HTTP, HTTPS, TLS and TCP are tcp, UDP is udp, TCP_UDP is both."""
    protocols = {"UDP": [UDP], "TCP_UDP": [TCP, UDP]}.get(listener["Protocol"], [TCP])
    return [Service(protocol, listener["Port"]) for protocol in protocols]


@remembered
def accepts(world: World, nic: str, service: Service, may: bool) -> bool:
    """Does the interface take this service at all?"""
    if world.nics[nic].kind == "nat_gateway":
        return False
    balancer = balancer_of(world, nic)
    if balancer is None:
        return True
    held = listeners(world, balancer)
    if held is None:
        return may
    return any(service in listener_services(one) for one in held)


# --- A: private path ----------------------------------------------------------------------------------------------


@remembered
def a_first(world: World, source: str, s: Address, target: str, d: Address, service: Service, may: bool) -> bool:
    """Steps 1 to 5."""
    i, j = world.nics[source], world.nics[target]
    if s.family != d.family or not exists(service, d.family) or not accepts(world, target, service, may):
        return False
    if not groups_admit(world, source, False, d, service, target, may):  # 1
        return False
    if i.subnet != j.subnet:
        if not acl_admits(world, i.subnet, True, d, service, may):  # 2
            return False
        if (
            may
            and leads_to_vpc(world, i.subnet, d, j.vpc, True, "hidden")
            and somebody_admitted(world, target, service)
        ):
            return True  # what is not looked into may rewrite the source (§6)
        if not leads_to_vpc(world, i.subnet, d, j.vpc, may, "plain" if may else "any"):  # 3
            return False
        if not (may and brought(world, i, j)) and not acl_admits(world, j.subnet, False, s, service, may):  # 4
            return False
    return groups_admit(world, target, True, s, service, source, may)  # 5


def brought(world: World, source: Nic, target: Nic) -> bool:
    """May a transit gateway bring these packets into its own subnet, whose ACL is then not asked?

    TGW, *Network ACLs for transit gateways*; which way packets of another VPC take is not told apart.
    """
    return source.vpc != target.vpc and target.subnet in attachment_subnets(world)


@remembered
def somebody_admitted(world: World, target: str, service: Service) -> bool:
    """Do the target's ingress groups possibly admit the service from anybody at all?"""
    near = component(world, world.nics[target].vpc)
    inside_ = [(nic.id, s) for nic in world.nics.values() if nic.vpc in near for s in own_addresses(world, nic.id)]
    spans = [block("0.0.0.0/0"), block("::/0")]
    for hole in world.vpc_blocks:
        spans = without(spans, hole)
    return any(groups_admit(world, target, True, s, service, who, True) for who, s in inside_) or any(
        groups_admit(world, target, True, x, service, "", True) for x in world.representatives(spans)
    )


@remembered
def a_answer(
    world: World, source: str, s: Address, target: str, d: Address, service: Service, ports: Ports, may: bool
) -> bool:
    """Step 6."""
    i, j = world.nics[source], world.nics[target]
    if i.subnet == j.subnet:
        return True
    return (
        acl_admits_answer(world, j.subnet, True, s, service, ports, may)
        and ((may and brought(world, j, i)) or acl_admits_answer(world, i.subnet, False, d, service, ports, may))
        and leads_to_vpc(world, j.subnet, s, i.vpc, may)
    )


# --- B: from outside ----------------------------------------------------------------------------------------------


def is_public(world: World, x: Address) -> bool:
    """Public unicast, and of no VPC of the estate."""
    return inside(x, world.internet)


@remembered
def b_first(
    world: World, x: Address, target: str, d: Address, service: Service, may: bool, private: bool = False
) -> bool:
    """Path B steps 1 to 3, to the interface whose own address is ``d``.

    ``private``: x is no public address; it can only come through something that is not looked into (§5).
    """
    j = world.nics[target]
    if x.family != d.family or not exists(service, d.family) or not accepts(world, target, service, may):
        return False
    if private:
        if not (may and hidden_way(world, j.vpc, x)):
            return False
    elif (d.family == 4 and j.public_of(d) is None) or not edge_is_open(world, j.vpc, may):  # 1
        return False
    return acl_admits(world, j.subnet, False, x, service, may) and groups_admit(
        world, target, True, x, service, "", may
    )  # 2, 3


@remembered
def b_answer(
    world: World, x: Address, target: str, service: Service, ports: Ports, may: bool, private: bool = False
) -> bool:
    """Path B step 4."""
    j = world.nics[target]
    if not acl_admits_answer(world, j.subnet, True, x, service, ports, may):
        return False
    if private:
        return may and leaves_hidden(world, j.subnet, x)
    return along(world, j.subnet, x, may, lambda hop: may_leave_to(world, j.subnet, x, hop, may))


def may_leave_to(world: World, subnet: str, x: Address, hop: Hop, may: bool) -> bool:
    """Is this hop an internet gateway of the VPC, or something that is not looked into?"""
    vpc = world.vpc_of(subnet)
    if hop.kind in ("hidden", "unknown") or foreign_peering(world, hop):
        return may
    if hop.kind == "nat":
        return may and nat_is_hidden(world, hop.target)
    if hop.kind == "tgw":
        return may and leaves_hidden(world, subnet, x)
    return attached_gateway(world, vpc, hop)


# --- C: to outside ------------------------------------------------------------------------------------------------


@remembered
def c_first(
    world: World, source: str, s: Address, x: Address, service: Service, may: bool, private: bool = False
) -> bool:
    """Path C steps 1 to 4."""
    i = world.nics[source]
    if s.family != x.family or not exists(service, x.family):
        return False
    if not groups_admit(world, source, False, x, service, "", may):  # 1
        return False
    if not acl_admits(world, i.subnet, True, x, service, may):  # 2
        return False
    if private:
        return may and leaves_hidden(world, i.subnet, x)
    return along(world, i.subnet, x, may, lambda hop: c_hop(world, i, s, x, service, hop, may))  # 3, 4


def c_hop(world: World, i: Nic, s: Address, x: Address, service: Service, hop: Hop, may: bool) -> bool:
    """Step 3 (and 4 for a NAT gateway) for one hop."""
    if hop.kind in ("hidden", "unknown") or foreign_peering(world, hop):
        return may
    if hop.kind == "igw":
        return attached_gateway(world, i.vpc, hop) and (s.family == 6 or i.public_of(s) is not None)
    if hop.kind == "eigw":
        held = world.gateways("EgressOnlyInternetGateways", "EgressOnlyInternetGatewayId", i.vpc)
        return s.family == 6 and hop.target in held
    if hop.kind == "tgw":
        # Another VPC may offer a way out (centralised egress): possible, not followed.
        return may and leaves_centrally(world, i.subnet, hop.target, x)
    if hop.kind != "nat":
        return False
    if nat_is_hidden(world, hop.target):
        return may
    gateway = public_nat(world, hop.target)
    if gateway is None or x.family != 4 or service.protocol not in (TCP, UDP, ICMP) or not nat_addresses(gateway):
        return False
    n = gateway["SubnetId"]
    if n != i.subnet and not acl_admits(world, n, False, s, service, may):
        return False
    return acl_admits(world, n, True, x, service, may) and along(
        world, n, x, may, lambda then: may_leave_to(world, n, x, then, may)
    )


@remembered
def c_answer(
    world: World, source: str, s: Address, x: Address, service: Service, ports: Ports, may: bool, private: bool = False
) -> bool:
    """Path C step 5."""
    i = world.nics[source]

    def back(hop: Hop) -> bool:
        own = acl_admits_answer(world, i.subnet, False, x, service, ports, may)
        if hop.kind in ("hidden", "unknown", "tgw") or foreign_peering(world, hop):
            return may and own
        if hop.kind == "igw":
            return own and edge_is_open(world, i.vpc, may)
        if hop.kind == "eigw":
            return own
        if hop.kind != "nat":
            return False
        if nat_is_hidden(world, hop.target):
            return may and own
        gateway = public_nat(world, hop.target)
        if gateway is None:
            return False
        n = gateway["SubnetId"]
        if not edge_is_open(world, world.vpc_of(n), may):
            return False
        if not acl_admits_answer(world, n, False, x, service, NAT_PORTS, may):
            return False
        return n == i.subnet or (own and acl_admits_answer(world, n, True, s, service, ports, may))

    if private:
        return may and acl_admits_answer(world, i.subnet, False, x, service, ports, may)
    return along(world, i.subnet, x, may, back)


# --- D: interface to the public address of an interface -------------------------------------------------------------


def seen_as(world: World, source: str, s: Address, x: Address, may: bool) -> list[Address]:
    """Every address under which the source can be seen at ``x``. Through what is not looked into: any public one."""
    i = world.nics[source]
    found: list[Address] = []
    for hop in hops(world, i.subnet, x):
        if hop.kind == "nat" and not nat_is_hidden(world, hop.target):
            gateway = public_nat(world, hop.target)
            found += nat_addresses(gateway) if gateway else []
        elif hop.kind in ("hidden", "unknown", "tgw", "nat") or foreign_peering(world, hop):
            # A public IPv4 address is of no VPC; an IPv6 address is public and of a VPC.
            spans = [one for one in world.internet if one.family == 4] if s.family == 4 else [block("2000::/3")]
            found += [s] if s.family == 6 else []
            found += world.representatives(spans) if may else []
        elif s.family == 6:
            found.append(s)
        else:
            public = i.public_of(s)
            found += [public] if public else []
    return list(dict.fromkeys(found))


def d_address(world: World, s: Address, target: str, d: Address) -> Address | None:
    """The address that path D aims at for the own address ``d``; None: there is no such path."""
    if s.family != d.family:
        return None
    if d.family == 4:
        return world.nics[target].public_of(d)
    return d  # path C itself asks whether the way leads out


@remembered
def d_passes(
    world: World, source: str, s: Address, target: str, d: Address, service: Service, ports: Ports | None, may: bool
) -> bool:
    """Path D: C to the public address, then B under the address the source is seen as; ``ports``: and back again."""
    public = d_address(world, s, target, d)
    if public is None or not c_first(world, source, s, public, service, may):
        return False
    if ports and not c_answer(world, source, s, public, service, ports, may):
        return False
    seen = seen_as(world, source, s, public, may)
    return bool(seen) and agreed(
        [
            b_first(world, x, target, d, service, may)
            and (ports is None or b_answer(world, x, target, service, ports, may))
            for x in seen
        ],
        may,
    )


# --- E: through a network load balancer that keeps the client's address ---------------------------------------------


class Way(NamedTuple):
    """One way through a load balancer: client → node on ``front``, node → ``target`` on ``back``."""

    node: str
    front: Service
    target: str
    address: Address
    back: Service


def target_groups(listener: Json) -> list[str]:
    """All target groups that a listener may forward to."""
    found = []
    for action in listener.get("DefaultActions", []):
        found += [action["TargetGroupArn"]] if action.get("TargetGroupArn") else []
        found += [one["TargetGroupArn"] for one in action.get("ForwardConfig", {}).get("TargetGroups", [])]
    return list(dict.fromkeys(found))


def keeps_client(world: World, balancer: str, group: Json) -> bool:
    """Do targets see the client's address? (Network Load Balancers, *Client IP preservation*.)

    Always for UDP and TCP_UDP, where the attribute has no effect; else the attribute; else on for instances.
    """
    lb = world.one("LoadBalancers", "LoadBalancerArn", balancer)
    if lb is None or lb["Type"] != "network":
        return False
    if group["Protocol"] in ("UDP", "TCP_UDP"):
        return True
    attributes = world.estate.get("TargetGroupAttributes", {}).get(group["TargetGroupArn"], {"Attributes": []})
    for one in attributes["Attributes"]:
        if one["Key"] == "preserve_client_ip.enabled":
            return bool(one["Value"] == "true")
    return bool(group["TargetType"] == "instance")


def targets(world: World, group: Json) -> list[Json] | None:
    """What is registered; None when the estate does not hold it."""
    answer = world.estate.get("TargetHealth", {}).get(group["TargetGroupArn"])
    return None if answer is None else [one["Target"] for one in answer["TargetHealthDescriptions"]]


def target_nic(world: World, group: Json, target: Json) -> tuple[str, Address] | None:
    """The interface and address of a registered target; None when the estate does not hold it."""
    if group["TargetType"] == "instance":
        for nic in world.nics.values():
            if nic.instance == target["Id"] and nic.device == 0 and nic.primary:
                return nic.id, nic.primary
        return None
    wanted = address(target["Id"])
    held = [nic for nic in world.nics.values() if inside(wanted, nic.blocks)]
    same = [nic for nic in held if nic.vpc == group["VpcId"]]
    reached = same or [nic for nic in held if active_way(world, group["VpcId"], nic.vpc)]
    return (reached[0].id, wanted) if reached else None


def active_way(world: World, one: str, other: str) -> bool:
    """Are two VPCs joined, so that an address in the other can be meant?"""
    joined = [gateway["TransitGatewayId"] for gateway in world.all("TransitGateways")]
    return bool(active_peerings(world, one, other)) or any(
        attachments_of(world, name, one) and attachments_of(world, name, other) for name in joined
    )


def nodes(world: World, balancer: str) -> list[str]:
    """The interfaces of a load balancer."""
    return [nic for nic in world.nics if balancer_of(world, nic) == balancer]


def fronts(world: World, balancer: str) -> Iterator[tuple[Json, Json]]:
    """Every listener with every target group behind it."""
    for listener in listeners(world, balancer) or []:
        for arn in target_groups(listener):
            group = world.one("TargetGroups", "TargetGroupArn", arn)
            if group is not None:
                yield listener, group


@remembered
def ways_to(world: World, target: str) -> list[Way]:
    """Every way through a client-preserving balancer that ends at this interface."""
    found = []
    for lb in world.all("LoadBalancers"):
        arn = lb["LoadBalancerArn"]
        for listener, group in fronts(world, arn):
            if not keeps_client(world, arn, group):
                continue
            for one in targets(world, group) or []:
                held = target_nic(world, group, one)
                if held is None or held[0] != target:
                    continue
                port = int(one.get("Port") or group["Port"])
                for front in listener_services(listener):
                    found += [
                        Way(node, front, target, held[1], Service(front.protocol, port)) for node in nodes(world, arn)
                    ]
    return found


def node_to_target(world: World, client: Address, way: Way, ports: Ports | None, may: bool, source: str = "") -> bool:
    """The second half of path E, with the client's packet in the node's hands.

    ``source``: the client's interface when it came to the node by path A.
    """
    node, target = world.nics[way.node], world.nics[way.target]
    if client.family != way.address.family:
        return False  # then the balancer's own address is used
    if not accepts(world, way.target, way.back, may):
        return False
    if not groups_admit(world, way.node, False, way.address, way.back, way.target, may):
        return False
    # Nothing crosses a border when all three are in one subnet. Whether the ACL is asked when only a node of the
    # balancer stands in the target's subnet, AWS does not say: uncertain.
    peers = nodes(world, balancer_of(world, way.node) or "")
    near = target.subnet in {world.nics[one].subnet for one in peers}
    inner = node.subnet == target.subnet and source != "" and world.nics[source].subnet == target.subnet
    if not inner and not (may and near):
        if not acl_admits(world, target.subnet, False, client, way.back, may):
            return False
        if ports and not acl_admits_answer(world, target.subnet, True, client, way.back, ports, may):
            return False
    return groups_admit(world, way.target, True, client, way.back, "", may, through=way.node)


def e_from_inside(world: World, source: str, s: Address, way: Way, may: bool) -> bool:
    """Path E, first packet, from an interface."""
    if way.node == source or way.target == source:
        return False
    for d in own_addresses(world, way.node):
        if a_first(world, source, s, way.node, d, way.front, may) and node_to_target(world, s, way, None, may, source):
            return True
        if d_passes(world, source, s, way.node, d, way.front, None, may):
            public = d_address(world, s, way.node, d)
            assert public is not None
            seen = [x for x in seen_as(world, source, s, public, may) if b_first(world, x, way.node, d, way.front, may)]
            if seen and agreed([node_to_target(world, x, way, None, may) for x in seen], may):
                return True
    return False


def e_from_outside(world: World, x: Address, way: Way, may: bool, private: bool = False) -> bool:
    """Path E, first packet, from an address outside."""
    return any(
        b_first(world, x, way.node, d, way.front, may, private) for d in own_addresses(world, way.node)
    ) and node_to_target(world, x, way, None, may)


def own_addresses(world: World, nic: str) -> list[Address]:
    """Private addresses of an interface, one of each class."""
    return world.representatives(world.nics[nic].blocks)
