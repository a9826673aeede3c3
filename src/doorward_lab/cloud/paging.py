"""`MaxResults` and `NextToken`: pages of the calls that list things, which moto answers whole.

EC2 API Reference, "Pagination" and each Describe action: the bounds of `MaxResults` are the model's own; a token is
good for the same call only.
"""

from __future__ import annotations

import base64
import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from doorward_lab.cloud import wire
from doorward_lab.cloud.wire import Answer, ApiError, Request


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list was asked for."""

    member: str  # the result's list, by boto3's name
    element: str  # the same, by its XML name
    call: str  # what the token is good for
    offset: int
    size: int | None

    def of_result(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """The page of a whole result."""
        whole = list(result.get(self.member) or ())
        return {**result, self.member: whole[self.offset : self._end(len(whole))], **self._token(len(whole))}

    def of_answer(self, answer: Answer) -> Answer:
        """The page of a whole answer that is XML already."""
        # The document is the lab's own (moto wrote it), so the standard parser is safe here.
        root = ET.fromstring(answer.body)  # noqa: S314
        space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
        if space:
            ET.register_namespace("", space[1:-1])
        items = root.find(f"{space}{self.element}")
        if items is None:
            return answer
        whole = list(items)
        for index, item in enumerate(whole):
            if not self.offset <= index < self._end(len(whole)):
                items.remove(item)
        for token in self._token(len(whole)).values():
            ET.SubElement(root, f"{space}nextToken").text = token
        answer.body = b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root)
        return answer

    def _end(self, count: int) -> int:
        return count if self.size is None else min(count, self.offset + self.size)

    def _token(self, count: int) -> dict[str, str]:
        end = self._end(count)
        if end >= count:
            return {}
        return {"NextToken": base64.urlsafe_b64encode(f"{end}:{self.call}".encode()).decode()}


def asked(request: Request) -> Page | None:
    """The page that a call asks for; None when it asks for the whole list, or lists nothing.

    Raises:
        ApiError: `MaxResults` outside its bounds, or a token that is not of this call.
    """
    wanted, token = request.params.get("MaxResults"), request.params.get("NextToken")
    if request.service != "ec2" or (not wanted and not token):
        return None
    model = wire.operation("ec2", request.action)
    if model is None or model.output_shape is None or "NextToken" not in model.output_shape.members:
        return None
    lists = [(name, shape) for name, shape in model.output_shape.members.items() if shape.type_name == "list"]
    if len(lists) != 1:
        return None
    same = sorted((k, str(v)) for k, v in request.params.items() if k not in ("MaxResults", "NextToken"))
    call = hashlib.sha256(repr((request.action, same)).encode()).hexdigest()[:16]
    name, shape = lists[0]
    size = _size(model, str(wanted)) if wanted else None
    return Page(name, shape.serialization.get("name", name), call, _offset(str(token), call) if token else 0, size)


def _size(model: Any, wanted: str) -> int:
    bounds = model.input_shape.members["MaxResults"].metadata
    low, high = int(bounds.get("min", 5)), int(bounds.get("max", 1000))
    if not wanted.lstrip("-").isdigit() or int(wanted) < low:
        text = (
            f"Value ( {wanted} ) for parameter maxResults is invalid. Expecting a value greater than or equal to {low}."
        )
        raise ApiError("InvalidParameterValue", text)
    if int(wanted) > high:
        expected = f"Expecting a value smaller than or equal to {high}."
        text = f"Value ( {wanted} ) for parameter maxResults is invalid. {expected}"
        raise ApiError("InvalidParameterValue", text)
    return int(wanted)


def _offset(token: str, call: str) -> int:
    try:
        offset, _, made_for = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
    except ValueError:
        offset, made_for = "", ""
    if made_for != call or not offset.isdigit():
        raise ApiError(
            "InvalidNextToken", "The token is invalid: it was not given by this call, or its other parameters differ."
        )
    return int(offset)
