"""The calls that Terraform's AWS provider makes for each kind of resource, in its order, by boto3.

Read from the provider's source (hashicorp/terraform-provider-aws, internal/service/ec2 and internal/service/elbv2):
which calls create, read, update and delete a resource, with which filters, and which error codes it takes as "not
there" or "try again".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client

    from tests.lab.cloud.conftest import Refused

Make = Callable[..., str]


def everything(**peers: Any) -> Any:
    """The provider's way of writing "all traffic"."""
    return {"IpProtocol": "-1", "FromPort": 0, "ToPort": 0, **peers}


def by(**values: str) -> Any:
    """Filters, as the provider builds them."""
    return [{"Name": name.replace("__", ".").replace("_", "-"), "Values": [value]} for name, value in values.items()]


def test_aws_security_group(ec2: EC2Client, vpc: str, refused: Refused) -> None:
    """vpc_security_group.go: create with tags, revoke the default egress (IPv6's may be NotFound), inline rules,
    delete after looking for lingering interfaces; then InvalidGroup.NotFound."""
    tags: Any = [{"ResourceType": "security-group", "Tags": [{"Key": "Name", "Value": "tf"}]}]
    id = ec2.create_security_group(
        GroupName="tf", Description="Managed by Terraform", VpcId=vpc, TagSpecifications=tags
    )["GroupId"]
    (one,) = ec2.describe_security_groups(GroupIds=[id])["SecurityGroups"]
    assert ([{"Key": "Name", "Value": "tf"}], vpc) == (one["Tags"], one["VpcId"])
    ec2.revoke_security_group_egress(GroupId=id, IpPermissions=[everything(IpRanges=[{"CidrIp": "0.0.0.0/0"}])])
    with refused("InvalidPermission.NotFound"):
        ec2.revoke_security_group_egress(GroupId=id, IpPermissions=[everything(Ipv6Ranges=[{"CidrIpv6": "::/0"}])])
    inline: Any = {
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "IpRanges": [{"CidrIp": "192.0.2.0/24", "Description": "a"}],
    }
    own: Any = {**inline, "IpRanges": [], "UserIdGroupPairs": [{"GroupId": id, "Description": "self"}]}
    ec2.authorize_security_group_ingress(GroupId=id, IpPermissions=[inline, own])
    (one,) = ec2.describe_security_groups(GroupIds=[id])["SecurityGroups"]
    (permission,) = one["IpPermissions"]
    assert ("192.0.2.0/24", id) == (permission["IpRanges"][0]["CidrIp"], permission["UserIdGroupPairs"][0]["GroupId"])
    assert [] == one["IpPermissionsEgress"]
    ec2.revoke_security_group_ingress(GroupId=id, IpPermissions=[inline])
    assert [] == ec2.describe_network_interfaces(Filters=by(group_id=id))["NetworkInterfaces"]
    for rule in ec2.describe_security_group_rules(Filters=by(group_id=id))["SecurityGroupRules"]:
        ec2.revoke_security_group_ingress(GroupId=id, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    ec2.delete_security_group(GroupId=id)
    with refused("InvalidGroup.NotFound"):
        ec2.describe_security_groups(GroupIds=[id])


def test_aws_security_group_rule(ec2: EC2Client, group: Make, refused: Refused) -> None:
    """vpc_security_group_rule.go: authorize, find it in the described group, update its description, revoke."""
    id = group("tf")
    rule: Any = {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    ec2.authorize_security_group_ingress(GroupId=id, IpPermissions=[rule])
    with refused("InvalidPermission.Duplicate"):
        ec2.authorize_security_group_ingress(GroupId=id, IpPermissions=[rule])
    rule["IpRanges"][0]["Description"] = "new"
    ec2.update_security_group_rule_descriptions_ingress(GroupId=id, IpPermissions=[rule])
    (got,) = ec2.describe_security_groups(GroupIds=[id])["SecurityGroups"][0]["IpPermissions"]
    assert (0, 65535, [{"CidrIp": "10.0.0.0/8", "Description": "new"}]) == (
        got["FromPort"],
        got["ToPort"],
        got["IpRanges"],
    )
    ec2.revoke_security_group_ingress(GroupId=id, IpPermissions=[rule])
    with refused("InvalidPermission.NotFound"):
        ec2.revoke_security_group_ingress(GroupId=id, IpPermissions=[rule])


def test_aws_vpc_security_group_rule(ec2: EC2Client, group: Make, refused: Refused) -> None:
    """vpc_security_group_ingress_rule.go and _egress_rule.go: authorize, take the id and ARN from the answer, tag,
    read by id, modify, revoke by id; NotFound afterwards."""
    id, peer = group("tf"), group("peer")
    for direction in ("ingress", "egress"):
        authorize: Any = getattr(ec2, f"authorize_security_group_{direction}")
        revoke: Any = getattr(ec2, f"revoke_security_group_{direction}")
        wanted: Any = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": peer}]}
        (added,) = authorize(GroupId=id, IpPermissions=[wanted])["SecurityGroupRules"]
        rule = added["SecurityGroupRuleId"]
        ec2.create_tags(Resources=[rule], Tags=[{"Key": "a", "Value": "b"}])
        (got,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule])["SecurityGroupRules"]
        assert (direction == "egress", peer, [{"Key": "a", "Value": "b"}]) == (
            got["IsEgress"], got["ReferencedGroupInfo"]["GroupId"], got["Tags"],
        )  # fmt: skip
        new: Any = {"IpProtocol": "-1", "ReferencedGroupId": id, "Description": "d"}
        ec2.modify_security_group_rules(
            GroupId=id, SecurityGroupRules=[{"SecurityGroupRuleId": rule, "SecurityGroupRule": new}]
        )
        (got,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule])["SecurityGroupRules"]
        assert ("-1", -1, -1, id, "d", [{"Key": "a", "Value": "b"}]) == (
            got["IpProtocol"], got["FromPort"], got["ToPort"], got["ReferencedGroupInfo"]["GroupId"],
            got["Description"], got["Tags"],
        )  # fmt: skip
        revoke(GroupId=id, SecurityGroupRuleIds=[rule])
        with refused("InvalidSecurityGroupRuleId.NotFound"):
            ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule])


