"""The gate: what holds before, during any order of an apply, and after.

Sources: Terraform AWS provider, ``aws_security_group`` (inline rules are revoked, then authorised),
``aws_security_group_rule`` (replaced: deleted, then created), ``aws_vpc_security_group_ingress_rule`` (modified in
place by EC2 *ModifySecurityGroupRules*); Terraform, *lifecycle* (create_before_destroy).
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from doorward import api
from doorward.errors import InvalidContract
from doorward.model.addresses import parse_network
from doorward.model.estate import Estate, NatGateway, Route, RouteTable
from doorward.model.plan import Plan, Step
from tests.contracts.scene import (
    ALL_OUT,
    ALLOW_ALL,
    BROKEN,
    CANNOT_TELL,
    KEPT,
    contract,
    estate,
    gated,
    interface,
    plan,
    rule,
    three,
)

OLD = rule("in tcp 443 10.0.1.0/24", id="sgr-old", origin="aws_security_group_rule.web")
NEW = rule("in tcp 443 10.0.0.0/16", origin="aws_security_group_rule.web")
BEFORE = estate({"web": [ALL_OUT], "db": [OLD]})
ADDRESS = "aws_security_group_rule.web"
DELETE = Step(f"{ADDRESS}#delete", ADDRESS, "delete", removed=(("db", OLD),))
CREATE = Step(f"{ADDRESS}#create", ADDRESS, "create", added=(("db", NEW),))


def test_nothing_changes() -> None:
    """A plan without changes keeps what is kept, at every moment."""
    verdict = gated(Plan(BEFORE, BEFORE))
    assert (KEPT, KEPT, KEPT) == three(verdict)
    assert KEPT == verdict.established


def test_replacement_leaves_a_gap() -> None:
    """A rule that is deleted and then created again (ForceNew) admits nobody in between, though it does before and
    after; the step is named, and create_before_destroy is proposed, since the new rule differs from the old."""
    verdict = gated(plan(BEFORE, DELETE, replace(CREATE, needs=(DELETE.id,))))
    assert (KEPT, BROKEN, KEPT) == three(verdict)
    assert ADDRESS == verdict.during_reasons[0].resource
    assert any("create_before_destroy" in line for line in verdict.safe_order)


def test_broken_during_counts_as_broken() -> None:
    """A report with a contract that breaks only during the apply is broken."""
    report = api.gate([contract("reach", "group:web", "group:db", "tcp/443")], plan(BEFORE, DELETE, CREATE))
    assert BROKEN == report.outcome


def test_create_before_destroy() -> None:
    """With the deletion depending on the creation the new rule is there first: no gap."""
    verdict = gated(plan(BEFORE, CREATE, replace(DELETE, needs=(CREATE.id,))))
    assert (KEPT, KEPT, KEPT) == three(verdict)


def test_order_through_other_steps() -> None:
    """Dependencies count through steps in between."""
    between = Step("null_resource.x", "null_resource.x", "create", needs=(CREATE.id,))
    verdict = gated(plan(BEFORE, CREATE, between, replace(DELETE, needs=(between.id,))))
    assert (KEPT, KEPT, KEPT) == three(verdict)


def test_no_order_is_any_order() -> None:
    """Two steps without a dependency run in any order, so the gap counts."""
    other = replace(CREATE, id="aws_security_group_rule.more", address="aws_security_group_rule.more")
    verdict = gated(plan(BEFORE, other, DELETE))
    assert (KEPT, BROKEN, KEPT) == three(verdict)
    assert any("first apply" in line for line in verdict.safe_order)


def test_cyclic_needs_end() -> None:
    """Steps that need each other (which no plan should have) do not hang the gate."""
    verdict = gated(plan(BEFORE, replace(CREATE, needs=(DELETE.id,)), replace(DELETE, needs=(CREATE.id,))))
    assert KEPT == verdict.outcome


def test_modified_in_place() -> None:
    """*ModifySecurityGroupRules* changes a rule at once: what both the old and the new admit always flows."""
    step = Step(ADDRESS, ADDRESS, "update", (("db", OLD),), (("db", NEW),), atomic=True)
    assert (KEPT, KEPT, KEPT) == three(gated(plan(BEFORE, step)))


def test_inline_update_is_not_atomic() -> None:
    """The same change in an inline block revokes first: a gap, and two applies as the way around it."""
    step = Step("aws_security_group.db", "aws_security_group.db", "update", (("db", OLD),), (("db", NEW),))
    verdict = gated(plan(BEFORE, step))
    assert (KEPT, BROKEN, KEPT) == three(verdict)
    assert "revokes before it authorises" in verdict.during_reasons[0].text
    assert 2 == len(verdict.safe_order)


def test_narrowed_in_place() -> None:
    """In place, only what both admit is safe: a contract for more is broken after, and one for the overlap is not."""
    narrow = rule("in tcp 443 10.0.1.5/32")
    wide = estate(
        {"web": [ALL_OUT], "db": [OLD]},
        [
            interface("eni-web", "10.0.1.5", "web"),
            interface("eni-2", "10.0.1.6", "web"),
            interface("eni-db", "10.0.2.7", "db"),
        ],
    )
    step = Step(ADDRESS, ADDRESS, "update", (("db", OLD),), (("db", narrow),), atomic=True)
    assert (KEPT, BROKEN, BROKEN) == three(gated(plan(wide, step)))
    assert (KEPT, KEPT, KEPT) == three(gated(plan(wide, step), source="interface:eni-web"))


def description_edit(*more: str, atomic: bool = False) -> Plan:
    """A rule of ``db`` gets another description, by an inline block or in place."""
    before = estate({"web": [ALL_OUT], "db": [rule("in tcp 443 web", description="a"), *more]})
    old = before.groups["db"].rules[0]
    new = old._replace(description="b")
    note = "only the description changes"
    step = Step(
        "aws_security_group.db", "aws_security_group.db", "update", (("db", old),), (("db", new),), atomic, (), note
    )
    return plan(before, step)


def test_description_of_an_inline_rule() -> None:
    """The provider's hash of an inline rule includes its description: editing that revokes and re-adds the rule. The
    same rule cannot exist twice, so adding first is not proposed (InvalidPermission.Duplicate)."""
    verdict = gated(description_edit())
    assert (KEPT, BROKEN, KEPT) == three(verdict)
    assert "only the description changes" in verdict.during_reasons[0].text
    assert any("Duplicate" in line for line in verdict.safe_order)


def test_description_of_a_standalone_rule() -> None:
    """In place, a description changes nothing."""
    assert (KEPT, KEPT, KEPT) == three(gated(description_edit(atomic=True)))


def test_description_edit_that_another_rule_covers() -> None:
    """What another rule admits all the time does not flap."""
    assert (KEPT, KEPT, KEPT) == three(gated(description_edit("in tcp 0-1000 10.0.1.0/24")))


def test_description_edit_concerns_its_own_traffic_only() -> None:
    """Other traffic of the same group is not disturbed."""
    edit = description_edit("in tcp 22 10.0.1.0/24")
    assert (KEPT, KEPT, KEPT) == three(gated(edit, service="tcp/22"))
    assert (KEPT, BROKEN, KEPT) == three(gated(edit))


# --- several removals and additions -----------------------------------------------------------------------------


def removal(name: str, gone: str, *needs: str) -> Step:
    """A step that removes a rule of ``db``."""
    return Step(f"rule.{name}", f"rule.{name}", "delete", removed=(("db", rule(gone)),), needs=needs)


def addition(name: str, come: str, *needs: str) -> Step:
    """A step that adds a rule to ``db``."""
    return Step(f"rule.{name}", f"rule.{name}", "create", added=(("db", rule(come)),), needs=needs)


def test_two_removals_covered_by_one_ordered_addition() -> None:
    """A packet that two removed rules admit is always admitted when one of them goes only after the new one came."""
    wide, wider, new = "in tcp 443 10.0.1.0/24", "in tcp 443 10.0.0.0/16", "in tcp 443 10.0.1.5/32"
    before = estate({"web": [ALL_OUT], "db": [wide, wider]})
    steps = (addition("new", new), removal("a", wide, "rule.new"), removal("b", wider))
    assert (KEPT, KEPT, KEPT) == three(gated(plan(before, *steps)))
    loose = (addition("new", new), removal("a", wide), removal("b", wider))
    assert (KEPT, BROKEN, KEPT) == three(gated(plan(before, *loose)))


def test_a_part_that_is_not_covered() -> None:
    """Order helps only the traffic that the earlier addition admits."""
    before = estate({"web": [ALL_OUT], "db": ["in tcp 400-500 10.0.1.0/24"]})
    steps = (
        addition("low", "in tcp 400-450 10.0.1.0/24"),
        addition("high", "in tcp 451-500 10.0.1.0/24"),
        removal("whole", "in tcp 400-500 10.0.1.0/24", "rule.low"),
    )
    assert (KEPT, KEPT, KEPT) == three(gated(plan(before, *steps), service="tcp/400-450"))
    assert (KEPT, BROKEN, KEPT) == three(gated(plan(before, *steps), service="tcp/451"))


def test_stopping_half_way() -> None:
    """An apply that stops after the removal leaves the gap open: a rule that is only removed breaks after as well."""
    verdict = gated(plan(BEFORE, DELETE))
    assert (KEPT, BROKEN, BROKEN) == three(verdict)
    assert any("the plan removes" in reason.text and "sgr-old" in reason.text for reason in verdict.reasons)


def test_addition_alone() -> None:
    """What a plan only adds breaks no ``reach``, and mends it."""
    before = estate({"web": [ALL_OUT]})
    verdict = gated(plan(before, addition("new", "in tcp 443 web")))
    assert (BROKEN, BROKEN, KEPT) == three(verdict)


def test_crest() -> None:
    """``never-reach`` is judged with all additions done and no removal yet: a way that opens at the source before it
    closes at the target is open in between."""
    before = estate({"db": ["in tcp 443 10.0.1.0/24"]})
    opening = Step("rule.out", "rule.out", "create", added=(("web", rule("out tcp 443 10.0.2.0/24")),))
    closing = removal("in", "in tcp 443 10.0.1.0/24")
    assert (KEPT, BROKEN, KEPT) == three(gated(plan(before, opening, closing), "never-reach"))


def test_crest_with_an_order() -> None:
    """When the target is closed before the source is opened, no moment lets anything pass."""
    before = estate({"db": ["in tcp 443 10.0.1.0/24"]})
    closing = removal("in", "in tcp 443 10.0.1.0/24")
    opening = Step(
        "rule.out", "rule.out", "create", added=(("web", rule("out tcp 443 10.0.2.0/24")),), needs=(closing.id,)
    )
    assert (KEPT, KEPT, KEPT) == three(gated(plan(before, closing, opening), "never-reach"))


def test_added_rule_is_blamed() -> None:
    """The rule of the plan that opens what must stay shut is named."""
    before = estate({"web": [ALL_OUT]})
    verdict = gated(plan(before, addition("new", "in tcp 0-1000 10.0.0.0/8")), "never-reach")
    assert (KEPT, BROKEN, BROKEN) == three(verdict)
    assert any("rule.new: the plan adds" in reason.text for reason in verdict.reasons)


def test_rule_moves_to_another_group_of_the_interface() -> None:
    """A rule that is first added to one group of an interface and then removed from another admits all the time:
    groups of an interface are united."""
    pair = [interface("eni-web", "10.0.1.5", "web"), interface("eni-db", "10.0.2.7", "db", "more")]
    before = estate({"web": [ALL_OUT], "db": ["in tcp 443 web"]}, pair)
    come = Step("rule.come", "rule.come", "create", added=(("more", rule("in tcp 443 web")),))
    gone = removal("gone", "in tcp 443 web", "rule.come")
    assert (KEPT, KEPT, KEPT) == three(gated(plan(before, come, gone)))


def test_from_cidr_to_reference_in_order() -> None:
    """A reference to the group that is added before the CIDR goes covers the group's members all the time."""
    before = estate({"web": [ALL_OUT], "db": ["in tcp 443 10.0.1.0/24"]})
    steps = (addition("new", "in tcp 443 web"), removal("old", "in tcp 443 10.0.1.0/24", "rule.new"))
    assert (KEPT, KEPT, KEPT) == three(gated(plan(before, *steps)))
    assert (KEPT, BROKEN, KEPT) == three(
        gated(plan(before, addition("new", "in tcp 443 web"), removal("old", "in tcp 443 10.0.1.0/24")))
    )


