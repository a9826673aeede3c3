"""The rarer parts of random estates: gateways, peerings, transit gateways, routes, load balancers.

What does not live here: networks, interfaces, groups and ACLs (``estates``).
"""

from __future__ import annotations

from ipaddress import ip_network

from tests.oracle.estates import FAR_PRIVATE, Draw, Json, interface


def cidrs(vpc: Json) -> tuple[list[str], list[str]]:
    """The networks of a VPC by family."""
    four = [one["CidrBlock"] for one in vpc["CidrBlockAssociationSet"]]
    return four, [one["Ipv6CidrBlock"] for one in vpc["Ipv6CidrBlockAssociationSet"]]


def gateways(draw: Draw) -> None:
    """Whatever connects a VPC with anything else."""
    vpcs = draw.all("Vpcs")
    for vpc in vpcs:
        name = vpc["VpcId"]
        if draw.odds(0.75):
            links = [{"VpcId": name if draw.odds(0.96) else draw.id("vpc"), "State": "available"}]
            draw.estate["InternetGateways"].append(
                {"InternetGatewayId": draw.id("igw"), "Attachments": links, "Tags": []}
            )
        if cidrs(vpc)[1] and draw.odds(0.3):
            links = [{"VpcId": name, "State": "attached"}]
            draw.estate["EgressOnlyInternetGateways"].append(
                {"EgressOnlyInternetGatewayId": draw.id("eigw"), "Attachments": links, "Tags": []}
            )
        if draw.odds(0.95 if draw.style == "nat" else 0.3):
            nat_gateway(draw, name)
        if draw.odds(0.1):
            links = [{"VpcId": name, "State": draw.pick(("attached", "attached", "detached"))}]
            draw.estate["VpnGateways"].append(
                {
                    "VpnGatewayId": draw.id("vgw"),
                    "VpcAttachments": links,
                    "State": "available",
                    "Type": "ipsec.1",
                    "Tags": [],
                }
            )
    for at, one in enumerate(vpcs):
        for other in vpcs[at + 1 :]:
            if one["CidrBlock"] != other["CidrBlock"] and draw.odds(0.2 if draw.style == "transit" else 0.6):
                peering(draw, one, other)
    if draw.odds(0.06):
        far = {
            "VpcId": draw.id("vpc"),
            "CidrBlockAssociationSet": [{"CidrBlock": FAR_PRIVATE}],
            "Ipv6CidrBlockAssociationSet": [],
        }
        peering(draw, draw.pick(vpcs), far)
    if draw.odds({"transit": 0.95, "references": 0.4}.get(draw.style, 0.15)):
        transit(draw, [one for one in vpcs if draw.odds(0.9)])


def side(vpc: Json, region: str) -> Json:
    """One side of a peering."""
    four, six = cidrs(vpc)
    return {
        "VpcId": vpc["VpcId"],
        "OwnerId": "111122223333",
        "Region": region,
        "CidrBlock": four[0],
        "CidrBlockSet": [{"CidrBlock": text} for text in four],
        "Ipv6CidrBlockSet": [{"Ipv6CidrBlock": text} for text in six],
    }


def peering(draw: Draw, one: Json, other: Json) -> None:
    """A peering connection, most often active and in one Region."""
    region = "eu-central-1" if draw.odds(0.85) else "eu-west-1"
    draw.estate["VpcPeeringConnections"].append(
        {
            "VpcPeeringConnectionId": draw.id("pcx"),
            "RequesterVpcInfo": side(one, "eu-central-1"),
            "AccepterVpcInfo": side(other, region),
            "Status": {
                "Code": "active" if draw.odds(0.75) else draw.pick(("pending-acceptance", "deleted")),
                "Message": "",
            },
            "Tags": [],
        }
    )


