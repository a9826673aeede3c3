"""Repairs of broken contracts: each mends, harms nobody, opens nothing else, and is the smallest."""

from __future__ import annotations

from doorward.model.addresses import parse_network
from doorward.model.estate import AclEntry
from doorward.model.rules import Rule
from doorward.model.services import ALL_SPAN
from tests.contracts.town import OPEN, balanced, group, interface, mended, rule, shown, span, town

WEB = interface("eni-web", "front", "10.0.0.10", "web")
API = interface("eni-api", "front", "10.0.0.11", "api")
DB = interface("eni-db", "back", "10.0.1.10", "db")
LB = interface("eni-lb", "front", "10.0.0.5", "lb", public="52.0.0.5")
APP = interface("eni-app", "back", "10.0.1.5", "app")
OTHER = interface("eni-other", "back", "10.0.1.99", "other")
ANY_OUT = [("all", "0.0.0.0/0")]
LOGIN = "data: reach group:web group:db tcp/5432"


def test_one_side_missing_takes_one_rule() -> None:
    """Where only the target lacks a rule, a reference to the source's group mends it, and the note says so."""
    estate = town([group("web", egress=ANY_OUT), group("db"), group("other", egress=ANY_OUT)], [WEB, DB, OTHER])
    found = mended(estate, LOGIN)
    assert ["+ db ingress tcp/5432 web"] == shown(found)
    assert "Re-checked with it: the contract is kept" in (found.note or "")


def test_both_sides_missing_take_the_exact_pair() -> None:
    """Where both sides lack a rule, the exact pair mends it."""
    found = mended(town([group("web"), group("db")], [WEB, DB]), LOGIN)
    assert ["+ db ingress tcp/5432 web", "+ web egress tcp/5432 db"] == shown(found)
    assert "No smaller set" in (found.note or "")


def test_several_services_and_sources() -> None:
    """Only what is missing is added: one source is admitted already, the other needs a rule for each service."""
    estate = town(
        [group("web", egress=ANY_OUT), group("api", egress=ANY_OUT), group("db", [("tcp/1-9999", "web")])],
        [WEB, API, DB],
    )
    found = mended(estate, "data: reach group:web+group:api group:db tcp/5432+icmp/8+tcp/53")
    assert [
        "+ db ingress icmp/8 api", "+ db ingress icmp/8 web", "+ db ingress tcp/53 api", "+ db ingress tcp/5432 api",
    ] == shown(found)  # fmt: skip


def test_a_group_with_others_in_it_is_passed_over() -> None:
    """An interface in two groups gets the rule in the one that has nobody else in it."""
    both = interface("eni-db", "back", "10.0.1.10", "common", "db")
    other = interface("eni-other", "back", "10.0.1.99", "common")
    estate = town([group("web", egress=ANY_OUT), group("db"), group("common")], [WEB, both, other])
    assert ["+ db ingress tcp/5432 web"] == shown(mended(estate, "data: reach group:web interface:eni-db tcp/5432"))


def test_refuses_what_would_open_more() -> None:
    """Where the target's only group has other members, nothing is offered, and the note names what it would open."""
    one = interface("eni-db", "back", "10.0.1.10", "common")
    other = interface("eni-other", "back", "10.0.1.99", "common")
    estate = town([group("web", egress=ANY_OUT), group("common")], [WEB, one, other])
    found = mended(estate, "data: reach group:web interface:eni-db tcp/5432")
    assert found.edits is None
    assert "would also open tcp/5432 from eni-web to eni-other" in (found.note or "")


def test_a_shared_group_serves_where_nothing_flows() -> None:
    """A shared group is used after all when the other side keeps its other members from gaining anything."""
    one = interface("eni-web", "front", "10.0.0.10", "common")
    other = interface("eni-other", "back", "10.0.1.99", "common")
    estate = town([group("common"), group("db", [("tcp/5432", "10.0.0.10/32")])], [one, other, DB])
    found = mended(estate, "data: reach interface:eni-web group:db tcp/5432")
    assert ["+ common egress tcp/5432 db"] == shown(found)


