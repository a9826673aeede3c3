"""moto's own classes, changed in place where no single call is the place to correct them.

Each change names what moto does and what AWS documents. All of them can be made twice without harm. They hold for the
whole process, as moto's state does.
"""

from __future__ import annotations

from typing import Any

from moto.ec2.models import elastic_ip_addresses, elastic_network_interfaces
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance
from moto.ec2.models.route_tables import Route
from moto.elbv2.models import FakeLoadBalancer

from doorward_lab.cloud import balancers, routing
from doorward_lab.cloud.addresses import public_addresses
from doorward_lab.cloud.turn import Settings
from doorward_lab.cloud.wire import ApiError


def install(settings: Settings) -> None:
    """Change moto's classes. Public addresses come from the pool of `settings` from now on."""

    def public() -> str:
        # moto: 127.x for elastic addresses, 54.214.x for automatic ones, at random, duplicates possible.
        from moto.ec2.models import ec2_backends

        taken = [
            address
            for regions in ec2_backends.values()
            for ec2 in regions.values()
            for address in public_addresses(ec2)
        ]
        found = settings.pool.take(taken)
        if found is None:
            text = f"The lab's public addresses ({settings.pool.network}) are all in use; start it with a larger range."
            raise ApiError("InsufficientAddressCapacity", text)
        return found

    changes: list[tuple[Any, str, object]] = [
        (elastic_ip_addresses, "random_ip", public),
        (elastic_network_interfaces, "random_public_ip", public),
        (TaggedEC2Resource, "get_tags", _tags),
        (NetworkInterface, "group_set", property(_groups_of_interface)),
        (Instance, "dynamic_group_list", property(_groups_of_instance)),
        (elastic_ip_addresses.ElasticAddress, "private_ip_address", property(_private_of_eip)),
        (FakeLoadBalancer, "availability_zones", property(_zones_of_balancer)),
        (Route, "state", property(_state_of_route)),
    ]
    for owner, name, better in changes:
        assert hasattr(owner, name), f"moto's {owner.__name__} has no {name} any more: see what became of it"
        setattr(owner, name, better)


def _tags(self: Any) -> list[dict[str, str]]:
    """The tags of one resource. moto searches those of all resources by regular expression: quadratic."""
    kind = str(self.id).partition("-")[0] if self.id else ""
    return [
        {"resource_id": self.id, "key": key, "value": value, "resource_type": kind}
        for key, value in self.ec2_backend.tags.get(self.id, {}).items()
    ]


def _groups_of_interface(self: Any) -> Any:
    """The interface's own groups. moto adds the instance's, so that a group can be added but never replaced."""
    return self._group_set


def _groups_of_instance(self: Any) -> Any:
    """The groups of the primary interface (EC2 API Reference, Instance: its groups are those of the primary one)."""
    primary = self.nics.get(0)
    return primary._group_set if primary is not None else self.security_groups


def _private_of_eip(self: Any) -> Any:
    """The private address that it stands for. moto knows only the primary one."""
    if self.eni is None:
        return None
    return getattr(self, "lab_private", None) or self.eni.private_ip_address


def _zones_of_balancer(self: Any) -> Any:
    """Zones with a network balancer's addresses. moto leaves those out."""
    ec2 = self.subnets[0].ec2_backend if self.subnets else None
    return balancers.zones(self, ec2) if ec2 is not None else []


def _state_of_route(self: Any) -> str:
    """active or blackhole. moto: always active."""
    ec2 = self.route_table.ec2_backend
    return "active" if routing.active(ec2, self.route_table, self) else "blackhole"
