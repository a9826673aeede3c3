"""Random contracts that aim at what a random estate holds."""

from __future__ import annotations

from tests.oracle.estates import FAR_PRIVATE, OUTSIDE_V4, OUTSIDE_V6, Draw, Json
from tests.oracle.judge import judge


def end(draw: Draw, *, source: bool) -> str:
    """One selector of something that exists."""
    kinds = ["group"] * 5 + ["interface"] * 3 + ["subnet", "vpc", "inside", "inside6"]
    kinds += ["internet"] * (4 if source else 2) + ["outside"]
    kinds += ["lb"] * (0 if not draw.all("LoadBalancers") else 4 if source or draw.style != "balanced" else 16)
    kinds += ["far"] if draw.odds(0.2) else []
    kinds += ["internet"] * (12 if draw.style == "nat" and not source else 0)
    kind = draw.pick(kinds)
    nics = draw.all("NetworkInterfaces")
    if kind == "internet":
        return draw.pick(("internet", "internet", "internet:v4", "internet:v6"))
    if kind == "outside":
        return draw.pick(OUTSIDE_V4[:4] + OUTSIDE_V6)
    if kind == "far":
        return draw.pick((FAR_PRIVATE, "10.0.0.0/8", "0.0.0.0/0", "::/0"))
    if kind == "lb":
        return "lb:" + str(draw.pick(draw.all("LoadBalancers"))["LoadBalancerName"])
    if kind == "subnet":
        return f"subnet:{draw.pick(draw.all('Subnets'))['SubnetId']}"
    if kind == "vpc":
        return f"vpc:{draw.pick(draw.all('Vpcs'))['VpcId']}"
    if kind == "group":
        used = [one["GroupId"] for nic in nics for one in nic["Groups"]]
        known = [one["GroupId"] for one in draw.all("SecurityGroups")]
        held = [one for one in used if one in known]
        return f"group:{draw.pick(held if held and draw.odds(0.93) else known)}"
    nic = draw.pick(nics)
    if kind == "inside":
        return str(draw.pick((nic["PrivateIpAddress"] + "/32", draw.pick(draw.all("Subnets"))["CidrBlock"])))
    if kind == "inside6" and nic["Ipv6Addresses"]:
        return str(nic["Ipv6Addresses"][0]["Ipv6Address"]) + "/128"
    return f"interface:{nic['NetworkInterfaceId']}"


def ends(draw: Draw, *, source: bool, many: bool = False) -> str | list[str]:
    """One selector or a few."""
    if many or draw.odds(0.15):
        return [end(draw, source=source) for _ in range(draw.between(2, 4))]
    return end(draw, source=source)


def service(draw: Draw) -> str:
    """A service, most often one that the estate is about."""
    if draw.odds(0.05):
        return draw.pick(("all", "all", "tcp", "udp", "icmp", "icmpv6", "proto/50"))
    protocol, detail = draw.service()
    if draw.listening and draw.odds(0.8 if draw.style == "balanced" else 0.3):
        protocol, detail = draw.pick(draw.listening)
        if draw.odds(0.8):
            return f"{'tcp' if protocol == 6 else 'udp'}/{detail}"
    if protocol in (6, 17):
        high = min(65535, detail + draw.pick((0, 0, 0, 1, 2)))
        detail = max(0, detail - draw.pick((0, 0, 0, 1)))
        return f"{'tcp' if protocol == 6 else 'udp'}/{detail}" + (f"-{high}" if high > detail else "")
    if protocol in (1, 58):
        kind, code = divmod(detail, 256)
        return f"{'icmp' if protocol == 1 else 'icmpv6'}/{kind}" + (f":{code}" if draw.odds(0.7) else "")
    return f"proto/{protocol}"


