"""Which of AWS's own shapes a record takes, where AWS has written two.

*Era*: "2023" is eventVersion 1.08 with `webIdFederationData`, rules without ARN, a Revoke answer of `_return` alone;
"current" is eventVersion 1.11, rules with `securityGroupRuleArn`, Revoke with `revokedSecurityGroupRuleSet`.
*Form* of Authorize and Revoke: "sent" logs the call as it came; "flat" logs a call of one permission with one CIDR and
no description as the flat form (`"ipPermissions": {}, "cidrIp": …`) in which older SDK code and Stratus send it.
"mixed" draws one of the two for each record, by the seed and the record's number.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

Era: TypeAlias = Literal["2023", "current"]
Form: TypeAlias = Literal["sent", "flat"]

EVENT_VERSION: dict[Era, str] = {"2023": "1.08", "current": "1.11"}


@dataclass(frozen=True, slots=True)
class Style:
    """The shapes to write; `at` resolves "mixed" for one record."""

    era: Literal["2023", "current", "mixed"] = "current"
    form: Literal["sent", "flat", "mixed"] = "sent"
    seed: int = 0

    def at(self, number: int) -> Style:
        """The style of the record of this number: nothing in it is "mixed"."""
        if "mixed" not in {self.era, self.form}:
            return self
        draw = random.Random(f"style {self.seed} {number}")  # noqa: S311  # repeatable, not secret
        eras: tuple[Era, Era] = ("2023", "current")
        forms: tuple[Form, Form] = ("sent", "flat")
        era, form = draw.choice(eras), draw.choice(forms)
        return replace(
            self, era=era if self.era == "mixed" else self.era, form=form if self.form == "mixed" else self.form
        )


def flattened(request: dict[str, Any]) -> dict[str, Any]:
    """The flat form of an Authorize or Revoke request in items form; the request itself where there is none."""
    items = request.get("ipPermissions", {}).get("items", [])
    if len(items) != 1:
        return request
    (permission,) = items
    ranges = permission["ipRanges"].get("items", [])
    others = [permission[name] for name in ("groups", "ipv6Ranges", "prefixListIds")]
    if any(others) or len(ranges) != 1 or set(ranges[0]) != {"cidrIp"}:
        return request
    ports = {name: permission[name] for name in ("ipProtocol", "fromPort", "toPort") if name in permission}
    return request | {"ipPermissions": {}} | ports | {"cidrIp": ranges[0]["cidrIp"]}


def of_2023(action: str, response: dict[str, Any]) -> dict[str, Any]:
    """An answer of a group's or a rule's call as of 2023: what the API has answered since then left out."""
    since = {"revokedSecurityGroupRuleSet", "unknownIpPermissionSet", "securityGroupArn"}
    if action == "DeleteSecurityGroup":
        since.add("groupId")
    made = {name: value for name, value in response.items() if name not in since}
    if rules := made.get("securityGroupRuleSet"):
        made["securityGroupRuleSet"] = rules | {
            "items": [
                {name: value for name, value in rule.items() if name != "securityGroupRuleArn"}
                for rule in rules.get("items", [])
            ]
        }
    return made
