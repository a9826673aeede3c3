"""What contracts mean: who is judged, who is nobody, and which selectors are invalid.

Rule book §5.
"""

from __future__ import annotations

import pytest

from doorward.errors import InvalidContract
from tests.semantics.account import BROKEN, CANNOT_TELL, KEPT, OPENS, STOPS, Account

WEB, DB = "group:sg-web", "group:sg-db"


def test_only_from_includes_other_targets(account: Account) -> None:
    """Other members of ``to`` are "everybody else" as well, unless they are in ``from``."""
    account.group("sg-web")
    account.group("sg-db", "tcp 443 sg-web", "tcp 443 sg-db")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])
    account.interface("eni-1", "10.0.2.7", groups=["sg-db"])
    assert KEPT == account.only_from(WEB, DB, "tcp/443")
    account.interface("eni-2", "10.0.2.8", groups=["sg-db"])
    assert BROKEN == account.only_from(WEB, DB, "tcp/443")
    assert KEPT == account.only_from(f"[{WEB}, {DB}]", DB, "tcp/443")


def test_only_from_a_cidr(account: Account) -> None:
    """``from`` may be addresses; an interface's other addresses are not in it."""
    account.pair("tcp 443 10.0.1.0/24")
    account.interface("eni-more", "10.0.1.200", groups=["sg-web"])
    assert KEPT == account.only_from("10.0.1.0/24", DB, "all")
    assert BROKEN == account.only_from("10.0.1.0/25", DB, "all")


def test_reach_is_for_every_pair(account: Account) -> None:
    """Every source must reach every target on all of the service; ``never-reach`` fails for any one."""
    account.pair("tcp 443 10.0.1.5/32")
    account.interface("eni-more", "10.0.1.6", groups=["sg-web"])
    assert (BROKEN, BROKEN) == account.both(WEB, DB, "tcp/443")
    assert OPENS == account.both("10.0.1.5/32", DB, "tcp/443")


def test_services_are_united(account: Account) -> None:
    """A list of services is all of them."""
    account.pair("tcp 443 sg-web", "udp 53 sg-web")
    assert OPENS == account.both(WEB, DB, "[tcp/443, udp/53]")
    assert (BROKEN, BROKEN) == account.both(WEB, DB, "[tcp/443, udp/54]")


def test_empty_group(account: Account) -> None:
    """A group that exists without any interface: nobody can be judged."""
    account.group("sg-web")
    account.group("sg-empty", "-1 - 0.0.0.0/0")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])
    for must in (account.reach, account.never_reach):
        assert CANNOT_TELL == must(WEB, "group:sg-empty", "tcp/443")
        assert CANNOT_TELL == must("group:sg-empty", WEB, "tcp/443")
    assert CANNOT_TELL == account.only_from(WEB, "group:sg-empty", "tcp/443")


def test_empty_group_in_from_of_only_from(account: Account) -> None:
    """Nobody in ``from`` of ``only-from`` is no doubt: then nobody may reach the targets."""
    account.group("sg-empty")
    account.pair("tcp 443 sg-empty")
    assert KEPT == account.only_from("group:sg-empty", DB, "tcp/443")
    account.one("SecurityGroups", "GroupId", "sg-db")["IpPermissions"][0]["IpRanges"] = [{"CidrIp": "0.0.0.0/0"}]
    assert BROKEN == account.only_from("group:sg-empty", DB, "tcp/443")


def test_empty_network(account: Account) -> None:
    """A CIDR inside a VPC in which no interface lies is nobody."""
    account.pair("-1 - 0.0.0.0/0")
    assert CANNOT_TELL == account.reach("10.0.9.0/24", DB, "tcp/443")
    assert CANNOT_TELL == account.never_reach("10.0.9.0/24", DB, "tcp/443")


@pytest.mark.parametrize(
    "selector",
    [
        "group:sg-none",
        "interface:eni-none",
        "instance:i-none",
        "subnet:none",
        "vpc:none",
        "lb:none",
        "db:none",
        "tag:A=b",
    ],
)
def test_selector_that_matches_nothing(account: Account, selector: str) -> None:
    """What does not exist is an invalid contract, never a kept one."""
    account.pair("tcp 443 sg-web")
    for must in (account.reach, account.never_reach, account.only_from):
        with pytest.raises(InvalidContract, match="the-contract"):
            must(selector, DB, "tcp/443")
        with pytest.raises(InvalidContract, match="the-contract"):
            must(WEB, selector, "tcp/443")


def test_names(account: Account) -> None:
    """``group:`` takes an id, a group name or a Name tag."""
    account.pair("tcp 443 sg-web")
    account.one("SecurityGroups", "GroupId", "sg-db")["Tags"] = [{"Key": "Name", "Value": "the database"}]
    assert OPENS == account.both('"group:name of sg-web"', '"group:the database"', "tcp/443")


