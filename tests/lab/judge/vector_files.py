"""The vectors in tests/vectors: one scene a file, cases with packets and what AWS's documentation says of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from doorward_lab.judge.case import ICMP, ICMPV6, NUMBERS, TCP, UDP, Packet
from doorward_lab.scenes.read import load_text
from doorward_lab.scenes.scene import Scene
from doorward_lab.scenes.terms import service

FOLDER = Path(__file__).parents[2] / "vectors"
FIRST_PORT = 42000
"""Source ports that the files do not give: each packet its own, as filters remember connections."""


class Expected(NamedTuple):
    """One packet of a case. ``answered`` None: the case says nothing of it."""

    case: str
    source: str
    packet: Packet
    arrives: bool
    answered: bool | None


class File(NamedTuple):
    """One file."""

    name: str
    scene: Scene
    packets: list[Expected]

    @property
    def cases(self) -> set[str]:
        """Names of the cases."""
        return {one.case for one in self.packets}


def files() -> list[Path]:
    """All files of vectors."""
    return sorted(FOLDER.glob("*.yaml"))


def read(path: Path) -> File:
    """One file of vectors."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    scene = load_text(yaml.safe_dump(data["scene"], sort_keys=False), path.stem)
    return File(path.stem, scene, list(_packets(data["cases"])))


def _packets(cases: list[dict[str, object]]) -> Iterator[Expected]:
    port = FIRST_PORT
    for case in cases:
        lines = case["packets"]
        assert isinstance(lines, list)
        for line in lines:
            port += 1
            asked = service(line["service"])
            protocol = NUMBERS.get(asked.protocol) or int(asked.protocol)
            detail = 0
            if protocol in (TCP, UDP):
                detail = asked.first or 0
                assert asked.first == asked.last
            elif protocol in (ICMP, ICMPV6):
                detail = (asked.first or 0) * 256 + (asked.last or 0)
            packet = Packet(line["from"], line["to"], protocol, detail, line.get("source-port", port))
            arrives = line["arrives"]
            answered = line.get("answered") if arrives else False
            yield Expected(str(case["name"]), str(case["source"]), packet, arrives, answered)