def test_subnets_and_single_addresses_are_named_exactly() -> None:
    """A subnet is named by its CIDR, an interface whose group has others in it by its address."""
    estate = town(
        [group("web", egress=ANY_OUT), group("api", egress=ANY_OUT), group("db")],
        [WEB, API, interface("eni-web2", "back", "10.0.1.20", "web"), DB],
    )
    assert ["+ db ingress tcp/5432 10.0.0.0/24"] == shown(mended(estate, "data: reach subnet:front group:db tcp/5432"))
    found = mended(estate, "data: reach interface:eni-web group:db tcp/5432")
    assert ["+ db ingress tcp/5432 10.0.0.10/32"] == shown(found)
    assert ["+ db ingress tcp/5432 10.0.0.0/28"] == shown(mended(estate, "data: reach 10.0.0.0/28 group:db tcp/5432"))


def test_the_internet_is_written_as_people_write_it() -> None:
    """From the internet the rule is 0.0.0.0/0 on the service, and the note says whom it names besides."""
    estate = town(
        [group("web"), group("other", egress=ANY_OUT)],
        [interface("eni-web", "front", "10.0.0.10", "web", public="52.0.0.1"), OTHER],
    )
    found = mended(estate, "open: reach internet group:web tcp/443")
    assert ["+ web ingress tcp/443 0.0.0.0/0"] == shown(found)
    assert "0.0.0.0/0 is how a rule names the internet" in (found.note or "")
    assert "tcp/443 from eni-other to eni-web" in (found.note or "")


def test_the_internet_without_insiders() -> None:
    """Where another contract forbids that insiders get in, the internet is named by its networks one by one."""
    estate = town(
        [group("web"), group("other", egress=ANY_OUT)],
        [interface("eni-web", "front", "10.0.0.10", "web", public="52.0.0.1"), OTHER],
        route=True,
    )
    found = mended(estate, "open: reach internet group:web tcp/443", "apart: never-reach group:other group:web tcp/443")
    assert found.edits is not None
    assert 40 < len(found.edits) < 60


def test_a_stranger_network() -> None:
    """An outside CIDR is written as the contract writes it."""
    estate = town([group("web")], [interface("eni-web", "front", "10.0.0.10", "web", public="52.0.0.1")])
    found = mended(estate, "open: reach 198.51.100.0/24+203.0.113.7/32 group:web tcp/22")
    assert ["+ web ingress tcp/22 198.51.100.0/24", "+ web ingress tcp/22 203.0.113.7/32"] == shown(found)


def test_to_the_internet() -> None:
    """Towards outside addresses the source's group gets the rule."""
    estate = town([group("web")], [interface("eni-web", "front", "10.0.0.10", "web", public="52.0.0.1")])
    assert ["+ web egress tcp/443 8.8.8.0/24"] == shown(mended(estate, "out: reach group:web 8.8.8.0/24 tcp/443"))
    assert ["+ web egress tcp/443 0.0.0.0/0"] == shown(mended(estate, "out: reach group:web internet:v4 tcp/443"))


def test_an_acl_is_named_as_what_stops_it() -> None:
    """What an ACL denies no group rule mends: the note names the ACL and its entry."""
    deny = AclEntry(50, False, False, ALL_SPAN, parse_network("10.0.0.0/24"))
    estate = town([group("web"), group("db")], [WEB, DB], acls={"back": [deny, *OPEN]})
    found = mended(estate, LOGIN)
    assert found.edits is None
    assert "no security group rule can mend it" in (found.note or "")
    assert "acl-back denies" in (found.note or "")
    assert "entry 50" in (found.note or "")


def test_a_missing_public_address_is_named() -> None:
    """Who has no public address cannot be opened to the internet by rules."""
    found = mended(town([group("db")], [DB]), "open: reach internet group:db tcp/443")
    assert found.edits is None
    assert "no public address" in (found.note or "")


def test_contracts_that_contradict_each_other() -> None:
    """When another contract forbids the very traffic, that is the proof that no rule can mend it."""
    estate = town([group("web", egress=ANY_OUT), group("db")], [WEB, DB])
    found = mended(estate, LOGIN, "apart: never-reach subnet:front group:db tcp/5000-6000")
    assert found.edits is None
    assert "while 'apart' holds" in (found.note or "")


def test_balancer_listener_targets_and_health() -> None:
    """To a balancer: its listener for the internet, and behind it the targets on their port and health-check port."""
    nodes = [LB, APP]
    estate = balanced(town([group("lb"), group("app")], nodes))
    assert [
        "+ app ingress tcp/8443 lb", "+ app ingress tcp/9000 lb",
        "+ lb egress tcp/8443 app", "+ lb egress tcp/9000 app",
        "+ lb ingress tcp/443 0.0.0.0/0",
    ] == shown(mended(estate, "login: reach internet lb:lb tcp/443"))  # fmt: skip