def test_aws_network_interface(ec2: EC2Client, subnet: str, group: Make, refused: Refused) -> None:
    """vpc_network_interface.go: create, describe by id, modify attributes one at a time, private addresses, delete."""
    a, b = group("a"), group("b")
    made = ec2.create_network_interface(SubnetId=subnet, Groups=[a], Description="tf", ClientToken="t")[
        "NetworkInterface"
    ]
    id = made["NetworkInterfaceId"]
    assert "available" == made["Status"]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=id, SourceDestCheck={"Value": False})
    ec2.modify_network_interface_attribute(NetworkInterfaceId=id, Groups=[b])
    ec2.modify_network_interface_attribute(NetworkInterfaceId=id, Description={"Value": "new"})
    ec2.assign_private_ip_addresses(NetworkInterfaceId=id, SecondaryPrivateIpAddressCount=2)
    (got,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[id])["NetworkInterfaces"]
    assert (False, [b], "new", 3) == (
        got["SourceDestCheck"], [g["GroupId"] for g in got["Groups"]], got["Description"],
        len(got["PrivateIpAddresses"]),
    )  # fmt: skip
    ec2.delete_network_interface(NetworkInterfaceId=id)
    with refused("InvalidNetworkInterfaceID.NotFound"):
        ec2.describe_network_interfaces(NetworkInterfaceIds=[id])


def test_aws_subnet(ec2: EC2Client, vpc: str, net: str, refused: Refused) -> None:
    """vpc_subnet.go: create, one attribute per ModifySubnetAttribute, read, delete after lingering interfaces."""
    made = ec2.create_subnet(VpcId=vpc, CidrBlock=f"{net}.5.0/24", AvailabilityZone="us-east-1b")["Subnet"]
    id = made["SubnetId"]
    assert ("available", False) == (made["State"], made["MapPublicIpOnLaunch"])
    ec2.modify_subnet_attribute(SubnetId=id, MapPublicIpOnLaunch={"Value": True})
    ec2.modify_subnet_attribute(SubnetId=id, PrivateDnsHostnameTypeOnLaunch="resource-name")
    ec2.modify_subnet_attribute(SubnetId=id, EnableResourceNameDnsARecordOnLaunch={"Value": True})
    ec2.modify_subnet_attribute(SubnetId=id, EnableDns64={"Value": True})
    (got,) = ec2.describe_subnets(SubnetIds=[id])["Subnets"]
    assert (True, True, "resource-name", True) == (
        got["MapPublicIpOnLaunch"], got["EnableDns64"], got["PrivateDnsNameOptionsOnLaunch"]["HostnameType"],
        got["PrivateDnsNameOptionsOnLaunch"]["EnableResourceNameDnsARecord"],
    )  # fmt: skip
    with refused("InvalidParameterValue"):
        ec2.modify_subnet_attribute(SubnetId=id, AssignIpv6AddressOnCreation={"Value": True})
    assert [] == ec2.describe_network_interfaces(Filters=by(subnet_id=id))["NetworkInterfaces"]
    ec2.delete_subnet(SubnetId=id)
    with refused("InvalidSubnetID.NotFound"):
        ec2.delete_subnet(SubnetId=id)


