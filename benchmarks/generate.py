"""Makes the estates that speed is measured on: T (20 groups), S, M, L and X, the same in every run.

They go to ``.benchdata/``. Each is a folder of answers of the AWS CLI, beside contracts files (10, 100 and 1,000
contracts, nearly all kept) and ``next/``, the same estate with one group in a hundred changed.
`python -m benchmarks.generate --sizes S M`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.network import build_network
from benchmarks.population import populate
from benchmarks.writing import Rules, write_groups, write_interfaces

DATA = Path(__file__).resolve().parent.parent / ".benchdata"
VERSION = 1
"""Raised when the generator changes, so that old data are made anew."""
SEED = 20240215


@dataclass(frozen=True, slots=True)
class Size:
    """How large an estate is. ``apps``, ``commons`` and ``classes`` are per VPC."""

    components: tuple[int, ...]
    subnets: int
    interfaces: int
    groups: int
    rules: int
    apps: int
    commons: int
    classes: int


SIZES = {
    "T": Size((1, 1), 6, 60, 20, 240, 6, 4, 12),
    "S": Size((2, 1), 6, 1_000, 200, 4_000, 20, 10, 36),
    "M": Size((4, 3, 2, 1), 10, 10_000, 2_000, 60_000, 42, 20, 89),
    "L": Size((12, 9, 7, 6, 5, 4, 3, 3, 1), 10, 100_000, 20_000, 1_000_000, 60, 34, 119),
    "X": Size((12, 9, 7, 6, 5, 4, 3, 3, 1), 10, 100_000, 20_000, 1_000_000, 110, 68, 507),
}


def estate_path(name: str) -> Path:
    """Where the estate of a size is."""
    return DATA / name / "estate"


def next_path(name: str) -> Path:
    """Where the same estate with 1 % of its groups changed is."""
    return DATA / name / "next"


def contracts_path(name: str, number: int = 1000) -> Path:
    """Where a size's contracts are."""
    return DATA / name / f"contracts-{number}.yaml"


def generate(name: str, *, force: bool = False) -> dict[str, Any]:
    """Make one size unless it is there; returns what is in it."""
    size = SIZES[name]
    facts_path = DATA / name / "facts.json"
    if facts_path.exists() and not force:
        facts: dict[str, Any] = json.loads(facts_path.read_text(encoding="utf-8"))
        if facts["version"] == VERSION:
            return facts
    begin = time.perf_counter()
    rng = random.Random(SEED)
    network = build_network(rng, size.components, size.subnets)
    population = populate(rng, network, size)
    folder, other = estate_path(name), next_path(name)
    for place in (folder, other):
        place.mkdir(parents=True, exist_ok=True)
        for old in place.iterdir():
            old.unlink()
    for file, document in network.documents.items():
        (folder / file).write_text(json.dumps(document, indent=4) + "\n", encoding="utf-8")
    with (folder / "describe-network-interfaces.json").open("w", encoding="utf-8", buffering=1 << 20) as out:
        interfaces = write_interfaces(network, population.classes, rng, out)
    for made in folder.iterdir():
        os.link(made, other / made.name)
    # One group in a hundred, attached or not as it comes: that is what "1 % of the groups" says.
    changed = {int(rng.random() * len(population.groups)) for _ in range(len(population.groups) // 100)}
    rules = Rules(network, population, SEED, size.rules // size.groups)
    with (
        (folder / "describe-security-groups.json").open("w", encoding="utf-8", buffering=1 << 20) as out,
        (other / "describe-security-groups.json").open("w", encoding="utf-8", buffering=1 << 20) as other_out,
    ):
        write_groups(rules, population.groups, out, other_out, changed)
    for number in (10, 100, 1000):
        _write_contracts(name, number, population.contracts[:number])
    facts = {
        "version": VERSION,
        "size": name,
        "plan": asdict(size),
        "interfaces": interfaces,
        "groups": len(population.groups),
        "attached_groups": len({group.number for one in population.classes for group in one.groups}),
        "rules": rules.count,
        "classes": len(population.classes),
        "vpcs": len(network.vpcs),
        "peering_components": len(network.components),
        "changed_groups": len(changed),
        "bytes": sum(file.stat().st_size for file in folder.iterdir()),
        "contracts": len(population.contracts),
        "seconds": round(time.perf_counter() - begin, 1),
    }
    facts_path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return facts


def _write_contracts(name: str, number: int, contracts: list[dict[str, Any]]) -> None:
    """As YAML by hand (what people write) and as JSON (what is read fastest)."""
    lines = ["version: 1", "contracts:"]
    table = {}
    for contract in contracts:
        lines.append(f"  {contract['name']}:")
        for key, value in contract.items():
            if key != "name":
                lines.append(f"    {key}: {_yaml(value)}")
        table[contract["name"]] = {key: value for key, value in contract.items() if key != "name"}
    contracts_path(name, number).write_text("\n".join(lines) + "\n", encoding="utf-8")
    document = {"version": 1, "contracts": table}
    contracts_path(name, number).with_suffix(".json").write_text(json.dumps(document, indent=1), encoding="utf-8")


def _yaml(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(f'"{one}"' for one in value) + "]"
    return f'"{value}"' if ":" in value else str(value)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["S", "M"])
    parser.add_argument("--force", action="store_true", help="make them anew")
    options = parser.parse_args()
    for name in options.sizes:
        facts = generate(name, force=options.force)
        print(json.dumps({key: value for key, value in facts.items() if key != "plan"}), file=sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
