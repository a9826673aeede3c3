"""Engine against oracle: one estate, some contracts, two judges; what they disagree on, and the smallest such case.

This is the only module beside the tests that knows both sides. It goes the whole way of a user: files on disk, readers,
contract language, engine. What does not live here: how estates are made (``estates``), mutants (``mutants``).
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doorward import api
from doorward.errors import DoorwardError
from doorward.model.verdict import Verdict, Witness
from tests.oracle.judge import Judge, choose, judge, read_services, with_cuts
from tests.oracle.oracle import OUTSIDE, connection_opens, packet_arrives
from tests.oracle.packets import node_to_target, nodes, ways_to
from tests.oracle.world import Address, Block, Json, World, address, common, inside, show, without

V6 = 1 << 128


@dataclass(frozen=True)
class Disagreement:
    """One contract on which the two differ."""

    contract: Json
    oracle: str
    engine: str
    detail: str = ""

    @property
    def cautious(self) -> bool:
        """The engine says less than the oracle knows: a loss, but no lie."""
        return self.engine == "cannot-tell"


def write_estate(estate: Json, folder: Path) -> None:
    """The estate as files, in the layouts that the AWS CLI and the README of the readers know."""
    plain = {key: value for key, value in estate.items() if isinstance(value, list)}
    if not plain.get("Listeners"):
        plain.pop("Listeners", None)  # an empty answer would say of its load balancer that it has none
    plain["TransitGatewayRoutes"] = [
        {"TransitGatewayRouteTableId": name, **answer}
        for name, answer in estate.get("TransitGatewayRoutes", {}).items()
    ]
    plain["LoadBalancerTargetHealth"] = [
        {"TargetGroupArn": arn, **answer} for arn, answer in estate.get("TargetHealth", {}).items()
    ]
    plain["TargetGroupAttributes"] = [
        {"TargetGroupArn": arn, **answer} for arn, answer in estate.get("TargetGroupAttributes", {}).items()
    ]
    (folder / "estate.json").write_text(json.dumps(plain))
    for name, answer in estate.get("ManagedPrefixListEntries", {}).items():
        (folder / f"ManagedPrefixListEntries-{name}.json").write_text(json.dumps(answer))


def write_contracts(contracts: list[Json], path: Path) -> None:
    """The contracts as a file of the contract language (JSON is YAML)."""
    named = {f"contract-{at}": one for at, one in enumerate(contracts)}
    path.write_text(json.dumps({"version": 1, "contracts": named}))


def engine_verdicts(estate: Json, contracts: list[Json]) -> list[Verdict]:
    """What Doorward says, in the order of the contracts."""
    with tempfile.TemporaryDirectory(prefix="doorward-") as name:
        folder = Path(name)
        (folder / "estate").mkdir()
        write_estate(estate, folder / "estate")
        write_contracts(contracts, folder / "doorward.yaml")
        read = api.read_estate(folder / "estate")
        report = api.check(api.read_contracts(folder / "doorward.yaml"), read)
    found = {verdict.name: verdict for verdict in report.verdicts}
    return [found[f"contract-{at}"] for at in range(len(contracts))]


def disagreements(estate: Json, contracts: list[Json]) -> list[Disagreement]:
    """Where outcomes differ, or a witness of the engine does not convince the oracle."""
    world = World(estate)
    found = []
    for contract, verdict in zip(contracts, engine_verdicts(estate, contracts), strict=True):
        expected, actual = judge(world, contract), str(verdict.outcome)
        if expected != actual:
            reasons = "; ".join(one.text for one in verdict.reasons)
            found.append(
                Disagreement(contract, expected, actual, f"{verdict.witness and verdict.witness.text} · {reasons}")
            )
        elif expected == "broken" and verdict.witness is not None:
            fault = doubt(with_cuts(world, contract), contract, verdict.witness)
            if fault:
                found.append(Disagreement(contract, expected, actual, f"witness {verdict.witness.text}: {fault}"))
    return found


def read_address(number: int) -> Address:
    """An address of the engine's line."""
    return Address(6, number - V6) if number >= V6 else Address(4, number)


def doubt(world: World, contract: Json, witness: Witness) -> str:
    """Why the oracle does not believe the witness of a broken contract; "" when it does."""
    s, d = show(read_address(witness.source_address)), show(read_address(witness.target_address))
    protocol, detail = divmod(witness.service, 65536)
    if contract["must"] == "reach":
        low, _, high = str(contract.get("ephemeral", "1024-65535")).partition("-")
        ports = (int(low), int(high))
        if witness.target not in OUTSIDE and witness.source not in world.nics and witness.source not in OUTSIDE:
            return f"{witness.source} is not an interface of the estate"
        if connection_opens(world, witness.source, s, witness.target, d, protocol, detail, ports) == "no":
            return ""
        for way in ways_to(world, witness.target) if witness.target in world.nics else []:
            if way.back == (protocol, detail) and not node_to_target(
                world, address(s), way, ports, True, witness.source if witness.source in world.nics else ""
            ):
                return ""
        for lb in choose(world, contract["to"]).balancers:
            if witness.target in nodes(world, lb):  # the client's way ends at a node that cannot hand it on
                asked = Judge(world, contract, True)
                clients = [(witness.source, address(s))]
                if not asked.behind(lb) or not asked.kept_behind(witness.target, clients, None):
                    return ""
        return "the oracle opens this connection"
    named = any(p == protocol and a <= detail <= b for p, a, b in read_services(contract["service"]))
    if not named and protocol in (6, 17, 1, 58):
        return "the service is not of the contract"
    chosen = choose(world, contract["from"])
    held = chosen.outside if witness.source in OUTSIDE else chosen.nics.get(witness.source, [])
    if inside(address(s), held) != (contract["must"] == "never-reach"):
        return "the source is not of the contract"
    answer = packet_arrives(world, witness.source, s, witness.target, d, protocol, detail)
    own = world.nics[witness.target].public_of(address(d)) if witness.target in world.nics else None
    if own is not None and answer != "yes":  # the packet may have come to the public address
        answer = packet_arrives(world, witness.source, s, witness.target, show(own), protocol, detail)
    return "" if answer == "yes" else f"the oracle's answer to this packet is {answer}"


