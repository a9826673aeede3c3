"""Rules whose peer is a security group: self, peered, stale, deleted, and what a reference never stands for.

Sources: VPC User Guide, *Security group rules*; VPC Peering Guide, *Update your security groups to reference peer
security groups* and *Identify and work with stale security group rules*; EC2 API Reference, *UserIdGroupPair*.
"""

from __future__ import annotations

import pytest

from doorward.model.intervals import Intervals
from doorward.reach.pairs import all_pairs
from doorward.reach.question import Question, Side
from doorward.reach.watch import Flip, Watch
from doorward.reach.world import Bound, World, numbers_in
from tests.semantics.account import BROKEN, CANNOT_TELL, KEPT, OPENS, OWNER, STOPS, UNSURE, Account

WEB, DB = "group:sg-web", "group:sg-db"


def pair_of(group: str, **more: str) -> dict[str, object]:
    """A permission for tcp/443 whose peer is a group, with more fields of ``UserIdGroupPair``."""
    return {
        "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
        "UserIdGroupPairs": [{"GroupId": group, "UserId": OWNER, **more}],
    }  # fmt: skip


def test_reference(account: Account) -> None:
    """*Security group rules*: a rule that references a group "allows traffic … from the network interfaces that are
    associated with" it; nobody else, and only on its ports."""
    account.pair("tcp 443 sg-web")
    account.group("sg-other")
    account.interface("eni-other", "10.0.1.6", groups=["sg-other"])
    assert OPENS == account.both(WEB, DB, "tcp/443")
    assert STOPS == account.both(WEB, DB, "tcp/444")
    assert STOPS == account.both("group:sg-other", DB, "tcp/443")
    assert KEPT == account.only_from(WEB, DB, "all")


def test_reference_in_egress(account: Account) -> None:
    """The same for destinations."""
    account.pair("tcp 443 0.0.0.0/0", egress=["tcp 443 sg-db"])
    account.interface("eni-else", "10.0.2.8", groups=["sg-web"])
    assert OPENS == account.both("interface:eni-web", DB, "tcp/443")
    assert STOPS == account.both("interface:eni-web", "interface:eni-else", "tcp/443")


def test_reference_is_not_inherited(account: Account) -> None:
    """Same page: "rules of the referenced security group are not added to the security group that references it"."""
    account.group("sg-open", "-1 - 0.0.0.0/0")
    account.group("sg-web")
    account.group("sg-db", "tcp 443 sg-open")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])
    account.interface("eni-db", "10.0.2.7", groups=["sg-db"])
    assert STOPS == account.both(WEB, DB, "all")


def test_self_reference(account: Account) -> None:
    """VPC User Guide, *Default security groups*: the default group's inbound rule references itself, so that members
    reach each other and nobody else does."""
    account.group("sg-default", "-1 - sg-default")
    account.group("sg-other")
    account.interface("eni-1", "10.0.1.5", groups=["sg-default"])
    account.interface("eni-2", "10.0.2.7", groups=["sg-default"])
    account.interface("eni-3", "10.0.2.8", groups=["sg-other"])
    assert OPENS == account.both("group:sg-default", "group:sg-default", "all")
    assert STOPS == account.both("group:sg-other", "group:sg-default", "all")


def test_same_group_without_reference(account: Account) -> None:
    """EC2 User Guide, *Security group rules*: members of one group do not reach each other without a rule."""
    account.group("sg-web")
    account.interface("eni-1", "10.0.1.5", groups=["sg-web"])
    account.interface("eni-2", "10.0.1.6", groups=["sg-web"])
    assert STOPS == account.both("group:sg-web", "group:sg-web", "all")


def test_reference_never_matches_public_addresses(account: Account) -> None:
    """*Security group rules*: a reference means "the private IP addresses of the instances associated with the
    referenced security group … not … the public IP or Elastic IP addresses": over the internet it matches nobody."""
    account.internet_gateway()
    account.internet_gateway("igw-2", "vpc-1", routed=False)
    account.vpc("vpc-2", "10.1.0.0/16")
    account.subnet("subnet-2", "10.1.1.0/24", vpc="vpc-2")
    account.internet_gateway("igw-3", "vpc-2")
    account.peering("pcx-1", "vpc-1", "vpc-2")  # active, but no route leads over it
    account.group("sg-web", vpc="vpc-2")
    account.group("sg-db", pair_of("sg-web", VpcId="vpc-2", VpcPeeringConnectionId="pcx-1", PeeringStatus="active"))
    account.interface("eni-web", "10.1.1.5", groups=["sg-web"], public="198.51.100.5")
    account.interface("eni-db", "10.0.2.7", groups=["sg-db"], public="198.51.100.7")
    assert STOPS == account.both(WEB, DB, "tcp/443")