def test_brute_force_of_orders() -> None:
    """For random rules and orders of one group, *during* is broken exactly when some allowed order has a moment at
    which nothing admits the packet."""
    texts = ("in tcp 443 10.0.1.0/24", "in tcp 443 10.0.1.5/32", "in tcp 443 10.0.2.0/24", "in tcp 443 10.0.0.0/16")
    admits = [True, True, False, True]
    for removed, added in itertools.product(((0,), (0, 1), (0, 2)), ((3,), (1,), (2, 3))):
        if set(removed) & set(added):
            continue
        names = [f"rule.{at}" for at in (*removed, *added)]
        for edges in itertools.product((False, True), repeat=len(removed) * len(added)):
            wanted = dict(zip(itertools.product(removed, added), edges, strict=True))
            steps = [addition(str(at), texts[at]) for at in added]
            needs = {at: tuple(f"rule.{to}" for to in added if wanted[at, to]) for at in removed}
            steps += [removal(str(at), texts[at], *needs[at]) for at in removed]
            before = estate({"web": [ALL_OUT], "db": [texts[at] for at in removed]})
            gap = False
            for order in itertools.permutations(names):
                if any(
                    order.index(f"rule.{to}") > order.index(f"rule.{at}") for (at, to), is_ in wanted.items() if is_
                ):
                    continue
                present = {f"rule.{at}" for at in removed}
                for name in order:
                    present ^= {name}
                    gap = gap or not any(admits[int(one[5:])] for one in present)
            verdict = gated(plan(before, *steps))
            assert (KEPT, BROKEN if gap else KEPT, KEPT) == three(verdict), (removed, added, wanted)