# --- the smallest case ---


def kind_of(estate: Json, contract: Json) -> tuple[str, str] | None:
    """How the two disagree on a case; None when they agree, or when one of them cannot read it."""
    try:
        found = disagreements(estate, [contract])
    except (DoorwardError, KeyError, IndexError, TypeError, ValueError, AttributeError, AssertionError):
        return None
    return (found[0].oracle, found[0].engine) if found else None


def smallest(estate: Json, contract: Json) -> tuple[Json, Json]:
    """Take away whatever can be taken away while the same disagreement stays."""
    before = kind_of(estate, contract)

    def wrong(lesser: Json, asked: Json) -> bool:
        return kind_of(lesser, asked) == before

    estate, contract = copy.deepcopy(estate), copy.deepcopy(contract)
    again = True
    while again:
        again = False
        for holder, key in list(removable(estate)):
            if isinstance(holder, list):
                if key >= len(holder):
                    continue
                kept = holder.pop(key)
                if wrong(estate, contract):
                    again = True
                else:
                    holder.insert(key, kept)
            elif key in holder:
                order = list(holder.items())
                del holder[key]
                if wrong(estate, contract):
                    again = True
                else:
                    holder.clear()
                    holder.update(order)
        for end in ("from", "to"):
            for one in contract[end] if isinstance(contract[end], list) else []:
                lesser = {**contract, end: one}
                if wrong(estate, lesser):
                    contract, again = lesser, True
                    break
    return estate, contract


def removable(value: Any) -> Iterator[tuple[Any, Any]]:
    """Places of the estate from which something can be taken: elements of lists, answers by id; large ones first."""
    if isinstance(value, dict):
        for key in ("Association", "Attachment", "Ipv4Prefixes"):
            if key in value:
                yield value, key
        for key in ("ManagedPrefixListEntries", "TransitGatewayRoutes", "TargetHealth", "TargetGroupAttributes"):
            for name in list(value.get(key, {})) if isinstance(value.get(key), dict) else []:
                yield value[key], name
        for inner in value.values():
            yield from removable(inner)
    elif isinstance(value, list):
        for at in range(len(value) - 1, -1, -1):
            yield value, at
        for inner in value:
            yield from removable(inner)


def tidy(estate: Json) -> Json:
    """The estate without empty lists, for people."""
    return {key: value for key, value in estate.items() if value}


def entries(value: Any) -> list[Any]:
    """The elements of a list, or the pairs of a mapping."""
    return value if isinstance(value, list) else [{name: inner} for name, inner in value.items()]


def explain(estate: Json, contract: Json) -> str:
    """Both judges' views of one case, as text."""
    found = disagreements(estate, [contract])
    lines = [f"{key}: {json.dumps(one)}" for key, value in tidy(estate).items() for one in entries(value)]
    lines.append(json.dumps(contract))
    lines += [f"oracle {one.oracle}, engine {one.engine}: {one.detail}" for one in found]
    world = with_cuts(World(estate), contract)
    for may in (False, True):
        lines.append(f"-- oracle, {'upper' if may else 'lower'} bound: {steps(world, contract, may)}")
    return "\n".join(lines)


def steps(world: World, contract: Json, may: bool) -> str:
    """Every filter and path that the oracle asked in one bound, with its answer."""
    world = World(world.estate, extra_cuts=world.extra_cuts)
    one = Judge(world, contract, may)
    asked = {"reach": Judge.all_open, "never-reach": Judge.some_arrive, "only-from": Judge.strangers_arrive}
    result = asked[contract["must"]](one)
    lines = [str(result)]
    told = {key: value for key, value in world.memory.items() if callable(key[0]) and isinstance(value, bool)}
    # What passes comes last in a search for a packet; what fails comes last in a search for a lack.
    for (function, arguments, _), answer in list(told.items())[-14:]:
        shown = ", ".join(
            show(one) if isinstance(one, Address) else str(tuple(one)) if isinstance(one, tuple) else str(one)
            for one in arguments
        )
        lines.append(f"   {function.__name__}({shown}) = {answer}")
    return "\n".join(lines)


__all__ = ["Block", "Disagreement", "common", "disagreements", "explain", "smallest", "without"]
