"""A case: a scene, packets, and what should become of them. Written as YAML, read back, judged again.

What does not live here: the scene's own language (`doorward_lab.scenes`), the judging (`court`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from doorward_lab.errors import BadScene
from doorward_lab.scenes.read import load_text
from doorward_lab.scenes.scene import Scene
from doorward_lab.scenes.terms import service as read_service

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
NUMBERS = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmpv6": ICMPV6}
WORDS = {number: name for name, number in NUMBERS.items()}
Answer = Literal["yes", "no", "unknown"]


class Packet(NamedTuple):
    """One first packet, between two ends in the words of `ends`."""

    source: str
    target: str
    protocol: int
    detail: int = 0
    """Destination port, or ICMP `type * 256 + code`."""
    source_port: int = 0
    """Of TCP and UDP; the identifier of an ICMP echo."""

    @property
    def service(self) -> str:
        """In the words of a contract: tcp/443, icmp/8:0, proto/50."""
        if self.protocol in (TCP, UDP):
            return f"{WORDS[self.protocol]}/{self.detail}"
        if self.protocol in (ICMP, ICMPV6):
            return f"{WORDS[self.protocol]}/{self.detail >> 8}:{self.detail & 255}"
        return f"proto/{self.protocol}"

    def __str__(self) -> str:
        port = f" from port {self.source_port}" if self.protocol in (TCP, UDP) else ""
        return f"{self.source} → {self.target} {self.service}{port}"


class Fate(NamedTuple):
    """What becomes of a packet."""

    arrives: Answer
    answered: Answer


class Revocation(NamedTuple):
    """A rule that is revoked, by the scene's names."""

    group: str
    direction: str
    rule: str
    """Service and peer: ``tcp/443 0.0.0.0/0``."""


@dataclass(frozen=True, slots=True)
class Case:
    """A scene and its packets. `fates` are those expected, in the order of `packets`; empty: whatever the judges say,
    as long as they agree."""

    scene: Scene
    packets: tuple[Packet, ...]
    fates: tuple[Fate, ...] = ()
    source: str = ""
    """The page of AWS's documentation that it comes from, or the seed."""
    note: str = ""
    revoked: tuple[Revocation, ...] = ()
    """Rules to revoke under connections that stand: then the packets are those that begin them."""
    deleted: tuple[str, ...] = ()
    """Peerings and gateways that are deleted again once the scene stands."""


def read(path: Path) -> Case:
    """The case in a YAML file. Raises `BadScene`."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadScene(f"{path}: {error}") from error
    if not isinstance(found, dict) or not {"scene", "packets"} <= found.keys():
        raise BadScene(f"{path}: a case has the keys 'scene' and 'packets'")
    lines = found["packets"]
    if not isinstance(lines, list) or not all(isinstance(one, dict) for one in lines):
        raise BadScene(f"{path}: 'packets' is not a list of mappings")
    try:
        packets = tuple(_packet(one) for one in lines)
        fates = tuple(_fate(one) for one in lines if "arrives" in one)
    except (KeyError, TypeError, ValueError) as error:
        raise BadScene(f"{path}: a packet needs from, to and service: {error}") from error
    if fates and len(fates) != len(packets):
        raise BadScene(f"{path}: either every packet says what becomes of it ('arrives'), or none does")
    try:
        revoked = tuple(Revocation(*map(str, one)) for one in found.get("revoked", ()))
    except TypeError as error:
        raise BadScene(f"{path}: 'revoked' is not a list of [group, direction, rule]: {error}") from error
    scene = load_text(yaml.safe_dump(found["scene"], sort_keys=False), f"{path} (scene)")
    deleted = tuple(map(str, found.get("deleted", ())))
    return Case(scene, packets, fates, str(found.get("source", "")), str(found.get("note", "")), revoked, deleted)


def write(case: Case, path: Path) -> None:
    """Write a case. Raises `OSError`."""
    from doorward_lab.scenes.write import to_data

    made: dict[str, Any] = {"source": case.source, "note": case.note, "scene": to_data(case.scene)}
    if case.deleted:
        made["deleted"] = list(case.deleted)
    if case.revoked:
        made["revoked"] = [list(one) for one in case.revoked]
    made["packets"] = [_line(packet, fate) for packet, fate in _paired(case)]
    path.write_text(
        yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=118, default_flow_style=None), encoding="utf-8"
    )


def _paired(case: Case) -> Sequence[tuple[Packet, Fate | None]]:
    return list(zip(case.packets, case.fates or [None] * len(case.packets), strict=True))


def _line(packet: Packet, fate: Fate | None) -> dict[str, Any]:
    line: dict[str, Any] = {"from": packet.source, "to": packet.target, "service": packet.service}
    if packet.source_port:
        line["source-port"] = packet.source_port
    if fate is not None:
        line |= {"arrives": fate.arrives, "answered": fate.answered}
    return line


def _packet(line: dict[str, Any]) -> Packet:
    service = read_service(str(line["service"]))
    protocol = NUMBERS.get(service.protocol) or int(service.protocol)
    if protocol in (TCP, UDP):
        detail = service.first or 0
    elif protocol in (ICMP, ICMPV6):
        detail = (service.first or 0) * 256 + max(0, service.last or 0)
    else:
        detail = 0
    return Packet(str(line["from"]), str(line["to"]), protocol, detail, int(line.get("source-port", 0)))


def _fate(line: dict[str, Any]) -> Fate:
    # YAML reads yes and no as booleans.
    words: dict[object, Answer] = {True: "yes", False: "no", "yes": "yes", "no": "no", "unknown": "unknown"}
    return Fate(words[line["arrives"]], words[line.get("answered", line["arrives"])])