def nat_gateway(draw: Draw, vpc: str) -> None:
    """A NAT gateway with its interface."""
    subnets = [one for one in draw.all("Subnets") if one["VpcId"] == vpc]
    subnet = subnets[0] if draw.style == "nat" else draw.pick(subnets)
    own = interface(draw, subnet, [], InterfaceType="nat_gateway", public=1.0)
    if own is None:
        return
    own["Ipv6Addresses"] = []
    own.pop("Ipv4Prefixes", None)
    connectivity = "private" if draw.odds(0.1) else "public"
    held = []
    for entry in own["PrivateIpAddresses"]:
        if connectivity == "private":
            entry.pop("Association", None)
        public = entry.get("Association", {}).get("PublicIp")
        held.append({"PrivateIp": entry["PrivateIpAddress"], "NetworkInterfaceId": own["NetworkInterfaceId"]})
        held[-1] |= {"PublicIp": public} if public else {}
    draw.estate["NatGateways"].append(
        {
            "NatGatewayId": draw.id("nat"),
            "VpcId": vpc,
            "SubnetId": subnet["SubnetId"],
            "State": draw.pick(("available",) * 9 + ("failed",)),
            "ConnectivityType": connectivity,
            "NatGatewayAddresses": held,
            "Tags": [],
        }
    )


def transit(draw: Draw, vpcs: list[Json]) -> None:
    """A transit gateway, its attachments and one or two tables; some tables without their routes."""
    support = {"SecurityGroupReferencingSupport": draw.pick(("enable", "enable", "disable"))}
    name = draw.id("tgw")
    draw.estate["TransitGateways"].append(
        {"TransitGatewayId": name, "State": "available", "Options": support, "Tags": []}
    )
    tables = [draw.id("tgw-rtb") for _ in range(draw.between(1, 2))]
    for table in tables:
        draw.estate["TransitGatewayRouteTables"].append(
            {"TransitGatewayRouteTableId": table, "TransitGatewayId": name, "State": "available", "Tags": []}
        )
    links: list[tuple[str, Json | None]] = []
    for vpc in vpcs:
        link = draw.id("tgw-attach")
        subnets = [one["SubnetId"] for one in draw.all("Subnets") if one["VpcId"] == vpc["VpcId"]]
        options = {"SecurityGroupReferencingSupport": draw.pick(("enable",) * 4 + ("disable",))}
        common = {"TransitGatewayAttachmentId": link, "TransitGatewayId": name, "State": "available", "Tags": []}
        draw.estate["TransitGatewayVpcAttachments"].append(
            {**common, "VpcId": vpc["VpcId"], "SubnetIds": draw.some(subnets, 1, 2), "Options": options}
        )
        draw.estate["TransitGatewayAttachments"].append({**common, "ResourceType": "vpc", "ResourceId": vpc["VpcId"]})
        links.append((link, vpc))
    if draw.odds(0.2):
        link = draw.id("tgw-attach")
        common = {"TransitGatewayAttachmentId": link, "TransitGatewayId": name, "State": "available", "Tags": []}
        draw.estate["TransitGatewayAttachments"].append({**common, "ResourceType": "vpn", "ResourceId": draw.id("vpn")})
        links.append((link, None))
    for one in draw.all("TransitGatewayAttachments"):
        if draw.odds(0.96):
            one["Association"] = {"TransitGatewayRouteTableId": draw.pick(tables), "State": "associated"}
    for table in tables:
        if draw.odds(0.93):
            routes = transit_routes(draw, links)
            draw.estate["TransitGatewayRoutes"][table] = {"Routes": routes, "AdditionalRoutesAvailable": False}