def test_aws_route_table(ec2: EC2Client, vpc: str, subnet: str, refused: Refused) -> None:
    """vpc_route_table.go, vpc_route.go, vpc_route_table_association.go, vpc_main_route_table_association.go."""
    igw = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=igw, VpcId=vpc)
    id = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=id, DestinationCidrBlock="0.0.0.0/0", GatewayId=igw)
    (got,) = ec2.describe_route_tables(RouteTableIds=[id])["RouteTables"]
    assert {("local", "active"), (igw, "active")} == {(one["GatewayId"], one["State"]) for one in got["Routes"]}
    association = ec2.associate_route_table(RouteTableId=id, SubnetId=subnet)["AssociationId"]
    (found,) = ec2.describe_route_tables(Filters=by(association__route_table_association_id=association))["RouteTables"]
    assert id == found["RouteTableId"]
    (main,) = ec2.describe_route_tables(Filters=by(association__main="true", vpc_id=vpc))["RouteTables"]
    old = main["Associations"][0]["RouteTableAssociationId"]
    new = ec2.replace_route_table_association(AssociationId=old, RouteTableId=id)["NewAssociationId"]
    ec2.replace_route_table_association(AssociationId=new, RouteTableId=main["RouteTableId"])
    ec2.disassociate_route_table(AssociationId=association)
    with refused("InvalidAssociationID.NotFound"):
        ec2.disassociate_route_table(AssociationId=association)
    ec2.delete_route(RouteTableId=id, DestinationCidrBlock="0.0.0.0/0")
    ec2.delete_route_table(RouteTableId=id)
    with refused("InvalidRouteTableID.NotFound"):
        ec2.describe_route_tables(RouteTableIds=[id])


def test_aws_network_acl(ec2: EC2Client, vpc: str, subnet: str, refused: Refused) -> None:
    """vpc_network_acl.go, vpc_network_acl_rule.go (entry.egress and entry.rule-number filters), _association.go."""
    id = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    rule: Any = {"NetworkAclId": id, "RuleNumber": 200, "Egress": False, "Protocol": "6", "RuleAction": "allow"}
    ec2.create_network_acl_entry(**rule, CidrBlock="10.0.0.0/8", PortRange={"From": 22, "To": 22})
    wanted = by(entry__egress="false", entry__rule_number="200")
    (got,) = ec2.describe_network_acls(NetworkAclIds=[id], Filters=wanted)["NetworkAcls"]
    (entry,) = [one for one in got["Entries"] if one["RuleNumber"] == 200]
    assert ("6", "allow", {"From": 22, "To": 22}) == (entry["Protocol"], entry["RuleAction"], entry["PortRange"])
    (default,) = ec2.describe_network_acls(Filters=by(default="true", vpc_id=vpc))["NetworkAcls"]
    (association,) = [one for one in default["Associations"] if one["SubnetId"] == subnet]
    new = ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=id)
    (got,) = ec2.describe_network_acls(Filters=by(association__association_id=new["NewAssociationId"]))["NetworkAcls"]
    assert id == got["NetworkAclId"]
    with refused("DependencyViolation"):
        ec2.delete_network_acl(NetworkAclId=id)
    ec2.replace_network_acl_association(AssociationId=new["NewAssociationId"], NetworkAclId=default["NetworkAclId"])
    ec2.delete_network_acl_entry(NetworkAclId=id, RuleNumber=200, Egress=False)
    with refused("InvalidNetworkAclEntry.NotFound"):
        ec2.delete_network_acl_entry(NetworkAclId=id, RuleNumber=200, Egress=False)
    ec2.delete_network_acl(NetworkAclId=id)
    with refused("InvalidNetworkAclID.NotFound"):
        ec2.delete_network_acl(NetworkAclId=id)


