"""Policies, approvals of plans, guards and blindness, each on its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doorward.duty.approval import Approvals, approval_of_plan
from doorward.duty.commands import Alert, ReadSnapshot, ResolveAlert, TouchCanary
from doorward.duty.deltas import DocumentDelta, RuleDelta
from doorward.duty.events import CanarySeen, QueueRead, UnreadableSeen
from doorward.duty.guard import harms
from doorward.duty.judge import EngineJudge
from doorward.duty.maintenance import Window
from doorward.duty.policy import Policy, parse_policy
from doorward.duty.ports import Forecast
from doorward.duty.rules import content_of, engine_rule
from doorward.duty.watch import Watcher
from doorward.errors import InvalidInput
from doorward.model.change import RuleAdded, RuleFact
from doorward.model.estate import Estate
from doorward.model.plan import Plan, Step
from doorward.model.rules import Group
from doorward.model.verdict import FlowDiff, Outcome
from tests.duty.histories import PLACE, when
from tests.duty.town import PIPELINE, build, change, contracts, group, key, only, tick, watcher

RULE = RuleFact(False, "tcp", (8443, 8443), cidr="10.9.0.0/16", id="sgr-1")


def test_a_planned_group_is_known_by_name_and_stays_bound() -> None:
    """The plan could not know the id: creation, its default egress taken away, and its rule are authorised, once."""
    address = "aws_security_group.new"
    new = Group(address, name="new", vpc="vpc-1", rules=(engine_rule(content_of(RULE), True),))
    plan = Plan(
        Estate(), Estate(groups={address: new}), (Step("s", address, "create", added=((address, new.rules[0]),)),)
    )
    open_ones = Approvals()
    open_ones.give(approval_of_plan("ap", plan, (PIPELINE.arn,), when(0), when(100)))
    sg = key("group", "sg-new")
    names = {"sg-new": ("new", "vpc-1"), "sg-other": ("new", "vpc-1")}
    out = RuleFact(True, "-1", None, cidr="0.0.0.0/0")
    made = change("e", 10, RuleAdded(sg, RULE), who=PIPELINE)
    creation = DocumentDelta(sg, None, group("sg-new", out))
    assert open_ones.use(made, (creation,), names) is not None
    assert open_ones.use(made, (RuleDelta(sg, out, None),), names) is not None
    other = RuleDelta(key("group", "sg-other"), None, RULE)
    assert open_ones.use(made, (other,), names) is None
    assert open_ones.use(made, (RuleDelta(sg, None, RULE),), names) is not None
    assert open_ones.use(made, (RuleDelta(sg, None, RULE),), names) is None
    assert open_ones.open["ap"].used_up


def test_a_baseline_allows_its_scope_and_nothing_for_everybody() -> None:
    """The controller's ports in its groups; another group, port, role, or all addresses: not."""
    (baseline,) = parse_policy(
        {
            "baselines": [
                {"name": "lb", "principals": ["*:role/terraform"], "groups": ["web-*"], "services": ["tcp/8000-9000"]}
            ]
        }
    ).baselines
    sg = key("group", "sg-1")
    made = change("e", 10, RuleAdded(sg, RULE), who=PIPELINE)
    groups: dict[str, tuple[str, dict[str, str]]] = {"sg-1": ("web-a", {})}
    assert baseline.allows(made, (RuleDelta(sg, None, RULE),), groups)
    assert not baseline.allows(change("e", 10), (RuleDelta(sg, None, RULE),), groups)
    assert not baseline.allows(made, (RuleDelta(sg, None, RULE),), {"sg-1": ("db", {})})
    for wrong in (replace(RULE, ports=(22, 22)), replace(RULE, cidr="0.0.0.0/0")):
        assert not baseline.allows(made, (RuleDelta(sg, None, wrong),), groups)


@pytest.mark.parametrize(
    "given",
    [{"modus": "x"}, {"mode": "auto"}, {"lag": -1}, {"fights": 1.5}, {"modes": {"severity": {"urgent": "propose"}}},
     {"baselines": [{"name": "all", "principals": ["*"]}]}],
)  # fmt: skip
def test_what_a_policy_cannot_say_is_refused(given: dict[str, object]) -> None:
    """Unknown keys, wrong words, and baselines without a scope are invalid input."""
    with pytest.raises(InvalidInput):
        parse_policy(given)


def test_break_glass_needs_a_reason_and_expires_soon() -> None:
    """No reason, or more than four hours: invalid; a good one has a follow-up."""
    with pytest.raises(InvalidInput):
        Window("w", "break-glass", " ", "bob", when(0), when(100))
    with pytest.raises(InvalidInput):
        Window("w", "break-glass", "outage", "bob", when(0), when(5 * 3600))
    assert Window("w", "break-glass", "outage", "bob", when(0), when(100)).follow_up is not None


def test_a_revert_that_breaks_something_else_is_refused() -> None:
    """Kept before, broken after, or in between: a reason each."""
    kept, broken = {"a": Outcome.KEPT}, {"a": Outcome.BROKEN}
    assert ["a would be broken"] == harms(Forecast(kept, broken, broken, {}, FlowDiff()), None)
    assert ["a would be broken in between"] == harms(Forecast(kept, kept, broken, {}, FlowDiff()), None)
    assert [] == harms(Forecast(broken, kept, broken, {}, FlowDiff()), None)


def test_a_canary_that_does_not_come_back_is_an_alarm_and_resolves() -> None:
    """Touched, overdue after two minutes: critical; its event resolves it."""
    made = Watcher(Policy(reconcile_every=0), EngineJudge(contracts(), build), [PLACE])
    assert [TouchCanary(PLACE)] == only(made.handle(tick(0)), TouchCanary)
    (alert,) = only(made.handle(tick(130)), Alert)
    assert isinstance(alert, Alert) and ("blind", "critical") == (alert.alert.level, alert.alert.severity)
    assert 1 == len(only(made.handle(CanarySeen(PLACE, when(0), when(140))), ResolveAlert))


def test_an_old_queue_and_unreadable_records_are_alarms_told_once() -> None:
    """Each alarm once until it is over."""
    made = watcher()
    told = [only(made.handle(QueueRead(5, when(0), when(at))), Alert, ResolveAlert) for at in (400, 410)]
    assert [1, 0] == [len(one) for one in told]
    assert 1 == len(only(made.handle(QueueRead(0, None, when(420))), ResolveAlert))
    assert 1 == len(only(made.handle(UnreadableSeen("m-1", "not JSON", when(421))), Alert))
    assert 1 == len(only(made.handle(tick(1000)), ReadSnapshot))
