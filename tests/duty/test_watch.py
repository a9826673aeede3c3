"""Scripts: events in, expected commands out, over the real engine."""

from __future__ import annotations

from dataclasses import replace

from doorward.duty.approval import Approval
from doorward.duty.commands import (
    Alert,
    CompareFlows,
    Describe,
    Judged,
    ProposeRevert,
    Record,
    ResolveAlert,
    StartRevert,
    UpdateAlert,
)
from doorward.duty.events import (
    ApprovalGiven,
    MaintenanceOpened,
    RevertApproved,
    SnapshotRead,
)
from doorward.duty.maintenance import Window
from doorward.duty.policy import Policy
from doorward.duty.rules import content_of
from doorward.model.change import Ask, Member, Put, RuleAdded, RuleFact, RuleRemoved, RuleSet, Who
from doorward.model.revert import AclEntryBack, Authorize, Modify, Revoke, SetGroups
from doorward.model.verdict import Outcome
from tests.duty.histories import PLACE, when
from tests.duty.town import (
    ACL,
    ANN,
    DB,
    ENI_DB,
    HTTPS,
    OPEN_SQL,
    PIPELINE,
    SQL,
    WEB,
    acl,
    change,
    compared,
    entry,
    group,
    only,
    seen,
    tick,
    watcher,
)

CLOSED = change("e1", 10, RuleRemoved(WEB, "sgr-https", None))
AUTOMATIC = Policy(lag=0, rebuild_every=0, canary_every=0, mode="automatic")


def test_all_contracts_of_the_town_are_kept() -> None:
    """The first snapshot is judged, and tells nobody anything."""
    assert {Outcome.KEPT} == set(watcher().outcomes.values())


def test_a_broken_contract_is_told_at_once_with_its_owner_diff_and_revert() -> None:
    """The rule for logins is removed: one alert, critical, naming owner, rule, and the exact inverse, proposed."""
    made = watcher()
    found = made.handle(seen(CLOSED))
    (alert,) = only(found, Alert)
    assert isinstance(alert, Alert)
    assert ("broken", "critical", ["people-can-log-in"], ["team-identity"]) == (
        alert.alert.level, alert.alert.severity, [one.name for one in alert.alert.contracts],
        [one.owner for one in alert.alert.contracts],
    )  # fmt: skip
    assert ("- sg-web ingress tcp/443 from 0.0.0.0/0",) == alert.alert.diff
    (asked,) = only(found, CompareFlows)
    found = made.handle(compared(made, asked, 11))
    (proposed,) = only(found, ProposeRevert)
    assert isinstance(proposed, ProposeRevert)
    assert (Authorize(WEB, replace(HTTPS, id=None)),) == proposed.inverse.steps
    assert Outcome.KEPT is proposed.forecast.after["people-can-log-in"]
    (updated,) = only(found, UpdateAlert)
    assert isinstance(updated, UpdateAlert) and updated.alert.fingerprint == alert.alert.fingerprint
    assert updated.alert.flows is not None and updated.alert.flows.lost


def test_one_apply_is_one_alert() -> None:
    """Twenty changes of one session in a minute: one alert, whatever the batches."""
    made = watcher()
    found = list(made.handle(seen(CLOSED)))
    for number in range(20):
        rule = RuleFact(False, "tcp", (7000 + number, 7000 + number), cidr="10.0.0.0/8", id=f"sgr-{number}")
        found += made.handle(seen(change(f"x{number}", 11 + number, RuleAdded(DB, rule))))
    assert 1 == len(only(found, Alert))
    assert 21 == len([one for one in found if isinstance(one, Record) and isinstance(one.body, Judged)])


def test_it_resolves_when_mended_by_whomever() -> None:
    """Somebody puts the rule back: the alert resolves with the same fingerprint."""
    made = watcher()
    (alert,) = only(made.handle(seen(CLOSED)), Alert)
    found = made.handle(seen(change("e2", 20, RuleAdded(WEB, replace(HTTPS, id="sgr-new")), who=PIPELINE)))
    (resolved,) = only(found, ResolveAlert)
    assert isinstance(alert, Alert) and isinstance(resolved, ResolveAlert)
    assert alert.alert.fingerprint == resolved.fingerprint