def test_aws_ec2_managed_prefix_list(ec2: EC2Client, refused: Refused) -> None:
    """vpc_managed_prefix_list.go: the size before or after the entries, descriptions by removing and adding again."""
    made = ec2.create_managed_prefix_list(
        PrefixListName="tf", MaxEntries=1, AddressFamily="IPv4", Entries=[{"Cidr": "192.0.2.0/24", "Description": "a"}]
    )["PrefixList"]
    id = made["PrefixListId"]
    assert "create-complete" == made["State"]
    ec2.modify_managed_prefix_list(PrefixListId=id, MaxEntries=3)
    with refused("InvalidParameterValue"):
        ec2.modify_managed_prefix_list(
            PrefixListId=id,
            CurrentVersion=1,
            AddEntries=[{"Cidr": "192.0.2.0/24", "Description": "b"}],
            RemoveEntries=[{"Cidr": "192.0.2.0/24"}],
        )
    ec2.modify_managed_prefix_list(PrefixListId=id, CurrentVersion=1, RemoveEntries=[{"Cidr": "192.0.2.0/24"}])
    ec2.modify_managed_prefix_list(
        PrefixListId=id,
        PrefixListName="tf2",
        CurrentVersion=2,
        AddEntries=[{"Cidr": "192.0.2.0/24", "Description": "b"}],
    )
    (got,) = ec2.describe_managed_prefix_lists(PrefixListIds=[id])["PrefixLists"]
    assert ("modify-complete", "tf2", 3, 3) == (got["State"], got["PrefixListName"], got["MaxEntries"], got["Version"])
    assert [{"Cidr": "192.0.2.0/24", "Description": "b"}] == ec2.get_managed_prefix_list_entries(PrefixListId=id)[
        "Entries"
    ]
    ec2.delete_managed_prefix_list(PrefixListId=id)
    with refused("InvalidPrefixListID.NotFound"):
        ec2.get_managed_prefix_list_entries(PrefixListId=id)


def test_aws_lb(
    ec2: EC2Client, elb: ElasticLoadBalancingv2Client, vpc: str, net: str, subnet: str, group: Make, refused: Refused
) -> None:
    """elbv2/load_balancer.go, target_group.go, listener.go, target_group_attachment.go: create, wait for active,
    attributes, read, update, delete, wait until the interfaces are gone (description and amazon-elb filters)."""
    other = ec2.create_subnet(VpcId=vpc, CidrBlock=f"{net}.2.0/24", AvailabilityZone="us-east-1b")["Subnet"]["SubnetId"]
    a, b = group("a"), group("b")
    name = "tf-" + vpc[-8:]
    made = elb.create_load_balancer(
        Name=name, Type="application", Scheme="internal", Subnets=[subnet, other], SecurityGroups=[a],
        IpAddressType="ipv4", Tags=[{"Key": "k", "Value": "v"}],
    )["LoadBalancers"][0]  # fmt: skip
    arn = made["LoadBalancerArn"]
    elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[arn], WaiterConfig={"Delay": 1, "MaxAttempts": 3})
    off: Any = [
        {"Key": "access_logs.s3.enabled", "Value": "false"},
        {"Key": "idle_timeout.timeout_seconds", "Value": "60"},
    ]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=off)
    attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    assert {"Key": "idle_timeout.timeout_seconds", "Value": "60"} in attributes
    assert [{"Key": "k", "Value": "v"}] == elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
    elb.describe_capacity_reservation(LoadBalancerArn=arn)
    tg = elb.create_target_group(Name=name, Protocol="HTTPS", Port=8443, VpcId=vpc, TargetType="ip")["TargetGroups"][0]
    forward: Any = [{"Type": "forward", "TargetGroupArn": tg["TargetGroupArn"]}]
    listener = elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=forward)["Listeners"][
        0
    ]
    elb.register_targets(TargetGroupArn=tg["TargetGroupArn"], Targets=[{"Id": f"{net}.1.200", "Port": 8443}])
    (health,) = elb.describe_target_health(
        TargetGroupArn=tg["TargetGroupArn"], Targets=[{"Id": f"{net}.1.200", "Port": 8443}]
    )["TargetHealthDescriptions"]
    assert "healthy" == health["TargetHealth"]["State"]
    elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[b])
    (got,) = elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    assert ([b], {subnet, other}) == (got["SecurityGroups"], {zone["SubnetId"] for zone in got["AvailabilityZones"]})
    mine: Any = [
        {"Name": "attachment.instance-owner-id", "Values": ["amazon-elb"]},
        {"Name": "description", "Values": ["ELB " + arn.partition(":loadbalancer/")[2]]},
    ]
    assert 2 == len(ec2.describe_network_interfaces(Filters=mine)["NetworkInterfaces"])
    elb.deregister_targets(TargetGroupArn=tg["TargetGroupArn"], Targets=[{"Id": f"{net}.1.200", "Port": 8443}])
    elb.delete_listener(ListenerArn=listener["ListenerArn"])
    elb.delete_target_group(TargetGroupArn=tg["TargetGroupArn"])
    elb.delete_load_balancer(LoadBalancerArn=arn)
    assert [] == ec2.describe_network_interfaces(Filters=mine)["NetworkInterfaces"]
    with refused("LoadBalancerNotFound"):
        elb.describe_load_balancers(LoadBalancerArns=[arn])
