"""One cloud and its data plane inside the universe, for one scene after another.

A scene is built through the API by boto3, as any client would; the data plane follows call by call; the snapshot that
the engine judges is read by `doorward snapshot`'s own function from the same endpoint. What does not live here: what is
sent and compared (`court`), the universe itself (`doorward_lab.kernel`).
"""

from __future__ import annotations

import socket
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doorward import api
from doorward.model.estate import Estate
from doorward.readers.snapshot import take_snapshot
from doorward_lab.cloud.app import Cloud
from doorward_lab.cloud.serve import serve
from doorward_lab.fabric.apply import Fabric
from doorward_lab.judge.ends import INTERNET, End, find, hosts_of
from doorward_lab.kernel.netns import Namespace
from doorward_lab.model import CloudState, Interface
from doorward_lab.scenes.builder import build
from doorward_lab.scenes.built import Built
from doorward_lab.scenes.clients import Clients
from doorward_lab.scenes.scene import Scene

KEY, SECRET = "AKIAJUDGEJUDGEJUDGE0", "judge"


@dataclass(frozen=True, slots=True)
class Standing:
    """A scene that stands."""

    built: Built
    hosts: Mapping[str, Interface]
    places: Mapping[str, Namespace]
    """Namespaces by the names of `hosts`, and `internet`."""
    clients: Clients
    bench: Bench

    def end(self, text: str) -> End:
        """An end in the words of a case. Raises `BadScene`."""
        return find(text, self.hosts)

    def place_of(self, text: str) -> str:
        """The name of the place where an end lives."""
        return INTERNET if self.end(text).outside else text.partition("/")[0]

    def estate(self) -> Estate:
        """A snapshot, as Doorward reads it."""
        return self.bench.snapshot()


class Bench:
    """The cloud, its endpoint and the fabric. To be made inside a universe; `close` ends it."""

    def __init__(self, *, plane: bool = True) -> None:
        """Without a ``plane`` there is the API alone, and no universe is needed: nobody lives anywhere then."""
        self._plane = plane
        self.cloud = Cloud()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._server = serve(self.cloud, self._listening)
        self.url = self._server.url
        self.slowest = 0.0
        """Seconds that the data plane took to follow one call, at most."""

    def close(self) -> None:
        """End the endpoint."""
        self._server.close()
        self._listening.close()
        self.cloud.close()

    @contextmanager
    def standing(self, scene: Scene, deleted: Sequence[str] = ()) -> Iterator[Standing]:
        """A scene, built; torn down afterwards. ``deleted`` gateways and peerings are deleted again when it stands:
        routes to them become blackholes, references over them stale. Raises `BadScene`, `Refused`.
        """
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")):  # noqa: S310
            pass  # our own endpoint: moto's way to forget everything
        fabric = Fabric() if self._plane else None

        def follow(state: CloudState) -> None:
            assert fabric is not None
            began = time.monotonic()
            fabric.follow(state)
            self.slowest = max(self.slowest, time.monotonic() - began)

        self.cloud.region = scene.region
        self.cloud.on_change = follow if fabric is not None else None
        try:
            clients = Clients(self.url, region=scene.region, access_key=KEY, secret_key=SECRET)
            built = build(scene, clients)
            _delete(built, clients, scene, deleted)
            hosts = hosts_of(built, self.cloud.state())
            places: dict[str, Namespace] = {}
            if fabric is not None:
                places = {name: fabric.host(one.id) for name, one in hosts.items()}
                places[INTERNET] = fabric.internet
            yield Standing(built, hosts, places, clients, self)
        finally:
            self.cloud.on_change = None
            if fabric is not None:
                fabric.close()

    def snapshot(self) -> Estate:
        """What `doorward snapshot` reads from the endpoint."""
        with tempfile.TemporaryDirectory(prefix="judge-") as name:
            self.write_snapshot(Path(name) / "snapshot")
            return api.read_estate(Path(name) / "snapshot")

    def write_snapshot(self, folder: Path) -> None:
        """The snapshot as files."""
        with _credentials():
            take_snapshot(folder, regions=(self.cloud.region,), endpoint_url=self.url)


def _delete(built: Built, clients: Clients, scene: Scene, names: Sequence[str]) -> None:
    """Delete peerings, NAT and egress-only gateways through the API; names that the scene lacks are passed over."""
    ec2 = clients("ec2")
    for name in names:
        gateway = scene.gateways.get(name)
        if name in scene.peerings:
            ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=built.peerings[name])
        elif gateway is not None and gateway.kind == "nat":
            ec2.delete_nat_gateway(NatGatewayId=built.gateways[name])
        elif gateway is not None and gateway.kind == "egress-only":
            ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=built.gateways[name])


@contextmanager
def _credentials() -> Iterator[None]:
    """The snapshot takes credentials as any AWS program does: from the environment."""
    import os

    mine: dict[str, Any] = {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    before = {name: os.environ.get(name) for name in mine}
    os.environ.update(mine)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
