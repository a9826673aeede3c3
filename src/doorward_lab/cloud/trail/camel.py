"""Calls of every service but EC2: member names with their first letter lowered, plain lists, typed values.

Elastic Load Balancing, RDS, IAM, STS (query protocol) and the JSON services. RDS logs an answer without its outer
element. Secrets are hidden or left out as AWS does. Source: the records of these services in the public data set
invictus-ir/aws_dataset and Elastic Load Balancing's user guide, "Logging API calls … using AWS CloudTrail".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.parsers import create_parser

from doorward_lab.cloud.trail import shapes

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
_HIDDEN = {"MasterUserPassword", "SecretString", "SecretBinary"}
_LEFT_OUT = {"SecretAccessKey"}  # of an answer: CreateAccessKey, AssumeRole
_COMMA_BEFORE_TIME = {"iam": " ", "rds": " ", "elbv2": " ", "elb": " ", "autoscaling": " "}  # others: ", "


def request(model: str, action: str, params: Mapping[str, object]) -> dict[str, Any] | None:
    """The request's parameters, or None when there are none."""
    described = shapes.operation(model, action)
    query = shapes.protocol(model) in {"query", "ec2"}
    tree = shapes.nest(params) if query else dict(params)
    shape = described.input_shape if described else None
    return _value(tree, shape, model) or None


def response(model: str, action: str, answer: bytes) -> dict[str, Any] | None:
    """The answer's elements, or None when there are none."""
    described = shapes.operation(model, action)
    shape = described.output_shape if described else None
    if shape is None:
        return None
    if shapes.protocol(model) == "query":
        wrapper = shape.serialization.get("resultWrapper", "")
        if f"<{wrapper}".encode() not in answer:
            return None
        parsed = create_parser("query").parse({"body": answer, "headers": {}, "status_code": 200}, shape)
        parsed.pop("ResponseMetadata", None)
    else:
        parsed = json.loads(answer or b"{}")
    elements: dict[str, Any] = _value(parsed, shape, model)
    if model == "rds" and len(shape.members) == 1 and len(elements) == 1:
        ((_, only),) = elements.items()
        elements = only if isinstance(only, dict) else elements
    return elements or None


def _value(value: Any, shape: shapes.Shape | None, model: str) -> Any:
    kind = shape.type_name if shape is not None else None
    if kind == "structure" and isinstance(value, dict):
        return _structure(value, shape, model)
    if kind == "list":
        member = shape.member if shape is not None else None
        return [_value(inner, member, model) for inner in _elements(value)]
    if kind == "map" and isinstance(value, dict):
        return {str(name): _value(inner, shape.value, model) for name, inner in value.items()} if shape else value
    if kind == "timestamp":
        return _time(value, model)
    if kind is None and isinstance(value, dict):
        return {shapes.lower_first(name): _value(inner, None, model) for name, inner in value.items()}
    if kind is None and isinstance(value, list):
        return [_value(inner, None, model) for inner in value]
    return shapes.scalar(value, kind)


def _structure(value: dict[str, Any], shape: shapes.Shape, model: str) -> dict[str, Any]:
    members: dict[str, tuple[str, shapes.Shape]] = {}
    for member, inner in shape.members.items():
        members[member] = members[str(inner.serialization.get("name", member))] = (member, inner)
    made = {}
    for name, inner in value.items():
        if inner is None or isinstance(inner, bytes) or name in _LEFT_OUT:  # bytes: seeds, QR codes
            continue
        member, described = members.get(name, (name, None))
        made[shapes.lower_first(member)] = HIDDEN if member in _HIDDEN else _value(inner, described, model)
    return made


def _elements(value: Any) -> list[Any]:
    """The elements of a list: `[…]`, or `{"member": […]}`, the query protocol's wrapper, whatever its word."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and len(value) == 1:
        ((_, inner),) = value.items()
        return inner if isinstance(inner, list) else [inner]
    return []


def _time(value: Any, model: str) -> Any:
    """Java's medium date: "Jul 10, 2023 12:23:05 PM"; newer Java writes a comma before the time."""
    at = shapes.moment(value)
    if at is None:
        return value
    between = _COMMA_BEFORE_TIME.get(model, ", ")
    return f"{at:%b} {at.day}, {at.year}{between}{at.hour % 12 or 12}:{at:%M:%S %p}"
