"""A served cloud with as many empty accounts as tests want, and quick looks at what stands in one."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import doorward
from doorward import Estate
from doorward_lab.cloud.app import Cloud
from doorward_lab.cloud.serve import serve
from doorward_lab.scenes import Clients, Connect

REGION = "us-east-1"
_NUMBERS = itertools.count(1)
_CALLS = (
    ("ec2", "describe_vpcs", "Vpcs"), ("ec2", "describe_subnets", "Subnets"),
    ("ec2", "describe_network_interfaces", "NetworkInterfaces"), ("ec2", "describe_instances", "Reservations"),
    ("ec2", "describe_security_groups", "SecurityGroups"), ("ec2", "describe_network_acls", "NetworkAcls"),
    ("ec2", "describe_route_tables", "RouteTables"), ("ec2", "describe_internet_gateways", "InternetGateways"),
    ("ec2", "describe_egress_only_internet_gateways", "EgressOnlyInternetGateways"),
    ("ec2", "describe_nat_gateways", "NatGateways"), ("ec2", "describe_vpn_gateways", "VpnGateways"),
    ("ec2", "describe_vpc_peering_connections", "VpcPeeringConnections"),
    ("elbv2", "describe_load_balancers", "LoadBalancers"), ("elbv2", "describe_target_groups", "TargetGroups"),
)  # fmt: skip


class Ground:
    """A cloud over HTTP. Accounts of it share nothing (moto keeps each apart)."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.cloud = Cloud()
        self._server = serve(self.cloud, self._listening)
        self.url = self._server.url
        self._root = Clients(self.url, region=REGION, access_key="AKIALABSCENES", secret_key="secret")

    def account(self, session: str = "builder") -> Clients:
        """Clients of an account in which nothing has been made yet."""
        number = 700_000_000_000 + next(_NUMBERS)
        return self._root.assume(f"arn:aws:iam::{number}:role/tests", session)

    def close(self) -> None:
        """Stop serving."""
        self._server.close()
        self.cloud.close()
        self._listening.close()


def look(connect: Connect, folder: Path, rename: Mapping[str, str] | None = None) -> Estate:
    """The estate of an account, from the describe calls that matter; ids renamed by `rename` (old → new)."""
    folder.mkdir(parents=True, exist_ok=True)
    for service in ("ec2", "elbv2"):
        connect(service)

    def ask(call: tuple[str, str, str]) -> tuple[str, Any]:
        service, method, key = call
        return key, getattr(connect(service), method)()[key]

    with ThreadPoolExecutor(4) as pool:
        found = dict(pool.map(ask, _CALLS))
    elb, ec2 = connect("elbv2"), connect("ec2")
    arns = [one["LoadBalancerArn"] for one in found["LoadBalancers"]]
    found["LoadBalancerListeners"] = [
        {"LoadBalancerArn": arn, "Listeners": elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]} for arn in arns
    ]
    found["Rules"] = [
        rule
        for one in found["LoadBalancerListeners"]
        for listener in one["Listeners"]
        for rule in elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    ]
    found["LoadBalancerTargetHealth"] = [
        {
            "TargetGroupArn": one["TargetGroupArn"],
            "TargetHealthDescriptions": elb.describe_target_health(TargetGroupArn=one["TargetGroupArn"])[
                "TargetHealthDescriptions"
            ],
        }
        for one in found["TargetGroups"]
    ]
    files = {key: {key: value} for key, value in found.items()}
    files["ManagedPrefixLists"] = {"PrefixLists": ec2.describe_managed_prefix_lists()["PrefixLists"]}
    for one in files["ManagedPrefixLists"]["PrefixLists"]:
        entries = ec2.get_managed_prefix_list_entries(PrefixListId=one["PrefixListId"])["Entries"]
        files[f"ManagedPrefixListEntries-{one['PrefixListId']}"] = {"Entries": entries}
    for name, value in files.items():
        text = json.dumps(value, default=str)
        for old, new in (rename or {}).items():
            text, name = text.replace(old, new), name.replace(old, new)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    return doorward.read_estate(folder)


def flows(before: Estate, after: Estate) -> list[str]:
    """Flows gained and lost, in words; none when two estates mean the same."""
    found = doorward.diff(before, after)
    return [f"+ {flow}" for flow in found.gained] + [f"- {flow}" for flow in found.lost]
