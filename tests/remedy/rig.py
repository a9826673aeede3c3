"""A cloud over HTTP whose calls can be hindered: refused, throttled, or overtaken by somebody else's change."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

from doorward.model.change import Key, Kind, Place, RuleFact
from doorward.model.revert import Act, Revert, RevertStep
from doorward.remedy.look import fact_of
from doorward_lab.cloud.app import ACCOUNT, REGION, Cloud
from doorward_lab.cloud.serve import serve

PLACE = Place(ACCOUNT, REGION)
Refuse = tuple[int, str, str]
"""HTTP status, error code, message."""
Hindrance = Callable[[str, dict[str, str]], Refuse | None]


def key(kind: Kind, id: str) -> Key:
    """A document of the test's account and region."""
    return Key(PLACE, kind, id)


@dataclass
class Rig:
    """The cloud as a WSGI application, with a say before each call."""

    cloud: Cloud = field(default_factory=Cloud)
    hinder: Hindrance | None = None
    after: Callable[[str, dict[str, str]], None] | None = None
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    _mine: threading.local = field(default_factory=threading.local)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request; what a hindrance itself asks passes freely."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        environ["wsgi.input"] = io.BytesIO(body)
        params = dict(parse_qsl(body.decode()))
        action = params.get("Action", "")
        watched = b"doorward-remedy" in environ.get("HTTP_USER_AGENT", "").encode()
        if watched:
            self.calls.append((action, params))
            refused = self.hinder(action, params) if self.hinder is not None else None
            if refused is not None:
                status, code, text = refused
                start_response(f"{status} Refused", [("Content-Type", "text/xml")])
                said = f"<Errors><Error><Code>{code}</Code><Message>{text}</Message></Error></Errors>"
                return [f"<Response>{said}<RequestID>r</RequestID></Response>".encode()]
        answer = self.cloud(environ, start_response)
        if watched and self.after is not None:
            self.after(action, params)
        return answer

    def writes(self) -> list[str]:
        """The calls of remedy that were to change something."""
        quiet = ("Describe", "Get", "AssumeRole")
        return [action for action, params in self.calls if not action.startswith(quiet) and "DryRun" not in params]


class Served:
    """A rig on a port of this machine."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.listening = socket.socket()
        self.listening.bind(("127.0.0.1", 0))
        self.listening.listen(64)
        self.server = serve(self.rig, self.listening)

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.server.url

    def client(self, service: str) -> Any:
        """A client of somebody else's."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="AKIASOMEBODY",
            aws_secret_access_key="secret",
        )

    def close(self) -> None:
        """End it."""
        self.server.close()
        self.rig.cloud.close()
        self.listening.close()


class Inside:
    """Clients that call a rig in this process: the port ``Clouds`` without HTTP, for thousands of examples."""

    def __init__(self, rig: Rig, *, agent: str = "doorward-remedy") -> None:
        self.rig = rig
        self.clients: dict[str, Any] = {}
        self.agent = agent

    def client(self, service: str, place: Place, revert: str) -> Any:
        """A client, the same for all reverts."""
        if service not in self.clients:
            made = boto3.client(
                service,
                region_name=place.region,
                endpoint_url="http://127.0.0.1:9",
                aws_access_key_id="AKIAINSIDE",
                aws_secret_access_key="secret",
                config=Config(user_agent_extra=self.agent, retries={"total_max_attempts": 1}),
            )
            made.meta.events.register(f"before-send.{service}", self._send)
            self.clients[service] = made
        return self.clients[service]

    def _send(self, request: Any, **_: object) -> AWSResponse:
        body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
        environ = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": "/",
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "9",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in request.headers.items():
            text = value.decode() if isinstance(value, bytes) else str(value)
            word = name.upper().replace("-", "_")
            environ["CONTENT_TYPE" if word == "CONTENT_TYPE" else f"HTTP_{word}"] = text
        said: list[Any] = []
        data = b"".join(self.rig(environ, lambda status, headers, *_: said.extend([status, headers])))
        headers = HTTPHeaders()
        for name, value in said[1]:
            headers[name] = value
        return AWSResponse(request.url, int(said[0].split(" ", 1)[0]), headers, _Raw(data))


class _Raw(io.BytesIO):
    """An answer's body, as urllib3 gives it."""

    def stream(self, **_: object) -> Iterable[bytes]:
        """All of it."""
        yield self.read()


class World:
    """A VPC of the test's own, and what is in it, made and read by somebody else's client."""

    def __init__(self, ec2: Any, number: int) -> None:
        self.ec2 = ec2
        self.net = f"10.{number % 250}"
        self.vpc: str = ec2.create_vpc(CidrBlock=f"{self.net}.0.0/16")["Vpc"]["VpcId"]

    def subnet(self, third: int = 1, zone: str = "a") -> str:
        """A subnet."""
        made = self.ec2.create_subnet(
            VpcId=self.vpc, CidrBlock=f"{self.net}.{third}.0/24", AvailabilityZone=REGION + zone
        )
        return str(made["Subnet"]["SubnetId"])

    def group(self, name: str = "one") -> str:
        """A group without rules."""
        made = str(self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)["GroupId"])
        for one in self.rules(made):
            self.ec2.revoke_security_group_egress(GroupId=made, SecurityGroupRuleIds=[one.id])
        return made

    def add(self, group: str, cidr: str, port: int = 443, *, egress: bool = False, note: str = "") -> RuleFact:
        """Authorize a rule for one CIDR and TCP port."""
        side = "egress" if egress else "ingress"
        peer = {"CidrIp": cidr, **({"Description": note} if note else {})}
        one = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [peer]}
        answer = getattr(self.ec2, f"authorize_security_group_{side}")(GroupId=group, IpPermissions=[one])
        return fact_of(answer["SecurityGroupRules"][0])

    def drop(self, group: str, rule: RuleFact) -> None:
        """Revoke a rule."""
        side = "egress" if rule.egress else "ingress"
        getattr(self.ec2, f"revoke_security_group_{side}")(GroupId=group, SecurityGroupRuleIds=[rule.id])

    def rules(self, group: str) -> list[RuleFact]:
        """The rules of a group, in order of what they allow."""
        asked = [{"Name": "group-id", "Values": [group]}]
        found = self.ec2.describe_security_group_rules(Filters=asked)["SecurityGroupRules"]
        return sorted((fact_of(one) for one in found), key=lambda one: repr(one.allows))

    def allows(self, group: str) -> list[tuple[Any, ...]]:
        """What the group's rules allow: port and peer."""
        return sorted(((one.ports or (0, 0))[0], one.cidr or one.group or one.prefix_list) for one in self.rules(group))


def revert(*acts: Act, id: str = "rv-0123456789abcdef", **more: Any) -> Revert:
    """A revert of acts."""
    return Revert(id, "ev-1", tuple(RevertStep(one, "because") for one in acts), "a test", "tester", **more)
