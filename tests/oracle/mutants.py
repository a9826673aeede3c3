"""Mutants of the engine: small faults put into its source, each of which the oracle must notice.

A mutant is a module, a piece of its text and what stands there instead. It is applied when the module is imported anew,
in this process; nothing on disk changes. When a piece of text is gone, the engine has been rewritten there: give the
mutant its new text. What does not live here: the cases (``estates``), the comparison (``compare``).
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from tests.oracle import corners, estates
from tests.oracle.compare import write_contracts, write_estate
from tests.oracle.judge import judge
from tests.oracle.world import World

Json = dict[str, Any]
SOURCE = Path(__file__).parents[2] / "src"


class Mutant(NamedTuple):
    """One fault."""

    name: str
    module: str
    old: str
    new: str
    more: tuple[tuple[str, str], ...] = ()
    """Further changes of the same module that belong to the same fault."""


R, M, A = "doorward.reach.", "doorward.model.", "doorward.readers.aws."
MUTANTS = (
    # subnet ACLs
    Mutant("ACL entries in the order of the file", R + "acls", "key=lambda one: one.number)", "key=lambda one: 0)"),
    Mutant("ACL entries, highest first", R + "acls", "key=lambda one: one.number)", "key=lambda one: -one.number)"),
    Mutant("ACL denies ignored", R + "acls", "open_ = open_ - here\n", "open_ = open_ - here if entry.allow else open_\n"),
    Mutant("last port of an ACL entry", R + "acls", "cuts.add(entry.service[1] + 1)", "cuts.add(entry.service[1])"),
    Mutant("first port of an ACL entry", R + "acls", "cuts.add(entry.service[0])", "cuts.add(entry.service[0] + 1)"),
    Mutant("unknown ACL passes for certain", R + "acls", "EMPTY if bound is Bound.LOWER else EVERYWHERE)]", "EVERYWHERE)]"),
    Mutant("unknown ACL blocks for certain", R + "acls", "EMPTY if bound is Bound.LOWER else EVERYWHERE)]", "EMPTY)]"),
    Mutant("ACL directions swapped", R + "acls", "if one.egress == egress", "if one.egress != egress"),
    Mutant("ACL asked within a subnet, first packet", R + "private", "same = source.key.subnet == target.key.subnet", "same = False"),
    Mutant("ACL asked within a subnet", R + "private", "crossing = need & ~component.subnet_bits[subnet]", "crossing = need"),
    Mutant("ACL of the answer ignored", R + "private", "for span in back.spans:", "for span in back.spans[:0]:"),
    Mutant("answer on the port of the question", R + "border", "span = answer_to(low, ephemeral)", "span = (low, high)"),
    Mutant("ephemeral range of the contract ignored", R + "border", "span = answer_to(low, ephemeral)", "span = answer_to(low)"),
    # security groups
    Mutant("no answer to a ping", M + "services", "if detail >> 8 == 8 else None", "if detail >> 8 == 9 else None"),
    Mutant("answers to every ICMP type", M + "services", "if detail >> 8 == 8 else None", "if True else None"),
    Mutant("no answer to a ping of version 6", M + "services", "if detail >> 8 == 128 else None", "if False else None"),
    Mutant("first port of a rule", R + "policy", "if low > first:\n            cuts.add(low)", "if low > first:\n            cuts.add(low + 1)"),
    Mutant("group reference matches public addresses", R + "policy", "elif not isinstance(peer, GroupPeer):\n                spans.append(peer)", "elif not isinstance(peer, GroupPeer):\n                spans.append(peer)\n            else:\n                return EVERYWHERE", (("return not isinstance(rule.peer, GroupPeer)", "return True"),)),
    Mutant("last port of a rule", R + "policy", "cuts.add(high + 1)", "cuts.add(high)"),
    Mutant("unknown prefix list admits for certain", R + "policy", "return EMPTY if self.bound is Bound.LOWER else EVERYWHERE", "return EVERYWHERE"),
    Mutant("unknown prefix list admits nothing", R + "policy", "return EMPTY if self.bound is Bound.LOWER else EVERYWHERE", "return EMPTY"),
    Mutant("references reach everywhere", R + "policy", " & reference_scope(self.component, self.vpc, self.direction)", ""),
    Mutant("references over a peering that is not active", R + "policy", "if peering.active and vpc in peering.vpcs", "if vpc in peering.vpcs"),
    Mutant("references over Regions", R + "policy", "(one is None or other is None or one == other)", "True"),
    Mutant("outbound references over a transit gateway", R + "policy", 'if direction == "ingress":', "if True:"),
    Mutant("references over a transit gateway without the option", R + "policy", "if gateway.group_referencing:", "if True:"),
    Mutant("an interface without groups is closed", R + "policy", "self.open = not key.groups and not key.maybe and not key.unknown", "self.open = False"),
    Mutant("egress rules ignored", R + "policy", "self.open = not key.groups and not key.maybe and not key.unknown", 'self.open = direction == "egress" or not key.groups'),
    Mutant("a group without rules in the input admits nothing", R + "policy", "self.open = self.open or upper", "pass"),
    # routes
    Mutant("shortest prefix wins", R + "routes", "sorted(spread, key=lambda one: one[0])", "sorted(spread, key=lambda one: one[0], reverse=True)"),
    Mutant("peering that is not active", R + "routes", "not found.active or vpc not in found.vpcs", "vpc not in found.vpcs"),
    Mutant("transit gateway: shortest prefix wins", R + "routes", "ordered = sorted(table, key=lambda route: (route.destination[1]", "ordered = sorted(table, key=lambda route: (route.destination[0] - route.destination[1]"),
    Mutant("an internet gateway that is not attached", R + "routes", "if own is not None and route.target in own.internet_gateways:", "if True:"),
    Mutant("an egress-only gateway that is not attached", R + "routes", "if own is not None and route.target in own.egress_only_gateways:", "if False:"),
    Mutant("blackholes ignored", A + "network", 'if route.state == "blackhole":', "if False:"),
    Mutant("implicit main table ignored", A + "network", "table_of.get(id) or main.get(subnet.vpc)", "table_of.get(id)"),
    Mutant("default ACL not implied", A + "network", "acl_of.get(id) or default.get(subnet.vpc)", "acl_of.get(id)"),
    # the border
    Mutant("NAT gateways pass every protocol", R + "border", "if low // BLOCK in (ICMP, TCP, UDP):", "if True:"),
    Mutant("NAT gateway: ACL of the way in ignored", R + "border", "if gateway.subnet != subnet:\n        for cell", "if False:\n        for cell"),
    Mutant("NAT gateway: answers on the contract's ports", R + "border", "answers(Intervals([span]), NAT_PORTS)", "answers(Intervals([span]), ephemeral)"),
    Mutant("NAT gateways accept connections", R + "ends", 'if owner == "nat":\n        return Intervals()', 'if owner == "nat":\n        return ALL'),
    Mutant("a public address is not needed to leave", R + "must", "(own & ~public, EMPTY)", "(own & ~public, piece.direct4 & INTERNET)"),
    Mutant("ingress route tables ignored", R + "border", "if edge_routed(world, vpc) and not upper:", "if False:"),
    Mutant("egress-only gateways let in", R + "world", "return found is not None and bool(found.internet_gateways)", "return found is not None and bool(found.internet_gateways or found.egress_only_gateways)"),
    Mutant("return route to the internet ignored", R + "border", "back = out.internet | out.hidden if upper else out.internet", "back = EVERYWHERE"),
    # families
    Mutant("IPv6 dropped on private paths", R + "private", "FAMILIES: tuple[Family, Family] = (4, 6)", "FAMILIES: tuple[Family, Family] = (4, 4)"),
    Mutant("IPv6 dropped from rules", A + "groups", "for six in permission.ipv6_ranges or ():", "for six in ():"),
    Mutant("ICMPv6 exists over IPv4", M + "services", "4: ALL - Intervals([block(ICMPV6)])", "4: ALL"),
    # services
    Mutant("ports of other protocols honoured", M + "services", "if number not in (TCP, UDP):\n        return block(number)", "if number not in (TCP, UDP) and low is None:\n        return block(number)"),
    Mutant("ICMP codes ignored", M + "services", "if code is None or code == -1 else (base + code, base + code)", ""),
    Mutant("upper port of a rule one too low", M + "services", "return number * BLOCK + first, number * BLOCK + last", "return number * BLOCK + first, number * BLOCK + max(first, last - 1)"),
    # load balancers
    Mutant("listeners not needed", R + "ends", "return Intervals(span for listener in listeners for span in listener.service)", "return ALL"),
    Mutant("unknown listeners accept for certain", R + "ends", "return Intervals() if bound is Bound.LOWER else ALL", "return ALL"),
    Mutant("health check port ignored", R + "balancers", "health = group.health_port if group.health_port is not None else port", "health = port"),
    Mutant("no balancer preserves clients", R + "balancers", 'if balancer.kind != "network":\n        return False', "return False"),
    Mutant("every balancer preserves clients", R + "balancers", 'if balancer.kind != "network":\n        return False', "return True"),
    Mutant("reference to the balancer's group ignored", R + "balancers", "if _references(rules, balancer, span):", "if False:"),
    Mutant("egress groups of a balancer ignored", R + "balancers", "if cell.bits & to:\n                return True", "return True"),
    # what is not looked into
    Mutant("hidden hops pass for certain", R + "routes", "return component.inside(towards, bound) if upper else 0", "return component.inside(towards, bound)"),
    Mutant("hidden hops block for certain", R + "routes", "return component.inside(towards, bound) if upper else 0", "return 0"),
    Mutant("zones of attachments ignored", R + "routes", 'if zone == "no" or (zone == "unknown" and not upper):', "if False:"),
)  # fmt: skip


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module of the engine, with the fault if it is the one."""

    def __init__(self, name: str, path: str, mutant: Mutant | None) -> None:
        super().__init__(name, path)
        self.mutant = mutant

    def get_code(self, fullname: str) -> CodeType | None:
        """Compiled from changed source; the byte code on disk is neither read nor written for it."""
        if self.mutant is None or self.mutant.module != fullname:
            return super().get_code(fullname)
        text = Path(self.path).read_text()
        for old, new in ((self.mutant.old, self.mutant.new), *self.mutant.more):
            text = text.replace(old, new, 1)
        return compile(text, self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    """Finds ``doorward`` in the source tree and loads it with ``_Loader``."""

    def __init__(self, mutant: Mutant | None) -> None:
        self.mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module or package of the engine."""
        if fullname.split(".")[0] != "doorward":
            return None
        base = SOURCE.joinpath(*fullname.split("."))
        file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        if not file.exists():
            return None
        return importlib.util.spec_from_file_location(
            fullname,
            file,
            loader=_Loader(fullname, str(file), self.mutant),
            submodule_search_locations=[str(base)] if base.is_dir() else None,
        )


def applies(mutant: Mutant) -> bool:
    """Is the piece of text still there?"""
    path = SOURCE.joinpath(*mutant.module.split(".")).with_suffix(".py")
    text = path.read_text() if path.exists() else ""
    return all(old in text for old, _ in ((mutant.old, ""), *mutant.more))


@contextlib.contextmanager
def engine(mutant: Mutant | None) -> Iterator[Any]:
    """``doorward.api``, imported anew with the fault; afterwards everything is as it was."""
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "doorward"}
    for name in before:
        del sys.modules[name]
    finder = _Finder(mutant)
    sys.meta_path.insert(0, finder)
    try:
        yield importlib.import_module("doorward.api")
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.split(".")[0] == "doorward"]:
            del sys.modules[name]
        sys.modules.update(before)


class Case(NamedTuple):
    """One estate on disk with its contracts and what the oracle says of them."""

    seed: int | str
    folder: Path
    expected: tuple[str, ...]


_FOLDER = tempfile.TemporaryDirectory(prefix="doorward-mutants-")


@cache
def case(seed: int | str) -> Case:
    """The case of a seed or a corner, written once."""
    if isinstance(seed, str):
        estate, contract = corners.CORNERS[seed][0]()
        contracts = [contract]
    else:
        estate, contracts = estates.from_seed(seed, 6)
    folder = Path(_FOLDER.name) / str(seed).replace("/", "-")
    (folder / "estate").mkdir(parents=True)
    write_estate(estate, folder / "estate")
    write_contracts(contracts, folder / "doorward.yaml")
    world = World(estate)
    return Case(seed, folder, tuple(judge(world, one) for one in contracts))


def outcomes(api: Any, one: Case) -> tuple[str, ...]:
    """What an engine says of a case; a crash is an outcome of its own."""
    try:
        report = api.check(api.read_contracts(one.folder / "doorward.yaml"), api.read_estate(one.folder / "estate"))
    except Exception as error:  # noqa: BLE001  (a mutant may fail in any way: that is how it is noticed)
        return (type(error).__name__,)
    found = {verdict.name: str(verdict.outcome) for verdict in report.verdicts}
    return tuple(found[f"contract-{at}"] for at in range(len(one.expected)))


def killed_by(mutant: Mutant, seeds: Sequence[int | str]) -> int | str | None:
    """The first seed (or corner) on which the mutant contradicts the oracle where the engine itself does not; None: it survives."""
    left = list(seeds)
    while left:
        with engine(mutant) as api:
            seed = next((seed for seed in left if outcomes(api, case(seed)) != case(seed).expected), None)
        if seed is None or not at_fault(seed):
            return seed
        left = left[left.index(seed) + 1 :]
    return None


@cache
def at_fault(seed: int | str) -> bool:
    """Does the engine without any fault disagree on this seed already? Then it proves nothing here."""
    from doorward import api

    return outcomes(api, case(seed)) != case(seed).expected