def transit_routes(draw: Draw, links: list[tuple[str, Json | None]]) -> list[Json]:
    """Routes to the attachments, more specific ones, and blackholes."""
    routes: dict[str, Json] = {}
    for link, vpc in links:
        four, six = cidrs(vpc) if vpc else ([FAR_PRIVATE], [])
        for text in [*four, *six]:
            if draw.odds(0.8):
                via = [{"TransitGatewayAttachmentId": link, "ResourceType": "vpc" if vpc else "vpn"}]
                kind = draw.pick(("static", "propagated"))
                routes[text] = {
                    "DestinationCidrBlock": text, "TransitGatewayAttachments": via, "Type": kind, "State": "active",
                }  # fmt: skip
    for _ in range(draw.pick((0, 0, 1, 2))):
        text = draw.pick([one for one in draw.cidrs4 + draw.cidrs6 if "10.0" in one or "2600:1f00" in one])
        if draw.odds(0.6) or not links:
            routes[text] = {"DestinationCidrBlock": text, "Type": "static", "State": "blackhole"}
        else:
            via = [{"TransitGatewayAttachmentId": draw.pick(links)[0], "ResourceType": "vpc"}]
            routes[text] = {
                "DestinationCidrBlock": text, "TransitGatewayAttachments": via, "Type": "static", "State": "active",
            }  # fmt: skip
    made = list(routes.values())
    draw.chance.shuffle(made)
    return made


def destination(text: str) -> Json:
    """The destination field of a route."""
    return {"DestinationIpv6CidrBlock": text} if ":" in text else {"DestinationCidrBlock": text}


def routes(draw: Draw) -> None:
    """A main table for every VPC and often one more; a few subnets have none in the estate."""
    for vpc in draw.all("Vpcs"):
        name = vpc["VpcId"]
        subnets = [one["SubnetId"] for one in draw.all("Subnets") if one["VpcId"] == name]
        main = route_table(draw, vpc)
        main["Associations"] = [{"Main": True, "RouteTableAssociationId": draw.id("rtbassoc")}]
        made = [main] if draw.odds(0.97) else []
        if draw.style == "nat" and draw.odds(0.8):
            made.append(public_table(draw, vpc, subnets.pop(0)))
        for _ in range(draw.pick((0, 1, 1, 2))):
            other = route_table(draw, vpc)
            held = [one for one in subnets if draw.odds(0.5)]
            subnets = [one for one in subnets if one not in held]
            other["Associations"] = [
                {"Main": False, "SubnetId": one, "RouteTableAssociationId": draw.id("rtbassoc")} for one in held
            ]
            made.append(other)
        own = [
            one["InternetGatewayId"] for one in draw.all("InternetGateways") if one["Attachments"][0]["VpcId"] == name
        ]
        if own and draw.odds(0.03):
            edge = route_table(draw, vpc)
            edge["Associations"] = [
                {"Main": False, "GatewayId": own[0], "RouteTableAssociationId": draw.id("rtbassoc")}
            ]
            made.append(edge)
        draw.chance.shuffle(made)
        draw.estate["RouteTables"] += made


def public_table(draw: Draw, vpc: Json, subnet: str) -> Json:
    """The plain table of the subnet in which a NAT gateway stands."""
    made = route_table(draw, vpc)
    igw = [one["InternetGatewayId"] for one in draw.all("InternetGateways")]
    made["Routes"] = [one for one in made["Routes"] if one.get("GatewayId") == "local"]
    if igw:
        way = {"GatewayId": draw.pick(igw), "State": "active", "Origin": "CreateRoute"}
        made["Routes"] += [{**destination("0.0.0.0/0"), **way}]
    made["Associations"] = [{"Main": False, "SubnetId": subnet, "RouteTableAssociationId": draw.id("rtbassoc")}]
    return made


