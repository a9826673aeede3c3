"""No call breaks the trail: every operation of the services' own models, filled in and empty, is recorded."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from moto.core.utils import get_service_model

from doorward_lab.cloud.call import Call
from doorward_lab.cloud.trail import Style, older, records
from tests.lab.trail.wire import ACCOUNT, ALICE, AT, sent

SERVICES = {
    "ec2": "ec2",
    "elbv2": "elasticloadbalancing",
    "elb": "elasticloadbalancing",
    "rds": "rds",
    "iam": "iam",
    "sts": "sts",
    "autoscaling": "autoscaling",
    "events": "events",
    "sqs": "sqs",
    "logs": "logs",
}
SAMPLES: dict[str, Any] = {
    "string": "text",
    "integer": 7,
    "long": 7,
    "float": 1.5,
    "double": 1.5,
    "boolean": True,
    "blob": b"blob",
    "timestamp": datetime(2024, 2, 15, 10, 30, tzinfo=UTC),
}


def filled(shape: Any, depth: int = 4) -> Any:
    """A value of the shape with every member set, two elements to a list, down to some depth."""
    if shape.type_name == "structure":
        return {name: filled(inner, depth - 1) for name, inner in shape.members.items() if depth > 0}
    if shape.type_name == "list":
        return [filled(shape.member, depth - 1)] * 2 if depth > 0 else []
    if shape.type_name == "map":
        return {"key": filled(shape.value, depth - 1)} if depth > 0 else {}
    return shape.enum[0] if getattr(shape, "enum", None) else SAMPLES[shape.type_name]


def xml(shape: Any, value: Any, name: str) -> str:
    """The value as the XML of a query service."""
    if shape.type_name == "structure":
        inside = "".join(
            xml(shape.members[key], inner, shape.members[key].serialization.get("name", key))
            for key, inner in value.items()
        )
        return f"<{name}>{inside}</{name}>"
    if shape.type_name == "list":
        flat = shape.serialization.get("flattened")
        item = name if flat else shape.member.serialization.get("name", "member")
        inside = "".join(xml(shape.member, one, item) for one in value)
        return inside if flat else f"<{name}>{inside}</{name}>"
    if shape.type_name == "map":
        rows = "".join(
            f"<entry><key>{key}</key>{xml(shape.value, inner, 'value')}</entry>" for key, inner in value.items()
        )
        return f"<{name}>{rows}</{name}>"
    if isinstance(value, datetime):
        return f"<{name}>{value:%Y-%m-%dT%H:%M:%SZ}</{name}>"
    if isinstance(value, bytes):
        return f"<{name}>{base64.b64encode(value).decode()}</{name}>"
    return f"<{name}>{str(value).lower() if isinstance(value, bool) else value}</{name}>"


def answer(protocol: str, operation: Any, value: Any) -> bytes:
    """The answer that carries the value."""
    shape = operation.output_shape
    if protocol == "json":
        return json.dumps(value or {}, default=str).encode()
    if shape is None or value is None:
        return f"<{operation.name}Response><requestId>x</requestId></{operation.name}Response>".encode()
    wrapper = shape.serialization.get("resultWrapper")
    inside = xml(shape, value, wrapper or "Inside")
    inside = inside if wrapper else inside.removeprefix("<Inside>").removesuffix("</Inside>")
    return f"<{operation.name}Response>{inside}</{operation.name}Response>".encode()


def calls(model: str, full: bool) -> Iterator[Call]:
    """A call of every operation of a model, with everything set or with nothing set."""
    service = get_service_model(model)
    protocol = str(service.metadata["protocol"])
    for name in service.operation_names:
        operation = service.operation_model(name)
        arguments = filled(operation.input_shape) if full and operation.input_shape is not None else {}
        value = filled(operation.output_shape) if full and operation.output_shape is not None else None
        params = sent(model, name, arguments) if protocol != "json" else json.loads(json.dumps(arguments, default=str))
        yield Call(
            service=SERVICES[model],
            action=name,
            version=service.api_version,
            region="us-east-1",
            account=ACCOUNT,
            access_key="AKIA",
            user_agent="a",
            source_address="198.51.100.7",
            at=AT,
            params=params,
            status=200,
            answer=answer(protocol, operation, value),
            request_id="r",
        )


@pytest.mark.parametrize("full", [True, False], ids=["filled", "empty"])
@pytest.mark.parametrize("model", SERVICES)
def test_every_operation_is_recorded(model: str, full: bool) -> None:
    """Whatever operation a client calls, the trail makes a record of it that is JSON, in either style; nothing of what
    was sent is lost from an EC2 request of a newer call."""
    count = 0
    for call in calls(model, full):
        for style in (Style(), Style(era="2023", form="flat")):
            for made in records(call, ALICE, style):
                read = json.loads(json.dumps(made))
                assert call.action == read["eventName"]
                assert "blob" not in json.dumps(read["responseElements"]), "seeds of MFA devices are secrets"
                if model == "ec2" and call.action not in older.CALLS:
                    assert {f"{call.action}Request"} == set(read["requestParameters"])
                count += 1
    assert count >= 10


def test_the_older_calls_exist() -> None:
    """Every name in the list of older calls is an operation of EC2 (or was one: two of ClassicLink's)."""
    names = set(get_service_model("ec2").operation_names)
    assert older.CALLS - names <= {"DescribeVpcClassicLink"}