# --- memberships ------------------------------------------------------------------------------------------------


def moved(rules: dict[str, list[str]], *, targets: tuple[str, ...] = ("db", "db")) -> Plan:
    """``eni-1`` and ``eni-2`` go from group ``old`` to group ``new``; ``eni-db`` may change groups too."""
    other = interface("eni-db", "10.0.2.7", targets[0])
    before = estate(rules, [interface("eni-1", "10.0.1.1", "old"), interface("eni-2", "10.0.1.2", "old"), other])
    groups = {"eni-1": ("new",), "eni-2": ("new",), "eni-db": (targets[1],)}
    after = replace(before, interfaces={id: one._replace(groups=groups[id]) for id, one in before.interfaces.items()})
    return plan(before, after=after)


def test_moved_one_after_another() -> None:
    """An interface's groups are replaced at once (EC2 *ModifyNetworkInterfaceAttribute*), one interface after another.
    Two members of a group that admits itself do not reach each other while one has moved and the other has not."""
    made = moved({"old": [ALL_OUT, "in tcp 443 old"], "new": [ALL_OUT, "in tcp 443 new"]})
    assert (KEPT, BROKEN, KEPT) == three(gated(made, source="interface:eni-1", target="interface:eni-2"))


def test_moment_of_a_move_is_told() -> None:
    """The reason for a gap says which interface had already moved."""
    made = moved({"old": [ALL_OUT, "in tcp 443 old"], "new": [ALL_OUT, "in tcp 443 new"]})
    verdict = gated(made, source="interface:eni-1", target="interface:eni-2")
    assert any("already in its new groups" in reason.text for reason in verdict.during_reasons)


