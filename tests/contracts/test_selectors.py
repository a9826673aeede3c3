"""Selectors matched with an estate: ids, names, tags and addresses; what is ambiguous, and what fits nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doorward.contracts.contract import Contract, Selector
from doorward.contracts.selectors import Matcher
from doorward.contracts.terms import parse_selector
from doorward.errors import InvalidContract
from doorward.model.addresses import parse_network
from doorward.model.estate import Estate, Holder, LoadBalancer
from doorward.model.intervals import EMPTY, Intervals
from doorward.model.services import ALL
from doorward.reach.question import Side
from doorward.reach.world import World
from tests.contracts.scene import estate, interface

TAGGED = interface("eni-db", "10.0.2.7", "db")._replace(tags=(("Tier", "db"),), instance="i-db")
BASE = estate({}, [interface("eni-web", "10.0.1.5", "web"), TAGGED])


def side(of: Estate, *texts: str) -> Side:
    """What some selectors mean in an estate."""
    return Matcher(World(of)).side(*asked(*texts), "to")


def asked(*texts: str) -> tuple[Contract, tuple[Selector, ...]]:
    """A contract with these targets, and the targets."""
    made = []
    for text in texts:
        one = parse_selector(text)
        assert isinstance(one, Selector)
        made.append(one)
    return Contract("c", "never-reach", (), tuple(made), ALL, line=7, file="doorward.yaml"), tuple(made)


def test_group() -> None:
    """A group is its id; its members are found when it is judged."""
    assert Side(groups=("db",)) == side(BASE, "group:db")


def test_group_by_name_tag_and_address() -> None:
    """Name tags and Terraform addresses name a group too."""
    group = BASE.groups["db"]
    made = replace(BASE, groups={**BASE.groups, "db": type(group)(
        "db", name="database", vpc="vpc", tags=(("Name", "the database"),), origin="module.x.aws_security_group.db[0]"
    )})  # fmt: skip
    for text in ("group:db", "group:database", "group:the database", "group:module.x.aws_security_group.db[0]"):
        assert Side(groups=("db",)) == side(made, text)


def test_alias() -> None:
    """An alias stands for all the elements that it was made for, on purpose."""
    made = replace(BASE, aliases={"aws_security_group.all": ("web", "db")})
    assert Side(groups=("db", "web")) == side(made, "group:aws_security_group.all")


def test_group_that_only_members_name() -> None:
    """A group that is known by its members only can be selected by its id."""
    made = replace(BASE, groups={id: one for id, one in BASE.groups.items() if id != "db"})
    assert Side(groups=("db",)) == side(made, "group:db")


def test_kinds_of_interfaces() -> None:
    """Interfaces, instances, subnets, VPCs and tags are the interfaces that they have."""
    for text in ("interface:eni-db", "instance:i-db", "subnet:b", "tag:Tier=db"):
        assert Side(interfaces=("eni-db",)) == side(BASE, text)
    assert Side(interfaces=("eni-web", "eni-db")) == side(BASE, "vpc:vpc")


def test_holders() -> None:
    """A database is the interfaces that it holds; those that were not read do not count."""
    held = {"arn:db": Holder("arn:db", "db", ("eni-db", "eni-lost"), name="auth-db", tags=(("App", "auth"),))}
    made = replace(BASE, holders=held)
    for text in ("db:auth-db", "db:arn:db", "tag:App=auth"):
        assert Side(interfaces=("eni-db",)) == side(made, text)


def test_balancer() -> None:
    """A load balancer stays one: its listeners and targets are judged too."""
    made = replace(BASE, load_balancers={"arn:lb": LoadBalancer("arn:lb", "front", vpc="vpc", interfaces=("eni-web",))})
    assert Side(balancers=("arn:lb",)) == side(made, "lb:front")


def test_tag_of_a_group_or_subnet() -> None:
    """A tag means what carries it, and the interfaces in it."""
    made = replace(BASE, subnets={**BASE.subnets, "a": replace(BASE.subnets["a"], tags=(("Zone", "front"),))})
    assert Side(interfaces=("eni-web",)) == side(made, "tag:Zone=front")


def test_tag_values_are_exact() -> None:
    """Tags are compared letter by letter; a value may hold an equals sign."""
    with pytest.raises(InvalidContract, match="letter by letter"):
        side(BASE, "tag:tier=db")
    made = replace(BASE, interfaces={**BASE.interfaces, "eni-db": TAGGED._replace(tags=(("k", "a=b"),))})
    assert Side(interfaces=("eni-db",)) == side(made, "tag:k=a=b")


def test_cidr_inside_and_outside() -> None:
    """A CIDR is parted into what lies in a VPC of the estate and what does not."""
    found = side(BASE, "10.0.0.0/15")
    assert Intervals([parse_network("10.0.0.0/16")]) == found.inside
    assert Intervals([parse_network("10.1.0.0/16")]) == found.outside


def test_internet_without_the_estates_own() -> None:
    """The internet does not hold the VPCs' own addresses, even public ones."""
    vpc = replace(BASE.vpcs["vpc"], cidrs=(parse_network("203.0.113.0/24"),))
    found = side(replace(BASE, vpcs={"vpc": vpc}), "internet")
    assert found.outside.isdisjoint(Intervals([parse_network("203.0.113.0/24")]))
    assert EMPTY == found.inside


def test_nobody() -> None:
    """What exists without an interface is told, not judged."""
    assert ("group:more",) == side(BASE, "group:more", "group:db").nobody
    assert ("10.0.9.0/24",) == side(BASE, "10.0.9.0/24").nobody
    assert () == side(BASE, "10.0.0.0/16", "internet").nobody
    held = replace(BASE, holders={"d": Holder("d", "db", (), name="auth-db")})
    assert ("db:auth-db",) == side(held, "db:auth-db").nobody


def test_several_are_united_once() -> None:
    """What is named twice counts once."""
    found = side(BASE, "group:db", "group:db", "interface:eni-db", "tag:Tier=db")
    assert Side(groups=("db",), interfaces=("eni-db",)) == found


@pytest.mark.parametrize("kind", ["group", "interface", "instance", "subnet", "vpc", "lb", "db"])
def test_matches_nothing(kind: str) -> None:
    """The error names the contract, its line, the selector and its end."""
    with pytest.raises(InvalidContract, match=rf"doorward.yaml:7: contract 'c': '{kind}:none' in 'to' matches no"):
        side(BASE, f"{kind}:none")


def test_close_name_is_proposed() -> None:
    """A name that is nearly right is proposed."""
    with pytest.raises(InvalidContract, match="did you mean eni-web"):
        side(BASE, "interface:eni-webb")


def test_ambiguous() -> None:
    """A name of several things is refused with their ids; each id is fine."""
    twin = {
        name: type(group)(name, name="twin", vpc="vpc") for name, group in BASE.groups.items() if name in ("web", "db")
    }
    made = replace(BASE, groups=twin)
    with pytest.raises(InvalidContract, match=r"ambiguous: 2 security groups are called so \(db, web\)"):
        side(made, "group:twin")
    assert Side(groups=("web",)) == side(made, "group:web")


def test_an_id_beats_a_name() -> None:
    """An id always means the thing itself."""
    trap = type(BASE.groups["web"])("web", name="db", vpc="vpc")
    assert Side(groups=("db",)) == side(replace(BASE, groups={**BASE.groups, "web": trap}), "group:db")


def test_kinds_do_not_mix() -> None:
    """A group's name is no subnet's."""
    with pytest.raises(InvalidContract, match="matches no subnet"):
        side(BASE, "subnet:db")
