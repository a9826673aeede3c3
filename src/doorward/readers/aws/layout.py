"""One file of answers -> typed lists, whatever the file's name: its top-level keys tell what it holds.

Known layouts: the AWS CLI's own output (one call or several in a file), wrappers with a subject
(``LoadBalancerTargetHealth`` …), recorded responses (``{"status_code": 200, "data": {...}}``), and the collector layout
(``instances``, ``security_groups`` … in one file). What does not live here: what the lists mean, how files go together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
from msgspec import Raw, Struct

from doorward.errors import InvalidInput
from doorward.model.estate import Interface, Notice
from doorward.readers.aws import shapes as wire
from doorward.readers.aws import shapes_more as more
from doorward.readers.aws import shapes_network as net
from doorward.readers.files import (
    DEEP_CHECK_UP_TO,
    Buffer,
    decoded,
    fault,
    looks_like_object,
    read_bytes,
    refuse_double_keys,
)

EXPECTED = "the output of an AWS CLI describe call"
MANIFEST = "doorward-snapshot.json"
FORMAT_VERSION = 1


ABSENT = Raw(b"null")
"""Stands where an undecoded list is not in the file."""


class Denied(Struct):
    """A call that was refused when a snapshot was taken."""

    call: str
    key: str
    code: str = ""


class Scope(Struct):
    """One account and region of a snapshot."""

    account: str
    region: str
    folder: str
    calls: list[str] = []
    denied: list[Denied] = []


class Manifest(Struct):
    """What a snapshot of our own says about itself."""

    version: int
    time: str = ""
    scopes: list[Scope] = []


class Top(Struct, rename="pascal", forbid_unknown_fields=True):
    """All top-level keys that matter. ``None``: the key is not in the file."""

    network_interfaces: list[wire.WireInterface] | None = None
    security_groups: list[wire.WireGroup] | None = None
    security_group_rules: Raw = ABSENT
    stale_security_group_set: list[wire.StaleGroup] | None = None
    security_group_vpc_associations: list[wire.GroupVpc] | None = None
    reservations: list[wire.Reservation] | None = None
    vpcs: list[net.WireVpc] | None = None
    subnets: list[net.WireSubnet] | None = None
    network_acls: list[net.WireAcl] | None = None
    route_tables: list[net.WireRouteTable] | None = None
    internet_gateways: list[net.WireInternetGateway] | None = None
    egress_only_internet_gateways: list[net.WireEgressOnlyGateway] | None = None
    nat_gateways: list[net.WireNatGateway] | None = None
    vpn_gateways: list[net.WireVpnGateway] | None = None
    carrier_gateways: list[net.WireCarrierGateway] | None = None
    local_gateway_route_table_vpc_associations: list[net.WireLocalGatewayLink] | None = None
    vpc_peering_connections: list[net.WirePeering] | None = None
    transit_gateways: list[net.WireTransitGateway] | None = None
    transit_gateway_attachments: list[net.WireTransitAttachment] | None = None
    transit_gateway_vpc_attachments: list[net.WireTransitAttachment] | None = None
    transit_gateway_route_tables: list[net.WireTransitTable] | None = None
    transit_gateway_routes: list[more.TableRoutes] | None = None
    routes: list[net.WireTransitRoute] | None = None
    additional_routes_available: bool | None = None
    associations: list[net.WireTransitAssociation] | None = None
    prefix_lists: list[net.WirePrefixList] | None = None
    managed_prefix_lists: list[net.WirePrefixList] | None = msgspec.field(name="ManagedPrefixLists", default=None)
    entries: list[net.WirePrefixListEntry] | None = None
    load_balancers: list[more.WireBalancer] | None = None
    load_balancer_descriptions: list[more.WireClassicBalancer] | None = None
    listeners: list[more.WireListener] | None = None
    load_balancer_listeners: list[more.BalancerListeners] | None = None
    rules: list[more.ListenerRule] | None = None
    target_groups: list[more.WireTargetGroup] | None = None
    target_health_descriptions: list[more.PlainHealth] | None = None
    load_balancer_target_health: list[more.TargetHealth] | None = None
    load_balancer_attributes: Raw = ABSENT
    target_group_attributes: list[more.Attributes] | None = None
    attributes: Raw = ABSENT
    vpc_endpoints: list[more.WireEndpoint] | None = None
    db_instances: list[more.WireDatabase] | None = msgspec.field(name="DBInstances", default=None)
    db_clusters: list[more.WireCluster] | None = msgspec.field(name="DBClusters", default=None)
    functions: list[more.WireFunction] | None = None
    tasks: list[more.Task] | None = msgspec.field(name="tasks", default=None)
    services: list[more.Service] | None = msgspec.field(name="services", default=None)
    firewalls: list[more.FirewallName] | None = None
    firewall: more.FirewallBody | None = None
    vpc_block_public_access_options: more.BlockPublicAccess | None = None
    next_token: str | None = None
    next_marker: str | None = None
    marker: str | None = None
    manifest: Manifest | None = msgspec.field(name="DoorwardSnapshot", default=None)


FIELDS = {one.encode_name: one for one in msgspec.structs.fields(Top)}
_LISTS = tuple(one.name for one in msgspec.structs.fields(Top) if str(one.type).startswith("list["))

PAGING = frozenset({"NextToken", "NextMarker", "Marker"})
IGNORED = frozenset(
    """
    AccountAttributes Addresses AvailabilityZones CoipPools CustomerGateways DhcpOptions ElasticGpuSet FirewallStatus
    FlowLogs HostedZones Images Instances InstanceStatuses InstanceTypes KeyPairs LaunchTemplates LocalGateways
    LocalGatewayRouteTables LocalGatewayRoutes NetworkInterfacePermissions PlacementGroups
    Regions ResponseMetadata SecurityGroupReferenceSet ServiceDetails ServiceNames Snapshots Tags
    TransitGatewayRouteTablePropagations TransitGatewayPropagations UpdateToken Volumes VpcEndpointServices
    VpcEndpointConnections VpnConnections Certificates AutoScalingGroups DBSubnetGroups DBSecurityGroups
    Clusters clusters clusterArns serviceArns taskArns taskDefinition failures LoadBalancerPolicies VpcClassicLinks
    CacheClusters Domains FileSystems MountTargets InstanceConnectEndpoints DBParameterGroups
    config-file-git-sha1 collector_version provider
    """.split()
)
"""Keys that are known and carry nothing that decides what can flow (or repeat what other calls say)."""

COLLECTOR_KEYS = {
    "internet_gateways": "InternetGateways", "network_acls": "NetworkAcls", "security_groups": "SecurityGroups",
    "subnets": "Subnets", "vpcs": "Vpcs", "network_interfaces": "NetworkInterfaces", "route_tables": "RouteTables",
    "nat_gateways": "NatGateways", "load_balancers": "LoadBalancers", "target_groups": "TargetGroups",
}  # fmt: skip
"""Keys of the collector layout; ``instances`` apart, since it lists instances without reservations."""

REGION = re.compile(r"^[a-z]{2}(?:-[a-z]+)+-\d$")
ACCOUNT = re.compile(r"^\d{12}$")


@dataclass(slots=True)
class Answer:
    """What one file says."""

    path: Path
    folder: Path
    top: Top
    keys: frozenset[str]
    region: str | None = None
    account: str | None = None
    notices: list[Notice] = field(default_factory=list)
    interfaces: list[Interface] = field(default_factory=list)
    """``NetworkInterfaces``, already made; ``top`` keeps none of them."""

    @property
    def where(self) -> str:
        """The path as text."""
        return str(self.path)


_lock = Lock()
_strict = msgspec.json.Decoder(Top)
_loose = msgspec.json.Decoder(dict[str, Raw])


@cache
def _decoder(key: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(FIELDS[key].type)


Taker = Callable[[str, Callable[[Interface], None]], Callable[..., None]]
"""For the place where is read and what keeps an interface: a function that makes one of each wire form and lets go of
the wire form."""


def read_answer(path: Path, taker: Taker) -> Answer:
    """Read one file. Raises ``Unreadable`` and ``InvalidInput``; an unknown key becomes a notice."""
    where = str(path)
    data = read_bytes(path)
    if not looks_like_object(data):
        decoded(_loose.decode, data, where, EXPECTED)
    parents = [part.name for part in path.absolute().parents]
    answer = Answer(
        path, path.parent, Top(), frozenset(),
        region=next((name for name in parents if REGION.match(name)), None),
        account=next((name for name in parents if ACCOUNT.match(name)), None),
    )  # fmt: skip
    with _lock:
        before = wire.Decoding.count
        wire.Decoding.take = taker(where, answer.interfaces.append)
        try:
            top = _strict.decode(data)
            made = wire.Decoding.count - before + len(answer.interfaces)
        except msgspec.ValidationError as error:
            if "unknown field" not in str(error):
                raise fault(error, where, EXPECTED) from error
            top = None
            answer.interfaces.clear()
            _read_loosely(answer, data, where)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise fault(error, where, EXPECTED) from error
        finally:
            wire.Decoding.take = wire.leave
    if len(data) <= DEEP_CHECK_UP_TO:
        refuse_double_keys(data, where)
    if top is not None:
        answer.top = top
        answer.keys = frozenset(key for key, one in FIELDS.items() if _present(getattr(top, one.name)))
        if made != sum(len(getattr(top, name) or ()) for name in _LISTS):
            raise InvalidInput(
                "gives a top-level key twice in one object",
                where=where,
                hint="keep one of them, or use a file for each",
            )
    if answer.top.network_interfaces is not None:
        answer.top.network_interfaces = []
    return answer


def refuse_first_pages(answers: list[Answer]) -> None:
    """Pages that nothing follows: what they do not list is not known, and nothing would say so. Raises InvalidInput."""
    last: dict[tuple[Path, str], Answer | None] = {}
    for answer in answers:
        goes_on = answer.top.next_token or answer.top.next_marker or answer.top.marker
        for key in answer.keys - PAGING:
            place = answer.folder, key
            last[place] = answer if goes_on and last.get(place, answer) is not None else None
    for (_, key), page in last.items():
        if page is not None:
            raise InvalidInput(
                f"holds only the first pages of {key}: more follow, and no file has them",
                where=page.where,
                hint="fetch all pages: the AWS CLI does so without --max-items and --no-paginate",
            )


def _read_loosely(answer: Answer, data: Buffer, where: str) -> None:
    """A file with keys that are not known: wrappers, the collector layout, or simply more than is needed."""
    parts = decoded(_loose.decode, data, where, EXPECTED)
    if len(data) > DEEP_CHECK_UP_TO and "collector_version" not in parts:
        _refuse_double_tops(data, parts, where)
    recorded = "data" in parts and ("status_code" in parts or len(parts) == 1)
    if recorded:
        parts = decoded(_loose.decode, memoryview(parts["data"]), f"{where} at $.data", EXPECTED)
    if "collector_version" in parts:
        renamed = {COLLECTOR_KEYS.get(key, key): value for key, value in parts.items()}
        instances = renamed.pop("instances", None)
        if instances is not None:
            listed = decoded(
                msgspec.json.Decoder(list[wire.Instance]).decode,
                memoryview(instances),
                f"{where} at $.instances",
                EXPECTED,
            )
            answer.top.reservations = [wire.Reservation(instances=listed)]
            answer.keys |= {"Reservations"}
        parts = renamed
    known: set[str] = set(answer.keys)
    if "resource_changes" in parts or ("terraform_version" in parts and "values" in parts):
        raise InvalidInput(
            "got what Terraform printed, expected answers of the AWS API",
            where=where,
            hint="use doorward gate PLAN, doorward diff PLAN --estate …, or doorward explain … --plan PLAN",
        )
    for key, raw in parts.items():
        found = FIELDS.get(key)
        if found is not None:
            undecoded = found.type is Raw
            value = (
                raw if undecoded else decoded(_decoder(key).decode, memoryview(raw), f"{where} at $.{key}", EXPECTED)
            )
            if _present(value):
                setattr(answer.top, found.name, value)
                known.add(key)
        elif key == "Error":
            answer.notices.append(Notice(where, f"is an error, not an answer: {_shorten(bytes(raw))}"))
            if recorded:
                known.add(key)  # a recorded refusal says that nothing is known; it is no file of something else
        elif key not in IGNORED:
            answer.notices.append(
                Notice(where, f"top-level key {_shorten(key.encode())!r} is not known and was not read")
            )
    answer.keys = frozenset(known)


def _present(value: object) -> bool:
    return value is not None and value is not ABSENT and not (isinstance(value, Raw) and value == ABSENT)


def _refuse_double_tops(data: Buffer, parts: dict[str, Raw], where: str) -> None:
    """A value that is lost because its key comes twice leaves more text than keys, colons and indentation can take."""
    left = len(data) - sum(len(memoryview(value)) for value in parts.values())
    if left > sum(len(key.encode()) * 6 + 32 for key in parts) + 64:
        refuse_double_keys(data, where)


def _shorten(text: bytes, most: int = 120) -> str:
    shown = " ".join(text[: most + 1].decode("utf-8", "replace").split())
    return shown if len(text) <= most else shown[:most] + "…"