def test_moved_between_groups_that_admit_each_other() -> None:
    """With rules for both groups on both sides every moment is served."""
    both = [ALL_OUT, "in tcp 443 new", "in tcp 443 old"]
    made = moved({"old": both, "new": both})
    assert (KEPT, KEPT, KEPT) == three(gated(made, source="interface:eni-1", target="interface:eni-2"))


def test_target_that_admits_old_and_new() -> None:
    """A target that admits both groups is reached whichever of them has moved; one that admits only the new one was
    not reached before."""
    made = moved({"old": [ALL_OUT], "new": [ALL_OUT], "db": ["in tcp 443 old", "in tcp 443 new"]})
    assert (KEPT, KEPT, KEPT) == three(gated(made, source="interface:eni-1"))
    made = moved({"old": [ALL_OUT], "new": [ALL_OUT], "db": ["in tcp 443 new"]})
    assert (BROKEN, BROKEN, KEPT) == three(gated(made, source="interface:eni-1"))


def test_both_ends_move() -> None:
    """Source and target change groups, and only both old or both new fit: in between they do not."""
    made = moved(
        {"old": [ALL_OUT], "new": [ALL_OUT], "db": ["in tcp 443 old"], "more": ["in tcp 443 new"]},
        targets=("db", "more"),
    )
    verdict = gated(made, source="interface:eni-1", target="interface:eni-db")
    assert (KEPT, BROKEN, KEPT) == three(verdict)


