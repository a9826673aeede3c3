"""EC2 calls of 2015 and later: CloudTrail logs their request and answer as converted XML.

Request: `{"<Api>Request": {…}}`, PascalCase, one list element as an object, several as a list, each with its `tag`
(its number); a scalar element is `{"tag": 1, "content": "fl-…"}`. Answer: `{"<Api>Response": {"xmlns": …}}`. Text that
looks like a boolean or a number becomes one, whatever its meaning: a tag's value "true" is `true`, the protocol "-1" is
`-1`. Source: CreateNatGateway, CreateFlowLogs, DeleteFlowLogs, DescribeNatGateways in the public data set
invictus-ir/aws_dataset; `ModifySecurityGroupRulesRequest` as the CloudTrail Lake sample queries of AWS read it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from doorward_lab.cloud.trail import shapes

_NUMBER = re.compile(r"-?\d+\.\d+([eE][-+]?\d+)?|-?\d+[eE][-+]?\d+")
_INTEGER = re.compile(r"0|-?[1-9]\d{0,17}")


def request(action: str, params: Mapping[str, object]) -> dict[str, Any]:
    """The request of a newer call; an empty one is the empty string, as in DescribeEgressOnlyInternetGateways."""
    fields = {name: _field(value) for name, value in shapes.nest(params).items()}
    return {f"{action}Request": fields or ""}


def response(action: str, version: str, answer: bytes, request_id: str) -> dict[str, Any]:
    """The answer of a newer call, its `requestId` being the call's."""
    fields: dict[str, Any] = {"xmlns": f"http://ec2.amazonaws.com/doc/{version or '2016-11-15'}/"}
    fields |= {name: _element(value) for name, value in shapes.xml(answer).items()}
    fields["requestId"] = request_id
    return {f"{action}Response": fields}


def _field(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _field(inner) for name, inner in value.items()}
    if isinstance(value, list):
        tagged = [_tagged(number, inner) for number, inner in enumerate(value, 1)]
        return tagged[0] if len(tagged) == 1 else tagged
    return _text(value)


def _tagged(number: int, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"tag": number} | {name: _field(inner) for name, inner in value.items()}
    return {"tag": number, "content": _text(value)}


def _element(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _element(inner) for name, inner in value.items() if not name.startswith("@")}
    if isinstance(value, list):
        return [_element(inner) for inner in value]
    return "" if value is None else _text(value)


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if _INTEGER.fullmatch(value):
        return int(value)
    if _NUMBER.fullmatch(value):
        return float(value)
    return value
