"""Which packets a security group rule matches: protocols, ports, ICMP, CIDRs of both families, prefix lists.

Sources: EC2 API Reference, *IpPermission*; VPC User Guide, *Security group rules*.
"""

from __future__ import annotations

import pytest

from tests.semantics.account import BROKEN, CANNOT_TELL, KEPT, OPENS, STOPS, UNSURE, Account

WEB, DB = "group:sg-web", "group:sg-db"


def test_groups_only_allow(account: Account) -> None:
    """VPC User Guide, *Security group rules*: "You can specify allow rules, but not deny rules"; a group without
    inbound rules allows no inbound traffic."""
    account.pair()
    assert STOPS == account.both(WEB, DB, "all")


def test_no_egress_rule_no_outbound_traffic(account: Account) -> None:
    """Same page: "If your security group has no outbound rules, no outbound traffic is allowed"."""
    account.pair("-1 - 0.0.0.0/0", egress=[])
    assert STOPS == account.both(WEB, DB, "tcp/443")


@pytest.mark.parametrize("protocol", ["tcp", "6"])
def test_port_range_has_both_ends(account: Account, protocol: str) -> None:
    """EC2 API, *IpPermission*: FromPort is "the start of the port range", ToPort its end, both inside; the protocol is
    a "name (tcp, udp, icmp, icmpv6) or number"."""
    account.pair(f"{protocol} 1000-2000 10.0.1.0/24")
    assert OPENS == account.both(WEB, DB, "tcp/1000-2000")
    assert STOPS == account.both(WEB, DB, "[tcp/999, tcp/2001]")
    assert (BROKEN, BROKEN) == account.both(WEB, DB, "tcp/999-2000")
    assert STOPS == account.both(WEB, DB, "udp/1000-2000")


@pytest.mark.parametrize("ports", ["-", "0-0", "22-22", "-1:-1"])
def test_all_protocols_ignores_ports(account: Account, ports: str) -> None:
    """Same page: specifying -1 "allows traffic on all ports, regardless of any port range you specify"."""
    account.pair(f"-1 {ports} 0.0.0.0/0")
    assert OPENS == account.both(WEB, DB, "all")


@pytest.mark.parametrize("protocol", ["50", "47", "132", "0", "255"])
def test_other_protocols_ignore_ports(account: Account, protocol: str) -> None:
    """Same page: "a protocol number other than tcp, udp, icmp, or icmpv6 allows traffic on all ports, regardless of
    any port range you specify"; and it allows no other protocol."""
    account.pair(f"{protocol} 443-443 0.0.0.0/0")
    assert OPENS == account.both(WEB, DB, f"proto/{protocol}")
    assert STOPS == account.both(WEB, DB, "tcp/443")


def test_udp_is_not_tcp(account: Account) -> None:
    """A rule for UDP admits the same ports of UDP alone."""
    account.pair("udp 53 0.0.0.0/0")
    assert OPENS == account.both(WEB, DB, "udp/53")
    assert STOPS == account.both(WEB, DB, "tcp/53")


@pytest.mark.parametrize("protocol", ["icmp", "1"])
def test_icmp_type_and_code(account: Account, protocol: str) -> None:
    """Same page: for ICMP, FromPort is the type and ToPort the code, "a value of -1 indicates all ICMP codes"."""
    account.pair(f"{protocol} 3:4 0.0.0.0/0", f"{protocol} 8:-1 0.0.0.0/0")
    assert OPENS == account.both(WEB, DB, "[icmp/3:4, icmp/8]")
    assert STOPS == account.both(WEB, DB, "[icmp/3:3, icmp/3:5, icmp/4:3, icmp/0]")
    assert (BROKEN, BROKEN) == account.both(WEB, DB, "icmp/3")


def test_all_icmp_types(account: Account) -> None:
    """Same page: type -1 is all ICMP types, and ICMP alone."""
    account.pair("icmp -1:-1 0.0.0.0/0")
    assert OPENS == account.both(WEB, DB, "icmp")
    assert STOPS == account.both(WEB, DB, "tcp")


def dual(account: Account, *ingress: str) -> None:
    """The usual pair with an IPv4 and an IPv6 address each."""
    account.group("sg-web")
    account.group("sg-db", *ingress)
    account.interface("eni-web", "10.0.1.5", "2001:db8:1:1::5", groups=["sg-web"])
    account.interface("eni-db", "10.0.2.7", "2001:db8:1:2::7", groups=["sg-db"])


@pytest.mark.parametrize(
    ("protocol", "types"), [("icmpv6", "128:-1"), ("58", "128:-1"), ("58", "-1:-1"), ("icmpv6", "-")]
)
def test_icmpv6(account: Account, protocol: str, types: str) -> None:
    """Same page: "icmpv6" and 58 are one protocol, whose "port range is optional; if you omit the port range, traffic
    for all types and codes is allowed"."""
    dual(account, f"{protocol} {types} ::/0")
    assert OPENS == account.both(WEB, DB, "icmpv6/128")
    assert STOPS == account.both(WEB, DB, "icmp/8")