def test_never_reach_while_moving() -> None:
    """The crest: a member that is still in the old group while the target is already in the group that admits it."""
    made = moved({"old": [ALL_OUT], "new": [], "more": ["in tcp 443 10.0.1.0/24"]}, targets=("db", "more"))
    verdict = gated(made, "never-reach", "interface:eni-1", "interface:eni-db")
    assert (KEPT, BROKEN, KEPT) == three(verdict)


# --- ACLs -------------------------------------------------------------------------------------------------------


def acl_change(before: tuple[str, ...], after: tuple[str, ...]) -> Plan:
    """The ACL of the database's subnet gets other entries; groups stay as they are."""
    rules = {"web": [ALL_OUT], "db": ["in tcp 443 web"]}
    return plan(estate(rules, acl=before), after=estate(rules, acl=after))


OUT = "out 100 allow -1 - 0.0.0.0/0"


def test_acl_entry_renumbered() -> None:
    """An allow entry whose number changes is deleted and created: absent in between."""
    made = acl_change(("in 100 allow tcp 443 0.0.0.0/0", OUT), ("in 110 allow tcp 443 0.0.0.0/0", OUT))
    assert (KEPT, BROKEN, KEPT) == three(gated(made))


def test_acl_entry_that_stays() -> None:
    """What an entry that stays admits flows all the time, whatever else changes behind it."""
    made = acl_change(("in 100 allow tcp 443 0.0.0.0/0", "in 200 allow tcp 22 0.0.0.0/0", OUT),
                      ("in 100 allow tcp 443 0.0.0.0/0", "in 210 allow tcp 22 0.0.0.0/0", OUT))  # fmt: skip
    assert (KEPT, KEPT, KEPT) == three(gated(made))


def test_acl_deny_renumbered() -> None:
    """A deny that is deleted and created again is absent in between: what must never flow flows."""
    rest = ("in 200 allow -1 - 0.0.0.0/0", OUT)
    made = acl_change(("in 100 deny tcp 443 0.0.0.0/0", *rest), ("in 90 deny tcp 443 0.0.0.0/0", *rest))
    assert (KEPT, BROKEN, KEPT) == three(gated(made, "never-reach"))


