"""EC2 calls on the network itself: VPCs, subnets, ACLs, route tables, gateways, peerings, prefix lists, endpoints.

What is created is told in full by the answer, and what is deleted by its id. A single entry of an ACL, a route, an
association is told in part only, as its list is one document: it is asked. Sources: EC2 API Reference, the calls.
"""

from __future__ import annotations

from doorward.model.change import Ask, Effect, Gone, Kind, Member, Put
from doorward.readers.cloudtrail.call import Call, Handler, Unclear
from doorward.readers.cloudtrail.tree import Tree, described, many, text, texts


def _answered(call: Call, name: str, id: str) -> tuple[str, Tree]:
    """The id and the document of what an answer has as ``name``."""
    made = call.response.get(name)
    named = text(made, id)
    if named is None or not isinstance(made, dict):
        raise Unclear(f"no {name}")
    return named, described(made)


def created(kind: Kind, name: str, id: str) -> Handler:
    """A handler for a call whose answer holds all of a new resource as ``name``, with its id as ``id``."""

    def handle(call: Call) -> list[Effect]:
        named, document = _answered(call, name, id)
        return [Put(call.key(kind, named), document)]

    return handle


def deleted(kind: Kind, id: str) -> Handler:
    """A handler for a call that names what is no more as ``id``."""

    def handle(call: Call) -> list[Effect]:
        return [Gone(call.key(kind, call.need(id)))]

    return handle


def asked(*kinds: Kind) -> Handler:
    """A handler for a call that tells which resources of these kinds have changed, not what they are now."""

    def handle(call: Call) -> list[Effect]:
        return call.ask_named(*kinds)

    return handle


def reassociated(kind: Kind, id: str) -> Handler:
    """A handler for a call that takes an association (of a subnet) away from a resource that it does not name."""

    def handle(call: Call) -> list[Effect]:
        association, named = text(call.request, "associationId"), text(call.request, id)
        held = call.lookup.holders(call.place, kind, "association", association) if association is not None else ()
        effects = call.ask(kind, [named]) if named is not None else []
        if named is not None and list(held) == [named]:
            return effects
        return effects + call.ask(kind, [one for one in held if one != named])

    return handle


def create_vpc(call: Call) -> list[Effect]:
    """CreateVpc: with it come a default group, ACL and main route table that no event tells of."""
    named, document = _answered(call, "vpc", "vpcId")
    key = call.key("vpc", named)
    return [Put(key, document), Ask(key, "is new: no event tells of its default group, ACL and main route table")]


def delete_vpc(call: Call) -> list[Effect]:
    """DeleteVpc: its default group, ACL and main route table go with it."""
    id = call.need("vpcId")
    effects: list[Effect] = [Gone(call.key("vpc", id))]
    kinds: tuple[Kind, ...] = ("group", "acl", "route-table")
    for kind in kinds:
        effects += [Gone(call.key(kind, one)) for one in call.lookup.holders(call.place, kind, "default-of", id)]
    return effects


def create_subnet(call: Call) -> list[Effect]:
    """CreateSubnet: it is associated with the default ACL of its VPC."""
    named, document = _answered(call, "subnet", "subnetId")
    vpc = text(call.response, "subnet", "vpcId") or call.need("vpcId")
    why = f"{named} is new, and associated with the default ACL"
    acls = call.lookup.holders(call.place, "acl", "default-of", vpc)
    return [
        Put(call.key("subnet", named), document),
        *(call.ask("acl", acls, why) if acls else [Ask(call.key("vpc", vpc), why)]),
    ]


def delete_subnet(call: Call) -> list[Effect]:
    """DeleteSubnet: associations go with it."""
    id = call.need("subnetId")
    effects: list[Effect] = [Gone(call.key("subnet", id))]
    kinds: tuple[Kind, ...] = ("acl", "route-table")
    for kind in kinds:
        held = call.lookup.holders(call.place, kind, "subnet", id)
        effects += call.ask(kind, held, f"{id}, associated with it, is deleted") if held else []
    return effects


def modify_subnet(call: Call) -> list[Effect]:
    """ModifySubnetAttribute: how later interfaces get addresses; nothing flows by it now."""
    key = call.key("subnet", call.need("subnetId"))
    for name in ("mapPublicIpOnLaunch", "assignIpv6AddressOnCreation"):
        told = call.request.get(name)
        value = told.get("value") if isinstance(told, dict) else told
        if isinstance(value, bool):
            return [Put(key, {name[:1].upper() + name[1:]: value}, part=True)]
    return []