def test_icmp_belongs_to_its_family(account: Account) -> None:
    """ICMPv6 does not exist over IPv4, nor ICMP over IPv6 (IANA protocol numbers 58 and 1): a rule for the other
    family's CIDR opens nothing."""
    dual(account, "icmpv6 - 0.0.0.0/0", "icmp -1:-1 ::/0")
    assert STOPS == account.both(WEB, DB, "[icmp/8, icmpv6/128]")


def test_families_apart(account: Account) -> None:
    """VPC User Guide, *Security group rules*: IPv4 and IPv6 sources are separate; 0.0.0.0/0 is no IPv6 address. A
    contract between interfaces that have both families needs both."""
    dual(account, "tcp 443 0.0.0.0/0")
    assert (BROKEN, BROKEN) == account.both(WEB, DB, "tcp/443")
    assert OPENS == account.both("10.0.1.0/24", DB, "tcp/443")
    assert STOPS == account.both("2001:db8:1:1::/64", "2001:db8:1:2::/64", "tcp/443")


def test_ipv6_rule(account: Account) -> None:
    """An IPv6 CIDR admits IPv6 alone, to the bit."""
    dual(account, "tcp 443 2001:db8:1:1::4/127")
    assert OPENS == account.both("2001:db8:1:1::/64", "2001:db8:1:2::/64", "tcp/443")
    assert STOPS == account.both("10.0.1.0/24", "10.0.2.0/24", "tcp/443")


def test_both_families_by_reference(account: Account) -> None:
    """VPC User Guide, *Security group rules*: a referenced group stands for the private addresses of its members, and
    IPv6 addresses of interfaces are among them."""
    dual(account, "tcp 443 sg-web")
    assert OPENS == account.both(WEB, DB, "tcp/443")


@pytest.mark.parametrize("cidr", ["10.0.1.77/24", "10.0.1.5/32", "10.255.255.255/8"])
def test_cidr_with_host_bits(account: Account, cidr: str) -> None:
    """EC2 API Reference, *IpRange*: "AWS canonicalizes IPv4 and IPv6 CIDRs. For example, if you specify
    100.68.0.18/18 … Amazon EC2 … 100.68.0.0/18"."""
    account.pair(f"tcp 443 {cidr}")
    assert OPENS == account.both(WEB, DB, "tcp/443")


def test_ipv6_cidr_with_host_bits(account: Account) -> None:
    """The same for IPv6, in rules and in ACL entries (VPC User Guide, *Network ACL rules*: "the CIDR range is
    automatically modified to its canonical form")."""
    dual(account, "tcp 443 2001:db8:1:1::77/64", "tcp 443 10.0.1.99/24")
    account.acl("acl-b", "in 100 allow -1 - 10.0.77.1/16", "in 101 allow -1 - 2001:db8:1:1::1/56",
                "out 100 allow -1 - 10.0.99.1/16", "out 101 allow -1 - 2001:db8:1::99/56",
                subnets=["subnet-b"])  # fmt: skip
    assert OPENS == account.both(WEB, DB, "tcp/443")


def test_cidr_matches_to_the_address(account: Account) -> None:
    """A CIDR holds its first and its last address and not their neighbours."""
    account.pair("tcp 443 10.0.1.4/31")
    account.interface("eni-next", "10.0.1.6", groups=["sg-web"])
    account.interface("eni-before", "10.0.1.3", groups=["sg-web"])
    assert OPENS == account.both("interface:eni-web", DB, "tcp/443")
    assert STOPS == account.both("[interface:eni-next, interface:eni-before]", DB, "tcp/443")


def test_union_of_rules_covers_a_range(account: Account) -> None:
    """Several rules together admit what each admits a part of (same page: rules "are aggregated")."""
    account.pair("tcp 400-443 10.0.1.0/24", "tcp 444-500 10.0.0.0/16")
    assert OPENS == account.both(WEB, DB, "tcp/400-500")


def test_several_groups_on_an_interface(account: Account) -> None:
    """VPC User Guide, *Security group rules*: "When you associate multiple security groups with a resource, the rules
    from each security group are aggregated to form a single set of rules"."""
    account.group("sg-web", egress=[])
    account.group("sg-out", egress=["tcp 443 10.0.2.0/24"])
    account.group("sg-db", "tcp 443 10.0.1.5/32")
    account.group("sg-more", "tcp 444 sg-out")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web", "sg-out"])
    account.interface("eni-db", "10.0.2.7", groups=["sg-db", "sg-more"])
    assert OPENS == account.both(WEB, DB, "tcp/443")
    assert STOPS == account.both(WEB, DB, "tcp/444")


def test_many_addresses_on_an_interface(account: Account) -> None:
    """EC2 User Guide, *Elastic network interfaces*: an interface has one or more private addresses; a contract is for
    all of them."""
    account.group("sg-web")
    account.group("sg-db", "tcp 443 10.0.1.5/32")
    account.interface("eni-web", "10.0.1.5", "10.0.1.6", groups=["sg-web"])
    account.interface("eni-db", "10.0.2.7", groups=["sg-db"])
    assert (BROKEN, BROKEN) == account.both(WEB, DB, "tcp/443")
    assert OPENS == account.both("10.0.1.5/32", DB, "tcp/443")


