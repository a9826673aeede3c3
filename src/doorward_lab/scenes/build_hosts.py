"""Building what stands in the network: hosts, NAT gateways, target groups, load balancers.

Sources: EC2 API Reference (*CreateNetworkInterface*, *RunInstances*, *AssociateAddress*, *CreateNatGateway*), ELB API
Reference (*CreateLoadBalancer*, *CreateListener*, *RegisterTargets*).
"""

from __future__ import annotations

import datetime
from typing import Any

from doorward_lab.scenes.addresses import ipv6_for, wants_public
from doorward_lab.scenes.built import BuiltBalancer, BuiltHost
from doorward_lab.scenes.making import Making, filters, tags
from doorward_lab.scenes.scene import Gateway, Host, LoadBalancer, TargetGroup

IMAGE = "ami-0abcdef1234567890"
"""Image of all instances: the lab boots none, and endpoints of its kind ask for no real one."""
SIZE = "t3.micro"


def host(making: Making, one: Host) -> BuiltHost:
    """An interface with its addresses, and the instance round it."""
    primary = making.addresses.hosts[one.name]
    asked: dict[str, Any] = {
        "SubnetId": making.id("subnets", one.subnet), "Description": f"host {one.name}",
        "TagSpecifications": tags("network-interface", one.name),
    }  # fmt: skip
    if one.groups:
        asked["Groups"] = [making.id("groups", group) for group in one.groups]
    if one.secondary:
        listed = [(primary, True), *((text, False) for text in one.secondary)]
        asked["PrivateIpAddresses"] = [{"PrivateIpAddress": text, "Primary": first} for text, first in listed]
    else:
        asked["PrivateIpAddress"] = primary
    six: tuple[str, ...] = ()
    if one.subnet in making.ipv6:
        six = ipv6_for(making.scene, making.ipv6[one.subnet], making.addresses.hosts, one.subnet).get(one.name, ())
        if six:
            asked["Ipv6Addresses"] = [{"Ipv6Address": text} for text in six]
    interface = making.ec2.create_network_interface(**asked)["NetworkInterface"]["NetworkInterfaceId"]
    if not one.source_dest_check:
        making.ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, SourceDestCheck={"Value": False})
    instance = ""
    if one.kind == "instance":
        made = making.ec2.run_instances(
            ImageId=IMAGE, InstanceType=SIZE, MinCount=1, MaxCount=1,
            NetworkInterfaces=[{"NetworkInterfaceId": interface, "DeviceIndex": 0}],
            TagSpecifications=tags("instance", one.name),
        )  # fmt: skip
        instance = made["Instances"][0]["InstanceId"]
    wanted = wants_public(making.scene, one.name)
    public, allocation = "", ""
    if wanted:
        allocation, public = _elastic_ip(making, one.name, "" if wanted == "auto" else wanted)
        making.ec2.associate_address(
            AllocationId=allocation, NetworkInterfaceId=interface, PrivateIpAddress=primary
        )  # fmt: skip
    making.ids.setdefault("hosts", {})[one.name] = interface
    return BuiltHost(
        interface, one.subnet, (primary, *one.secondary), six, public, instance, allocation, one.run, one.settings
    )


def _elastic_ip(making: Making, name: str, address: str) -> tuple[str, str]:
    """Allocation and address of a new Elastic IP."""
    asked = {"Address": address} if address else {}
    made = making.ec2.allocate_address(Domain="vpc", TagSpecifications=tags("elastic-ip", name), **asked)
    return str(made["AllocationId"]), str(made["PublicIp"])


def nat_gateway(making: Making, one: Gateway) -> str:
    """A public NAT gateway, waited for."""
    allocation, _ = _elastic_ip(making, one.name, one.public)
    made = making.ec2.create_nat_gateway(
        SubnetId=making.id("subnets", one.subnet), AllocationId=allocation, ConnectivityType="public",
        PrivateIpAddress=making.addresses.gateways[one.name], TagSpecifications=tags("natgateway", one.name),
    )["NatGateway"]  # fmt: skip
    id = str(made["NatGatewayId"])
    if made.get("State") != "available":
        making.ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[id])
    return id


