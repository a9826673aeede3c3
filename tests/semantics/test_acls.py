"""Network ACLs: numbered order, statelessness, the answer's own pass, and only at the border of a subnet.

Sources: VPC User Guide, *Control subnet traffic with network access control lists*, *Network ACL rules*, *Custom
network ACLs* (Ephemeral ports).
"""

from __future__ import annotations

import pytest

from tests.semantics.account import ALLOW_ALL, BROKEN, CANNOT_TELL, KEPT, OPENS, STOPS, UNSURE, Account

WEB, DB = "group:sg-web", "group:sg-db"
FORWARD = (BROKEN, BROKEN)
"""The first packet arrives, the answer does not return: reach is broken, and so is never-reach."""


def test_unsorted_file(account: Account) -> None:
    """*Network ACL rules*: "Rules are evaluated starting with the lowest numbered rule. As soon as a rule matches
    traffic, it's applied regardless of any higher-numbered rule" — whatever the order in the file."""
    account.pair("tcp 1-1000 0.0.0.0/0")
    account.acl("acl-b", "in 300 deny -1 - 0.0.0.0/0", "in 200 allow tcp 443 10.0.0.0/16", "out 5 allow -1 - 0.0.0.0/0",
                "in 100 deny tcp 80 10.0.1.0/24", "in 150 allow tcp 80-90 10.0.0.0/16",
                subnets=["subnet-b"])  # fmt: skip
    assert OPENS == account.both(WEB, DB, "[tcp/443, tcp/81-90]")
    assert STOPS == account.both(WEB, DB, "[tcp/80, tcp/91]")


def test_final_deny(account: Account) -> None:
    """*Custom network ACLs*: "Each network ACL includes a default inbound rule … whose rule number is an asterisk"
    that denies what no other rule matches; the API lists it as 32767."""
    account.pair("-1 - 0.0.0.0/0")
    account.acl("acl-b", "in 32767 deny -1 - 0.0.0.0/0", "out 32767 deny -1 - 0.0.0.0/0",
                "in 9 allow tcp 443 0.0.0.0/0",
                "out 9 allow tcp 1024-65535 0.0.0.0/0", subnets=["subnet-b"])  # fmt: skip
    assert OPENS == account.both(WEB, DB, "tcp/443")
    assert STOPS == account.both(WEB, DB, "tcp/444")


def test_acl_without_entries(account: Account) -> None:
    """A new custom ACL denies everything until rules are added."""
    account.pair("-1 - 0.0.0.0/0")
    account.acl("acl-b", subnets=["subnet-b"])
    assert STOPS == account.both(WEB, DB, "all")


def test_default_acl(account: Account) -> None:
    """*Default network ACL*: a subnet without an association of its own has the VPC's default one."""
    account.pair("-1 - 0.0.0.0/0")
    assert OPENS == account.both(WEB, DB, "tcp/443")
    account.one("NetworkAcls", "NetworkAclId", "acl-vpc-1")["Entries"] = []
    assert STOPS == account.both(WEB, DB, "tcp/443")


def test_only_between_subnets(account: Account) -> None:
    """*Network ACLs*: an ACL filters traffic "at the subnet level": what stays in one subnet never meets it."""
    account.pair("tcp 443 sg-web", apart=False)
    account.acl("acl-a", subnets=["subnet-a"])
    assert OPENS == account.both(WEB, DB, "tcp/443")


def test_same_acl_on_both_subnets(account: Account) -> None:
    """Two subnets with one ACL are still two subnets."""
    account.pair("tcp 443 sg-web")
    account.acl(
        "acl-ab", "in 1 allow tcp 443 0.0.0.0/0", "out 1 allow tcp 443 0.0.0.0/0", subnets=["subnet-a", "subnet-b"]
    )
    assert FORWARD == account.both(WEB, DB, "tcp/443")


@pytest.mark.parametrize(
    ("acl", "subnet"),
    [
        (["out 1 deny tcp 443 10.0.2.0/24", *ALLOW_ALL], "subnet-a"),
        (["in 1 deny tcp 443 10.0.1.0/24", *ALLOW_ALL], "subnet-b"),
    ],
)
def test_both_borders(account: Account, acl: list[str], subnet: str) -> None:
    """A packet leaves one subnet and enters another: outbound rules of the first, inbound rules of the second."""
    account.pair("tcp 443 sg-web")
    account.acl("acl-x", *acl, subnets=[subnet])
    assert STOPS == account.both(WEB, DB, "tcp/443")