def test_network_balancer_that_keeps_client_addresses() -> None:
    """Its group as the peer admits clients and checks alike; without a group the clients are named."""
    nodes = [LB, APP]
    estate = balanced(town([group("lb", [("tcp/443", "0.0.0.0/0")], ANY_OUT), group("app")], nodes), "network")
    found = mended(estate, "login: reach internet lb:lb tcp/443")
    assert ["+ app ingress tcp/8443 lb", "+ app ingress tcp/9000 lb"] == shown(found)
    bare = [nodes[0]._replace(groups=()), nodes[1]]
    estate = balanced(town([group("app")], bare), "network", ())
    found = mended(estate, "login: reach internet lb:lb tcp/443")
    assert ["+ app ingress tcp/8443 0.0.0.0/0", "+ app ingress tcp/9000 10.0.0.5/32"] == shown(found)


# --- never-reach and only-from -----------------------------------------------------------------------------------


def test_never_takes_the_rule_away() -> None:
    """The rule that lets the forbidden in goes, and is named by its id."""
    estate = town(
        [group("web", [("tcp/22", "0.0.0.0/0"), ("tcp/443", "0.0.0.0/0")])],
        [interface("eni-web", "front", "10.0.0.10", "web", public="52.0.0.1")],
    )
    found = mended(estate, "shut: never-reach internet group:web tcp/22", "open: reach internet group:web tcp/443")
    assert ["- web ingress tcp/22 0.0.0.0/0"] == shown(found)
    assert ["sgr-ingress-tcp/22-0.0.0.0/0"] == [one.rule for one in found.edits or ()]


def test_never_narrows_what_others_need() -> None:
    """An over-wide rule goes and exactly what a kept contract needs is put back."""
    estate = town(
        [group("web", [("tcp/0-65535", "0.0.0.0/0")])],
        [interface("eni-web", "front", "10.0.0.10", "web", public="52.0.0.1")],
    )
    found = mended(
        estate, "shut: never-reach internet group:web tcp/22", "open: reach internet group:web tcp/443",
        "desk: reach 198.51.100.0/24 group:web tcp/8080",
    )  # fmt: skip
    assert [
        "+ web ingress tcp/443 0.0.0.0/0", "+ web ingress tcp/8080 198.51.100.0/24", "- web ingress tcp 0.0.0.0/0",
    ] == shown(found)  # fmt: skip


def test_never_between_interfaces_chooses_the_cheaper_side() -> None:
    """Where one rule of the source does what two of the target's do, the source's goes."""
    data = group("db", [("tcp/5432", "web"), ("tcp/5000-6000", "10.0.0.0/8")])
    estate = town([group("web", egress=[("tcp/5432", "0.0.0.0/0")]), data], [WEB, DB])
    found = mended(estate, "apart: never-reach group:web group:db tcp/5432")
    assert ["- web egress tcp/5432 0.0.0.0/0"] == shown(found)


def test_only_from_keeps_the_wanted() -> None:
    """Strangers lose their rule, the wanted keep theirs."""
    data = group("db", [("tcp/5432", "web"), ("tcp/5432", "api")])
    estate = town([group("web", egress=ANY_OUT), group("api", egress=ANY_OUT), data], [WEB, API, DB])
    found = mended(estate, "only: only-from group:web group:db tcp/5432", LOGIN)
    assert ["- db ingress tcp/5432 api"] == shown(found)


def test_only_from_narrows_a_network() -> None:
    """A whole network admitted becomes the one group that a contract needs."""
    estate = town(
        [
            group("web", egress=ANY_OUT), group("api", egress=ANY_OUT), group("other", egress=ANY_OUT),
            group("db", [("tcp/5432", "10.0.0.0/8")]),
        ],
        [WEB, API, DB, OTHER],
    )  # fmt: skip
    found = mended(estate, "only: only-from group:web group:db tcp/5432", LOGIN)
    assert ["+ db ingress tcp/5432 web", "- db ingress tcp/5432 10.0.0.0/8"] == shown(found)


