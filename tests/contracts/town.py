"""A small estate for the tests of repairs: a VPC with a public and a private subnet, a balancer and tiers behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from doorward.contracts.contract import Contract
from doorward.contracts.language import parse_contracts
from doorward.contracts.mend import Mended, Mender
from doorward.contracts.selectors import Matcher
from doorward.model.addresses import parse_network
from doorward.model.estate import (
    Acl,
    AclEntry,
    Estate,
    Interface,
    Listener,
    LoadBalancer,
    Route,
    RouteTable,
    Subnet,
    Target,
    TargetGroup,
    Vpc,
)
from doorward.model.rules import Direction, Group, GroupPeer, Peer, Rule
from doorward.model.services import ALL_SPAN, rule_span
from doorward.model.verdict import Edit, Outcome
from doorward.reach.judge import judge
from doorward.reach.world import World

EVERYWHERE = parse_network("0.0.0.0/0")
OPEN = tuple(AclEntry(100, egress, True, ALL_SPAN, EVERYWHERE) for egress in (True, False))


def span(text: str) -> tuple[int, int]:
    """``tcp/443`` or ``tcp/0-65535`` or ``all``."""
    if text == "all":
        return ALL_SPAN
    name, _, ports = text.partition("/")
    low, _, high = ports.partition("-")
    return rule_span(name, int(low), int(high or low))


def peer(text: str) -> Peer:
    """A CIDR, else a group."""
    try:
        return parse_network(text)
    except ValueError:
        return GroupPeer(text)


def rule(direction: Direction, service: str, other: str, id: str | None = None) -> Rule:
    """One rule."""
    return Rule(direction, span(service), peer(other), id=id or f"sgr-{direction}-{service}-{other}")


def group(id: str, ingress: Iterable[tuple[str, str]] = (), egress: Iterable[tuple[str, str]] = ()) -> Group:
    """A group with (service, peer) rules."""
    rules = [rule("ingress", *one) for one in ingress] + [rule("egress", *one) for one in egress]
    return Group(id, name=id, vpc="vpc", rules=tuple(rules))


def interface(id: str, subnet: str, address: str, *groups: str, public: str | None = None) -> Interface:
    """An interface with one address."""
    private = parse_network(address)
    pairs = ((private[0], parse_network(public)[0]),) if public else ()
    instance = id.replace("eni", "i") if id.startswith("eni") else None
    return Interface(id, "vpc", subnet, tuple(sorted(groups)), (private,), pairs, instance=instance)


def town(groups: Sequence[Group], interfaces: Sequence[Interface], acls: Mapping[str, Sequence[AclEntry]] | None = None,
         route: bool = True) -> Estate:  # fmt: skip
    """A VPC 10.0.0.0/16 with subnets ``front`` (10.0.0.0/24, public) and ``back`` (10.0.1.0/24)."""
    local = Route(parse_network("10.0.0.0/16"), "local", "local")
    out = (Route(EVERYWHERE, "internet-gateway", "igw"),) if route else ()
    entries = {"front": OPEN, "back": OPEN, **(acls or {})}
    return Estate(
        interfaces={one.id: one for one in interfaces},
        groups={one.id: one for one in groups},
        subnets={
            "front": Subnet("front", "vpc", (parse_network("10.0.0.0/24"),), "out", "acl-front"),
            "back": Subnet("back", "vpc", (parse_network("10.0.1.0/24"),), "in", "acl-back"),
        },
        vpcs={"vpc": Vpc("vpc", (parse_network("10.0.0.0/16"),), ("igw",))},
        acls={f"acl-{name}": Acl(f"acl-{name}", "vpc", tuple(own)) for name, own in entries.items()},
        route_tables={"out": RouteTable("out", "vpc", (local, *out)), "in": RouteTable("in", "vpc", (local,))},
    )


def balanced(estate: Estate, kind: str = "application", groups: tuple[str, ...] = ("lb",)) -> Estate:
    """The estate with a balancer ``eni-lb`` on tcp/443 before ``i-app`` on tcp/8443, health checks on tcp/9000."""
    balancer = LoadBalancer(
        "lb", "lb", kind, True, "vpc", ("eni-lb",), (Listener((span("tcp/443"),), ("tg",)),), groups
    )
    behind = TargetGroup(
        "tg", "tg", "TCP" if kind == "network" else "HTTPS", 8443, health_port=9000, targets=(Target("i-app", 8443),)
    )
    return replace(estate, load_balancers={"lb": balancer}, target_groups={"tg": behind})


def contracts(*texts: str) -> tuple[Contract, ...]:
    """``name: must from → to on service``."""
    lines = ["version: 1", "contracts:"]
    for text in texts:
        name, must, from_, to, service = text.split()
        ends = f"from: {_listed(from_)}, to: {_listed(to)}, service: {_listed(service)}"
        lines.append(f"  {name[:-1]}: {{must: {must}, {ends}}}")
    return parse_contracts("\n".join(lines))


def _listed(text: str) -> str:
    return "[" + ", ".join(f'"{one}"' for one in text.split("+")) + "]"


def mended(estate: Estate, *texts: str, removed: Iterable[tuple[str, Rule]] = (),
           added: Iterable[tuple[str, Rule]] = (), index: int = 0) -> Mended:  # fmt: skip
    """The repair of one of some contracts; whatever it is, it is proven on an estate made anew."""
    declared = contracts(*texts)
    world = World(estate)
    matcher = Matcher(world)
    questions = [matcher.question(one) for one in declared]
    before = [judge(world, one).outcome for one in questions]
    assert Outcome.BROKEN == before[index]
    found = Mender(declared, questions, world, removed=removed, added=added).mend(index)
    if found.edits is not None:
        fresh = World(carried_out(estate, found.edits))
        after = [judge(fresh, one).outcome for one in questions]
        assert after[index] is not Outcome.BROKEN
        worse = [at for at, one in enumerate(after) if at != index and one.badness > before[at].badness]
        assert [] == worse
    return found


def carried_out(estate: Estate, edits: Iterable[Edit]) -> Estate:
    """The estate after a repair, by what its edits say and nothing else."""
    groups = dict(estate.groups)
    for edit in edits:
        had = groups[edit.group]
        key = (edit.direction, edit.service, peer(edit.peer))
        if edit.action == "authorize":
            assert key not in [one.key for one in had.rules]
            groups[edit.group] = had.with_rules((*had.rules, Rule(*key)))
        else:
            left = tuple(one for one in had.rules if one.key != key or (edit.rule and one.id != edit.rule))
            assert len(left) < len(had.rules)
            groups[edit.group] = had.with_rules(left)
    return replace(estate, groups=groups)


def shown(found: Mended) -> list[str]:
    """Edits as short texts, sorted."""
    from doorward.model.services import show_span

    return sorted(
        f"{'+' if one.action == 'authorize' else '-'} {one.group} {one.direction} {show_span(one.service)} {one.peer}"
        for one in found.edits or ()
    )