def test_automatic_starts_once_everything_is_computed_and_knows_its_own_act() -> None:
    """Mode automatic: the revert starts after the forecast; its own event is no new cause, and resolves the alert."""
    made = watcher(AUTOMATIC)
    found = made.handle(seen(CLOSED))
    assert not only(found, StartRevert)
    (asked,) = only(found, CompareFlows)
    (started,) = only(made.handle(compared(made, asked, 11)), StartRevert)
    assert isinstance(started, StartRevert)
    me = Who("arn:aws:iam::123456789012:role/doorward-remedy", "AssumedRole", source_identity=started.inverse.id)
    mine = replace(change("e9", 12, RuleAdded(WEB, replace(HTTPS, id="sgr-n")), who=me), revert=started.inverse.id)
    found = made.handle(seen(mine))
    assert [f"own:{started.inverse.id}"] == [
        one.body.authority for one in found if isinstance(one, Record) and isinstance(one.body, Judged)
    ]
    assert 1 == len(only(found, ResolveAlert)) and not only(found, Alert)


def test_the_pipeline_is_never_reverted_against() -> None:
    """The pipeline's own role broke it: alert and inverse are shown, nothing can be started."""
    made = watcher(replace(AUTOMATIC, pipelines=("arn:aws:iam::*:role/terraform",)))
    (asked,) = only(made.handle(seen(replace(CLOSED, who=PIPELINE))), CompareFlows)
    found = made.handle(compared(made, asked, 11))
    (proposed,) = only(found, ProposeRevert)
    assert isinstance(proposed, ProposeRevert) and proposed.permit.refused
    assert not only(made.handle(RevertApproved(proposed.inverse.id, "bob", when(12))), StartRevert)


def test_the_third_fight_with_one_actor_is_for_a_person() -> None:
    """Revert, again, revert, again: after two the loop stops at a proposal."""
    made = watcher(replace(AUTOMATIC, reverts_per_group_and_hour=100))
    starts = []
    for number in range(4):
        at = 10 + number * 200
        was = f"sgr-{number}" if number else "sgr-https"
        found = made.handle(seen(change(f"a{number}", at, RuleRemoved(WEB, was, None))))
        (asked,) = only(found, CompareFlows)
        found = made.handle(compared(made, asked, at + 1))
        starts.append(len(only(found, StartRevert)))
        made.handle(seen(change(f"b{number}", at + 2, RuleAdded(WEB, replace(HTTPS, id=f"sgr-{number + 1}")))))
    assert [1, 1, 0, 0] == starts


def test_an_approved_delta_is_authorised_once_whatever_the_user_agent() -> None:
    """The delta of an approval by its principal: authorised, silent; the same again: unauthorised."""
    made = watcher()
    rule = RuleFact(False, "tcp", (8443, 8443), cidr="10.9.0.0/16", id="sgr-a")
    delta = (("+", "sg-db", content_of(rule)), ("-", "sg-db", content_of(rule)))
    made.handle(ApprovalGiven(Approval("ap-1", delta, (PIPELINE.arn,), when(0), when(100)), when(2)))
    rights = []
    for id, at, effect in (
        ("e1", 10, RuleAdded(DB, rule)),
        ("e2", 11, RuleRemoved(DB, "sgr-a", None)),
        ("e3", 12, RuleAdded(DB, replace(rule, id="sgr-b"))),
    ):
        found = made.handle(seen(change(id, at, effect, who=PIPELINE)))
        rights += [one.body.authority for one in found if isinstance(one, Record) and isinstance(one.body, Judged)]
    assert ["approval:ap-1", "approval:ap-1", "unauthorised"] == rights


def test_somebody_else_or_something_else_or_later_is_not_authorised() -> None:
    """Principal, content and window must all fit; a session name that looks like the pipeline's does not count."""
    rule = RuleFact(False, "tcp", (8443, 8443), cidr="10.9.0.0/16", id="sgr-a")
    wider = replace(rule, cidr="10.0.0.0/8")
    agent = replace(ANN, agent="HashiCorp Terraform/1.9", session="run-7")
    for at, effect, who in (
        (10, RuleAdded(DB, rule), agent),
        (10, RuleAdded(DB, wider), PIPELINE),
        (10, RuleAdded(WEB, rule), PIPELINE),
        (200, RuleAdded(DB, rule), PIPELINE),
    ):
        made = watcher()
        delta = (("+", "sg-db", content_of(rule)),)
        made.handle(ApprovalGiven(Approval("ap-1", delta, (PIPELINE.arn,), when(0), when(100)), when(2)))
        found = made.handle(seen(change("e1", at, effect, who=who)))
        assert ["unauthorised"] == [
            one.body.authority for one in found if isinstance(one, Record) and isinstance(one.body, Judged)
        ]


