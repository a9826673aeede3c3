"""One call's turn: what a correction gets to work with, and the register of corrections.

A correction answers an action in moto's stead, or lets moto answer and mends the rest. It runs under the cloud's lock.
Which actions are corrected, and how, lives in `doorward_lab.cloud.fixes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from moto.core.serialize import EC2Serializer, QuerySerializer, XFormedAttributePicker
from moto.ec2.models import ec2_backends
from moto.ec2.responses._base_response import EC2BaseResponse
from moto.elbv2.models import elbv2_backends

from doorward_lab.cloud import wire
from doorward_lab.cloud.addresses import PublicPool
from doorward_lab.cloud.wire import Answer, ApiError, Request


@dataclass(frozen=True, slots=True)
class Target:
    """A registered target of a load balancer, as asked after by DescribeTargetHealth."""

    group: str  # the target group's ARN
    id: str  # i-…, an address, a balancer's or a function's ARN
    port: int
    health_port: int | None  # where health checks go; None: nowhere (lambda)
    balancers: tuple[str, ...]  # ARNs of the load balancers that use the group


@dataclass(slots=True)
class Settings:
    """What the lab decides about its cloud."""

    pool: PublicPool = field(default_factory=PublicPool)
    health: Callable[[Target], str] | None = None
    """Target → state of `TargetHealth` ("healthy", "unhealthy", "initial", …); None: moto's answer, always healthy."""


class Turn:
    """A call, the backends that it works on, and ways to answer it."""

    def __init__(self, request: Request, settings: Settings, moto: Callable[[Request, bytes | None], Answer]) -> None:
        self.request = request
        self.settings = settings
        self._moto = moto
        self.kept_from_moto: tuple[str, ...] = ()  # fields that the wrapper answers for (pages)

    @cached_property
    def params(self) -> dict[str, Any]:
        """The parameters by boto3's names and types."""
        return wire.parameters(self.request)

    @property
    def ec2(self) -> Any:
        """moto's EC2 of the caller's account and region."""
        return ec2_backends[self.request.account][self.request.region]

    @property
    def elbv2(self) -> Any:
        """moto's Elastic Load Balancing of the caller's account and region."""
        return elbv2_backends[self.request.account][self.request.region]

    def ec2_of(self, account: str) -> Any:
        """moto's EC2 of another account in the same region."""
        return ec2_backends[account][self.request.region]

    def forward(self, drop: Iterable[str] = (), **flat: str) -> Answer:
        """moto's answer to the same call, without the fields `drop` and with the flat fields of `flat` put in.

        In the names of `flat`, two underscores stand for a dot.
        """
        without = {*drop, *self.kept_from_moto}
        if not flat and not without:
            return self._moto(self.request, None)
        params = {name: str(value) for name, value in self.request.params.items() if name not in without}
        params.update({name.replace("__", "."): value for name, value in flat.items()})
        return self._moto(self.request, wire.with_params(self.request, params))

    def done(self, drop: Iterable[str] = (), **flat: str) -> Answer:
        """As `forward`, but an error of moto's ends the turn.

        Raises:
            ApiError: moto refused the call.
        """
        answer = self.forward(drop, **flat)
        refused = wire.error_of(answer)
        if refused is not None:
            raise ApiError(refused[0], refused[1], answer.status)
        return answer

    def answer(self, result: Mapping[str, Any]) -> Answer:
        """A result by the names of the service's model."""
        body = wire.rendered(self.request.service, self.request.action, result, "-")
        return Answer(200, [("Content-Type", "text/xml;charset=UTF-8")], body)

    def answer_with(self, result: object) -> Answer:
        """A result that holds moto's own objects, written as moto would."""
        model = wire.operation(self.request.service, self.request.action)
        ec2 = self.request.service == "ec2"
        changes = EC2BaseResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER if ec2 else None
        kind = EC2Serializer if ec2 else QuerySerializer
        written = kind(model, value_picker=XFormedAttributePicker(response_transformers=changes)).serialize(result)
        return Answer(200, [("Content-Type", "text/xml;charset=UTF-8")], str(written["body"]).encode())

    def tags(self, id: str) -> list[dict[str, str]]:
        """The tags of an EC2 resource, as the API lists them."""
        return [{"Key": key, "Value": value} for key, value in self.ec2.tags.get(id, {}).items()]

    def given_tags(self, kind: str) -> dict[str, str]:
        """The tags that the call's TagSpecifications give to resources of a kind ("security-group", …)."""
        return {
            one["Key"]: one.get("Value", "")
            for group in self.params.get("TagSpecifications", ())
            if group.get("ResourceType") == kind
            for one in group.get("Tags", ())
        }


Correction = Callable[[Turn], Answer | Mapping[str, Any]]

CORRECTIONS: dict[tuple[str, str], Correction] = {}


def corrects(*actions: str, service: str = "ec2") -> Callable[[Correction], Correction]:
    """Register a correction of some actions of a service."""

    def register(correction: Correction) -> Correction:
        for action in actions:
            key = (service, action)
            assert key not in CORRECTIONS, f"{service}:{action} is corrected twice"
            CORRECTIONS[key] = correction
        return correction

    return register