@pytest.mark.parametrize(
    ("acl", "subnet"),
    [
        (["out 1 deny tcp 30000 10.0.1.0/24", *ALLOW_ALL], "subnet-b"),
        (["in 1 deny tcp 65535 10.0.2.0/24", *ALLOW_ALL], "subnet-a"),
        (["in 1 deny tcp 1024 10.0.2.7/32", *ALLOW_ALL], "subnet-a"),
    ],
)
def test_the_answer_needs_its_own_pass(account: Account, acl: list[str], subnet: str) -> None:
    """*Network ACLs* are stateless: "responses to allowed inbound traffic are subject to the rules for outbound
    traffic (and vice versa)". The answer goes to any of the client's ephemeral ports, so one closed port breaks
    ``reach``."""
    account.pair("tcp 443 sg-web")
    account.acl("acl-x", *acl, subnets=[subnet])
    assert FORWARD == account.both(WEB, DB, "tcp/443")


def test_answer_of_the_same_protocol(account: Account) -> None:
    """The answer to UDP is UDP: a pass for TCP is none."""
    account.pair("udp 53 sg-web", "tcp 53 sg-web")
    account.acl("acl-b", "in 1 allow -1 - 0.0.0.0/0", "out 1 allow tcp 1024-65535 0.0.0.0/0", subnets=["subnet-b"])
    assert OPENS == account.both(WEB, DB, "tcp/53")
    assert FORWARD == account.both(WEB, DB, "udp/53")


def test_ephemeral_of_a_contract(account: Account) -> None:
    """*Ephemeral ports*: "Many Linux kernels use ports 32768-61000"; a contract that says so needs no more."""
    account.pair("tcp 443 sg-web")
    account.acl("acl-b", "in 1 allow tcp 443 0.0.0.0/0", "out 1 allow tcp 32768-61000 0.0.0.0/0", subnets=["subnet-b"])
    assert BROKEN == account.reach(WEB, DB, "tcp/443")
    assert KEPT == account.reach(WEB, DB, "tcp/443", ephemeral="32768-61000")
    assert BROKEN == account.reach(WEB, DB, "tcp/443", ephemeral="32767-61000")
    assert BROKEN == account.reach(WEB, DB, "tcp/443", ephemeral="32768-61001")


def test_default_ephemeral_range(account: Account) -> None:
    """*Ephemeral ports*: "To cover the different types of clients … you can open ephemeral ports 1024-65535": that is
    asked for by default, and no more."""
    account.pair("tcp 443 sg-web")
    account.acl("acl-b", "in 1 allow tcp 443 0.0.0.0/0", "out 1 allow tcp 1024-65535 0.0.0.0/0", subnets=["subnet-b"])
    assert KEPT == account.reach(WEB, DB, "tcp/443")


def test_ping(account: Account) -> None:
    """ICMP through stateless ACLs: an echo request (8) is answered by an echo reply (0), RFC 792."""
    account.pair("icmp -1:-1 sg-web")
    account.acl("acl-b", "in 1 allow icmp 8:-1 0.0.0.0/0", "out 1 allow icmp 0:-1 0.0.0.0/0", subnets=["subnet-b"])
    assert OPENS == account.both(WEB, DB, "icmp/8")
    account.acl("acl-a", "out 1 allow icmp 8:-1 0.0.0.0/0", "in 1 allow icmp 8:-1 0.0.0.0/0", subnets=["subnet-a"])
    assert FORWARD == account.both(WEB, DB, "icmp/8")


def test_message_without_answer(account: Account) -> None:
    """Other ICMP types (here 3, destination unreachable) have no answer to wait for."""
    account.pair("icmp 3:-1 sg-web")
    account.acl("acl-b", "in 1 allow icmp 3:-1 0.0.0.0/0", subnets=["subnet-b"])
    assert OPENS == account.both(WEB, DB, "icmp/3")


def test_icmp_codes_in_entries(account: Account) -> None:
    """*Network ACL rules*: "If you specify ICMP as the protocol, you can specify any or all of the ICMP types and
    codes"."""
    account.pair("icmp -1:-1 sg-web")
    account.acl("acl-b", "in 1 deny icmp 3:4 0.0.0.0/0", *ALLOW_ALL, subnets=["subnet-b"])
    assert STOPS == account.both(WEB, DB, "icmp/3:4")
    assert OPENS == account.both(WEB, DB, "icmp/3:3")