def test_an_authorised_change_that_breaks_a_contract_is_told_all_the_same() -> None:
    """Maintenance excuses the change, never the broken contract; it is not undone unasked."""
    made = watcher(AUTOMATIC)
    window = Window("mw-1", "maintenance", "upgrade", "bob", when(0), when(100))
    made.handle(MaintenanceOpened(window, when(2)))
    found = made.handle(seen(CLOSED))
    assert 1 == len(only(found, Alert))
    (asked,) = only(found, CompareFlows)
    found = made.handle(compared(made, asked, 11))
    assert not only(found, StartRevert) and only(found, ProposeRevert)


def test_an_exposed_flow_without_authority_is_told_when_the_changes_pause() -> None:
    """tcp/22 from everywhere to the web tier: no contract, but a new way: high, after the flows are compared."""
    made = watcher()
    rule = RuleFact(False, "tcp", (22, 22), cidr="0.0.0.0/0", id="sgr-22")
    assert not only(made.handle(seen(change("e1", 10, RuleAdded(WEB, rule)))), Alert, CompareFlows)
    (asked,) = only(made.handle(tick(13)), CompareFlows)
    (alert,) = only(made.handle(compared(made, asked, 14)), Alert)
    assert isinstance(alert, Alert)
    assert ("exposed", "high") == (alert.alert.level, alert.alert.severity)
    assert alert.alert.revert is not None and (Revoke(WEB, rule),) == alert.alert.revert.steps


def test_a_rule_changed_in_place_is_changed_back_in_place() -> None:
    """ModifySecurityGroupRules narrows the rule: the inverse is one Modify of the same id."""
    made = watcher()
    narrow = replace(HTTPS, cidr="10.0.0.0/8")
    (asked,) = only(made.handle(seen(change("e1", 10, RuleSet(WEB, "sgr-https", narrow)))), CompareFlows)
    assert isinstance(asked, CompareFlows)
    assert (Modify(WEB, "sgr-https", narrow, HTTPS),) == asked.undo.steps


def test_a_moved_interface_is_moved_back() -> None:
    """The database's interface leaves its group, which is empty then: cannot tell; the inverse sets its groups."""
    made = watcher()
    made.handle(seen(change("e1", 10, Member(ENI_DB, ("sg-web",)))))
    assert Outcome.CANNOT_TELL is made.outcomes["web-reaches-db"]
    (asked,) = only(made.handle(tick(13)), CompareFlows)
    assert isinstance(asked, CompareFlows)
    assert (SetGroups(ENI_DB, ("sg-web",), ("sg-db",)),) == asked.undo.steps


def test_an_acl_entry_is_undone_alone() -> None:
    """An entry that denies everything breaks logins: the inverse deletes this entry, and no other."""
    made = watcher()
    deny = entry(10, False, "deny")
    found = made.handle(seen(change("e1", 10, Put(ACL, {"Entries": acl(deny)["Entries"]}, part=True))))
    assert Outcome.BROKEN is made.outcomes["people-can-log-in"]
    (asked,) = only(found, CompareFlows)
    assert isinstance(asked, CompareFlows)
    assert (AclEntryBack(ACL, 10, False, deny, None),) == asked.undo.steps


def test_what_an_event_does_not_tell_is_asked_for_and_nothing_is_kept_meanwhile() -> None:
    """Ask on the ACL: what it can block cannot be told, what groups shut anyway is kept; the answer mends it."""
    made = watcher()
    found = made.handle(seen(change("e1", 10, Ask(ACL, "its entries")), at=12))
    assert {"people-can-log-in": "cannot-tell", "web-reaches-db": "cannot-tell", "db-stays-private": "kept"} == dict(
        made.outcomes
    )
    assert [Describe((ACL,))] == only(found, Describe)
    made.handle(SnapshotRead(PLACE, {ACL: acl()}, when(12), when(13), when(13)))
    assert {Outcome.KEPT} == set(made.outcomes.values())


