"""What a call carried on the wire, as trees: botocore's service models give names and types.

Nothing here knows CloudTrail's spelling: `older`, `newer` and `camel` write that.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeAlias

import xmltodict  # type: ignore[import-untyped]  # moto's own XML reader
from botocore.model import OperationNotFoundError
from moto.core.utils import get_service_model

# botocore's models are untyped.
Shape: TypeAlias = Any
Operation: TypeAlias = Any

# Signing names that are not the names of botocore's models.
_MODELS = {"monitoring": "cloudwatch", "tagging": "resourcegroupstaggingapi", "email": "ses"}


def model_name(service: str, version: str) -> str:
    """The botocore model of a service's signing name; two load-balancing APIs share one name and differ in version."""
    if service == "elasticloadbalancing":
        return "elb" if version == "2012-06-01" else "elbv2"
    return _MODELS.get(service, service)


@cache
def protocol(name: str) -> str:
    """The protocol of a model: "ec2", "query", "json", "rest-json" or "rest-xml"."""
    return str(get_service_model(name).metadata["protocol"])


@cache
def operation(name: str, action: str) -> Operation | None:
    """The model of one operation, or None when botocore does not know it."""
    try:
        return get_service_model(name).operation_model(action)
    except OperationNotFoundError:
        return None


@cache
def error_shape(name: str, code: str) -> str:
    """The name of the error's shape: query services answer `NoSuchEntity`, their shape is `NoSuchEntityException`."""
    for shape in get_service_model(name).error_shapes:
        if shape.metadata.get("error", {}).get("code") == code:
            return str(shape.name)
    return code


def nest(flat: Mapping[str, object]) -> dict[str, Any]:
    """The flat form fields of a query call as a tree: `{"Tag.1.Key": "a"}` → `{"Tag": [{"Key": "a"}]}`.

    `Action` and `Version` are the call itself and left out. Numbers order a list; gaps in them are closed.
    """
    root: dict[str, Any] = {}
    for name, value in flat.items():
        if name in {"Action", "Version"}:
            continue
        *path, last = name.split(".")
        node = root
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return {name: _lists(value) for name, value in root.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() for key in value):
        return [_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _lists(inner) for key, inner in value.items()}


def xml(answer: bytes) -> dict[str, Any]:
    """The root element of an XML answer as a tree; repeated elements are lists, empty ones None; no answer, no tree.

    Raises:
        xml.parsers.expat.ExpatError: the answer is not XML.
    """
    if not answer.strip():
        return {}
    ((_, root),) = xmltodict.parse(answer).items()
    return {name: value for name, value in (root or {}).items() if not name.startswith("@")}


def wire_name(member: str, shape: Shape) -> str:
    """The form field of a member of an EC2 request (EC2's variant of the query protocol)."""
    settings = shape.serialization
    if "queryName" in settings:
        return str(settings["queryName"])
    name = str(settings.get("name", member))
    return name[0].upper() + name[1:]


def lower_first(name: str) -> str:
    """`GroupId` → `groupId`, `DBInstanceIdentifier` → `dBInstanceIdentifier`: CloudTrail lowers one letter only."""
    return name[:1].lower() + name[1:]


def scalar(value: Any, kind: str | None) -> Any:
    """A text of the wire as its shape's type; what does not fit its type stays text, as the client sent it."""
    if not isinstance(value, str):
        return value
    if kind in {"integer", "long"}:
        return int(value) if value.lstrip("-").isdecimal() else value
    if kind == "boolean":
        return {"true": True, "false": False}.get(value.lower(), value)
    if kind in {"float", "double"}:
        try:
            return float(value)
        except ValueError:
            return value
    return value


def moment(value: Any) -> datetime | None:
    """A time of the wire: ISO 8601 text or seconds since 1970; None when it is neither."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    try:
        read = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