def test_internet_is_in_no_group(account: Account) -> None:
    """An address on the internet is a member of no group."""
    account.internet_gateway()
    account.pair("tcp 443 sg-web")
    account.said["NetworkInterfaces"][1]["PrivateIpAddresses"][0]["Association"] = {"PublicIp": "198.51.100.7"}
    assert STOPS == account.both("internet:v4", DB, "tcp/443")


def test_public_address_of_a_member(account: Account) -> None:
    """Between members of two VPCs over the internet the CIDR of the public address matches where the reference does
    not."""
    account.internet_gateway()
    account.vpc("vpc-2", "10.1.0.0/16")
    account.subnet("subnet-2", "10.1.1.0/24", vpc="vpc-2")
    account.internet_gateway("igw-2", "vpc-2")
    account.group("sg-web", vpc="vpc-2")
    account.group("sg-db", "tcp 443 198.51.100.5/32")
    account.interface("eni-web", "10.1.1.5", groups=["sg-web"], public="198.51.100.5")
    account.interface("eni-db", "10.0.2.7", groups=["sg-db"], public="198.51.100.7")
    assert OPENS == account.both(WEB, DB, "tcp/443")
    assert STOPS == account.both(WEB, DB, "tcp/444")


def peered(account: Account, rule: str | dict[str, object], egress: str = "-1 - 0.0.0.0/0", **peering: object) -> None:
    """``sg-web`` in vpc-2, ``sg-db`` in vpc-1, with routes over ``pcx-1`` on both sides."""
    account.vpc("vpc-2", "10.1.0.0/16")
    account.subnet("subnet-2", "10.1.1.0/24", vpc="vpc-2")
    account.peering("pcx-1", "vpc-1", "vpc-2", **peering)  # type: ignore[arg-type]  # status or regions
    account.route("rtb-vpc-1", "10.1.0.0/16 pcx-1")
    account.route("rtb-vpc-2", "10.0.0.0/16 pcx-1")
    account.group("sg-web", vpc="vpc-2", egress=[egress])
    account.group("sg-db", rule)
    account.interface("eni-web", "10.1.1.5", groups=["sg-web"])
    account.interface("eni-db", "10.0.2.7", groups=["sg-db"])


def test_reference_over_active_peering(account: Account) -> None:
    """*Update your security groups to reference peer security groups*: "You can update the inbound or outbound rules
    for your VPC security groups to reference security groups in the peered VPC"."""
    peered(account, pair_of("sg-web", VpcId="vpc-2", VpcPeeringConnectionId="pcx-1", PeeringStatus="active"))
    assert OPENS == account.both(WEB, DB, "tcp/443")
    assert KEPT == account.only_from(WEB, DB, "all")


def test_egress_reference_over_active_peering(account: Account) -> None:
    """Same sentence: outbound rules too."""
    peered(account, "tcp 443 10.1.0.0/16", egress="tcp 443 sg-db")
    assert OPENS == account.both(WEB, DB, "tcp/443")


@pytest.mark.parametrize("status", ["pending-acceptance", "provisioning", "deleted", "rejected", "expired", "failed"])
def test_peering_that_is_not_active(account: Account, status: str) -> None:
    """Same page: "To reference a security group in a peer VPC, the VPC peering connection must be in the active
    state"; no traffic flows over one that is not."""
    peered(account, "tcp 443 0.0.0.0/0", status=status)
    assert STOPS == account.both(WEB, DB, "tcp/443")


def test_reference_across_regions(account: Account) -> None:
    """Same page: "You cannot reference the security group of a peer VPC that's in a different Region. Instead, use the
    CIDR block of the peer VPC"."""
    peered(account, pair_of("sg-web", VpcId="vpc-2", PeeringStatus="active"), regions=("eu-west-1", "us-east-1"))
    assert STOPS == account.both(WEB, DB, "tcp/443")


def test_cidr_across_regions(account: Account) -> None:
    """Same sentence: the CIDR works."""
    peered(account, "tcp 443 10.1.0.0/16", regions=("eu-west-1", "us-east-1"))
    assert OPENS == account.both(WEB, DB, "tcp/443")


