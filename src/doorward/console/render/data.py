"""Reports and answers as JSON: the machine-readable face, version 1.

What does not live here: words for people. Everything is written in ASCII, so no name can command a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from doorward.console.render.sheet import Sheet
from doorward.console.render.words import end_name
from doorward.model.addresses import networks, show_address
from doorward.model.estate import Notice
from doorward.model.services import show_services, show_span
from doorward.model.verdict import Edit, Explanation, Exposed, Flow, FlowDiff, Hop, Reason, Verdict, Witness

VERSION = 1


def dumps(value: object) -> str:
    """JSON text with a final newline."""
    return json.dumps(value, indent=2, ensure_ascii=True) + "\n"


def report_json(sheet: Sheet) -> str:
    """A report."""
    return dumps(report_data(sheet))


def report_data(sheet: Sheet) -> dict[str, Any]:
    """A report as plain data."""
    return {
        "version": VERSION,
        "outcome": sheet.outcome.value,
        "contracts": [verdict_data(sheet, verdict) for verdict in sheet.ordered],
        "notices": [{"resource": one.resource, "text": one.text} for one in sheet.notices],
    }


def verdict_data(sheet: Sheet, verdict: Verdict) -> dict[str, Any]:
    """One row. ``before``, ``during_apply`` and what belongs to them stand in rows of a plan only."""
    contract = sheet.by_name.get(verdict.name)
    row: dict[str, Any] = {
        "name": verdict.name,
        "outcome": verdict.outcome.value,
        "severity": verdict.severity,
        "owner": verdict.owner,
        "why": verdict.why,
        "file": contract.file if contract else None,
        "line": contract.line if contract else None,
        "witness": witness_data(verdict.witness) if verdict.witness else None,
        "reasons": [reason_data(one) for one in verdict.reasons],
        "path": [hop_data(one) for one in verdict.hops],
        "connections": {
            "new": verdict.outcome.value,
            "established": verdict.established.value if verdict.established else None,
        },
        "repair": [edit_data(one) for one in verdict.repair] if verdict.repair is not None else None,
        "repair_note": verdict.repair_note,
        "notices": list(verdict.notices),
    }
    if sheet.verb == "gate":
        row["before"] = verdict.before.value if verdict.before else None
        row["during_apply"] = verdict.during_apply.value if verdict.during_apply else None
        row["during_reasons"] = [reason_data(one) for one in verdict.during_reasons]
        row["safe_order"] = list(verdict.safe_order)
    return row


def witness_data(witness: Witness) -> dict[str, Any]:
    """The deciding packet."""
    return {
        "source": end_name(witness.source, witness.source_address),
        "source_address": show_address(witness.source_address),
        "target": end_name(witness.target, witness.target_address),
        "target_address": show_address(witness.target_address),
        "service": show_span((witness.service, witness.service)),
    }


def reason_data(reason: Reason) -> dict[str, Any]:
    """One reason."""
    return {
        "kind": reason.kind,
        "resource": reason.resource,
        "rule": reason.rule,
        "direction": reason.direction,
        "text": reason.text,
        "answer": reason.answer,
        "origin": reason.origin,
    }


def hop_data(hop: Hop) -> dict[str, Any]:
    """One step of a path."""
    return {
        "kind": hop.kind,
        "resource": hop.resource,
        "passes": hop.passes,
        "rule": hop.rule,
        "direction": hop.direction,
        "text": hop.text,
        "answer": hop.answer,
        "origin": hop.origin,
    }


def edit_data(edit: Edit) -> dict[str, Any]:
    """One step of a repair."""
    return {
        "action": edit.action,
        "group": edit.group,
        "direction": edit.direction,
        "service": show_span(edit.service),
        "peer": edit.peer,
        "rule": edit.rule,
        "origin": edit.origin,
        "restores": edit.restores,
    }


def exposure_json(found: Iterable[Exposed], notices: Iterable[Notice] = ()) -> str:
    """What the internet can open."""
    return dumps({
        "version": VERSION,
        "exposed": [
            {
                "interface": one.interface,
                "name": one.name,
                "address": show_address(one.address),
                "services": [show_span(span) for span in one.services.spans],
                "sources": networks(one.sources),
                "answered": one.answered,
                "certain": one.certain,
                "rules": list(one.rules),
                "groups": list(one.groups),
            }
            for one in found
        ],
        "notices": [{"resource": one.resource, "text": one.text} for one in dict.fromkeys(notices)],
    })  # fmt: skip


def diff_json(difference: FlowDiff) -> str:
    """Flows gained and lost."""
    return dumps({
        "version": VERSION,
        "gained": [flow_data(one) for one in difference.gained],
        "lost": [flow_data(one) for one in difference.lost],
        "notices": list(difference.notices),
    })  # fmt: skip


def flow_data(flow: Flow) -> dict[str, Any]:
    """One family of packets."""
    return {
        "sources": list(flow.sources),
        "targets": list(flow.targets),
        "services": [show_span(span) for span in flow.services.spans],
        "text": f"{flow.source_text} → {flow.target_text} on {show_services(flow.services)}",
        "certain": flow.certain,
    }


def explanation_json(found: Explanation, before: Explanation | None = None) -> str:
    """A path hop by hop; with ``before`` when it is asked of a plan."""
    data = {"version": VERSION, **_explanation(found)}
    if before is not None:
        data["before"] = _explanation(before)
    return dumps(data)


def _explanation(found: Explanation) -> dict[str, Any]:
    return {
        "outcome": found.outcome.value,
        "passes": {"kept": "yes", "broken": "no", "cannot-tell": "unknown"}[found.outcome.value],
        "source": found.source,
        "source_address": show_address(found.source_address),
        "target": found.target,
        "target_address": show_address(found.target_address),
        "service": show_span((found.service, found.service)),
        "hops": [hop_data(one) for one in found.hops],
    }
