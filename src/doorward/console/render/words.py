"""Sentences that all formats for people share.

What does not live here: layout, escaping (``clean``), repairs (``repairs``).
"""

from __future__ import annotations

from doorward.console.render.sheet import WORDS, Names, Sheet
from doorward.contracts.contract import Contract
from doorward.model.addresses import INTERNET
from doorward.model.services import show_services, show_span
from doorward.model.verdict import Edit, Hop, Outcome, Reason, Verdict, Witness

MARK = {Outcome.KEPT: "✓", Outcome.BROKEN: "✗", Outcome.CANNOT_TELL: "?"}
HOP_MARK = {"yes": "✓", "no": "✗", "unknown": "?"}
KIND_WORDS = {
    "security-group": "security group", "network-acl": "network ACL", "public-address": "public address",
    "load-balancer": "load balancer", "prefix-list": "prefix list", "not-modelled": "not modelled",
}  # fmt: skip


def must_text(contract: Contract | None) -> str | None:
    """The contract itself in words."""
    if contract is None:
        return None
    sources = ", ".join(one.text for one in contract.sources)
    targets = ", ".join(one.text for one in contract.targets)
    service = show_services(contract.services)
    if contract.must == "reach":
        return f"{sources} must reach {targets} on {service}"
    if contract.must == "never-reach":
        return f"{sources} must never reach {targets} on {service}"
    return f"only {sources} may reach {targets} on {service}"


def end_name(id: str, address: int) -> str:
    """An end of a packet; ``internet`` where it is a public address that no interface of the estate has."""
    return "internet" if id == "outside" and address in INTERNET else id


def end_text(id: str, address: int, names: Names) -> str:
    """One end of a packet in words; of an address that is not known yet, the range that it will be in."""
    return f"{names.label(end_name(id, address))} {names.place(id, address)}"


def witness_text(witness: Witness, names: Names) -> str:
    """The deciding packet in words."""
    return (
        f"{end_text(witness.source, witness.source_address, names)} → "
        f"{end_text(witness.target, witness.target_address, names)} on {show_span((witness.service, witness.service))}"
    )


def place_text(reason: Reason | Hop, names: Names) -> str:
    """Which resource (unless the reason's text names it), rule and direction; the Terraform address when known."""
    kind = KIND_WORDS.get(reason.kind, reason.kind)
    told = reason.resource in reason.text
    parts = [kind if told else f"{kind} {names.label(reason.resource)}"]
    if reason.direction:
        parts.append(reason.direction)
    if reason.rule:
        parts.append(f"entry {reason.rule}" if reason.kind == "network-acl" else f"rule {reason.rule}")
    address = reason.origin or names.address(reason.resource)
    if address and address not in (reason.resource, reason.rule):
        parts.append(address)
    if reason.answer:
        parts.append("on the way back")
    return " · ".join(parts)


def times_text(verdict: Verdict) -> str | None:
    """Before, during and after the apply; None when it is no plan."""
    if verdict.before is None and verdict.during_apply is None:
        return None
    parts = []
    if verdict.before is not None:
        parts.append(f"before {WORDS[verdict.before]}")
    if verdict.during_apply is not None:
        parts.append(f"during the apply {WORDS[verdict.during_apply]}")
    parts.append(f"after {WORDS[verdict.outcome]}")
    return " → ".join(parts)


def established_text(verdict: Verdict) -> str | None:
    """What becomes of connections that exist when the plan is applied."""
    if verdict.established is None:
        return None
    if verdict.established is Outcome.KEPT:
        if verdict.outcome is Outcome.KEPT:
            return None
        return "connections that already exist go on; only new ones fail, so the outage shows as services restart"
    if verdict.established is Outcome.BROKEN:
        return "connections that already exist are cut as well"
    return "whether connections that already exist survive cannot be told"


def edit_text(edit: Edit, names: Names) -> str:
    """One step of a repair in words."""
    peer = names.label(edit.peer)
    service = show_span(edit.service)
    way = f"{service} from {peer}" if edit.direction == "ingress" else f"{service} to {peer}"
    group = names.label(edit.group)
    if edit.action == "revoke":
        which = edit.origin or edit.rule
        return f"remove the {edit.direction} rule {way} of {group}" + (f" ({which})" if which else "")
    if edit.restores:
        which = edit.origin or edit.rule
        return f"put back the {edit.direction} rule {way} of {group}" + (f" ({which})" if which else "")
    return f"add an {edit.direction} rule {way} to {group}"


def reasons_of(sheet: Sheet, verdict: Verdict) -> tuple[tuple[Reason, ...], bool]:
    """The reasons that matter and whether they are those of the moment of the apply."""
    if sheet.only_during(verdict) and verdict.during_reasons:
        return verdict.during_reasons, True
    return verdict.reasons, False
