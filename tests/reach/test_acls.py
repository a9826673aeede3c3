"""What ACLs admit, as cells, against a walk entry by entry."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.model.addresses import V6
from doorward.model.estate import Acl, AclEntry, Estate
from doorward.model.intervals import Intervals, Span
from doorward.reach import acls
from doorward.reach.world import Bound, World
from tests.contracts.scene import estate

laws = settings(max_examples=150, deadline=None)
TOP = 7
SERVICES = range(20, 20 + TOP + 1)
ADDRESSES = [*range(TOP + 1), *range(V6, V6 + TOP + 1)]
POINTS = st.tuples(st.integers(0, TOP), st.integers(0, TOP)).map(lambda pair: (min(pair), max(pair)))
SPANS = POINTS.map(lambda span: (span[0] + 20, span[1] + 20))
CIDRS = st.tuples(POINTS, st.booleans()).map(lambda it: (it[0][0] + V6, it[0][1] + V6) if it[1] else it[0])
ENTRIES = st.lists(
    st.builds(AclEntry, st.integers(1, 99), st.booleans(), st.booleans(), SPANS, CIDRS, st.none(), st.booleans()),
    max_size=6,
    unique_by=lambda entry: (entry.number, entry.egress),
)


def world(entries: list[AclEntry]) -> World:
    """A world in which subnet ``b`` has these entries."""
    base: Estate = estate({})
    return World(replace(base, acls={**base.acls, "acl-b": Acl("acl-b", "vpc", tuple(entries))}))


def first_match(entries: list[AclEntry], egress: bool, address: int, service: int) -> bool:
    """The lowest-numbered entry that matches decides; none denies (VPC User Guide, *Network ACL rules*)."""
    for entry in sorted(entries, key=lambda one: one.number):
        if entry.egress is egress and inside(service, entry.service) and inside(address, entry.cidr):
            return entry.allow
    return False


def inside(number: int, span: Span) -> bool:
    """Whether a number lies in a span."""
    return span[0] <= number <= span[1]


def passed(made: World, egress: bool, bound: Bound) -> set[tuple[int, int]]:
    """Every (service, address) that the cells admit; the cells cover the asked span without gap or overlap."""
    span = SERVICES[0], SERVICES[-1]
    cells = acls.admitted(made, "b", egress, span, bound)
    assert list(SERVICES) == [service for cell in cells for service in range(cell.first, cell.last + 1)]
    return {
        (service, address)
        for cell in cells
        for service in range(cell.first, cell.last + 1)
        for address in ADDRESSES
        if address in cell.addresses
    }


@laws
@given(ENTRIES, st.booleans())
def test_first_match_decides(entries: list[AclEntry], egress: bool) -> None:
    """With certain entries both bounds are the walk."""
    certain = [entry._replace(certain=True) for entry in entries]
    made = world(certain)
    expected = {
        (service, address)
        for service in SERVICES
        for address in ADDRESSES
        if first_match(certain, egress, address, service)
    }
    assert expected == passed(made, egress, Bound.LOWER) == passed(made, egress, Bound.UPPER)


@laws
@given(ENTRIES, st.booleans())
def test_bounds_of_uncertain_entries(entries: list[AclEntry], egress: bool) -> None:
    """With entries that may be absent the bounds are the packets that pass in all, and in some, of the cases."""
    doubtful = [entry for entry in entries if not entry.certain]
    firm = [entry for entry in entries if entry.certain]
    cases = []
    for chosen in range(1 << len(doubtful)):
        there = firm + [entry for at, entry in enumerate(doubtful) if chosen >> at & 1]
        cases.append(
            {
                (service, address)
                for service in SERVICES
                for address in ADDRESSES
                if first_match(there, egress, address, service)
            }
        )
    made = world(entries)
    assert set.intersection(*cases) == passed(made, egress, Bound.LOWER)
    assert set.union(*cases) == passed(made, egress, Bound.UPPER)


@laws
@given(ENTRIES, st.booleans(), st.sampled_from(ADDRESSES), st.sampled_from(SERVICES))
def test_deciding_entry(entries: list[AclEntry], egress: bool, address: int, service: int) -> None:
    """The entry that is named decides as the cells do."""
    certain = [entry._replace(certain=True) for entry in entries]
    says, entry = acls.deciding_entry(world(certain), "b", egress, address, service)
    assert (says == "allow") == first_match(certain, egress, address, service)
    assert entry is None or (inside(service, entry.service) and inside(address, entry.cidr) and entry.egress is egress)


@laws
@given(ENTRIES, st.lists(SPANS, min_size=1, max_size=3))
def test_all_services(entries: list[AclEntry], spans: list[Span]) -> None:
    """What passes on every service of a set is what passes on each."""
    certain = [entry._replace(certain=True) for entry in entries]
    found = acls.admitted_all(world(certain), "b", True, Intervals(spans), Bound.LOWER)
    wanted = {service for first, last in spans for service in range(first, last + 1)}
    assert {
        address for address in ADDRESSES if all(first_match(certain, True, address, service) for service in wanted)
    } == {address for address in ADDRESSES if address in found}


def test_unknown_acl() -> None:
    """An ACL whose entries are not known admits nothing for certain and everything at most; so does one that is
    missing."""
    base = estate({})
    unknown = World(replace(base, acls={**base.acls, "acl-b": Acl("acl-b", "vpc", unknown="entries")}))
    missing = World(replace(base, acls={"acl-a": base.acls["acl-a"]}))
    for made in (unknown, missing):
        assert set() == passed(made, True, Bound.LOWER)
        assert len(SERVICES) * len(ADDRESSES) == len(passed(made, True, Bound.UPPER))
        assert ("unknown", None) == acls.deciding_entry(made, "b", True, 0, 20)