def aimed(draw: Draw) -> tuple[str, str, str] | None:
    """Ends and service of a rule that exists, so that the contract hangs on it."""
    ingress = draw.odds(0.6)
    group = draw.pick(draw.all("SecurityGroups"))
    rules = group["IpPermissions" if ingress else "IpPermissionsEgress"]
    if not rules:
        return None
    rule = draw.pick(rules)
    nics = draw.all("NetworkInterfaces")
    if rule["UserIdGroupPairs"] and draw.odds(0.8):
        other = "group:" + str(draw.pick(rule["UserIdGroupPairs"])["GroupId"])
        if other[6:] not in {one["GroupId"] for one in draw.all("SecurityGroups")}:
            return None
    elif draw.odds(0.5):
        other = f"interface:{draw.pick(nics)['NetworkInterfaceId']}"
    else:
        other = draw.pick(("internet", "internet:v4", "internet:v6"))
    own = f"group:{group['GroupId']}"
    asked = service(draw)
    if rule["IpProtocol"] in ("tcp", "udp"):
        low, high = rule["FromPort"], rule["ToPort"]
        edge = draw.pick((low, high, low, high, max(0, low - 1), min(65535, high + 1)))
        asked = f"{rule['IpProtocol']}/{edge}"
    return (other, own, asked) if ingress else (own, other, asked)


def balanced_ends(draw: Draw) -> tuple[str, str, str]:
    """A load balancer as target, on what it listens to."""
    listener = draw.pick(draw.all("Listeners"))
    lb = next(one for one in draw.all("LoadBalancers") if one["LoadBalancerArn"] == listener["LoadBalancerArn"])
    nic = draw.pick(draw.all("NetworkInterfaces"))["NetworkInterfaceId"]
    source = draw.pick((f"interface:{nic}", f"interface:{nic}", "internet:v4", "internet:v4", "8.8.8.0/24"))
    kind = "udp" if listener["Protocol"] == "UDP" else "tcp"
    return source, f"lb:{lb['LoadBalancerName']}", f"{kind}/{listener['Port']}"


def contract(draw: Draw) -> Json:
    """One contract: some about a rule or a listener, some about anything."""
    must = draw.pick(("reach", "reach", "reach", "never-reach", "never-reach"))
    found = None
    if draw.all("Listeners") and draw.odds(0.6 if draw.style == "balanced" else 0.2):
        found = balanced_ends(draw)
    elif draw.odds(0.5):
        found = aimed(draw)
    if found is None:
        return anything(draw)
    return with_ports(draw, {"must": must, "from": found[0], "to": found[1], "service": found[2]})


def with_ports(draw: Draw, made: Json) -> Json:
    """Sometimes with an ephemeral range of its own."""
    if made["must"] == "reach" and draw.odds(0.15):
        made["ephemeral"] = draw.pick(("32768-60999", "49152-65535", "1025-65535", "1024-65534"))
    return made


def anything(draw: Draw) -> Json:
    """A contract with any ends. Targets of only-from lie in the estate; not both ends are outside."""
    must = draw.pick(("reach", "reach", "reach", "never-reach", "never-reach", "only-from"))
    while True:
        sources = ends(draw, source=True, many=must == "only-from" and draw.odds(0.7))
        targets = ends(draw, source=False)
        outside = ("internet", FAR_PRIVATE, "::/0", "0.0.0.0/0", *OUTSIDE_V4, *OUTSIDE_V6)
        texts = [sources] if isinstance(sources, str) else sources
        others = [targets] if isinstance(targets, str) else targets
        if all(one.startswith(outside) for one in texts) and all(one.startswith(outside) for one in others):
            continue
        if must == "reach" and any(one.startswith("lb:") and one in others for one in texts):
            continue  # a balancer as its own client is nobody's question
        if must == "only-from" and any(one.startswith(outside) for one in others):
            continue
        break
    return with_ports(draw, {"must": must, "from": sources, "to": targets, "service": service(draw)})


def balanced(draw: Draw) -> Json:
    """A contract; of those that ask for flows, most of the broken ones are drawn again, so that many are kept."""
    made = contract(draw)
    for _ in range(4):
        if made["must"] != "reach" or draw.odds(0.3) or judge(draw.estate, made) != "broken":
            break
        made = contract(draw)
    return made