def test_acl_deny_that_comes_and_goes() -> None:
    """A deny that comes at a lower number stands before an allow that comes at the same time: in between it may stand
    alone, even if the allow that is to come would be first."""
    made = acl_change(("in 100 allow tcp 443 0.0.0.0/0", OUT),
                      ("in 10 allow tcp 443 10.0.1.0/24", "in 20 deny tcp 443 0.0.0.0/0",
                       "in 100 allow tcp 443 0.0.0.0/0", OUT))  # fmt: skip
    assert (KEPT, BROKEN, KEPT) == three(gated(made))


def test_answer_during_an_acl_change() -> None:
    """The answer's pass counts too."""
    made = acl_change(("in 1 allow -1 - 0.0.0.0/0", "out 100 allow tcp 1024-65535 0.0.0.0/0"),
                      ("in 1 allow -1 - 0.0.0.0/0", "out 110 allow tcp 1024-65535 0.0.0.0/0"))  # fmt: skip
    assert (KEPT, BROKEN, KEPT) == three(gated(made))


# --- routes -----------------------------------------------------------------------------------------------------


def test_routes_of_two_tables() -> None:
    """Tables change one by one: the way to a NAT gateway closes in one table, the gateway's own way out opens in
    another; while the first is still old and the second already new, the internet is reached."""
    base = estate({"web": [ALL_OUT]}, [interface("eni-web", "10.0.1.5", "web")])
    local = Route(parse_network("10.0.0.0/16"), "local", "local")
    to_nat = Route(parse_network("0.0.0.0/0"), "nat-gateway", "nat")
    to_internet = Route(parse_network("0.0.0.0/0"), "internet-gateway", "igw")
    nat = NatGateway("nat", "b", "vpc", parse_network("198.51.100.99")[:1], parse_network("10.0.2.99")[:1])
    subnets = {id: replace(one, route_table=f"table-{id}") for id, one in base.subnets.items()}

    def at(a: tuple[Route, ...], b: tuple[Route, ...]) -> Estate:
        tables = {"table-a": RouteTable("table-a", "vpc", a), "table-b": RouteTable("table-b", "vpc", b)}
        return replace(base, subnets=subnets, route_tables=tables, nat_gateways={"nat": nat})

    made = plan(at((local, to_nat), (local,)), after=at((local,), (local, to_internet)))
    assert (KEPT, BROKEN, KEPT) == three(gated(made, "never-reach", "group:web", "203.0.113.0/24"))


# --- what a contract names --------------------------------------------------------------------------------------


def test_deleted_by_the_plan() -> None:
    """A ``reach`` whose target the plan deletes is broken, and says so; ``never-reach`` has nobody left."""
    after = replace(BEFORE, interfaces={"eni-web": BEFORE.interfaces["eni-web"]},
                    groups={id: one for id, one in BEFORE.groups.items() if id != "db"})  # fmt: skip
    verdict = gated(plan(BEFORE, after=after))
    assert (KEPT, BROKEN, BROKEN) == three(verdict)
    assert "deletes" in verdict.reasons[0].text
    assert CANNOT_TELL == gated(plan(BEFORE, after=after), "never-reach").outcome


def test_created_by_the_plan() -> None:
    """What does not exist before cannot be told before; what happens while it is being created is no loss."""
    before = replace(BEFORE, interfaces={"eni-web": BEFORE.interfaces["eni-web"]},
                     groups={id: one for id, one in BEFORE.groups.items() if id != "db"})  # fmt: skip
    creating = Step("aws_security_group.db", "aws_security_group.db", "create", added=(("db", OLD),))
    verdict = gated(plan(before, creating, after=BEFORE))
    assert (CANNOT_TELL, KEPT) == (verdict.before, verdict.outcome)
    assert BROKEN != verdict.during_apply


def test_named_by_nobody() -> None:
    """A name that fits neither before nor after is an invalid contract."""
    with pytest.raises(InvalidContract):
        gated(plan(BEFORE, DELETE), target="group:none")


def test_acl_of_the_default_scene() -> None:
    """The scene itself: its ACLs pass everything, so groups alone decide."""
    assert KEPT == gated(plan(estate({"web": [ALL_OUT], "db": ["in tcp 443 web"]}, acl=ALLOW_ALL))).outcome
