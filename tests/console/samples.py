"""Reports made by hand, as the engine would give them, for tests of what is printed."""

from __future__ import annotations

from doorward.console.render.sheet import During, Names, Sheet
from doorward.contracts.contract import Contract
from doorward.contracts.language import parse_contracts
from doorward.model.addresses import parse_address, parse_network
from doorward.model.estate import Estate, Interface, Notice
from doorward.model.rules import Group, GroupPeer, Rule
from doorward.model.services import BLOCK, TCP
from doorward.model.verdict import Edit, Hop, Outcome, Reason, Report, Verdict, Witness

CONTRACTS_TEXT = """\
version: 1
contracts:
  people-can-log-in:
    must: reach
    from: internet
    to: lb:web
    service: tcp/443
    why: people log in here
    owner: team-identity
    severity: critical
  auth-reaches-its-database:
    must: reach
    from: group:auth
    to: group:auth-db
    service: tcp/5432
    why: without its database nobody can log in
    owner: team-identity
    severity: critical
  database-stays-private:
    must: never-reach
    from: internet
    to: group:auth-db
    service: all
  only-the-web-tier-talks-to-auth:
    must: only-from
    from: [group:web, 10.9.0.0/16]
    to: group:auth
    service: tcp/8443
"""
POSTGRES = (TCP * BLOCK + 5432, TCP * BLOCK + 5432)
WITNESS = Witness("eni-0a1", parse_address("10.0.1.5"), "eni-0b2", parse_address("10.0.2.7"), POSTGRES[0])
DB_RULE = "aws_vpc_security_group_ingress_rule.db_from_auth"


def contracts() -> tuple[Contract, ...]:
    """Four contracts from one file."""
    return parse_contracts(CONTRACTS_TEXT, "doorward.yaml")


def estate() -> Estate:
    """The groups and interfaces that the samples name."""
    db_rules = (
        Rule("ingress", POSTGRES, GroupPeer("sg-0d4"), id="sgr-77", origin=DB_RULE),
        Rule("egress", (0, 256 * BLOCK - 1), parse_network("0.0.0.0/0"), id="sgr-78"),
    )
    return Estate(
        groups={
            "sg-0c3": Group("sg-0c3", name="auth-db", vpc="vpc-1", origin="aws_security_group.auth_db", rules=db_rules),
            "sg-0d4": Group("sg-0d4", name="auth", vpc="vpc-1", origin="module.app.aws_security_group.auth[0]"),
        },
        interfaces={
            "eni-0a1": Interface("eni-0a1", "vpc-1", "subnet-1", ("sg-0d4",), (), name="auth-1"),
            "eni-0b2": Interface("eni-0b2", "vpc-1", "subnet-2", ("sg-0c3",), (), name="auth-db-1"),
        },
    )


def hops() -> tuple[Hop, ...]:
    """A path that stops at the database's group."""
    return (
        Hop("security-group", "sg-0d4", "rule admits tcp/5432 to 10.0.2.7", "yes", rule="sgr-11", direction="egress"),
        Hop("network-acl", "acl-1", "entry 100 allows tcp/5432 to 10.0.2.7", "yes", rule="100", direction="egress"),
        Hop("route", "rtb-1", "10.0.0.0/16 is local", "yes"),
        Hop("network-acl", "acl-2", "entry 100 allows tcp/5432 from 10.0.1.5", "yes", rule="100", direction="ingress"),
        Hop("security-group", "sg-0c3", "no rule of auth-db admits tcp/5432 from 10.0.1.5", "no", direction="ingress"),
        Hop("network-acl", "acl-2", "entry 100 allows the answer to 10.0.1.5", "yes", rule="100", direction="egress",
            answer=True),
    )  # fmt: skip


def broken(**more: object) -> Verdict:
    """A contract that a plan breaks, with a repair."""
    fields: dict[str, object] = {
        "severity": "critical",
        "owner": "team-identity",
        "why": "without its database nobody can log in",
        "witness": WITNESS,
        "reasons": (
            Reason("security-group", "sg-0c3", "no rule of auth-db admits tcp/5432 from 10.0.1.5", direction="ingress",
                   origin=DB_RULE),
        ),
        "hops": hops(),
        "repair": (
            Edit("authorize", "sg-0c3", "ingress", POSTGRES, "sg-0d4", origin=DB_RULE, restores=True),
        ),
        "before": Outcome.KEPT,
        "during_apply": Outcome.BROKEN,
        "established": Outcome.KEPT,
    }  # fmt: skip
    return Verdict("auth-reaches-its-database", Outcome.BROKEN, **(fields | more))  # type: ignore[arg-type]


def untold() -> Verdict:
    """A contract that hangs on something not modelled."""
    return Verdict(
        "people-can-log-in", Outcome.CANNOT_TELL, severity="critical", owner="team-identity", why="people log in here",
        reasons=(Reason("not-modelled", "aws_networkfirewall_firewall.edge", "is not modelled and could block"),),
        before=Outcome.KEPT, during_apply=Outcome.CANNOT_TELL,
    )  # fmt: skip


def kept(name: str = "database-stays-private") -> Verdict:
    """A kept contract."""
    return Verdict(name, Outcome.KEPT, before=Outcome.KEPT, during_apply=Outcome.KEPT)


def gap() -> Verdict:
    """A contract that is broken only while the plan is applied."""
    return Verdict(
        "only-the-web-tier-talks-to-auth", Outcome.KEPT, before=Outcome.KEPT, during_apply=Outcome.BROKEN,
        during_reasons=(
            Reason("security-group", "sg-0d4", "its rules are revoked before they are added again",
                   origin="aws_security_group.auth"),
        ),
        safe_order=("first apply: add the new rule", "second apply: remove the old rule"),
    )  # fmt: skip


def report(*verdicts: Verdict) -> Report:
    """A report with a notice."""
    notice = Notice("aws_networkfirewall_firewall.edge", "not modelled; could block people-can-log-in")
    return Report(verdicts or (kept(), untold(), gap(), broken()), (notice,))


def sheet(*verdicts: Verdict, during: During = "fail", picture: str | None = None) -> Sheet:
    """A sheet of a gate on ``tfplan.json``."""
    return Sheet(
        report(*verdicts), "gate", contracts(), during=during, plan="tfplan.json", names=Names((estate(),)),
        picture=picture,
    )  # fmt: skip


NASTY = (
    "a|b`c<script>alert(1)</script>&\"'\x1b[31m\u202e\x9b\x00\n## heading @octocat #12 https://evil.example [x](y) ]]>"
)
"""What a resource's name may hold when somebody means ill."""