def target_group(making: Making, one: TargetGroup) -> str:
    """A target group without its targets."""
    asked: dict[str, Any] = {
        "Name": one.name, "Protocol": one.protocol, "Port": one.port, "VpcId": making.id("vpcs", one.vpc),
        "TargetType": one.kind, "Tags": tags("", one.name)[0]["Tags"],
    }  # fmt: skip
    if one.health_port is not None:
        asked["HealthCheckPort"] = str(one.health_port)
    if one.health_path:
        asked["HealthCheckPath"] = one.health_path
        asked["HealthCheckProtocol"] = one.protocol if one.protocol in ("HTTP", "HTTPS") else "HTTP"
    arn = str(making.elbv2.create_target_group(**asked)["TargetGroups"][0]["TargetGroupArn"])
    if one.preserve_client is not None:
        value = "true" if one.preserve_client else "false"
        making.elbv2.modify_target_group_attributes(
            TargetGroupArn=arn, Attributes=[{"Key": "preserve_client_ip.enabled", "Value": value}]
        )
    return arn


def targets(making: Making, one: TargetGroup) -> None:
    """Register a target group's targets."""
    if not one.hosts:
        return
    if one.kind == "alb":
        listed = [making.id("load-balancers", name) for name in one.hosts]
    elif one.kind == "instance":
        listed = [making.id("instances", name) for name in one.hosts]
    else:
        listed = [making.addresses.hosts[name] for name in one.hosts]
    making.elbv2.register_targets(
        TargetGroupArn=making.id("target-groups", one.name), Targets=[{"Id": id, "Port": one.port} for id in listed]
    )


def balancer(making: Making, one: LoadBalancer) -> BuiltBalancer:
    """A load balancer with its listeners, and the interfaces that the cloud gave it."""
    asked: dict[str, Any] = {
        "Name": one.name, "Type": one.kind, "Scheme": one.scheme,
        "Subnets": [making.id("subnets", name) for name in one.subnets],
        "IpAddressType": "dualstack" if one.ipv6 else "ipv4", "Tags": tags("", one.name)[0]["Tags"],
    }  # fmt: skip
    if one.groups:
        asked["SecurityGroups"] = [making.id("groups", name) for name in one.groups]
    made = making.elbv2.create_load_balancer(**asked)["LoadBalancers"][0]
    arn = str(made["LoadBalancerArn"])
    listeners = {}
    for listener in (each for each in one.listeners if not each.path):
        more: dict[str, Any] = {}
        if listener.protocol in ("HTTPS", "TLS"):
            more["Certificates"] = [{"CertificateArn": certificate(making, one.name)}]
        action = {"Type": "forward", "TargetGroupArn": making.id("target-groups", listener.forward)}
        answer = making.elbv2.create_listener(
            LoadBalancerArn=arn, Protocol=listener.protocol, Port=listener.port, DefaultActions=[action], **more
        )  # fmt: skip
        listeners[str(listener.port)] = str(answer["Listeners"][0]["ListenerArn"])
    for priority, listener in enumerate((each for each in one.listeners if each.path), 1):
        making.elbv2.create_rule(
            ListenerArn=listeners[str(listener.port)], Priority=priority,
            Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": [listener.path]}}],
            Actions=[{"Type": "forward", "TargetGroupArn": making.id("target-groups", listener.forward)}],
        )  # fmt: skip
    making.ids.setdefault("load-balancers", {})[one.name] = arn
    nodes = _nodes(making, arn)
    return BuiltBalancer(arn, str(made.get("DNSName", "")), listeners, nodes, one.run, one.settings)


def _nodes(making: Making, arn: str) -> tuple[BuiltHost, ...]:
    """The balancer's interfaces, known by their description (ELB guides, *requester-managed network interfaces*)."""
    description = f"ELB {arn.rpartition(':loadbalancer/')[2]}"
    found = making.ec2.describe_network_interfaces(Filters=filters(description=description))["NetworkInterfaces"]
    names = {id: name for name, id in making.ids["subnets"].items()}
    return tuple(
        BuiltHost(
            one["NetworkInterfaceId"], names.get(one["SubnetId"], ""),
            tuple(each["PrivateIpAddress"] for each in one["PrivateIpAddresses"]),
            tuple(each["Ipv6Address"] for each in one.get("Ipv6Addresses", ())),
            one.get("Association", {}).get("PublicIp", ""),
        )
        for one in sorted(found, key=lambda one: names.get(one["SubnetId"], ""))
    )  # fmt: skip


def certificate(making: Making, name: str) -> str:
    """ARN of a certificate of our own for a listener (ACM API Reference, ImportCertificate)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}.lab.example")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    return str(making.connect("acm").import_certificate(Certificate=public, PrivateKey=private)["CertificateArn"])
