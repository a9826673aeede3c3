"""Repairs as Terraform in the author's style and as AWS CLI commands."""

from __future__ import annotations

import json
import shlex
from itertools import pairwise

import pytest

from doorward.console.render.repairs import Permission, commands, permissions, style_of, terraform
from doorward.console.render.sheet import Names
from doorward.model.addresses import parse_network
from doorward.model.estate import Estate
from doorward.model.intervals import Span
from doorward.model.rules import Group, Rule
from doorward.model.services import ALL_SPAN, ICMP, block, parse_service, rule_span
from doorward.model.verdict import Edit
from tests.console.samples import DB_RULE, POSTGRES, estate

NAMES = Names((estate(),))


def styled(origin: str) -> Names:
    """A group whose rules are managed by ``origin``."""
    rule = Rule("ingress", POSTGRES, parse_network("10.0.0.0/8"), origin=origin)
    return Names((Estate(groups={"sg-1": Group("sg-1", origin="aws_security_group.db", rules=(rule,))}),))


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (ALL_SPAN, [("-1", None, None)]),
        (POSTGRES, [("tcp", 5432, 5432)]),
        (block(6), [("tcp", 0, 65535)]),
        (block(ICMP), [("icmp", -1, -1)]),
        (parse_service("icmp/8").spans[0], [("icmp", 8, -1)]),
        (parse_service("icmp/3:4").spans[0], [("icmp", 3, 4)]),
        (block(50), [("50", None, None)]),
        ((block(6)[0] + 65000, block(7)[1]), [("tcp", 65000, 65535), ("7", None, None)]),
    ],
)
def test_permissions(service: Span, expected: list[tuple[str, int | None, int | None]]) -> None:
    """A span of services becomes exactly the API permissions that mean it."""
    assert [Permission(*one) for one in expected] == list(permissions(service))


@pytest.mark.parametrize("first", [3 * 256, 3 * 256 + 250])
def test_permissions_mean_the_span(first: int) -> None:
    """Read back by the model, the permissions of an odd ICMP span cover it and nothing else."""
    span = (ICMP * 65536 + first, ICMP * 65536 + 5 * 256 + 7)
    spans = sorted(rule_span(one.protocol, one.first, one.last) for one in permissions(span))
    assert span == (spans[0][0], spans[-1][1])
    assert all(left[1] + 1 == right[0] for left, right in pairwise(spans))