def test_a_rule_whose_place_in_time_is_open_is_bracketed() -> None:
    """Set to two values in one second: cannot tell until a describe of the next second settles it."""
    made = watcher()
    narrow = replace(HTTPS, cidr="10.0.0.0/8")
    other = replace(HTTPS, description="the same again")
    made.handle(seen(change("e1", 10, RuleSet(WEB, "sgr-https", narrow))))
    found = made.handle(seen(change("e2", 10, RuleSet(WEB, "sgr-https", other))))
    assert "cannot-tell" == made.outcomes["people-can-log-in"]
    assert not only(found, Describe, ResolveAlert)
    assert [Describe((WEB,))] == only(made.handle(tick(11)), Describe)
    answer = group("sg-web", HTTPS, *(one for one in made.state.group(WEB).facts() if one.egress))
    found = made.handle(SnapshotRead(PLACE, {WEB: answer}, when(11), when(11.5), when(12)))
    assert "kept" == made.outcomes["people-can-log-in"]
    assert 1 == len(only(found, ResolveAlert))


def test_three_way_a_rule_that_was_changed_since_is_held() -> None:
    """Ann opens the database, Bob narrows that rule: undoing Ann's change would undo Bob's: held."""
    from doorward.duty.inverse import inverse

    made = watcher()
    made.handle(seen(change("e1", 10, RuleAdded(DB, OPEN_SQL))))
    cause = next(iter(made.desk.causes.values()))
    bob = replace(ANN, session="bob")
    made.handle(seen(change("e2", 12, RuleSet(DB, "sgr-bad", replace(OPEN_SQL, cidr="10.0.1.0/24")), who=bob)))
    undo = inverse(cause.ordered(), made.state)
    assert () == undo.steps
    assert ["changed since" in one.why for one in undo.held] == [True]


def test_the_same_content_under_another_id_is_left_alone() -> None:
    """Removed and added again in equal content by one cause: nothing is undone, as nothing is different."""
    from doorward.duty.inverse import inverse

    made = watcher()
    made.handle(
        seen(
            change("e1", 10, RuleRemoved(DB, "sgr-sql", None)),
            change("e2", 11, RuleAdded(DB, replace(SQL, id="sgr-again"))),
        )
    )
    (cause,) = made.desk.causes.values()
    assert () == inverse(cause.ordered(), made.state).steps


def test_alerts_that_break_nothing_are_limited_and_broken_ones_never() -> None:
    """Two an hour: the third is counted in a digest; the broken contract is told."""
    made = watcher(Policy(lag=0, rebuild_every=0, canary_every=0, alerts_per_hour=2))
    titles = []
    for number in range(5):
        rule = RuleFact(False, "tcp", (9000 + number, 9000 + number), cidr="192.0.2.0/24", id=f"sgr-{number}")
        who = replace(ANN, session=f"s{number}")
        at = 10 + number * 10
        made.handle(seen(change(f"e{number}", at, RuleAdded(WEB, rule), who=who)))
        (asked,) = only(made.handle(tick(at + 3)), CompareFlows)
        told = only(made.handle(compared(made, asked, at + 4)), Alert, UpdateAlert)
        titles += [one.alert.title for one in told if isinstance(one, Alert | UpdateAlert)]
    assert 5 == len(titles)
    assert "3 more changes without authority in this hour, which broke nothing" == titles[-1]
    assert 1 == len(only(made.handle(seen(change("z", 90, RuleRemoved(WEB, "sgr-https", None)))), Alert))


def test_replayed_after_a_crash_it_knows_the_same() -> None:
    """Told the same events again, another watcher holds the same outcomes, causes and proposals."""
    events = [seen(CLOSED), seen(change("e2", 20, RuleAdded(DB, OPEN_SQL)))]
    made, again = watcher(), watcher()
    for event in events:
        made.handle(event)
    again.replay(events)
    assert dict(made.outcomes) == dict(again.outcomes)
    assert made.desk.causes.keys() == again.desk.causes.keys()
    assert not only(again.handle(seen(CLOSED)), Alert)
