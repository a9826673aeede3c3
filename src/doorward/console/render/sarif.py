"""SARIF 2.1.0 for code scanning: a rule per contract, a result per contract that is not kept.

Kept contracts have no result: viewers that do not know ``kind: pass`` would show them as alerts.
Source: OASIS SARIF 2.1.0, sections 3.19 (toolComponent), 3.27 (result), 3.33 (logicalLocation), 3.58 (notification).
"""

from __future__ import annotations

import hashlib
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from doorward.console.render.data import dumps
from doorward.console.render.sheet import WORDS, Sheet
from doorward.console.render.words import must_text, place_text, reasons_of, witness_text
from doorward.model.verdict import Outcome, Verdict

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
SECURITY_SEVERITY = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0"}


def report_sarif(sheet: Sheet, version: str) -> str:
    """The report as one SARIF log with one run."""
    ordered = sheet.ordered
    rules = [_rule(sheet, verdict) for verdict in ordered]
    results = [
        _result(sheet, verdict, at)
        for at, verdict in enumerate(ordered)
        if sheet.outcome_of(verdict) is not Outcome.KEPT
    ]
    driver = {"name": "Doorward", "semanticVersion": version, "rules": rules}
    notifications = [
        {"level": "warning", "message": {"text": f"{one.resource}: {one.text}"}} for one in sheet.notices
    ] + [{"level": "warning", "message": {"text": text}} for text in sheet.warnings]
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "exitCode": sheet.exit_status,
                "toolExecutionNotifications": notifications,
            }
        ],
        "results": results,
        "properties": {"outcome": sheet.outcome.value, "kept": [one.name for one in sheet.having(Outcome.KEPT)]},
    }
    return dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(sheet: Sheet, verdict: Verdict) -> dict[str, Any]:
    must = must_text(sheet.by_name.get(verdict.name))
    rule: dict[str, Any] = {
        "id": verdict.name,
        "shortDescription": {"text": must or verdict.name},
        "defaultConfiguration": {"level": _level(verdict, Outcome.BROKEN)},
        "properties": {
            "security-severity": SECURITY_SEVERITY.get(verdict.severity, "5.5"),
            "severity": verdict.severity,
            "tags": ["security", "network"],
        },
    }
    if verdict.why:
        rule["fullDescription"] = {"text": verdict.why}
    return rule


def _level(verdict: Verdict, outcome: Outcome) -> str:
    """Broken: error from severity high, warning for medium, note for low. Cannot tell: one step milder."""
    steps = ["error", "warning", "note"]
    at = {"critical": 0, "high": 0, "medium": 1, "low": 2}.get(verdict.severity, 1)
    return steps[min(at + (outcome is Outcome.CANNOT_TELL), 2)]


def _result(sheet: Sheet, verdict: Verdict, at: int) -> dict[str, Any]:
    outcome = sheet.outcome_of(verdict)
    reasons, during = reasons_of(sheet, verdict)
    parts = [f"{verdict.name}: {WORDS[outcome]}{' during the apply' if during else ''}."]
    parts += [f"{reason.text} ({place_text(reason, sheet.names)})." for reason in reasons[:5]]
    if verdict.witness:
        parts.append(f"Packet: {witness_text(verdict.witness, sheet.names)}.")
    if verdict.owner:
        parts.append(f"Owner: {verdict.owner}.")
    contract = sheet.by_name.get(verdict.name)
    location: dict[str, Any] = {}
    if contract and contract.file:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": _uri(contract.file)},
            "region": {"startLine": contract.line or 1},
        }
    addresses: dict[str, dict[str, str]] = {}
    for reason in reasons:
        address = reason.origin or sheet.names.address(reason.resource) or reason.resource
        addresses.setdefault(address, {"fullyQualifiedName": address, "kind": "resource"})
    if addresses:
        location["logicalLocations"] = list(addresses.values())
    digest = hashlib.sha256(f"{verdict.name}\0{outcome.value}".encode("utf-8", "backslashreplace")).hexdigest()
    result: dict[str, Any] = {
        "ruleId": verdict.name,
        "ruleIndex": at,
        # Cannot tell is no "open" result: that must have level "none" (3.27.10), which viewers hide, and what cannot be
        # told must be seen.
        "kind": "fail",
        "level": _level(verdict, outcome),
        "message": {"text": " ".join(parts)},
        "partialFingerprints": {"doorwardContract/v1": digest},
        "properties": {"outcome": outcome.value, "severity": verdict.severity},
    }
    if location:
        result["locations"] = [location]
    return result


def _uri(path: str) -> str:
    pure = PurePath(path)
    if pure.is_absolute():
        return pure.as_uri()
    return quote(pure.as_posix())