def test_fewest_changes_are_not_the_least_loss() -> None:
    """When the fewest changes take away much more than the contract forbids, the note tells of the gentler way."""
    estate = town(
        [group("web", egress=ANY_OUT), group("api", egress=ANY_OUT), group("db", [("tcp/5432", "10.0.0.0/8")])],
        [WEB, API, DB],
    )
    found = mended(estate, "only: only-from group:web group:db tcp/5432", LOGIN)
    assert ["- api egress all 0.0.0.0/0"] == shown(found)
    assert "no contract asks for it: all to 0.0.0.0/0" in (found.note or "")
    gentler = "authorize db ingress tcp/5432 from web, revoke db ingress tcp/5432 from 10.0.0.0/8"
    assert f"What takes away less, with more changes: {gentler}." in (found.note or "")


def test_never_against_a_reach() -> None:
    """What a kept contract asks for cannot be forbidden: the note names it."""
    estate = town([group("web", egress=ANY_OUT), group("db", [("tcp/5432", "web")])], [WEB, DB])
    found = mended(estate, "apart: never-reach subnet:front group:db tcp", LOGIN)
    assert found.edits is None
    assert "'data'" in (found.note or "")


def test_never_without_groups() -> None:
    """What no group filters no rule can stop."""
    bare = interface("eni-web", "front", "10.0.0.10", public="52.0.0.1")
    found = mended(town([], [bare]), "shut: never-reach internet interface:eni-web tcp/22")
    assert found.edits is None
    assert "no security group" in (found.note or "")


# --- putting back ------------------------------------------------------------------------------------------------


def test_what_a_plan_removes_is_put_back() -> None:
    """The removed rule is the repair, just as it was, although an exact rule would do as well."""
    removed = Rule("ingress", span("tcp/5432"), parse_network("10.0.0.0/16"), id="sgr-1", origin="aws_x.y")
    estate = town([group("web", egress=ANY_OUT), group("db"), group("other", egress=ANY_OUT)], [WEB, DB, OTHER])
    noise = [("db", rule("ingress", "tcp/22", "10.0.0.0/16")), ("web", rule("egress", "udp/53", "0.0.0.0/0"))]
    found = mended(estate, LOGIN, removed=[*noise, ("db", removed)])
    assert ["+ db ingress tcp/5432 10.0.0.0/16"] == shown(found)
    assert found.edits is not None
    assert [(True, "sgr-1", "aws_x.y")] == [(one.restores, one.rule, one.origin) for one in found.edits]


def test_two_removed_rules_are_put_back_together() -> None:
    """Both sides were removed: both are put back, a third one that does not help is not."""
    estate = town([group("web"), group("db")], [WEB, DB])
    removed = [
        ("db", rule("ingress", "tcp/5432", "web")), ("web", rule("egress", "tcp/5432", "db")),
        ("web", rule("egress", "tcp/5000-5500", "10.9.0.0/16")),
    ]  # fmt: skip
    found = mended(estate, LOGIN, removed=removed)
    assert ["+ db ingress tcp/5432 web", "+ web egress tcp/5432 db"] == shown(found)
    assert [True, True] == [one.restores for one in found.edits or ()]


def test_what_must_stay_shut_is_not_put_back() -> None:
    """A removed rule whose return would break another contract is not put back: an exact rule is."""
    estate = town([group("web", egress=ANY_OUT), group("db"), group("other", egress=ANY_OUT)], [WEB, DB, OTHER])
    found = mended(
        estate, LOGIN, "apart: never-reach group:other group:db tcp/5432",
        removed=[("db", rule("ingress", "tcp/5432", "10.0.0.0/16"))],
    )  # fmt: skip
    assert ["+ db ingress tcp/5432 web"] == shown(found)
    assert [False] == [one.restores for one in found.edits or ()]


def test_a_widened_rule_goes_back_to_what_it_was() -> None:
    """When a plan widens a rule, the repair takes the wide one away and puts the narrow one back."""
    estate = town(
        [group("web", egress=ANY_OUT), group("api", egress=ANY_OUT), group("db", [("tcp/0-65535", "10.0.0.0/8")])],
        [WEB, API, DB],
    )
    narrow = rule("ingress", "tcp/5432", "10.0.0.10/32")
    wide = rule("ingress", "tcp/0-65535", "10.0.0.0/8")
    found = mended(
        estate, "only: only-from group:web group:db tcp", LOGIN, removed=[("db", narrow)], added=[("db", wide)]
    )
    assert ["+ db ingress tcp/5432 10.0.0.10/32", "- db ingress tcp 10.0.0.0/8"] == shown(found)
    assert [True, False] == [one.restores for one in found.edits or ()]