def route_table(draw: Draw, vpc: Json) -> Json:
    """The local routes and what else this VPC can reach, one route for each destination."""
    name = vpc["VpcId"]
    four, six = cidrs(vpc)
    local = {"GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"}
    made: dict[str, Json] = {text: {**destination(text), **local} for text in [*four, *six]}

    def add(text: str, target: Json, *, state: str = "active", origin: str = "CreateRoute") -> None:
        made.setdefault(text, {**destination(text), **target, "State": state, "Origin": origin})

    known = {one["VpcId"] for one in draw.all("Vpcs")}
    # Its own gateway, and one that is attached to no VPC of the estate (its routes lead nowhere).
    gateways_ = [(one["InternetGatewayId"], one["Attachments"][0]["VpcId"]) for one in draw.all("InternetGateways")]
    igw = [one for one, home in gateways_ if home == name or home not in known]
    eigw = [
        one["EgressOnlyInternetGatewayId"]
        for one in draw.all("EgressOnlyInternetGateways")
        if one["Attachments"][0]["VpcId"] == name
    ]
    nat = [one["NatGatewayId"] for one in draw.all("NatGateways") if one["VpcId"] == name]
    tgw = [one["TransitGatewayId"] for one in draw.all("TransitGatewayVpcAttachments") if one["VpcId"] == name]
    vgw = [
        one["VpnGatewayId"]
        for one in draw.all("VpnGateways")
        if one["VpcAttachments"][0] == {"VpcId": name, "State": "attached"}
    ]
    nats = nat * (6 if draw.style == "nat" else 2)
    ways4 = [{"GatewayId": one} for one in igw * 3] + [{"NatGatewayId": one} for one in nats]
    ways6 = [{"GatewayId": one} for one in igw * 3] + [{"EgressOnlyInternetGatewayId": one} for one in eigw * 2]
    rare = [{"TransitGatewayId": one} for one in tgw] + [{"GatewayId": one} for one in vgw]
    for text in ["0.0.0.0/0", *draw.some(["128.0.0.0/1", "203.0.113.0/24", "203.0.113.128/25"], 0, 1)]:
        if draw.odds(0.85) and (ways := ways4 + (rare if draw.odds(0.2) else [])):
            add(text, draw.pick(ways), state="active" if draw.odds(0.95) else "blackhole")
    for text in ["::/0", *draw.some(["2001:db8::/32", "2000::/3"], 0, 1)] if six else []:
        if draw.odds(0.85) and (ways := ways6 + (rare if draw.odds(0.2) else [])):
            add(text, draw.pick(ways), state="active" if draw.odds(0.95) else "blackhole")
    for link in draw.all("VpcPeeringConnections"):
        sides = [link["RequesterVpcInfo"], link["AccepterVpcInfo"]]
        for own, other in (sides, sides[::-1]):
            if own["VpcId"] == name and draw.odds(0.85):
                texts = [one["CidrBlock"] for one in other["CidrBlockSet"]]
                texts += [one["Ipv6CidrBlock"] for one in other["Ipv6CidrBlockSet"]]
                for text in texts:
                    add(text, {"VpcPeeringConnectionId": link["VpcPeeringConnectionId"]})
    for one in tgw if draw.odds(0.8) else []:
        for text in draw.pick(
            (["10.0.0.0/16", "2600:1f00::/32"], ["10.0.0.0/8"], ["0.0.0.0/0", "::/0"], ["10.0.1.0/24"])
        ):
            add(text, {"TransitGatewayId": one})
    for one in vgw if draw.odds(0.5) else []:
        add(FAR_PRIVATE, {"GatewayId": one}, origin=draw.pick(("CreateRoute", "EnableVgwRoutePropagation")))
        if draw.odds(0.3):
            add(draw.pick(draw.cidrs4), {"GatewayId": one}, origin="EnableVgwRoutePropagation")
    odd_routes(draw, name, add_list=made)
    table = list(made.values())
    draw.chance.shuffle(table)
    return {"RouteTableId": draw.id("rtb"), "VpcId": name, "Routes": table, "PropagatingVgws": [], "Tags": []}


