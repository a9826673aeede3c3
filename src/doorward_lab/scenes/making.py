"""A scene while it is being built: clients, ids made so far, and the work of one step done side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

from doorward_lab.errors import BadScene
from doorward_lab.scenes.addresses import Addresses
from doorward_lab.scenes.clients import Connect
from doorward_lab.scenes.scene import Scene

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called after each element: what was made, how many are made, how many there are."""
AT_ONCE = 4
"""Calls made at the same time: the lab's API takes one at a time, clients need as long again to write and read."""

Element = TypeVar("Element")
Made = TypeVar("Made")


class Making:
    """What the steps of a build share. Use as a context: it owns the threads."""

    def __init__(self, scene: Scene, connect: Connect, progress: Progress | None) -> None:
        self.scene = scene
        self.connect = connect
        self.ids: dict[str, dict[str, str]] = {}
        """Section → name → id."""
        self.ipv6: dict[str, str] = {}
        """Subnet → IPv6 block."""
        self.addresses = Addresses()
        self._progress = progress
        self._lock = Lock()
        self._done = 0
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="build")
        twice = len(scene.groups) + len(scene.target_groups)  # rules and targets are steps of their own
        sections = (
            scene.vpcs, scene.subnets, scene.groups, scene.prefix_lists, scene.acls, scene.route_tables, scene.gateways,
            scene.peerings, scene.hosts, scene.target_groups, scene.load_balancers,
        )  # fmt: skip
        self._total = twice + sum(map(len, sections))

    def __enter__(self) -> Making:
        # Clients are made here, one by one: boto3 sessions must not make them in several threads at once.
        for service in ("ec2", *(("elbv2",) if self.scene.load_balancers or self.scene.target_groups else ())):
            self.connect(service)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def ec2(self) -> Any:
        """The EC2 client."""
        return self.connect("ec2")

    @property
    def region(self) -> str:
        """The clients' region, which need not be the scene's own."""
        return str(self.ec2.meta.region_name)

    @property
    def elbv2(self) -> Any:
        """The ELBv2 client."""
        return self.connect("elbv2")

    def id(self, section: str, name: str) -> str:
        """The id that an element got."""
        return self.ids[section][name]

    def each(self, section: str, elements: Mapping[str, Element], make: Callable[[Element], Made]) -> dict[str, Made]:
        """Make all elements of a step; what `make` answers as a text is remembered as the element's id.

        Raises `BadScene` for the first that the cloud refuses, once no other is under way.
        """
        made = self._pool.map(lambda name: self._one(section, name, elements[name], make), elements)
        found = dict(zip(elements, made, strict=True))
        self.ids.setdefault(section, {}).update({name: id for name, id in found.items() if isinstance(id, str)})
        return found

    def _one(self, section: str, name: str, element: Element, make: Callable[[Element], Made]) -> Made:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            made = make(element)
        except (ClientError, BotoCoreError) as error:
            raise BadScene(
                f"{self.scene.name}: {section} {name!r} could not be built: {error}; "
                "change the scene, or check the endpoint"
            ) from error
        with self._lock:
            self._done += 1
            if self._progress is not None:
                self._progress(f"{section} {name}", self._done, self._total)
        return made


def tags(kind: str, name: str) -> list[dict[str, Any]]:
    """`TagSpecifications` that name an element (EC2 API Reference, TagSpecification)."""
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


def filters(**wanted: str) -> list[dict[str, Any]]:
    """`Filters` of a describe call: name with _ for - → value."""
    return [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in wanted.items()]