@pytest.mark.parametrize("status", ["deleted", "expired", "rejected", "failed"])
def test_stale_by_peering_status(account: Account, status: str) -> None:
    """*Stale security group rules*: a rule is stale when "the VPC peering connection is deleted"; it matches nothing,
    though the VPCs be joined by another."""
    peered(account, pair_of("sg-web", VpcId="vpc-2", VpcPeeringConnectionId="pcx-0", PeeringStatus=status))
    assert STOPS == account.both(WEB, DB, "tcp/443")


def test_stale_as_listed(account: Account) -> None:
    """EC2 API, *DescribeStaleSecurityGroups*: rules that it lists match nothing; the group's other rules stay."""
    peered(account, pair_of("sg-web", VpcId="vpc-2", PeeringStatus="active"))
    account.one("SecurityGroups", "GroupId", "sg-db")["IpPermissions"].append(
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.1.0.0/16"}]}
    )
    stale = {"GroupId": "sg-db", "VpcId": "vpc-1", "StaleIpPermissions": [pair_of("sg-web", VpcId="vpc-2")]}
    account.said["StaleSecurityGroupSet"] = [stale]
    assert STOPS == account.both(WEB, DB, "tcp/443")
    assert OPENS == account.both(WEB, DB, "tcp/22")


def test_deleted_group(account: Account) -> None:
    """Same page: a rule that references a deleted group is stale, matches nothing."""
    account.pair("tcp 443 sg-gone")
    assert STOPS == account.both(WEB, DB, "tcp/443")


def test_group_of_an_unconnected_vpc(account: Account) -> None:
    """*Security group rules*: the source group is in the same VPC or in a peer VPC; any other reference matches
    nobody, even if traffic came another way."""
    account.vpc("vpc-2", "10.1.0.0/16")
    account.subnet("subnet-2", "10.1.1.0/24", vpc="vpc-2")
    account.group("sg-web", vpc="vpc-2")
    account.group("sg-db", "-1 - sg-web")
    account.interface("eni-web", "10.1.1.5", groups=["sg-web"])
    account.interface("eni-db", "10.0.2.7", groups=["sg-db"])
    assert STOPS == account.both(WEB, DB, "all")


def test_empty_referenced_group(account: Account) -> None:
    """A group without interfaces stands for no address."""
    account.pair("tcp 443 sg-empty")
    account.group("sg-empty")
    assert STOPS == account.both(WEB, DB, "tcp/443")


def test_shared_group(account: Account) -> None:
    """VPC User Guide, *Associate security groups with multiple VPCs*: a group that is associated with another VPC
    serves interfaces there; a rule that references it in that VPC means its members there."""
    account.vpc("vpc-2", "10.1.0.0/16")
    account.subnet("subnet-2", "10.1.1.0/24", vpc="vpc-2")
    account.said["SecurityGroupVpcAssociations"] = [{"GroupId": "sg-web", "VpcId": "vpc-2", "State": "associated"}]
    account.group("sg-web", "tcp 443 sg-web")
    account.interface("eni-home", "10.0.1.5", groups=["sg-web"])
    account.interface("eni-1", "10.1.1.5", groups=["sg-web"])
    account.interface("eni-2", "10.1.1.6", groups=["sg-web"])
    assert OPENS == account.both("interface:eni-1", "interface:eni-2", "tcp/443")
    assert STOPS == account.both("interface:eni-home", "interface:eni-2", "tcp/443")


def test_reference_through_a_middlebox(account: Account) -> None:
    """*Security group rules*: with routes that forward traffic between two subnets through a middlebox appliance, a
    reference "does not allow traffic to flow between the instances". The way itself is not looked into, so neither
    contract can be told to be kept."""
    account.pair("tcp 443 sg-web")
    account.group("sg-box", "-1 - 0.0.0.0/0")
    account.interface("eni-box", "10.0.1.99", groups=["sg-box"], instance="i-box")
    account.table("rtb-a", "10.0.2.0/24 eni-box", subnets=["subnet-a"])
    assert KEPT != account.reach(WEB, DB, "tcp/443")


def test_reference_by_name_only(account: Account) -> None:
    """A peer that the input names without an id could be any group: it is named, and nothing is kept because of it."""
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupName": "old"}]}
    account.pair(rule)
    verdict = account.judge("reach", WEB, DB, "tcp/443")
    assert "cannot-tell" == verdict.outcome
    assert any("old" in reason.text for reason in verdict.reasons)
    assert KEPT != account.never_reach(WEB, DB, "tcp/443")