def odd_routes(draw: Draw, vpc: str, add_list: dict[str, Json]) -> None:
    """Blackholes, routes to interfaces, prefix list routes, more specific peering routes."""
    subnets = [one["CidrBlock"] for one in draw.all("Subnets") if one["VpcId"] == vpc]
    nics = [one["NetworkInterfaceId"] for one in draw.all("NetworkInterfaces") if one["VpcId"] == vpc]
    if draw.odds(0.12):
        text = draw.pick([one for one in draw.cidrs4 + draw.cidrs6 if one not in ("0.0.0.0/0", "::/0")])
        target = {"NetworkInterfaceId": draw.id("eni")}
        add_list.setdefault(text, {**destination(text), **target, "State": "blackhole", "Origin": "CreateRoute"})
    if nics and draw.odds(0.07):
        text = draw.pick([*subnets, "0.0.0.0/0", "8.8.8.0/24"])
        target = {"NetworkInterfaceId": draw.pick(nics)}
        add_list.setdefault(text, {**destination(text), **target, "State": "active", "Origin": "CreateRoute"})
    links = [
        one
        for one in draw.all("VpcPeeringConnections")
        if vpc in (one["RequesterVpcInfo"]["VpcId"], one["AccepterVpcInfo"]["VpcId"])
    ]
    if links and draw.odds(0.2):
        text = draw.pick([one for one in draw.cidrs4 + draw.cidrs6 if one not in ("0.0.0.0/0", "::/0")])
        target = {"VpcPeeringConnectionId": draw.pick(links)["VpcPeeringConnectionId"]}
        add_list.setdefault(text, {**destination(text), **target, "State": "active", "Origin": "CreateRoute"})
    if draw.all("ManagedPrefixLists") and draw.odds(0.12):
        name = draw.pick(draw.all("ManagedPrefixLists"))["PrefixListId"]
        own = [
            one["InternetGatewayId"] for one in draw.all("InternetGateways") if one["Attachments"][0]["VpcId"] == vpc
        ]
        ways: list[Json] = [{"GatewayId": one} for one in own]
        ways += [{"VpcPeeringConnectionId": one["VpcPeeringConnectionId"]} for one in links]
        way = draw.pick(ways) if ways else None
        if way and not ("GatewayId" in way and meets_own_ipv6(draw, vpc, name)):
            add_list[name] = {"DestinationPrefixListId": name, **way, "State": "active", "Origin": "CreateRoute"}


def meets_own_ipv6(draw: Draw, vpc: str, name: str) -> bool:
    """Whether a list holds IPv6 addresses of the VPC itself.

    AWS takes no route for a part of the VPC to an internet gateway (VPC User Guide, *Route tables*, "more specific
    than the local route": to a NAT gateway, an interface or a Gateway Load Balancer endpoint alone).
    """
    own = [ip_network(text) for one in draw.all("Vpcs") if one["VpcId"] == vpc for text in cidrs(one)[1]]
    held = draw.estate["ManagedPrefixListEntries"].get(name, {}).get("Entries", [])
    return any(
        mine.overlaps(ip_network(entry["Cidr"], strict=False)) for mine in own for entry in held if ":" in entry["Cidr"]
    )


def balancers(draw: Draw) -> None:
    """Application and network load balancers with listeners, target groups and targets."""
    for kind in ("application", "network"):
        if draw.odds(0.8 if draw.style == "balanced" else 0.12):
            balancer(draw, draw.pick(draw.all("Vpcs"))["VpcId"], kind)


