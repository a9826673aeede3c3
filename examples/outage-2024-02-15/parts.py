"""Parts of what Terraform prints: a resource with its values, and the expressions that it was written with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import account as a

Json = dict[str, Any]


@dataclass
class Resource:
    """One resource (an instance of it): its values in the state, and its expressions in the configuration."""

    type: str
    name: str
    values: Json
    expressions: Json
    key: str | None = None
    depends_on: list[str] = field(default_factory=list)
    schema_version: int = 0

    @property
    def block(self) -> str:
        """Address without the key."""
        return f"{self.type}.{self.name}"

    @property
    def address(self) -> str:
        """Address of the instance."""
        return f'{self.block}["{self.key}"]' if self.key else self.block


def const(value: Any) -> Json:
    """An expression that is written out."""
    return {"constant_value": value}


def ref(*names: str) -> Json:
    """An expression that refers to attributes: Terraform lists each reference and then what it is part of."""
    listed: list[str] = []
    for name in names:
        listed.append(name)
        parts = name.split(".")
        if parts[0] in ("local", "each"):
            continue
        owner = ".".join(parts[:2])
        if "[" in owner and owner != name:
            listed.append(owner)
        if owner.split("[")[0] != name:
            listed.append(owner.split("[")[0])
    return {"references": list(dict.fromkeys(listed))}


def arn(kind: str, name: str) -> str:
    """The ARN of something in EC2."""
    return f"arn:aws:ec2:{a.REGION}:{a.ACCOUNT}:{kind}/{name}"


def block(**given: Any) -> Json:
    """An inline rule with all that the provider fills in."""
    return {
        "cidr_blocks": [],
        "description": "",
        "from_port": 0,
        "ipv6_cidr_blocks": [],
        "prefix_list_ids": [],
        "protocol": "-1",
        "security_groups": [],
        "self": False,
        "to_port": 0,
    } | given


def written(**given: Any) -> Json:
    """Expressions as they are written: blocks and references as given, everything else a constant."""
    return {key: value if isinstance(value, (dict, list)) and value else const(value) for key, value in given.items()}


def tagged(name: str, release: str) -> Json:
    """Both attributes in which the provider shows tags."""
    return {"tags": a.tags(name, release), "tags_all": a.tags(name, release)}


TAGS = ref("local.tags")
EACH = ref("each.key")
VPC = ref("aws_vpc.main.id")
