"""Reports of ``check``: order, words, witnesses, and doubts by what is not modelled."""

from __future__ import annotations

from dataclasses import replace

from doorward import api
from doorward.model.estate import Estate, Notice
from doorward.model.rules import AnyPeer
from doorward.model.services import ALL_SPAN
from doorward.model.verdict import Report, Verdict
from tests.contracts.scene import ALL_OUT, BROKEN, CANNOT_TELL, KEPT, contract, estate, interface, rule, with_rules

BASE = estate({"web": [ALL_OUT], "db": [rule("in tcp 443 web", id="sgr-1", origin="aws_security_group_rule.in")]})


def one(of: Estate, must: str = "reach", service: str = "tcp/443", source: str = "group:web") -> Verdict:
    """The verdict on one contract."""
    (found,) = api.check([contract(must, source, "group:db", service)], of).verdicts  # type: ignore[arg-type]  # a Must
    return found


def test_no_contracts() -> None:
    """A report without contracts is kept: nothing was asked."""
    assert KEPT == Report(()).outcome
    assert () == api.check([], BASE).verdicts


def test_order_of_verdicts() -> None:
    """Worst first, then by severity, then as declared."""
    asked = [
        replace(contract("reach", "group:web", "group:db", f"tcp/{port}"), name=f"{port}-{severity}", severity=severity)  # type: ignore[arg-type]
        for port, severity in ((443, "low"), (444, "low"), (443, "critical"), (445, "high"), (446, "critical"))
    ]
    found = [verdict.name for verdict in api.check(asked, BASE).verdicts]
    assert ["446-critical", "445-high", "444-low", "443-critical", "443-low"] == found


def test_kept_has_nothing_to_say() -> None:
    """A kept contract has neither witness nor reasons."""
    found = one(BASE)
    assert (KEPT, None, (), ()) == (found.outcome, found.witness, found.reasons, found.hops)


def test_admitting_rule_is_the_reason() -> None:
    """For a broken ``never-reach`` the rules that admit the packet are the reasons, the target's own first."""
    found = one(BASE, "never-reach")
    assert BROKEN == found.outcome
    assert [("ingress", "sgr-1", "aws_security_group_rule.in"), ("egress", None, None)] == [
        (reason.direction, reason.rule, reason.origin) for reason in found.reasons
    ]


def test_lacking_group_is_the_reason() -> None:
    """For a broken ``reach`` the group that admits nothing is the reason, with its direction."""
    found = one(with_rules(BASE, {"web": []}))
    assert [("security-group", "web", "egress")] == [
        (reason.kind, reason.resource, reason.direction) for reason in found.reasons
    ]


def test_unknown_rule_is_the_reason() -> None:
    """What cannot be told names the very unknown that decides."""
    unknown = "aws_security_group.db.ingress[0].cidr_blocks"
    doubtful = rule("in tcp 443 10.0.0.0/8")._replace(
        service=ALL_SPAN, peer=AnyPeer(unknown), certain=False, unknown=unknown
    )
    for must in ("reach", "never-reach"):
        found = one(with_rules(BASE, {"db": [doubtful]}), must)
        assert CANNOT_TELL == found.outcome
        assert any(unknown in reason.text for reason in found.reasons)


def test_doubt_concerns_its_vpc_only() -> None:
    """What could block anywhere in a VPC makes ``reach`` there uncertain, elsewhere and ``never-reach`` not."""
    here = Notice("fw", "network firewall fw: not looked into", "vpc", could_block=True)
    found = one(replace(BASE, notices=(here,)))
    assert CANNOT_TELL == found.outcome
    assert [("not-modelled", "fw")] == [(reason.kind, reason.resource) for reason in found.reasons]
    assert KEPT == one(replace(BASE, notices=(here._replace(vpc="far"),))).outcome
    assert CANNOT_TELL == one(replace(BASE, notices=(here._replace(vpc=None),))).outcome
    assert KEPT == one(replace(BASE, notices=(here._replace(could_block=False),))).outcome
    assert KEPT == one(replace(BASE, notices=(here,)), "never-reach", "tcp/444").outcome


def test_nobody_says_who() -> None:
    """With nobody to judge the reason names the selector."""
    found = one(BASE, source="group:more")
    assert CANNOT_TELL == found.outcome
    assert "group:more" in found.reasons[0].text
    assert None is found.witness


def test_no_address_family_in_common() -> None:
    """Ends without a common family are broken with that reason."""
    six = interface("eni-web", "10.0.1.5", "web")._replace(addresses=((1 << 128, 1 << 128),))
    found = one(estate({"web": [ALL_OUT], "db": ["in -1 - 0.0.0.0/0"]}, [six, BASE.interfaces["eni-db"]]))
    assert BROKEN == found.outcome
    assert "share no address family" in found.reasons[0].text


def test_not_addressable() -> None:
    """A target without a public address is broken for the internet, and says so."""
    found = one(with_rules(BASE, {"db": [rule("in tcp 443 0.0.0.0/0")]}), source="internet:v4")
    assert BROKEN == found.outcome
    assert any("no public address" in reason.text for reason in found.reasons)


def test_notices_of_the_estate() -> None:
    """The estate's notices stand in the report."""
    said = Notice("x", "was not read")
    assert (said,) == api.check([], replace(BASE, notices=(said,))).notices