def balancer(draw: Draw, vpc: str, kind: str) -> None:
    """One load balancer with one or two interfaces."""
    prefix = "app" if kind == "application" else "net"
    path = f"{prefix}/{prefix}-{draw.count}/{draw.count:016x}"
    arn = f"arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/{path}"
    groups = [one["GroupId"] for one in draw.all("SecurityGroups") if one["VpcId"] == vpc]
    own = [] if kind == "network" and draw.odds(0.5) else draw.some(groups, 1, 2)
    # Targets are chosen before the balancer's own interfaces exist.
    nics = [one for one in draw.all("NetworkInterfaces") if one["VpcId"] == vpc and one["InterfaceType"] == "interface"]
    subnets = [one for one in draw.all("Subnets") if one["VpcId"] == vpc]
    public = draw.pick((0.0, 1.0))
    for subnet in draw.some(subnets, 1, 2):
        more: Json = {"InterfaceType": "network_load_balancer"} if kind == "network" else {"RequesterId": "amazon-elb"}
        made = interface(draw, subnet, own, Description=f"ELB {path}", public=public, **more)
        if made and kind == "network" and draw.count % 3:
            made["Ipv6Addresses"] = []  # two in three; some balancers take both families ("dualstack")
        if made:
            made.pop("Ipv4Prefixes", None)
    draw.estate["LoadBalancers"].append(
        {
            "LoadBalancerArn": arn,
            "LoadBalancerName": path.split("/")[1],
            "Type": kind,
            "Scheme": "internet-facing" if public else "internal",
            "VpcId": vpc,
            "SecurityGroups": own,
            "State": {"Code": "active"},
            "AvailabilityZones": [],
        }
    )
    if kind == "application" and draw.odds(0.08):
        return
    for port in draw.some(sorted({443, draw.pick(draw.hot)[1] or 80, 53}), 1, 2):
        protocol = (
            draw.pick(("TCP", "TCP", "TLS", "UDP", "TCP_UDP")) if kind == "network" else draw.pick(("HTTP", "HTTPS"))
        )
        arns = [target_group(draw, vpc, arn, protocol, nics) for _ in range(draw.pick((1, 1, 1, 2)))]
        actions: list[Json] = [{"Type": "forward", "TargetGroupArn": arns[0]}]
        if len(arns) > 1:
            forward = {"TargetGroups": [{"TargetGroupArn": one, "Weight": 1} for one in arns]}
            actions = [{"Type": "forward", "ForwardConfig": forward}]
        listener = f"{arn.replace(':loadbalancer/', ':listener/')}/{port:016x}"
        draw.listening.append((17 if protocol == "UDP" else 6, port))
        draw.estate["Listeners"].append(
            {
                "ListenerArn": listener,
                "LoadBalancerArn": arn,
                "Port": port,
                "Protocol": protocol,
                "DefaultActions": actions,
            }
        )


def target_group(draw: Draw, vpc: str, balancer_arn: str, protocol: str, nics: list[Json]) -> str:
    """A target group with instances or addresses registered, or nothing."""
    name = f"tg-{draw.count}-{len(draw.all('TargetGroups'))}"
    arn = f"arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/{name}/{draw.count:016x}"
    instances = [one["Attachment"]["InstanceId"] for one in nics if one.get("Attachment", {}).get("InstanceId")]
    kind = "instance" if instances and draw.odds(0.55) else "ip"
    port = draw.pick((443, 8080, 8080, draw.pick(draw.hot)[1] % 65536 or 80))
    draw.estate["TargetGroups"].append(
        {
            "TargetGroupArn": arn,
            "TargetGroupName": name,
            "Protocol": protocol,
            "Port": port,
            "VpcId": vpc,
            "TargetType": kind,
            "HealthCheckEnabled": True,
            "HealthCheckProtocol": "TCP",
            "HealthCheckPort": draw.pick(("traffic-port", "traffic-port", "443", "8080", "22")),
            "LoadBalancerArns": [balancer_arn],
        }
    )
    ids = instances if kind == "instance" else [one["PrivateIpAddress"] for one in nics]
    if kind == "ip" and not draw.count % 2 and all(one["Ipv6Addresses"] for one in nics):
        ids = [one["Ipv6Addresses"][0]["Ipv6Address"] for one in nics]
        draw.all("TargetGroups")[-1]["IpAddressType"] = "ipv6"
    if kind == "ip" and draw.odds(0.05):
        ids = [*ids, "10.0.0.40"]
    chosen = draw.some(ids, 0 if draw.odds(0.1) else 1, 2) if ids else []
    described = []
    for one in chosen:
        target: Json = {"Id": one, "Port": port if draw.odds(0.85) else draw.pick((443, 8080))}
        described.append({"Target": target, "TargetHealth": {"State": "healthy"}})
    draw.estate["TargetHealth"][arn] = {"TargetHealthDescriptions": described}
    draw.hot += [(17 if protocol == "UDP" else 6, port)]
    if draw.odds(0.4):
        keep = {"Key": "preserve_client_ip.enabled", "Value": draw.pick(("true", "false"))}
        draw.estate["TargetGroupAttributes"][arn] = {"Attributes": [keep]}
    return arn
