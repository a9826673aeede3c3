"""The example's plans, in the shape of `terraform show -json`."""

from __future__ import annotations

import copy
from typing import Any

import account as a
from machines import balancer, machines
from network import doors, network
from parts import Resource, const, ref

Json = dict[str, Any]
PROVIDER = "registry.terraform.io/hashicorp/aws"
VERSION = "1.9.8"


_WEB_AND_PORTAL = ref("aws_security_group.web.id", "aws_security_group.portal.id")


def resources(release: str, clients: list[str], written: Json = _WEB_AND_PORTAL, *, described: str) -> list[Resource]:
    """Everything, as it is when ``clients`` may talk to auth."""
    listed = [*network(release), *doors(release, clients, written, described), *balancer(release)]
    listed += machines(release)
    return sorted(listed, key=lambda one: one.address)


def _shape(value: Any) -> Any:
    """What Terraform prints for "nothing unknown" and "nothing sensitive" in a value: its containers, emptied."""
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items() if isinstance(inner, (dict, list))}
    return [_shape(inner) if isinstance(inner, (dict, list)) else False for inner in value]


def _stated(resource: Resource, values: Json, *, prior: bool) -> Json:
    out: Json = {"address": resource.address, "mode": "managed", "type": resource.type, "name": resource.name}
    if resource.key:
        out["index"] = resource.key
    out |= {
        "provider_name": PROVIDER,
        "schema_version": resource.schema_version,
        "values": values,
        "sensitive_values": _shape(values),
    }
    if prior and resource.depends_on:
        out["depends_on"] = sorted(resource.depends_on)
    return out


def _configured(listed: list[Resource]) -> list[Json]:
    found: dict[str, Json] = {}
    for one in listed:
        if one.block in found:
            continue
        entry: Json = {
            "address": one.block,
            "mode": "managed",
            "type": one.type,
            "name": one.name,
            "provider_config_key": "aws",
            "expressions": dict(sorted(one.expressions.items())),
            "schema_version": one.schema_version,
        }
        if one.key:
            entry["for_each_expression"] = ref("local.zones")
        found[one.block] = entry
    return [found[address] for address in sorted(found)]


def plan(before: list[Resource], after: list[Resource], timestamp: str) -> Json:
    """What `terraform show -json` prints for the change from ``before`` to ``after``."""
    changes = []
    planned = []
    for old, new in zip(before, after, strict=True):
        unknown = _shape(new.values)
        values = copy.deepcopy(new.values)
        actions = ["no-op"] if old.values == new.values else ["update"]
        if new.type == "aws_launch_template" and actions == ["update"]:
            del values["latest_version"]  # a new version gets its number from AWS
            unknown["latest_version"] = True
        out: Json = {"address": new.address, "mode": "managed", "type": new.type, "name": new.name}
        if new.key:
            out["index"] = new.key
        changes.append(
            out
            | {
                "provider_name": PROVIDER,
                "change": {
                    "actions": actions,
                    "before": old.values,
                    "after": values,
                    "after_unknown": unknown if actions == ["update"] else {},
                    "before_sensitive": _shape(old.values),
                    "after_sensitive": _shape(values),
                },
            }
        )
        planned.append(_stated(new, values, prior=False))
    provider = {
        "name": "aws",
        "full_name": PROVIDER,
        "version_constraint": "~> 5.0",
        "expressions": {"region": const(a.REGION)},
    }
    return {
        "format_version": "1.2",
        "terraform_version": VERSION,
        "planned_values": {"root_module": {"resources": planned}},
        "resource_changes": changes,
        "prior_state": {
            "format_version": "1.0",
            "terraform_version": VERSION,
            "values": {"root_module": {"resources": [_stated(one, one.values, prior=True) for one in before]}},
        },
        "configuration": {
            "provider_config": {"aws": provider},
            "root_module": {"resources": _configured(after)},
        },
        "relevant_attributes": [
            {"resource": "aws_launch_template.auth", "attribute": ["id"]},
            {"resource": "aws_launch_template.portal", "attribute": ["id"]},
            {"resource": "aws_security_group.auth", "attribute": ["id"]},
            {"resource": "aws_security_group.auth_db", "attribute": ["id"]},
            {"resource": "aws_security_group.portal", "attribute": ["id"]},
            {"resource": "aws_security_group.web", "attribute": ["id"]},
            {"resource": "aws_vpc.main", "attribute": ["id"]},
        ],
        "timestamp": timestamp,
        "applyable": True,
        "complete": True,
        "errored": False,
    }
