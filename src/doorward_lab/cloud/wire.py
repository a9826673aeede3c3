"""The AWS wire formats, as far as the wrapper needs them: who calls what, answers and errors in XML or JSON.

Shapes come from botocore's service models (the ones that every AWS SDK for Python uses). What the calls mean lives in
`doorward_lab.cloud.fixes`; who may call them, nowhere: the lab trusts its user.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode
from xml.sax.saxutils import escape

from moto.core.parse import EC2QueryParser, QueryParser
from moto.core.utils import get_service_model
from moto.iam.models import get_account_id_from

Environ = dict[str, Any]

MODELS = {"ec2": "ec2", "elasticloadbalancing": "elbv2", "rds": "rds", "sts": "sts", "iam": "iam"}
"""Services of the query protocols whose shapes the wrapper reads or writes: signing name → botocore's name."""

NAMESPACES = {
    "ec2": "http://ec2.amazonaws.com/doc/2016-11-15/",
    "elasticloadbalancing": "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
    "rds": "http://rds.amazonaws.com/doc/2014-10-31/",
}


class ApiError(Exception):
    """An error that the API answers: `code` and `message` as the service's own error pages give them."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(slots=True)
class Answer:
    """An HTTP answer, before its request id is put in."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    error: tuple[str, str] | None = None  # code, message


@dataclass(slots=True)
class Request:
    """One API call as it came in. `params` are the query protocol's flat fields, or a JSON service's object."""

    environ: Environ
    body: bytes
    service: str
    action: str
    version: str
    region: str
    account: str
    access_key: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether the wrapper knows the shapes of this service (its protocol is a query protocol)."""
        return self.service in MODELS


def read_body(environ: Environ) -> bytes:
    """The request's body; `environ` gets a fresh stream, so that it can be read again."""
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    if length:
        body: bytes = stream.read(int(length))
    elif environ.get("wsgi.input_terminated"):
        body = stream.read()
    else:
        body = b""
    rewind(environ, body)
    return body


def rewind(environ: Environ, body: bytes) -> None:
    """Make `body` the body of the request."""
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)


_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")


def parse(environ: Environ) -> Request:
    """Read a call off the wire. Calls that are not signed have an empty service."""
    body = read_body(environ)
    found = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    key, region, service = found.groups() if found else ("", "", "")
    account = environ.get("HTTP_X_MOTO_ACCOUNT_ID") or get_account_id_from(key)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    params: Mapping[str, Any] = {}
    action = version = ""
    if target:
        action = target.rpartition(".")[2]
        params = _decoded(body)
    elif environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        action, version = fields.pop("Action", ""), fields.pop("Version", "")
        params = fields
    elif "Action=" in environ.get("QUERY_STRING", ""):
        fields = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
        action, version = fields.pop("Action", ""), fields.pop("Version", "")
        params = fields
    return Request(environ, body, service, action, version, region, account, key, params)


