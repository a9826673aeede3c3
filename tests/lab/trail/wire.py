"""For tests of the trail: what a client sends for a call and what a service answers, made by botocore and by hand.

Nothing here uses the trail's own tables: requests are boto3 arguments, serialised by botocore.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from botocore.serialize import create_serializer
from moto.core.utils import get_service_model

from doorward_lab.cloud.call import Call
from doorward_lab.cloud.trail import Identity

AT = datetime(2024, 2, 15, 10, 30, 0, 250_000, tzinfo=UTC)
ACCOUNT = "123456789012"
ALICE = Identity.of_user(ACCOUNT, "alice", "AIDAALICEALICEALICEAA")


def sent(model: str, action: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The flat form fields (or, for JSON services, the object) that boto3 sends for these arguments."""
    service = get_service_model(model)
    made = create_serializer(service.metadata["protocol"], include_validation=False).serialize_to_request(
        dict(arguments), service.operation_model(action)
    )
    body = made["body"]
    return dict(body) if isinstance(body, dict) else {"body": body, "form": urlencode({})}


def call(
    action: str, arguments: Mapping[str, Any] | None = None, *, service: str = "ec2", answer: str = "", **more: Any
) -> Call:
    """A call of alice's as the cloud tells of it. `answer` is the inside of the root element."""
    model = {"elasticloadbalancing": "elbv2"}.get(service, service)
    fields: dict[str, Any] = {
        "service": service,
        "action": action,
        "version": get_service_model(model).api_version,
        "region": "us-east-1",
        "account": ACCOUNT,
        "access_key": "AKIAALICE",
        "user_agent": "Boto3/1.35",
        "source_address": "198.51.100.7",
        "at": AT,
        "params": sent(model, action, arguments or {}),
        "status": 200,
        "answer": f"<{action}Response>{answer}</{action}Response>".encode(),
        "request_id": "0c5ae4ac-1f6d-4d5c-9a5f-0a0a0a0a0a0a",
    }
    return Call(**(fields | more))


def elements(value: Mapping[str, Any]) -> str:
    """A record's `responseElements` of EC2 as the XML that EC2 answered: `items` and `item` are `<item>`."""
    out = []
    for name, inner in value.items():
        tag = {"items": "item", "_return": "return"}.get(name, name)
        for one in inner if isinstance(inner, list) else [inner]:
            out.append(f"<{tag}>{_inside(name, one)}</{tag}>")
    return "".join(out)


def _inside(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return elements(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and name.endswith("Time"):
        return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    return escape(str(value))


def result(model: str, action: str, value: Mapping[str, Any]) -> str:
    """A result, by the names of the service's model, as the XML of the query protocol."""
    shape = get_service_model(model).operation_model(action).output_shape
    if shape is None:
        return "<ResponseMetadata><RequestId>x</RequestId></ResponseMetadata>"
    wrapper = shape.serialization.get("resultWrapper", f"{action}Result")
    return f"<{wrapper}>{_members(shape, value)}</{wrapper}>"


def _members(shape: Any, value: Mapping[str, Any]) -> str:
    return "".join(
        _shaped(shape.members[name], shape.members[name].serialization.get("name", name), inner)
        for name, inner in value.items()
        if name in shape.members
    )


def _shaped(shape: Any, name: str, value: Any) -> str:
    if shape.type_name == "structure":
        return f"<{name}>{_members(shape, value)}</{name}>"
    if shape.type_name == "list":
        item = shape.member.serialization.get("name", "member")
        return f"<{name}>{''.join(_shaped(shape.member, item, one) for one in value)}</{name}>"
    if shape.type_name == "timestamp":
        value = f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, bool):
        value = "true" if value else "false"
    return f"<{name}>{escape(str(value))}</{name}>"
