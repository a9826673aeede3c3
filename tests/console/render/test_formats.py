"""Reports in every format: what is said, in which order, and that hostile names stay text."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from doorward.console.render.data import report_json
from doorward.console.render.html import report_html
from doorward.console.render.junit import report_junit
from doorward.console.render.markdown import MARKER, report_markdown
from doorward.console.render.sarif import report_sarif
from doorward.console.render.sheet import Names, Sheet
from doorward.console.render.text import report_page
from doorward.model.estate import Notice
from doorward.model.verdict import Outcome, Reason, Report, Verdict
from tests.console.samples import NASTY, broken, gap, kept, report, sheet, untold


def nasty_sheet() -> Sheet:
    """A report in which every text is hostile."""
    reason = Reason("security-group", NASTY, NASTY, rule=NASTY, direction="ingress", origin=NASTY)
    verdicts = (
        replace(broken(), name=NASTY, why=NASTY, owner=NASTY, reasons=(reason,), repair_note=NASTY, notices=(NASTY,)),
        replace(kept(), name=NASTY + "kept", why=NASTY),
    )
    return Sheet(Report(verdicts, (Notice(NASTY, NASTY),)), "gate", names=Names(), plan=NASTY)


def test_json_is_as_documented() -> None:
    """The JSON has the documented fields with the documented values."""
    data = json.loads(report_json(sheet()))
    assert (1, "broken") == (data["version"], data["outcome"])
    row = data["contracts"][0]
    assert ("auth-reaches-its-database", "broken", "critical") == (row["name"], row["outcome"], row["severity"])
    assert {
        "source": "eni-0a1", "source_address": "10.0.1.5", "target": "eni-0b2", "target_address": "10.0.2.7",
        "service": "tcp/5432",
    } == row["witness"]  # fmt: skip
    first = row["reasons"][0]
    assert ("security-group", "sg-0c3", None, "ingress") == tuple(
        first[key] for key in ("kind", "resource", "rule", "direction")
    )
    assert {"new": "broken", "established": "kept"} == row["connections"]
    step = row["repair"][0]
    assert ("authorize", "sg-0c3", "ingress", "tcp/5432", "sg-0d4") == tuple(
        step[key] for key in ("action", "group", "direction", "service", "peer")
    )
    assert ("kept", "broken") == (row["before"], row["during_apply"])
    notice = {"resource": "aws_networkfirewall_firewall.edge", "text": "not modelled; could block people-can-log-in"}
    assert [notice] == data["notices"]
    assert None is data["contracts"][1]["repair"]


def test_json_of_a_state_has_no_apply() -> None:
    """``before`` and ``during_apply`` stand in rows of a plan only."""
    row = json.loads(report_json(Sheet(report(), "check")))["contracts"][0]
    assert not {"before", "during_apply"} & set(row)


def test_worst_first() -> None:
    """Broken before cannot tell before kept; among the broken, the more severe first."""
    names = [row["name"] for row in json.loads(report_json(sheet()))["contracts"]]
    assert [
        "auth-reaches-its-database", "only-the-web-tier-talks-to-auth", "people-can-log-in", "database-stays-private",
    ] == names  # fmt: skip


@pytest.mark.parametrize(
    ("verdicts", "during", "outcome", "status"),
    [
        ((kept(),), "fail", Outcome.KEPT, 0),
        ((kept(), untold()), "fail", Outcome.CANNOT_TELL, 3),
        ((untold(), broken()), "fail", Outcome.BROKEN, 1),
        ((kept(), gap()), "fail", Outcome.BROKEN, 1),
        ((kept(), gap()), "warn", Outcome.KEPT, 0),
        ((untold(), gap()), "warn", Outcome.CANNOT_TELL, 3),
        ((broken(),), "warn", Outcome.BROKEN, 1),
    ],
)
def test_exit_status(verdicts: tuple[Verdict, ...], during: str, outcome: Outcome, status: int) -> None:
    """0 kept, 1 broken, 3 cannot tell; a gap during the apply is broken unless it is let pass."""
    made = sheet(*verdicts, during="warn" if during == "warn" else "fail")
    assert (outcome, status) == (made.outcome, made.exit_status)
    assert (during == "warn" and gap() in verdicts) == bool(made.warnings)


def test_text() -> None:
    """For each contract that is not kept: what it protects, packet, rule, path and both repairs; kept ones fold."""
    text = report_page(sheet()).plain()
    for words in (
        "✗ BROKEN  auth-reaches-its-database  severity critical · owner team-identity · doorward.yaml:11",
        "without its database nobody can log in",
        "auth-1 (eni-0a1) 10.0.1.5 → auth-db-1 (eni-0b2) 10.0.2.7 on tcp/5432",
        "no rule of auth-db admits tcp/5432 from 10.0.1.5",
        "aws_vpc_security_group_ingress_rule.db_from_auth",
        "✓ → 10.0.0.0/16 is local  [route rtb-1]",
        'resource "aws_vpc_security_group_ingress_rule" "db_from_auth" {',
        "aws ec2 authorize-security-group-ingress --group-id sg-0c3",
        "BROKEN DURING THE APPLY  only-the-web-tier-talks-to-auth",
        "first apply: add the new rule",
        "? CANNOT TELL  people-can-log-in",
        "aws_networkfirewall_firewall.edge",
        "✓ kept  database-stays-private",
        "before kept → during the apply broken → after broken",
        "only new ones fail",
    ):
        assert words in text
    assert "2 broken, 1 cannot tell, 1 kept of 4 contracts" == text.splitlines()[-1]
    assert "\x1b" not in text


def test_colour_changes_no_word() -> None:
    """On a terminal the same words have colours."""
    page = report_page(sheet())
    coloured = page.coloured(width=200)
    assert "\x1b[" in coloured
    assert page.plain() == "".join(
        line.rstrip() + "\n" for line in re.sub(r"\x1b\[[0-9;]*m", "", coloured).splitlines()
    )


def test_markdown_is_one_screen() -> None:
    """The marker first, then the worst; with 200 broken contracts what is not folded stays under 60 lines."""
    many = tuple(replace(broken(), name=f"contract-{at}") for at in range(200))
    text = report_markdown(sheet(*many))
    assert MARKER == text.splitlines()[0]
    assert len(text) <= 65_536
    unfolded = re.sub(r"<details.*?</details>", "", text, flags=re.S)
    assert len([line for line in unfolded.splitlines() if line]) < 60
    assert text.count("<details") == text.count("</details>")
    assert "… and 188 more" in text


def test_markdown_refers_to_the_picture() -> None:
    """``--picture`` is shown, with words for those who do not see it."""
    assert "![the path of auth-reaches-its-database: broken](<path of it.svg>)".replace(" of it", "%20of%20it") in (
        report_markdown(sheet(picture="path of it.svg"))
    )


def test_markdown_of_hostile_names() -> None:
    """No name makes a table cell, a link, a mention, an HTML element or an end of a fence."""
    text = report_markdown(nasty_sheet())
    assert "<script" not in text
    assert "@octocat" not in re.sub(r"<code>.*?</code>|```.*?```", "", text, flags=re.S)
    assert "](y)" not in re.sub(r"<code>.*?</code>|```.*?```", "", text, flags=re.S)
    assert [5] == [line.count("|") for line in text.splitlines() if line.startswith("| ❌")]
    assert "\x1b" not in text


def test_sarif() -> None:
    """One rule a contract; results for what is not kept, with level, place in the file and Terraform address."""
    log = json.loads(report_sarif(sheet(), "0.1.0"))
    (run,) = log["runs"]
    assert ("2.1.0", "Doorward") == (log["version"], run["tool"]["driver"]["name"])
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert 4 == len(rules)
    first, second, third = run["results"]
    assert ["error", "error", "warning"] == [one["level"] for one in (first, second, third)]
    assert all(one["ruleId"] == rules[one["ruleIndex"]] for one in (first, second, third))
    place = first["locations"][0]
    assert "doorward.yaml" == place["physicalLocation"]["artifactLocation"]["uri"]
    assert 11 == place["physicalLocation"]["region"]["startLine"]
    assert ["aws_vpc_security_group_ingress_rule.db_from_auth"] == [
        one["fullyQualifiedName"] for one in place["logicalLocations"]
    ]
    assert "cannot-tell" == third["properties"]["outcome"]
    assert (1, ["database-stays-private"]) == (run["invocations"][0]["exitCode"], run["properties"]["kept"])
    assert len({one["partialFingerprints"]["doorwardContract/v1"] for one in run["results"]}) == 3


def test_sarif_levels() -> None:
    """The level follows the severity; what cannot be told is one step milder, and never hidden."""
    levels = {}
    for severity in ("critical", "high", "medium", "low"):
        for verdict in (broken(severity=severity), replace(untold(), severity=severity)):
            (result,) = json.loads(report_sarif(sheet(verdict), "0"))["runs"][0]["results"]
            levels[severity, verdict.outcome.value] = result["level"]
    assert {
        ("critical", "broken"): "error", ("critical", "cannot-tell"): "warning",
        ("high", "broken"): "error", ("high", "cannot-tell"): "warning",
        ("medium", "broken"): "warning", ("medium", "cannot-tell"): "note",
        ("low", "broken"): "note", ("low", "cannot-tell"): "note",
    } == levels  # fmt: skip


def test_junit() -> None:
    """Kept passes, broken is a failure, cannot tell is an error and never skipped."""
    suite = ElementTree.fromstring(report_junit(sheet()))[0]  # noqa: S314 - our own text
    assert ("4", "2", "1", "0") == tuple(suite.get(key) for key in ("tests", "failures", "errors", "skipped"))
    cases = {case.get("name"): [(child.tag, child.get("type")) for child in case] for case in suite.iter("testcase")}
    assert {
        "auth-reaches-its-database": [("failure", "broken")],
        "only-the-web-tier-talks-to-auth": [("failure", "broken-during-apply")],
        "people-can-log-in": [("error", "cannot-tell")],
        "database-stays-private": [],
    } == cases


def test_html_stands_alone() -> None:
    """The page loads nothing from anywhere, runs nothing, and has each id once."""
    text = report_html(sheet())
    assert not re.search(r"(src|href)\s*=|@import|url\(|<script|<link", text)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids)) == 6
    assert "default-src 'none'" in text


def test_hostile_names_stay_text() -> None:
    """In text, HTML, JUnit, SARIF and JSON hostile names are shown and obeyed nowhere."""
    made = nasty_sheet()
    plain = report_page(made).plain()
    page = report_html(made)
    ElementTree.fromstring(report_junit(made))  # noqa: S314 - our own text
    json.loads(report_sarif(made, "0"))
    machine = report_json(made) + report_sarif(made, "0")
    assert NASTY == json.loads(report_json(made))["contracts"][0]["name"]
    for text in (plain, page, machine):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "<script" not in page


def test_no_contract_at_all() -> None:
    """An empty report is printed too."""
    made = Sheet(Report(()), "check")
    for text in (report_page(made).plain(), report_markdown(made), report_junit(made), report_html(made)):
        assert text
