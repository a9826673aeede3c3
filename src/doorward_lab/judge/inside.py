"""The judge's work inside a universe: one bench, estate after estate. Started by `run`, answers with plain values.

What does not live here: the process and the report (`run`, `report`).
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

from doorward.errors import DoorwardError
from doorward_lab.errors import LabError
from doorward_lab.judge import case as cases
from doorward_lab.judge.aims import Aims
from doorward_lab.judge.bench import Bench
from doorward_lab.judge.case import TCP, UDP, Case, Packet
from doorward_lab.judge.court import Row, Sitting, sit
from doorward_lab.judge.estates import deletions, draw
from doorward_lab.judge.outlive import Outlived, Revoked, revoke_under
from doorward_lab.judge.shrink import shrink
from doorward_lab.scenes.scene import Scene

DOORS = 40
"""Packets of each estate that are asked as contracts too."""
CASES = 5
"""Disagreements that are made small, each of another kind; the others are counted."""


def session(options: dict[str, Any]) -> None:
    """Judge estates ``first`` to ``first + estates - 1``, a line of JSON in the file ``lines`` after each."""
    out = Path(options["out"])
    bench = Bench()
    known: set[str] = set()
    try:
        with Path(options["lines"]).open("a", encoding="utf-8") as lines:
            for seed in range(options["first"], options["first"] + options["estates"]):
                found = _judge(bench, seed, options["each"], options["connections"], out, known, options["shrink"])
                lines.write(json.dumps(found) + "\n")
                lines.flush()
    finally:
        bench.close()


def _judge(bench: Bench, seed: int, each: int, most: int, out: Path, known: set[str], seconds: float) -> dict[str, Any]:
    began = time.monotonic()
    scene, deleted = draw(seed), deletions(seed)
    bench.slowest = 0.0
    try:
        with bench.standing(scene, deleted) as standing:
            estate = standing.estate()
            chance = random.Random(seed)  # noqa: S311 - a seed must name a course of events
            packets = Aims(scene, standing.hosts, chance).packets(each)
            sitting = sit(standing, estate, packets, doors=DOORS)
            revoked = Revoked((), ())
            if most:
                flows = [row.packet for row in sitting.rows if row.kernel.answered == "yes" and not row.fault]
                flows = [one for one in flows if one.protocol in (TCP, UDP)]
                chance.shuffle(flows)
                revoked = revoke_under(standing, estate, flows, chance, most=most)
    except (LabError, DoorwardError) as error:
        return {"unbuilt": [f"estate {seed}: {error}"], "estates": 1}
    found = _counted(sitting, revoked.connections)
    found["slowest_follow"] = bench.slowest
    found["cases"] = [*_packet_cases(bench, scene, deleted, sitting, out, known, seconds)]
    found["cases"] += _connection_cases(bench, scene, deleted, revoked, out, known, seconds)
    return {**found, "estates": 1, "seconds_of_it": time.monotonic() - began}


def _counted(sitting: Sitting, outlived: tuple[Outlived, ...]) -> dict[str, Any]:
    return {
        "pairs": len({(row.packet.source, row.packet.target) for row in sitting.rows}),
        "probes": len(sitting.rows),
        "contracts": len(sitting.through_door),
        "connections": len(outlived),
        "cut": sum(not one.alive for one in outlived),
        "arrived": sum(row.kernel.arrives == "yes" for row in sitting.rows),
        "answered": sum(row.kernel.answered == "yes" for row in sitting.rows),
        "unknown": sitting.unknown,
        "apart": sitting.apart,
        "disagreements": len(sitting.faults) + sum(bool(one.fault) for one in outlived),
        "probe_seconds": sitting.seconds,
    }


def _packet_cases(
    bench: Bench, scene: Scene, deleted: tuple[str, ...], sitting: Sitting, out: Path, known: set[str], seconds: float
) -> list[str]:
    """A minimal case for each new kind of disagreement."""
    written = []
    for row in sitting.faults:
        kind = f"{row.fault}/{row.packet.protocol}/{':' in row.packet.source}/{'public' in row.packet.target}"
        if kind in known or len(known) >= CASES:
            continue
        known.add(kind)
        # A NAT gateway is judged by all the source ports of a service, so those stay together.
        about = (row.packet.source, row.packet.target, row.packet.protocol, row.packet.detail)
        alike = [one.packet for one in sitting.rows if one.packet[:4] == about] or [row.packet]
        least = shrink(scene, lambda lesser: still(bench, lesser, alike, row, deleted), seconds=seconds)  # noqa: B023 - used at once
        note = f"{row.packet}: {row.fault}"
        path = out / f"{scene.name}-{len(known)}.yaml"
        cases.write(Case(least, tuple(alike), (), scene.name, note, (), deleted), path)
        written.append(str(path))
    return written


def still(bench: Bench, scene: Scene, packets: list[Packet], row: Row, deleted: tuple[str, ...] = ()) -> bool:
    """Whether the two disagree on a packet in the same way, in another scene."""
    try:
        with bench.standing(scene, deleted) as standing:
            sitting = sit(standing, standing.estate(), packets, doors=len(packets))
    except (LabError, DoorwardError):
        return False
    return any(one.packet == row.packet and one.fault == row.fault for one in sitting.faults)


def _connection_cases(
    bench: Bench, scene: Scene, deleted: tuple[str, ...], revoked: Revoked, out: Path, known: set[str], seconds: float
) -> list[str]:
    """A minimal case for a new kind of disagreement about standing connections."""
    wrong = next((one for one in revoked.connections if one.fault and one.fault not in known), None)
    if wrong is None or len(known) >= CASES:
        return []
    known.add(wrong.fault)

    def differs(lesser: Scene) -> bool:
        return any(
            one.fault == wrong.fault for one in _outlived(bench, Case(lesser, (wrong.packet,), (), "", "", rules))
        )

    rules = revoked.rules
    least = shrink(scene, differs, seconds=seconds)
    path = out / f"{scene.name}-{len(known)}.yaml"
    cases.write(Case(least, (wrong.packet,), (), scene.name, f"{wrong.packet}: {wrong.fault}", rules, deleted), path)
    return [str(path)]


def _outlived(bench: Bench, case: Case) -> tuple[Outlived, ...]:
    try:
        with bench.standing(case.scene, case.deleted) as standing:
            chance = random.Random(0)  # noqa: S311 - not asked: the rules are given
            return revoke_under(standing, standing.estate(), case.packets, chance, wanted=case.revoked).connections
    except (LabError, DoorwardError):
        return ()


def replay(path: str) -> list[dict[str, Any]]:
    """Judge a case again. One mapping for each disagreement: the packet, what each said, what they disagree on."""
    case = cases.read(Path(path))
    bench = Bench()
    try:
        if case.revoked:
            return [one._asdict() | {"fault": one.fault} for one in _outlived(bench, case) if one.fault]
        with bench.standing(case.scene, case.deleted) as standing:
            sitting = sit(standing, standing.estate(), case.packets, doors=len(case.packets))
    finally:
        bench.close()
    return [row_data(row) for row in sitting.faults]


def several(paths: list[str]) -> list[list[dict[str, Any]]]:
    """Judge several cases, without the front door; one list of rows for each."""
    bench = Bench()
    found = []
    try:
        for path in paths:
            case = cases.read(Path(path))
            with bench.standing(case.scene, case.deleted) as standing:
                rows = sit(standing, standing.estate(), case.packets).rows
            found.append([row_data(row) for row in rows])
    finally:
        bench.close()
    return found


def row_data(row: Row) -> dict[str, Any]:
    """A row as plain values."""
    return {
        "packet": str(row.packet),
        "engine": list(row.engine),
        "kernel": list(row.kernel),
        "fault": row.fault,
        "apart": row.apart,
    }
