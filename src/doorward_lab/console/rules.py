"""`rules`: what filters a host, as security-group rules with what they let in, and as the kernel has it.

Programs on a host have no power to list their own filter, so the lab does it for them. Not here: how rules are compiled
(`fabric.filters`), how they are counted (`Fabric.explain`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from doorward_lab.fabric.apply import Fabric
from doorward_lab.kernel.nft import Nft
from doorward_lab.model import CloudState, Group, Interface, Rule

PORTLESS = frozenset(("icmp", "icmpv6"))


class Owner(Protocol):
    """The lab, as far as its rules go."""

    fabric: Fabric
    state: CloudState

    def interface(self, host: str) -> Interface:
        """A host's interface. Raises NotRunning."""
        ...


def rules(lab: Owner, host: str) -> dict[str, object]:
    """A host's compiled rules: `packets` and `bytes` are those of the first packets of connections (`Fabric.explain`).

    Raises NotRunning where there is no such host.
    """
    interface = lab.interface(host)
    state = lab.state
    known = {
        rule.id: (group, rule) for id in interface.groups if (group := state.groups.get(id)) for rule in group.rules
    }
    found = []
    for counted in lab.fabric.explain(interface.id):
        group, rule = known.get(counted.rule, (None, None))
        found.append(
            {
                "direction": "egress" if counted.egress else "ingress",
                "rule": counted.rule,
                "group": group.name if group is not None else "",
                "text": words(rule, state.groups) if rule is not None else "",
                "packets": counted.packets,
                "bytes": counted.bytes,
            }
        )
    return {"interface": interface.id, "rules": found, "nft": Nft().listing(lab.fabric.host(interface.id))}


def words(rule: Rule, groups: Mapping[str, Group]) -> str:
    """A rule as scenes and contracts write it: `tcp/443 from group:web`."""
    protocol, first, last = rule.protocol, rule.from_port, rule.to_port
    service = "all" if protocol == "-1" else f"proto/{protocol}" if protocol.isdigit() else protocol
    if first is not None and first >= 0 and service == protocol:
        service += f"/{first}"
        if protocol in PORTLESS:
            service += f":{last}" if last is not None and last >= 0 else ""
        elif last != first:
            service += f"-{last}"
    peer = rule.cidr or f"prefix-list:{rule.prefix_list}"
    if rule.group:
        peer = f"group:{groups[rule.group].name if rule.group in groups else rule.group}"
    return f"{service} {'to' if rule.egress else 'from'} {peer}"