def test_ambiguous_name(account: Account) -> None:
    """A name that several groups have is invalid; the ids are told."""
    account.group("sg-1", name="web")
    account.group("sg-2", name="web")
    account.group("sg-db", "tcp 443 sg-1")
    account.interface("eni-1", "10.0.1.5", groups=["sg-1"])
    account.interface("eni-db", "10.0.2.7", groups=["sg-db"])
    with pytest.raises(InvalidContract, match=r"ambiguous.*sg-1, sg-2"):
        account.reach("group:web", DB, "tcp/443")
    assert OPENS == account.both("group:sg-1", DB, "tcp/443")


def test_an_id_is_no_name(account: Account) -> None:
    """An id means the thing itself, though another one be named so."""
    account.pair("tcp 443 sg-web")
    account.group("sg-trap", name="sg-web")
    assert OPENS == account.both(WEB, DB, "tcp/443")


def test_no_common_family(account: Account) -> None:
    """Interfaces without a common family do not reach each other."""
    account.group("sg-web", egress=["-1 - 0.0.0.0/0", "-1 - ::/0"])
    account.group("sg-db", "-1 - 0.0.0.0/0", "-1 - ::/0")
    account.interface("eni-web", "2001:db8:1:1::5", groups=["sg-web"])
    account.interface("eni-db", "10.0.2.7", groups=["sg-db"])
    assert STOPS == account.both(WEB, DB, "tcp/443")


def test_service_of_the_other_family(account: Account) -> None:
    """ICMPv6 between interfaces that have IPv4 only does not exist."""
    account.pair("-1 - 0.0.0.0/0")
    assert STOPS == account.both(WEB, DB, "icmpv6/128")


def test_all_without_the_other_familys_icmp(account: Account) -> None:
    """``all`` over IPv4 is judged without ICMPv6: a rule for every IPv4 protocol is enough."""
    account.pair("-1 - 10.0.0.0/8")
    assert OPENS == account.both(WEB, DB, "all")


def test_cidr_partly_inside(account: Account) -> None:
    """A CIDR that is wider than the VPC means the interfaces inside and the addresses outside."""
    account.pair("tcp 443 10.0.0.0/16")
    assert KEPT == account.only_from("10.0.0.0/8", DB, "all")
    assert BROKEN == account.never_reach("10.0.0.0/8", DB, "tcp/443")
    assert BROKEN == account.reach("10.0.0.0/8", DB, "tcp/443")  # nothing outside the VPC gets in


def test_witness(account: Account) -> None:
    """A broken contract has one packet that decides, and the group that stops it."""
    account.pair("tcp 443 sg-web")
    verdict = account.judge("reach", WEB, DB, "tcp/443-444")
    assert verdict.witness is not None
    assert ("eni-web", "eni-db") == (verdict.witness.source, verdict.witness.target)
    assert "tcp/444" in verdict.witness.text
    assert [("security-group", "sg-db", "ingress")] == [
        (reason.kind, reason.resource, reason.direction) for reason in verdict.reasons
    ]


def test_witness_of_never_reach(account: Account) -> None:
    """A packet that arrives although none should names the rule that admits it."""
    account.pair("tcp 443 sg-web")
    account.said["SecurityGroupRules"] = [
        {"SecurityGroupRuleId": "sgr-1", "GroupId": "sg-db", "IsEgress": False, "IpProtocol": "tcp", "FromPort": 443,
         "ToPort": 443, "ReferencedGroupInfo": {"GroupId": "sg-web"}}
    ]  # fmt: skip
    verdict = account.judge("never-reach", WEB, DB, "all")
    assert BROKEN == verdict.outcome
    assert "sgr-1" in [reason.rule for reason in verdict.reasons]


def test_words_of_the_contract_are_kept(account: Account) -> None:
    """Owner, severity and reason of a contract stand in its verdict."""
    account.pair("tcp 443 sg-web")
    verdict = account.judge(
        "reach", WEB, DB, "tcp/443", owner="team-identity", severity="critical", why="people log in"
    )
    assert ("the-contract", "team-identity", "critical", "people log in") == (
        verdict.name, verdict.owner, verdict.severity, verdict.why,
    )  # fmt: skip


def test_worst_first(account: Account) -> None:
    """A report lists what is broken first, then what cannot be told, and takes the worst for its own outcome."""
    account.pair("tcp 443 sg-web", "tcp 444 pl-1")
    line = "    must: reach\n    from: group:sg-web\n    to: group:sg-db\n    service: tcp/{}\n"
    text = "version: 1\ncontracts:\n"
    text += "".join(f"  c{port}:\n{line.format(port)}" for port in (443, 444, 445))
    report = account.report(text)
    assert [("c445", BROKEN), ("c444", CANNOT_TELL), ("c443", KEPT)] == [
        (verdict.name, verdict.outcome) for verdict in report.verdicts
    ]
    assert BROKEN == report.outcome
