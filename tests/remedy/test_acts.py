"""Every kind of act against a cloud over HTTP: what it changes, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from doorward.model.change import RuleFact
from doorward.model.revert import (
    AclEntryBack,
    Authorize,
    Modify,
    PrefixEntriesBack,
    Revert,
    Revoke,
    RouteBack,
    SetGroups,
)
from tests.remedy.rig import Rig, Served, World, key, revert

Perform = Callable[[Revert], Revert]


def states(one: Revert) -> list[str]:
    """The states of its steps."""
    return [step.state for step in one.steps]


def test_an_added_rule_is_revoked_by_its_id(world: World, perform: Perform, rig: Rig) -> None:
    """Only the rule that was added goes, by its id; its neighbours on the same port keep their ids."""
    group = world.group()
    good = [world.add(group, "10.1.0.0/16"), world.add(group, "10.2.0.0/16")]
    bad = world.add(group, "0.0.0.0/0")
    ended = perform(revert(Revoke(key("group", group), bad)))
    assert ("done", ["done"]) == (ended.state, states(ended))
    assert sorted(one.id or "" for one in good) == sorted(one.id or "" for one in world.rules(group))
    sent = [params for action, params in rig.calls if action == "RevokeSecurityGroupIngress"]
    assert [bad.id, bad.id] == [one["SecurityGroupRuleId.1"] for one in sent]
    assert ["true", None] == [one.get("DryRun") for one in sent]


def test_an_egress_rule_whose_id_is_not_known_is_found_by_what_it_allows(world: World, perform: Perform) -> None:
    """The id is looked up; the call still names one rule."""
    group = world.group()
    bad = world.add(group, "0.0.0.0/0", 25, egress=True)
    ended = perform(revert(Revoke(key("group", group), replace(bad, id=None, protocol="6"))))
    assert (["done"], []) == (states(ended), world.rules(group))


def test_a_removed_rule_is_authorized_and_its_new_id_is_told(world: World, perform: Perform) -> None:
    """The rule is back with its description; the id, which is new, is told for who manages it by id."""
    group = world.group()
    rule = world.add(group, "10.0.1.0/24", note="the web tier")
    world.drop(group, rule)
    ended = perform(revert(Authorize(key("group", group), replace(rule, id=None))))
    (back,) = world.rules(group)
    assert replace(rule, id=back.id) == back != rule
    assert ((key("group", group), back.id),) == ended.imports
    assert ended.steps[0].request and ended.steps[0].at is not None


def test_rules_of_groups_prefix_lists_and_ipv6_come_back(world: World, perform: Perform) -> None:
    """Whatever the peer, a rule comes back as it was."""
    group, other = world.group(), world.group("two")
    listed = world.ec2.create_managed_prefix_list(PrefixListName="l", AddressFamily="IPv4", MaxEntries=2)
    prefixes = listed["PrefixList"]["PrefixListId"]
    wanted = [
        RuleFact(False, "tcp", (5432, 5432), group=other, description="db"),
        RuleFact(False, "udp", (53, 53), prefix_list=prefixes),
        RuleFact(True, "tcp", (443, 443), cidr="::/0"),
        RuleFact(False, "icmp", (8, -1), cidr="10.0.0.0/8"),
        RuleFact(True, "-1", None, cidr="0.0.0.0/0"),
    ]
    ended = perform(revert(*(Authorize(key("group", group), one) for one in wanted)))
    assert ["done"] * 5 == states(ended)
    found = {
        (one.egress, one.protocol, one.cidr, one.group, one.prefix_list, one.description) for one in world.rules(group)
    }
    assert {
        (one.egress, one.protocol, one.cidr, one.group, one.prefix_list, one.description) for one in wanted
    } == found
    again = perform(revert(*(Revoke(key("group", group), one) for one in wanted), id="rv-back"))
    assert (["done"] * 5, []) == (states(again), world.rules(group))


def test_a_changed_rule_is_changed_back_in_place(world: World, perform: Perform, rig: Rig) -> None:
    """The rule keeps its id; nothing is revoked or authorized, so nothing is cut in between."""
    group = world.group()
    before = world.add(group, "10.0.0.0/8", note="people")
    now = replace(before, cidr="10.0.0.0/30", description=None)
    update = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv4": now.cidr}
    world.ec2.modify_security_group_rules(
        GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": now.id, "SecurityGroupRule": update}]
    )
    ended = perform(revert(Modify(key("group", group), str(now.id), now, before)))
    assert (["done"], [before]) == (states(ended), world.rules(group))
    assert ["ModifySecurityGroupRules"] == rig.writes()


def test_an_interface_comes_back_into_its_groups(world: World, perform: Perform) -> None:
    """Exactly the groups from before, in one call."""
    one, two = world.group(), world.group("two")
    made = world.ec2.create_network_interface(SubnetId=world.subnet(), Groups=[two])["NetworkInterface"]
    id = made["NetworkInterfaceId"]
    ended = perform(revert(SetGroups(key("interface", id), (two,), tuple(sorted([one, two])))))
    now = world.ec2.describe_network_interfaces(NetworkInterfaceIds=[id])["NetworkInterfaces"][0]["Groups"]
    assert (["done"], sorted([one, two])) == (states(ended), sorted(each["GroupId"] for each in now))


def test_an_instance_comes_back_into_its_groups(world: World, perform: Perform) -> None:
    """ModifyInstanceAttribute, where the change was one of an instance."""
    one, two = world.group(), world.group("two")
    made = world.ec2.run_instances(
        ImageId="ami-12c6146b", MinCount=1, MaxCount=1, SubnetId=world.subnet(), SecurityGroupIds=[two]
    )
    id = made["Instances"][0]["InstanceId"]
    ended = perform(revert(SetGroups(key("instance", id), (two,), (one,))))
    assert ["done"] == states(ended)
    now = world.ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]
    assert [one] == [each["GroupId"] for each in now["SecurityGroups"]]


def test_a_load_balancer_comes_back_into_its_groups(world: World, served: Served, perform: Perform) -> None:
    """SetSecurityGroups, which has no dry run: the step says so."""
    one, two = world.group(), world.group("two")
    elb = served.client("elbv2")
    subnets = [world.subnet(1, "a"), world.subnet(2, "b")]
    made = elb.create_load_balancer(
        Name=f"web-{world.vpc[-8:]}", Subnets=subnets, SecurityGroups=[two], Scheme="internal"
    )
    arn = made["LoadBalancers"][0]["LoadBalancerArn"]
    ended = perform(revert(SetGroups(key("load-balancer", arn), (two,), (one,))))
    now = elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]["SecurityGroups"]
    assert (["done"], [one]) == (states(ended), now)


def entries(world: World, acl: str) -> dict[tuple[int, bool], dict[str, Any]]:
    """The entries of an ACL by number and side."""
    found = world.ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"][0]["Entries"]
    return {(one["RuleNumber"], one["Egress"]): one for one in found}


def test_acl_entries_are_created_replaced_and_deleted(world: World, perform: Perform) -> None:
    """An entry that went comes back, one that was changed is replaced, one that was added goes; the others stay."""
    acl = world.ec2.create_network_acl(VpcId=world.vpc)["NetworkAcl"]["NetworkAclId"]

    def put(number: int, protocol: str, action: str, cidr: str, **more: Any) -> None:
        world.ec2.create_network_acl_entry(
            NetworkAclId=acl,
            RuleNumber=number,
            Protocol=protocol,
            RuleAction=action,
            Egress=False,
            CidrBlock=cidr,
            **more,
        )

    put(100, "6", "allow", "0.0.0.0/0", PortRange={"From": 443, "To": 443})
    put(110, "1", "allow", "10.0.0.0/8", IcmpTypeCode={"Type": 8, "Code": -1})
    put(120, "-1", "allow", "10.9.0.0/16")
    before = entries(world, acl)
    world.ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=110, Egress=False)
    world.ec2.replace_network_acl_entry(
        NetworkAclId=acl, RuleNumber=100, Protocol="6", RuleAction="deny", Egress=False, CidrBlock="0.0.0.0/0",
        PortRange={"From": 443, "To": 443},
    )  # fmt: skip
    put(90, "-1", "deny", "0.0.0.0/0")
    after = entries(world, acl)
    ended = perform(
        revert(
            *(
                AclEntryBack(key("acl", acl), number, False, after.get((number, False)), before.get((number, False)))
                for number in (110, 100, 90)
            )
        )
    )
    assert (["done"] * 3, before) == (states(ended), entries(world, acl))


def test_routes_are_created_replaced_and_deleted(world: World, perform: Perform) -> None:
    """A route that went comes back, one that leads elsewhere is replaced, one that was added goes."""
    gate = world.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    world.ec2.attach_internet_gateway(InternetGatewayId=gate, VpcId=world.vpc)
    made = world.ec2.create_network_interface(SubnetId=world.subnet())["NetworkInterface"]["NetworkInterfaceId"]
    table = world.ec2.create_route_table(VpcId=world.vpc)["RouteTable"]["RouteTableId"]

    def routes() -> dict[str, Any]:
        found = world.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
        return {one["DestinationCidrBlock"]: one for one in found}

    world.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gate)
    world.ec2.create_route(RouteTableId=table, DestinationCidrBlock="192.0.2.0/24", NetworkInterfaceId=made)
    before = routes()
    world.ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    world.ec2.replace_route(RouteTableId=table, DestinationCidrBlock="192.0.2.0/24", GatewayId=gate)
    world.ec2.create_route(RouteTableId=table, DestinationCidrBlock="198.51.100.0/24", GatewayId=gate)
    after = routes()
    acts = [
        RouteBack(key("route-table", table), ("DestinationCidrBlock", one), after.get(one), before.get(one))
        for one in ("0.0.0.0/0", "192.0.2.0/24", "198.51.100.0/24")
    ]
    ended = perform(revert(*acts))
    assert (["done"] * 3, before) == (states(ended), routes())


def prefixes(world: World, id: str) -> set[str]:
    """The CIDRs of a prefix list."""
    return {one["Cidr"] for one in world.ec2.get_managed_prefix_list_entries(PrefixListId=id)["Entries"]}


def test_prefix_list_entries_come_back_in_one_call_at_their_version(world: World, perform: Perform, rig: Rig) -> None:
    """Entries are added and removed at once, under the version that was seen; at another version nothing is done."""
    made = world.ec2.create_managed_prefix_list(
        PrefixListName="partners", AddressFamily="IPv4", MaxEntries=5, Entries=[{"Cidr": "198.51.100.0/24"}]
    )["PrefixList"]
    id, version = made["PrefixListId"], made["Version"]
    act = PrefixEntriesBack(
        key("prefix-list", id), version, add=(("192.0.2.0/24", "office"),), remove=(("198.51.100.0/24", ""),)
    )
    ended = perform(revert(act))
    assert (["done"], {"192.0.2.0/24"}) == (states(ended), prefixes(world, id))
    assert ["ModifyManagedPrefixList"] == rig.writes()
    world.ec2.modify_managed_prefix_list(
        PrefixListId=id, CurrentVersion=version + 1, AddEntries=[{"Cidr": "203.0.113.0/24"}]
    )
    late = PrefixEntriesBack(key("prefix-list", id), version + 1, remove=(("192.0.2.0/24", ""),))
    held = perform(revert(late, id="rv-late"))
    assert ("held", {"192.0.2.0/24", "203.0.113.0/24"}) == (held.state, prefixes(world, id))
    assert "version" in held.note


def test_what_restores_is_done_before_what_removes(world: World, perform: Perform, rig: Rig) -> None:
    """Steps are done in the order given: the rule that went is back before the one that came is gone."""
    group = world.group()
    gone = world.add(group, "10.0.0.0/8")
    world.drop(group, gone)
    new = world.add(group, "0.0.0.0/0")
    ended = perform(revert(Authorize(key("group", group), gone), Revoke(key("group", group), new)))
    assert "done" == ended.state
    assert ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"] == rig.writes()