def test_prefix_list(account: Account) -> None:
    """VPC User Guide, *Managed prefix lists*: a rule that references a list holds for all its entries, of both
    families, and no other address."""
    account.pair("tcp 443 pl-1")
    account.prefix_list("pl-1", "10.0.1.0/29", "2001:db8:9::/48", "203.0.113.0/24")
    account.interface("eni-far", "10.0.1.8", groups=["sg-web"])
    assert OPENS == account.both("interface:eni-web", DB, "tcp/443")
    assert STOPS == account.both("interface:eni-far", DB, "tcp/443")


def test_prefix_list_in_egress(account: Account) -> None:
    """Same page: lists serve outbound rules likewise."""
    account.pair("tcp 443 10.0.0.0/16", egress=["tcp 443 pl-1"])
    account.prefix_list("pl-1", "10.0.2.7/32")
    account.interface("eni-other", "10.0.2.8", groups=["sg-db"])
    assert OPENS == account.both(WEB, "interface:eni-db", "tcp/443")
    assert STOPS == account.both(WEB, "interface:eni-other", "tcp/443")


@pytest.mark.parametrize("listed", [True, False])
def test_prefix_list_without_entries(account: Account, listed: bool) -> None:
    """A list whose entries were not read could hold anything: neither contract can be told, and the list is named."""
    account.pair("tcp 443 pl-1")
    if listed:
        account.prefix_list("pl-1", known=False)
    assert UNSURE == account.both(WEB, DB, "tcp/443")
    verdict = account.judge("reach", WEB, DB, "tcp/443")
    assert CANNOT_TELL == verdict.outcome
    assert any("pl-1" in reason.text for reason in verdict.reasons)


def test_unknown_list_does_not_matter_where_another_rule_admits(account: Account) -> None:
    """What is certain without the unknown list stays certain."""
    account.pair("tcp 443 pl-1", "tcp 443 10.0.1.0/24")
    account.prefix_list("pl-1", known=False)
    assert OPENS == account.both(WEB, DB, "tcp/443")
    assert STOPS == account.both(WEB, DB, "tcp/444")


def test_empty_prefix_list(account: Account) -> None:
    """A list that is known to be empty holds nobody."""
    account.pair("tcp 443 pl-1")
    account.prefix_list("pl-1")
    assert STOPS == account.both(WEB, DB, "tcp/443")


def test_interface_of_a_group_that_was_not_read(account: Account) -> None:
    """A group that an interface names and the input lacks could allow anything; it is named."""
    account.group("sg-web")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])
    account.interface("eni-db", "10.0.2.7", groups=["sg-lost"])
    assert UNSURE == account.both(WEB, "interface:eni-db", "tcp/443")
    verdict = account.judge("reach", WEB, "interface:eni-db", "tcp/443")
    assert any("sg-lost" in reason.text for reason in verdict.reasons)


def test_stateful(account: Account) -> None:
    """EC2 User Guide, *Security group connection tracking*: "responses to inbound traffic are allowed to flow out of
    the instance regardless of outbound security group rules, and vice versa"."""
    account.group("sg-web", egress=["tcp 443 10.0.2.0/24"])
    account.group("sg-db", "tcp 443 10.0.1.0/24", egress=[])
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])
    account.interface("eni-db", "10.0.2.7", groups=["sg-db"])
    assert OPENS == account.both(WEB, DB, "tcp/443")
    assert STOPS == account.both(DB, WEB, "tcp/1024-65535")


def test_interface_to_itself(account: Account) -> None:
    """Traffic of an interface to itself does not pass its groups, and is never judged: alone, nobody is left."""
    account.group("sg-web")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])
    assert (CANNOT_TELL, CANNOT_TELL) == account.both(WEB, WEB, "tcp/443")
    account.interface("eni-more", "10.0.1.6", groups=["sg-web"])
    assert STOPS == account.both(WEB, WEB, "tcp/443")


def test_delegated_prefix(account: Account) -> None:
    """EC2 User Guide, *Assign prefixes to network interfaces*: all addresses of a delegated prefix are the
    interface's; a rule for half of it admits not all, and not none."""
    account.pair("tcp 443 10.0.1.16/28")
    account.one("NetworkInterfaces", "NetworkInterfaceId", "eni-web")["Ipv4Prefixes"] = [{"Ipv4Prefix": "10.0.1.16/28"}]
    assert BROKEN == account.reach(WEB, DB, "tcp/443")
    assert OPENS == account.both("10.0.1.16/28", DB, "tcp/443")
    account.group("sg-half", "tcp 443 10.0.1.16/29")
    account.interface("eni-half", "10.0.2.9", groups=["sg-half"])
    reach, never = account.both("10.0.1.16/28", "group:sg-half", "tcp/443")
    assert reach != KEPT
    assert never != KEPT