def vpc_blocks(call: Call) -> list[Effect]:
    """AssociateVpcCidrBlock and its like. An IPv6 block adds entries to an unmodified default ACL (VPC User Guide,
    *Default network ACL for a VPC*) and a rule to the default group."""
    effects = call.ask_named("vpc")
    kinds: tuple[Kind, ...] = ("acl", "group")
    for vpc in call.named.get("vpc", ()):
        for kind in kinds:
            held = call.lookup.holders(call.place, kind, "default-of", vpc)
            effects += call.ask(kind, held) if held else []
    return effects


def attach_internet_gateway(call: Call) -> list[Effect]:
    """AttachInternetGateway: an internet gateway is attached to one VPC at most."""
    attachment = {"VpcId": call.need("vpcId"), "State": "available"}
    return [Put(call.key("internet-gateway", call.need("internetGatewayId")), {"Attachments": [attachment]}, part=True)]


def detach_internet_gateway(call: Call) -> list[Effect]:
    """DetachInternetGateway."""
    return [Put(call.key("internet-gateway", call.need("internetGatewayId")), {"Attachments": []}, part=True)]


def vpn_gateway(call: Call) -> list[Effect]:
    """AttachVpnGateway and DetachVpnGateway: a door of the VPC; routes that it propagates come and go with it."""
    effects = call.ask_named("vpc")
    for vpc in call.named.get("vpc", ()):
        held = call.lookup.holders(call.place, "route-table", "vpc", vpc)
        effects += call.ask("route-table", held) if held else []
    return effects


def create_prefix_list(call: Call) -> list[Effect]:
    """CreateManagedPrefixList: the entries are in the request."""
    id = text(call.response, "prefixList", "prefixListId")
    if id is None:
        raise Unclear("no prefixListId")
    entries: list[Tree] = []
    for one in many(call.request.get("entry", call.request.get("entries"))):
        cidr = text(one, "cidr")
        if cidr is None:
            raise Unclear("an entry without a CIDR")
        entries.append({"Cidr": cidr, "Description": text(one, "description") or ""})
    answered = call.response["prefixList"]
    document = described(answered)
    document |= {"PrefixListId": id, "State": "create-complete", "Entries": entries}
    return [Put(call.key("prefix-list", id), document)]


def create_egress_only_gateway(call: Call) -> list[Effect]:
    """CreateEgressOnlyInternetGateway."""
    made = call.response.get("egressOnlyInternetGateway")
    id = text(made, "egressOnlyInternetGatewayId")
    vpc = text(call.request, "vpcId")
    if id is None or vpc is None:
        raise Unclear("no gateway")
    attachments = [{"VpcId": vpc, "State": "attached"}]
    key = call.key("egress-only-gateway", id)
    return [Put(key, {"EgressOnlyInternetGatewayId": id, "Attachments": attachments})]


def create_endpoint(call: Call) -> list[Effect]:
    """CreateVpcEndpoint: an interface endpoint has interfaces in its groups; a gateway endpoint adds routes."""
    made = call.response.get("vpcEndpoint")
    id = text(made, "vpcEndpointId")
    if id is None or not isinstance(made, dict):
        raise Unclear("no vpcEndpoint")
    effects: list[Effect] = [Ask(call.key("endpoint", id), "is being created")]
    groups = texts(made.get("groupSet"), "groupId")
    for interface in texts(made.get("networkInterfaceIdSet")):
        key = call.key("interface", interface)
        effects += [Member(key, tuple(groups))] if groups else []
        effects.append(Ask(key, f"is new, of {id}"))
    tables = texts(made.get("routeTableIdSet"))
    return effects + (call.ask("route-table", tables, f"{id} adds a route") if tables else [])


def endpoints(call: Call) -> list[Effect]:
    """ModifyVpcEndpoint and DeleteVpcEndpoints: groups, interfaces and routes of endpoints."""
    effects = call.ask_named("endpoint")
    tables = list(call.named.get("route-table", ()))
    held = []
    for id in call.named.get("endpoint", ()):
        held += list(call.lookup.holders(call.place, "interface", "owner", id))
        tables += call.lookup.holders(call.place, "route-table", "owner", id)
    effects += call.ask("route-table", tables) if tables else []
    return effects + (call.ask("interface", held) if held else [])


def tagged(call: Call) -> list[Effect]:
    """CreateTags and DeleteTags: contracts select by tags. The list of tags is told in part."""
    return call.ask_named(why=f"tags: {call.said}"[:240])
