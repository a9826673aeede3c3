"""Repairs where more than two plain groups are concerned: IPv6, public addresses, prefix lists, what is not known."""

from __future__ import annotations

from dataclasses import replace

from doorward.contracts.mend import Mender
from doorward.contracts.selectors import Matcher
from doorward.model.addresses import parse_network
from doorward.model.estate import AclEntry, Estate, PrefixList, Route, RouteTable, Subnet, Vpc
from doorward.model.intervals import Intervals
from doorward.model.rules import AnyPeer, Group, PrefixListPeer, Rule
from doorward.model.services import ALL_SPAN
from doorward.reach.world import World
from tests.contracts.town import EVERYWHERE, contracts, group, interface, mended, shown, span, town

ANY_OUT = [("all", "0.0.0.0/0")]
WEB = interface("eni-web", "front", "10.0.0.10", "web")
DB = interface("eni-db", "back", "10.0.1.10", "db")
LOGIN = "data: reach group:web group:db tcp/5432"


def _six(estate: Estate) -> Estate:
    """The estate with IPv6 let through by ACLs and routed like IPv4."""
    whole = parse_network("::/0")
    entries = tuple(AclEntry(101, egress, True, ALL_SPAN, whole) for egress in (True, False))
    acls = {id: replace(one, entries=(*one.entries, *entries)) for id, one in estate.acls.items()}
    inner = parse_network("2001:db8::/56")
    routes = {
        id: replace(one, routes=(*one.routes, Route(inner, "local", "local"), Route(whole, "internet-gateway", "igw")))
        for id, one in estate.route_tables.items()
    }
    vpcs = {"vpc": replace(estate.vpcs["vpc"], cidrs=(*estate.vpcs["vpc"].cidrs, inner))}
    return replace(estate, acls=acls, route_tables=routes, vpcs=vpcs)


def test_each_family_gets_its_rule() -> None:
    """Whom the internet can address by both families gets a rule for each, and only for what is missing."""
    both = interface("eni-web", "front", "10.0.0.10", "web", public="52.0.0.1")
    both = both._replace(addresses=(*both.addresses, parse_network("2001:db8::10")))
    estate = _six(town([group("web")], [both]))
    assert ["+ web ingress tcp/443 0.0.0.0/0", "+ web ingress tcp/443 ::/0"] == shown(
        mended(estate, "open: reach internet group:web tcp/443")
    )
    estate = _six(town([group("web", [("tcp/0-1000", "0.0.0.0/0")])], [both]))
    assert ["+ web ingress tcp/443 ::/0"] == shown(mended(estate, "open: reach internet group:web tcp/443"))


def test_references_serve_both_families() -> None:
    """Between groups one reference serves both families, where a CIDR served only one."""
    web = WEB._replace(addresses=(*WEB.addresses, parse_network("2001:db8::10")))
    data = DB._replace(addresses=(*DB.addresses, parse_network("2001:db8:0:1::10")))
    estate = _six(town([group("web"), group("db", [("tcp/5432", "10.0.0.0/8")])], [web, data]))
    assert ["+ db ingress tcp/5432 web", "+ web egress tcp/5432 db"] == shown(mended(estate, LOGIN))


def test_public_addresses_between_vpcs() -> None:
    """Where only the internet joins two VPCs, both sides name each other by public addresses."""
    estate = town(
        [group("web"), Group("far", name="far", vpc="other")],
        [
            interface("eni-web", "front", "10.0.0.10", "web", public="52.0.0.1"),
            interface("eni-far", "away", "10.8.0.10", "far", public="52.0.0.2")._replace(vpc="other"),
        ],
    )
    out = (Route(parse_network("10.8.0.0/16"), "local", "local"), Route(EVERYWHERE, "internet-gateway", "igw-2"))
    estate = replace(
        estate,
        vpcs={**estate.vpcs, "other": Vpc("other", (parse_network("10.8.0.0/16"),), ("igw-2",))},
        subnets={**estate.subnets, "away": Subnet("away", "other", (), "there", "acl-front")},
        route_tables={**estate.route_tables, "there": RouteTable("there", "other", out)},
    )
    found = mended(estate, "link: reach group:web group:far tcp/443")
    assert ["+ far ingress tcp/443 52.0.0.1/32", "+ web egress tcp/443 52.0.0.2/32"] == shown(found)


def test_a_prefix_list_that_lets_in_is_taken_away() -> None:
    """A rule that names a prefix list goes like any other, under the list's id."""
    rule = Rule("ingress", span("tcp/22"), PrefixListPeer("pl-1"), id="sgr-1")
    web = group("web")
    estate = town([web.with_rules((rule,))], [interface("eni-web", "front", "10.0.0.10", "web", public="52.0.0.1")])
    listed = PrefixList("pl-1", cidrs=Intervals([parse_network("198.51.100.0/24")]))
    estate = replace(estate, prefix_lists={"pl-1": listed})
    declared = contracts("shut: never-reach internet group:web tcp/22")
    world = World(estate)
    found = Mender(declared, [Matcher(world).question(one) for one in declared], world).mend(0)
    assert ["- web ingress tcp/22 pl-1"] == shown(found)
    assert ["sgr-1"] == [one.rule for one in found.edits or ()]


def test_what_is_unknown_stays_in_doubt_and_is_said() -> None:
    """Next to a rule whose peer is not known, what is certain is taken away, and the note says that doubt remains."""
    maybe = Rule("ingress", span("tcp/22"), AnyPeer("var.peer"), certain=False, unknown="var.peer")
    web = group("web", [("tcp/22", "0.0.0.0/0")])
    estate = town(
        [web.with_rules((*web.rules, maybe))],
        [interface("eni-web", "front", "10.0.0.10", "web", public="52.0.0.1")],
    )
    found = mended(estate, "shut: never-reach internet group:web tcp/22")
    assert ["- web ingress tcp/22 0.0.0.0/0"] == shown(found)
    assert "no longer broken, but cannot be told for certain" in (found.note or "")


def test_another_shared_group_is_tried() -> None:
    """Of two groups with others in them, the one is taken whose others gain nothing by the rule."""
    estate = town(
        [group("web", egress=[("tcp/5432", "10.0.1.0/28")]), group("one"), group("two")],
        [
            WEB,
            interface("eni-db", "back", "10.0.1.10", "one", "two"),
            interface("eni-near", "back", "10.0.1.11", "one"),
            interface("eni-far", "back", "10.0.1.99", "two"),
            interface("eni-far2", "back", "10.0.1.98", "two"),
        ],
    )
    found = mended(estate, "data: reach group:web interface:eni-db tcp/5432")
    assert ["+ two ingress tcp/5432 web"] == shown(found)