@pytest.mark.parametrize(
    ("peer", "field", "value"),
    [
        ("10.0.0.0/8", "IpRanges", {"CidrIp": "10.0.0.0/8"}),
        ("2001:db8::/32", "Ipv6Ranges", {"CidrIpv6": "2001:db8::/32"}),
        ("pl-1", "PrefixListIds", {"PrefixListId": "pl-1"}),
        ("sg-2", "UserIdGroupPairs", {"GroupId": "sg-2"}),
        ("123456789012/sg-2", "UserIdGroupPairs", {"GroupId": "sg-2", "UserId": "123456789012"}),
    ],
)
def test_cli_authorize(peer: str, field: str, value: dict[str, str]) -> None:
    """The command names each kind of peer as the EC2 API does (AuthorizeSecurityGroupIngress, *IpPermission*)."""
    (line,) = commands(Edit("authorize", "sg-1", "ingress", POSTGRES, peer))
    words = shlex.split(line)
    assert ["aws", "ec2", "authorize-security-group-ingress", "--group-id", "sg-1", "--ip-permissions"] == words[:6]
    assert [{"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, field: [value]}] == json.loads(words[6])


def test_cli_revoke_by_rule_id() -> None:
    """A rule with an id is revoked by it."""
    (line,) = commands(Edit("revoke", "sg-1", "egress", ALL_SPAN, "0.0.0.0/0", rule="sgr-1"))
    assert "aws ec2 revoke-security-group-egress --group-id sg-1 --security-group-rule-ids sgr-1" == line


def test_cli_of_what_does_not_exist_yet() -> None:
    """A group that the plan has yet to create has no id and so no command."""
    assert [] == commands(Edit("authorize", "aws_security_group.new", "ingress", POSTGRES, "10.0.0.0/8"))
    assert [] == commands(Edit("authorize", "sg-1", "ingress", POSTGRES, "aws_security_group.new"))


def test_cli_quotes() -> None:
    """Text from an input cannot leave its argument."""
    evil = "sg-1'; rm -rf ~; '"
    (line,) = commands(Edit("authorize", evil, "ingress", POSTGRES, "sg-$(id)"))
    words = shlex.split(line)
    assert (evil, 7) == (words[4], len(words))


def test_terraform_puts_back_the_author_s_rule() -> None:
    """A removed rule comes back under its own address and name; a group of another module stands by its id."""
    edit = Edit("authorize", "sg-0c3", "ingress", POSTGRES, "sg-0d4", origin=DB_RULE, restores=True)
    lines = terraform(edit, NAMES, "x")
    assert [
        f"# put back {DB_RULE}",
        'resource "aws_vpc_security_group_ingress_rule" "db_from_auth" {',
        "  security_group_id            = aws_security_group.auth_db.id",
        '  referenced_security_group_id = "sg-0d4"',
        '  ip_protocol                  = "tcp"',
        "  from_port                    = 5432",
        "  to_port                      = 5432",
        "}",
    ] == lines


def test_terraform_in_a_module() -> None:
    """Within a module its own group is referred to by its local address, and the module is named."""
    lines = terraform(Edit("authorize", "sg-0d4", "ingress", POSTGRES, "sg-0d4"), NAMES, "auth calls itself")
    assert "# in module.app" == lines[0]
    assert 'resource "aws_vpc_security_group_ingress_rule" "auth_calls_itself" {' == lines[1]
    assert "  security_group_id            = aws_security_group.auth[0].id" == lines[2]
    assert "  referenced_security_group_id = aws_security_group.auth[0].id" == lines[3]


def test_terraform_old_style() -> None:
    """Where the author writes ``aws_security_group_rule``, so does the repair."""
    names = styled("aws_security_group_rule.db")
    lines = terraform(Edit("authorize", "sg-1", "ingress", ALL_SPAN, "10.0.0.0/8"), names, "db")
    assert [
        'resource "aws_security_group_rule" "db" {',
        '  type              = "ingress"',
        "  security_group_id = aws_security_group.db.id",
        '  cidr_blocks       = ["10.0.0.0/8"]',
        '  protocol          = "-1"',
        "  from_port         = 0",
        "  to_port           = 0",
        "}",
    ] == lines


def test_terraform_inline_style() -> None:
    """Where rules stand inside the group, the repair is a block for it."""
    names = styled("aws_security_group.db")
    lines = terraform(Edit("authorize", "sg-1", "egress", POSTGRES, "sg-9"), names, "db")
    assert [
        "# in aws_security_group.db",
        "egress {",
        '  protocol        = "tcp"',
        "  from_port       = 5432",
        "  to_port         = 5432",
        '  security_groups = ["sg-9"]',
        "}",
    ] == lines
    assert "  self      = true" in terraform(Edit("authorize", "sg-1", "ingress", POSTGRES, "sg-1"), names, "db")


def test_style_when_nothing_is_known() -> None:
    """Without a hint, the form that the provider recommends: a resource for each rule."""
    assert "rule-resource" == style_of(Edit("authorize", "sg-x", "ingress", POSTGRES, "10.0.0.0/8"), Names())


def test_terraform_removal() -> None:
    """What is to be removed is named, never commented in as new code."""
    edit = Edit("revoke", "sg-0c3", "ingress", POSTGRES, "0.0.0.0/0", origin="aws_security_group_rule.open")
    expected = "# remove the resource aws_security_group_rule.open: tcp/5432 from 0.0.0.0/0"
    assert [expected] == terraform(edit, NAMES, "x")
    edit = Edit("revoke", "sg-0c3", "ingress", POSTGRES, "0.0.0.0/0", origin="aws_security_group.auth_db")
    assert "# remove from aws_security_group.auth_db the ingress rule" in terraform(edit, NAMES, "x")[0]


@pytest.mark.parametrize("peer", ['a"b', "${file(1)}", "%{if}", "a\\"])
def test_terraform_quotes(peer: str) -> None:
    """Text from an input cannot leave its string or become an expression (Terraform, *Strings and Templates*)."""
    text = "\n".join(terraform(Edit("authorize", "sg-1", "ingress", POSTGRES, peer), Names(), 'x" {'))
    assert 'resource "aws_vpc_security_group_ingress_rule" "x" {' in text
    escaped = peer.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${").replace("%{", "%%{")
    assert f'= "{escaped}"' in text