def _decoded(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@lru_cache(maxsize=1024)
def operation(service: str, action: str) -> Any:
    """botocore's model of an operation, or None when the service has none of that name."""
    model = get_service_model(MODELS[service])
    return model.operation_model(action) if action in model.operation_names else None


def parameters(request: Request) -> dict[str, Any]:
    """The call's parameters by the names and types of the service's model (as boto3's caller gave them).

    Raises:
        ApiError: a number that is none.
    """
    model = operation(request.service, request.action)
    if model is None or model.input_shape is None:
        return {}
    parser = EC2QueryParser if request.service == "ec2" else QueryParser
    try:
        fields: Any = {"values": request.params}  # all that a query protocol's parser reads
        found = parser(model).parse(fields)
    except ValueError as error:
        raise ApiError("InvalidParameterValue", f"A parameter has a value of the wrong type: {error}") from error
    return dict(found)


def with_params(request: Request, params: Mapping[str, str]) -> bytes:
    """The form body of the same call with other flat fields."""
    return urlencode({"Action": request.action, "Version": request.version, **params}).encode()


def rendered(service: str, action: str, result: Mapping[str, Any], request_id: str) -> bytes:
    """A result, by the names of the service's model, as the XML that the service would send."""
    model = operation(service, action)
    shape = model.output_shape if model is not None else None
    out: list[str] = [f'<?xml version="1.0" encoding="UTF-8"?>\n<{action}Response xmlns="{NAMESPACES[service]}">']
    if service == "ec2":
        out.append(f"<requestId>{request_id}</requestId>")
        if shape is None:
            out.append("<return>true</return>")
        else:
            _members(out, shape, result, ec2=True)
    else:
        if shape is not None:
            wrapper = shape.serialization.get("resultWrapper", f"{action}Result")
            out.append(f"<{wrapper}>")
            _members(out, shape, result, ec2=False)
            out.append(f"</{wrapper}>")
        out.append(f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>")
    out.append(f"</{action}Response>")
    return "".join(out).encode()


def _members(out: list[str], shape: Any, value: Mapping[str, Any], ec2: bool) -> None:
    for name, member in shape.members.items():
        found = value.get(name)
        if found is not None:
            _element(out, member, member.serialization.get("name", name), found, ec2)


def _element(out: list[str], shape: Any, name: str, value: Any, ec2: bool) -> None:
    kind = shape.type_name
    if kind == "structure":
        out.append(f"<{name}>")
        _members(out, shape, value, ec2)
        out.append(f"</{name}>")
    elif kind == "list":
        item = shape.member.serialization.get("name", "item" if ec2 else "member")
        out.append(f"<{name}>")
        for one in value:
            _element(out, shape.member, item, one, ec2)
        out.append(f"</{name}>")
    else:
        out.append(f"<{name}>{_text(kind, value)}</{name}>")


def _text(kind: str, value: Any) -> str:
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "timestamp" and isinstance(value, datetime):
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return aware.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return escape(str(value))


def failure(service: str, error: ApiError, request_id: str, json_protocol: bool = False) -> Answer:
    """An error in the shape in which the service answers errors."""
    known = (error.code, error.message)
    if json_protocol:
        body = json.dumps({"__type": error.code, "message": error.message}).encode()
        return Answer(error.status, [("Content-Type", "application/x-amz-json-1.1")], body, known)
    code, message = escape(error.code), escape(error.message)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    if service == "ec2":
        text = (
            f"{head}<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
    else:
        kind = "Sender" if error.status < 500 else "Receiver"
        space = f' xmlns="{NAMESPACES[service]}"' if service in NAMESPACES else ""
        text = (
            f"{head}<ErrorResponse{space}><Error><Type>{kind}</Type><Code>{code}</Code>"
            f"<Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    return Answer(error.status, [("Content-Type", "text/xml;charset=UTF-8")], text.encode(), known)


_ID = re.compile(rb"<(requestId|RequestId|RequestID)>[^<]*<")
_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(rb"<Message>([^<]*)</Message>")


def with_request_id(answer: Answer, request_id: str) -> Answer:
    """The same answer with this request id, in the body and in the header alike."""
    answer.body = _ID.sub(rb"<\1>" + request_id.encode() + b"<", answer.body, count=1)
    dropped = {"x-amzn-requestid", "x-amz-request-id", "content-length"}
    answer.headers = [(name, value) for name, value in answer.headers if name.lower() not in dropped]
    answer.headers += [("x-amzn-requestid", request_id), ("Content-Length", str(len(answer.body)))]
    return answer


def error_of(answer: Answer) -> tuple[str, str] | None:
    """Code and message of a failed answer, in whichever shape; None for one that succeeded."""
    if answer.error is not None or answer.status < 400:
        return answer.error
    code, message = _CODE.search(answer.body), _MESSAGE.search(answer.body)
    if code:
        return _plain(code.group(1)), _plain(message.group(1)) if message else ""
    found = _decoded(answer.body)
    kind = str(found.get("__type") or found.get("code") or answer.status)
    return kind.rpartition("#")[2], str(found.get("message") or found.get("Message") or "")


def _plain(text: bytes) -> str:
    plain = text.decode("utf-8", "replace")
    for mark, sign in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&")):
        plain = plain.replace(mark, sign)
    return plain


def header(headers: Iterable[tuple[str, str]], name: str) -> str | None:
    """The value of a header, or None."""
    return next((value for key, value in headers if key.lower() == name.lower()), None)
