"""What the tests of the judge do inside a universe, and (without packets) outside of one."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

from doorward import api
from doorward_lab.errors import BadScene
from doorward_lab.judge import case as cases
from doorward_lab.judge import court
from doorward_lab.judge.aims import Aims
from doorward_lab.judge.bench import Bench
from doorward_lab.judge.case import Case
from doorward_lab.judge.engine import Engine
from doorward_lab.judge.estates import draw
from doorward_lab.judge.inside import still
from doorward_lab.judge.shrink import shrink
from doorward_lab.kernel.nft import Nft
from tests.lab.judge import vector_files
from tests.oracle.oracle import connection_opens, packet_arrives
from tests.oracle.world import World

LISTED = {"Entries": "ManagedPrefixListEntries", "Routes": "TransitGatewayRoutes"}


def vectors(paths: list[str], plane: bool) -> dict[str, list[dict[str, list[str]]]]:
    """What each judge says of each packet: {file: [{judge: [arrives, answered]}]}. Without a plane: no kernel."""
    bench = Bench(plane=plane)
    found: dict[str, list[dict[str, list[str]]]] = {}
    try:
        for path in paths:
            file = vector_files.read(Path(path))
            packets = [one.packet for one in file.packets]
            with bench.standing(file.scene) as standing, tempfile.TemporaryDirectory() as folder:
                bench.write_snapshot(Path(folder) / "snapshot")
                engine = Engine(api.read_estate(Path(folder) / "snapshot"))
                oracle = World(described(Path(folder) / "snapshot"))
                kernel = court.observe(standing, packets)[0] if plane else []
                rows = []
                for at, packet in enumerate(packets):
                    source, target = standing.end(packet.source), standing.end(packet.target)
                    asked = (
                        source.interface, source.private, target.interface, target.wire, packet.protocol, packet.detail,
                    )  # fmt: skip
                    ports = (packet.source_port, packet.source_port)
                    arrives = packet_arrives(oracle, *asked)
                    opens = connection_opens(oracle, *asked, ports) if arrives != "no" else "no"
                    row: dict[str, list[str]] = {
                        "engine": list(engine.fate(packet, source, target)),
                        "oracle": [arrives, opens],
                    }
                    rows.append(row | ({"kernel": list(kernel[at])} if plane else {}))
                found[file.name] = rows
    finally:
        bench.close()
    return found


def described(folder: Path) -> dict[str, Any]:
    """A snapshot as one mapping of describe-JSON, as the oracle reads it."""
    estate: dict[str, Any] = {"ManagedPrefixListEntries": {}}
    for path in sorted(folder.rglob("*.json")):
        for key, value in json.loads(path.read_text(encoding="utf-8")).items():
            if path.stem.startswith("ManagedPrefixListEntries-") and key == "Entries":
                name = path.stem.removeprefix("ManagedPrefixListEntries-")
                estate["ManagedPrefixListEntries"].setdefault(name, {"Entries": []})["Entries"] += value
            elif isinstance(value, list):
                estate.setdefault(key, []).extend(value)
    return estate


def caught(seed: int) -> dict[str, int]:
    """How many disagreements there are when one side is tampered with: none, a host's filter, the snapshot."""
    bench = Bench()
    found: dict[str, int] = {}
    try:
        scene = draw(seed)
        with bench.standing(scene) as standing:
            before = standing.estate()
            packets = Aims(scene, standing.hosts, random.Random(seed)).packets(10)
            found["nothing"] = len(court.sit(standing, before, packets).faults)
            ec2 = standing.clients("ec2")
            for group in standing.built.groups.values():
                rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
                for one in rules["SecurityGroupRules"]:
                    call = ec2.revoke_security_group_egress if one["IsEgress"] else ec2.revoke_security_group_ingress
                    call(GroupId=group, SecurityGroupRuleIds=[one["SecurityGroupRuleId"]])
            # Other ports than before: what ran goes on.
            fresh = Aims(scene, standing.hosts, random.Random(seed + 1)).packets(10)
            found["snapshot"] = len(court.sit(standing, before, fresh).faults)
            after = standing.estate()
            nft = Nft()
            for name in scene.hosts:
                nft.run(standing.places[name], "flush ruleset")
            again = Aims(scene, standing.hosts, random.Random(seed + 2)).packets(10)
            found["filter"] = len(court.sit(standing, after, again).faults)
    finally:
        bench.close()
    return found


def shrunk(seed: int, out: str) -> dict[str, int]:
    """The smallest scene in which a certain packet still arrives: found, written, read and judged again."""
    bench = Bench()
    try:
        scene = draw(seed)
        with bench.standing(scene) as standing:
            packets = Aims(scene, standing.hosts, random.Random(seed)).packets(6)
            rows = court.sit(standing, standing.estate(), packets).rows
        row = next(row for row in rows if row.kernel.answered == "yes" and row.packet.protocol == 6)

        def arrives(lesser: Any) -> bool:
            try:
                with bench.standing(lesser) as standing:
                    return court.observe(standing, [row.packet])[0][0].answered == "yes"
            except BadScene:  # an end of the packet is gone
                return False

        assert not still(bench, scene, [row.packet], row._replace(fault="first packet: engine yes, kernel no"))
        least = shrink(scene, arrives, seconds=25)
        cases.write(Case(least, (row.packet,), (row.kernel,), "test", "shrunk"), Path(out))
        size = {"hosts": len(least.hosts), "rules": sum(len(one.ingress) for one in least.groups.values())}
        return {**size, "before": len(scene.hosts), "holds": int(arrives(cases.read(Path(out)).scene))}
    finally:
        bench.close()