def test_other_protocol_answers(account: Account) -> None:
    """A protocol without ports is answered by itself."""
    account.pair("50 - sg-web")
    account.acl("acl-b", "in 1 allow 50 - 0.0.0.0/0", "out 1 allow 50 - 0.0.0.0/0", subnets=["subnet-b"])
    assert OPENS == account.both(WEB, DB, "proto/50")
    account.acl("acl-a", "out 1 allow 50 - 0.0.0.0/0", "in 1 allow 51 - 0.0.0.0/0", subnets=["subnet-a"])
    assert FORWARD == account.both(WEB, DB, "proto/50")


def test_families_apart(account: Account) -> None:
    """*Custom network ACLs*: "IPv4 and IPv6 traffic are evaluated separately": an IPv4 rule says nothing on IPv6."""
    account.group("sg-web")
    account.group("sg-db", "tcp 443 sg-web")
    account.interface("eni-web", "10.0.1.5", "2001:db8:1:1::5", groups=["sg-web"])
    account.interface("eni-db", "10.0.2.7", "2001:db8:1:2::7", groups=["sg-db"])
    account.acl("acl-b", "in 1 allow -1 - 0.0.0.0/0", "out 1 allow -1 - 0.0.0.0/0", subnets=["subnet-b"])
    assert OPENS == account.both("10.0.1.0/24", "10.0.2.0/24", "tcp/443")
    assert STOPS == account.both("2001:db8:1:1::/64", "2001:db8:1:2::/64", "tcp/443")
    assert (BROKEN, BROKEN) == account.both(WEB, DB, "tcp/443")


def test_deny_of_one_address(account: Account) -> None:
    """A deny for one address lets its neighbours through."""
    account.pair("tcp 443 sg-web")
    account.interface("eni-next", "10.0.1.6", groups=["sg-web"])
    account.acl("acl-b", "in 1 deny -1 - 10.0.1.5/32", *ALLOW_ALL, subnets=["subnet-b"])
    assert STOPS == account.both("interface:eni-web", DB, "tcp/443")
    assert OPENS == account.both("interface:eni-next", DB, "tcp/443")


def test_internet_through_an_acl(account: Account) -> None:
    """From the internet too the answer leaves by the ACL's outbound rules."""
    account.internet_gateway()
    account.group("sg-web", "tcp 443 0.0.0.0/0")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"], public="198.51.100.5")
    account.acl("acl-a", "in 1 allow tcp 443 0.0.0.0/0", "out 1 allow tcp 1024-65535 0.0.0.0/0", subnets=["subnet-a"])
    assert OPENS == account.both("internet:v4", WEB, "tcp/443")
    account.one("NetworkAcls", "NetworkAclId", "acl-a")["Entries"].pop()
    assert FORWARD == account.both("internet:v4", WEB, "tcp/443")


def test_acls_that_were_not_read(account: Account) -> None:
    """Every subnet has an ACL; where none was read it could be any: what crosses the border cannot be told."""
    account.pair("tcp 443 sg-web")
    del account.said["NetworkAcls"]
    assert UNSURE == account.both(WEB, DB, "tcp/443")
    assert STOPS == account.both(WEB, DB, "tcp/444")
    verdict = account.judge("reach", WEB, DB, "tcp/443")
    assert any("subnet-a" in reason.text or "subnet-b" in reason.text for reason in verdict.reasons)


def test_acls_that_were_not_read_within_a_subnet(account: Account) -> None:
    """Inside a subnet no ACL matters, read or not."""
    account.pair("tcp 443 sg-web", apart=False)
    del account.said["NetworkAcls"]
    assert OPENS == account.both(WEB, DB, "tcp/443")


def test_only_from_is_not_saved_by_a_lost_answer(account: Account) -> None:
    """``only-from`` and ``never-reach`` fail when a first packet can arrive, answered or not."""
    account.pair("tcp 443 0.0.0.0/0")
    account.group("sg-other")
    account.interface("eni-other", "10.0.1.9", groups=["sg-other"])
    account.acl("acl-b", "in 1 allow tcp 443 0.0.0.0/0", subnets=["subnet-b"])
    assert BROKEN == account.only_from(WEB, DB, "tcp/443")
    assert CANNOT_TELL != account.never_reach(WEB, DB, "tcp/443")
