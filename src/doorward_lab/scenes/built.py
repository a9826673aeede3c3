"""What a scene became: names → ids and addresses, as values that go through JSON to other processes.

What does not live here: building (`builder`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from doorward_lab.errors import BadScene


@dataclass(frozen=True, slots=True)
class BuiltHost:
    """A host, a NAT gateway's place or one node of a load balancer: its interface and addresses, primary first."""

    interface: str
    subnet: str = ""
    ipv4: tuple[str, ...] = ()
    ipv6: tuple[str, ...] = ()
    public: str = ""
    instance: str = ""
    allocation: str = ""
    run: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BuiltBalancer:
    """A load balancer. `nodes` is empty on an endpoint that gives load balancers no interfaces."""

    arn: str
    dns: str
    listeners: Mapping[str, str] = field(default_factory=dict)
    """Port → ARN."""
    nodes: tuple[BuiltHost, ...] = ()
    run: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Built:
    """A scene that was built. All mappings are from the scene's names."""

    scene: str
    region: str
    vpcs: Mapping[str, str] = field(default_factory=dict)
    subnets: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    prefix_lists: Mapping[str, str] = field(default_factory=dict)
    acls: Mapping[str, str] = field(default_factory=dict)
    route_tables: Mapping[str, str] = field(default_factory=dict)
    gateways: Mapping[str, str] = field(default_factory=dict)
    peerings: Mapping[str, str] = field(default_factory=dict)
    target_groups: Mapping[str, str] = field(default_factory=dict)
    hosts: Mapping[str, BuiltHost] = field(default_factory=dict)
    load_balancers: Mapping[str, BuiltBalancer] = field(default_factory=dict)
    contracts: str = ""

    def to_json(self) -> str:
        """As text; `from_json` reads it."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Built:
        """From text of `to_json`. Raises `BadScene`."""
        try:
            value: dict[str, Any] = json.loads(text)
            hosts = {name: _host(one) for name, one in value.pop("hosts").items()}
            balancers = {
                name: BuiltBalancer(**{**one, "nodes": tuple(_host(node) for node in one["nodes"])})
                for name, one in value.pop("load_balancers").items()
            }
            return cls(**value, hosts=hosts, load_balancers=balancers)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadScene(f"not the record of a built scene ({error}); expected what Built.to_json wrote") from error


def _host(value: dict[str, Any]) -> BuiltHost:
    return BuiltHost(**{**value, "ipv4": tuple(value["ipv4"]), "ipv6": tuple(value["ipv6"])})