def test_outside_cidr_is_not_a_member(account: Account) -> None:
    """``only-from`` a group is broken by a CIDR rule that lets others in."""
    account.pair("tcp 443 sg-web", "tcp 443 10.0.1.6/32")
    assert KEPT == account.only_from(WEB, DB, "tcp/443")  # nobody has 10.0.1.6
    account.group("sg-other")
    account.interface("eni-other", "10.0.1.6", groups=["sg-other"])
    assert BROKEN == account.only_from(WEB, DB, "tcp/443")


def namesakes(account: Account) -> None:
    """A second VPC with the same CIDR on one transit gateway with referencing: ``eni-web`` and, in it, ``eni-far`` of
    ``sg-far`` are both 10.0.1.5."""
    account.vpc("vpc-2", "10.0.0.0/16")
    account.subnet("subnet-far", "10.0.1.0/24", vpc="vpc-2")
    account.transit_gateway(referencing=True)
    for vpc, subnet in (("vpc-1", "subnet-a"), ("vpc-2", "subnet-far")):
        account.attachment(f"tgw-attach-{vpc}", vpc, subnet, referencing=True)
    account.group("sg-far", vpc="vpc-2")
    account.pair("tcp 443 sg-far")
    account.interface("eni-far", "10.0.1.5", groups=["sg-far"], subnet="subnet-far")


def test_address_of_a_member(account: Account) -> None:
    """*Security group rules*: a reference means "the private IP addresses" of the members, and not a word on another
    interface with one of these: it may be admitted, and the reason says so. Who has another address is not."""
    namesakes(account)
    verdict = account.judge("reach", "interface:eni-web", DB, "tcp/443")
    assert UNSURE == account.both("interface:eni-web", DB, "tcp/443")
    assert any("a member of sg-far in another VPC has the address of eni-web" in one.text for one in verdict.reasons)
    account.interface("eni-else", "10.0.1.6", groups=["sg-web"])
    assert STOPS == account.both("interface:eni-else", DB, "tcp/443")


def test_all_pairs_knows_addresses_of_members(account: Account) -> None:
    """Everything that flows, listed: at most also from whoever has a member's address, never for certain. Two VPCs
    that overlap cannot be peered, but each with a third."""
    account.pair("tcp 443 sg-far")
    for number, group in ((2, "sg-far"), (3, "sg-near")):
        vpc, subnet = f"vpc-{number}", f"subnet-{number}"
        account.vpc(vpc, "10.1.0.0/16")
        account.subnet(subnet, "10.1.1.0/24", vpc=vpc)
        account.peering(f"pcx-{number}", "vpc-1", vpc)
        account.route(f"rtb-{vpc}", f"10.0.0.0/16 pcx-{number}")
        account.group(group, vpc=vpc)
        account.interface(f"eni-{number}", "10.1.1.5", groups=[group], subnet=subnet)
    account.route("rtb-vpc-1", "10.1.0.0/16 pcx-3")
    world = World(account.estate())
    for bound, flows in ((Bound.LOWER, {"eni-2"}), (Bound.UPPER, {"eni-2", "eni-3"})):
        (pairs,) = all_pairs(world, bound)
        into_db = [cells for atom, cells in zip(pairs.atoms, pairs.into, strict=True) if atom.interface == "eni-db"]
        assert flows == {
            pairs.atoms[source].interface
            for cells in into_db
            for first, last, sources in cells
            if first <= 6 * 65_536 + 443 <= last
            for source in numbers_in(sources)
        }
    assert UNSURE == account.both("interface:eni-3", DB, "tcp/443")


def test_watch_knows_addresses_of_members(account: Account) -> None:
    """A rule that comes or goes concerns whoever has a member's address."""
    namesakes(account)
    estate = account.estate()
    question = Question(
        "never-reach", Side(interfaces=("eni-web",)), Side(groups=("sg-db",)), Intervals.point(6 * 65_536 + 443)
    )
    watcher = Watch({"apart": question}, estate)
    (rule,) = [one for one in estate.groups["sg-db"].rules if one.direction == "ingress"]
    assert [Flip("apart", CANNOT_TELL, KEPT)] == list(watcher.apply("sg-db", removed=(rule,)))
    assert [Flip("apart", KEPT, CANNOT_TELL)] == list(watcher.apply("sg-db", added=(rule,)))
