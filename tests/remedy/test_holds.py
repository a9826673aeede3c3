"""The three ways: before, after the change, now. Only what still equals "after" is undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from doorward.model.change import RuleFact
from doorward.model.revert import Act, Authorize, Modify, Revert, Revoke, SetGroups, Trouble
from tests.remedy.rig import Rig, World, key, revert

Perform = Callable[[Revert], Revert]


def change(world: World, group: str, rule: RuleFact, cidr: str) -> RuleFact:
    """Somebody changes a rule in place."""
    update = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv4": cidr}
    rules = [{"SecurityGroupRuleId": rule.id, "SecurityGroupRule": update}]
    world.ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=rules)
    return replace(rule, cidr=cidr)


def test_a_rule_that_was_changed_since_is_not_revoked(world: World, perform: Perform, rig: Rig) -> None:
    """The id is the same, what it allows is not: held, with what it is now, and nothing is sent."""
    group = world.group()
    added = world.add(group, "0.0.0.0/0")
    change(world, group, added, "10.0.0.0/8")
    ended = perform(revert(Revoke(key("group", group), added)))
    assert ("held", "held") == (ended.state, ended.steps[0].state)
    assert f"{added.id} was changed since: it is ingress tcp/443 from 10.0.0.0/8 now" == ended.steps[0].note
    assert [] == rig.writes()


def test_a_rule_that_was_allowed_anew_is_not_revoked(world: World, perform: Perform, rig: Rig) -> None:
    """Somebody removed it and allowed the same again: that is a decision of theirs, whatever the content."""
    group = world.group()
    added = world.add(group, "0.0.0.0/0")
    world.drop(group, added)
    again = world.add(group, "0.0.0.0/0")
    ended = perform(revert(Revoke(key("group", group), added)))
    assert ("held", []) == (ended.state, rig.writes())
    assert str(again.id) in ended.note


def test_what_is_so_already_is_left_alone(world: World, perform: Perform, rig: Rig) -> None:
    """Somebody was quicker: nothing is sent, the step says that it was so already, and the revert is done."""
    group = world.group()
    added = world.add(group, "0.0.0.0/0")
    world.drop(group, added)
    there = world.add(group, "10.0.0.0/8")
    acts: list[Act] = [Revoke(key("group", group), added), Authorize(key("group", group), replace(there, id=None))]
    ended = perform(revert(*acts))
    assert ("done", ["already so"] * 2, []) == (ended.state, [one.state for one in ended.steps], rig.writes())
    assert () == ended.imports


def test_a_changed_rule_is_held_when_another_allows_the_same(world: World, perform: Perform, rig: Rig) -> None:
    """EC2 refuses two rules of one content; the revert says which rule it is instead of failing."""
    group = world.group()
    before = world.add(group, "10.0.0.0/8")
    now = change(world, group, before, "10.0.0.0/30")
    twin = world.add(group, "10.0.0.0/8")
    ended = perform(revert(Modify(key("group", group), str(now.id), now, before)))
    assert ("held", []) == (ended.state, rig.writes())
    assert str(twin.id) in ended.note


def test_an_interface_that_was_moved_since_stays_where_it_is(world: World, perform: Perform, rig: Rig) -> None:
    """Held, with the groups that it is in now."""
    one, two, three = world.group(), world.group("two"), world.group("three")
    made = world.ec2.create_network_interface(SubnetId=world.subnet(), Groups=[three])["NetworkInterface"]
    ended = perform(revert(SetGroups(key("interface", made["NetworkInterfaceId"]), (two,), (one,))))
    assert ("held", f"was moved since: it is in {three} now", []) == (ended.state, ended.note, rig.writes())


@pytest.mark.parametrize("kind", ["authorize", "revoke", "modify"])
def test_a_group_that_is_gone(world: World, perform: Perform, rig: Rig, kind: str) -> None:
    """What was to be removed is gone with it; what was to be put back is held."""
    group = world.group()
    rule = world.add(group, "10.0.0.0/8")
    world.ec2.delete_security_group(GroupId=group)
    place = key("group", group)
    acts: dict[str, Act] = {
        "authorize": Authorize(place, rule),
        "revoke": Revoke(place, rule),
        "modify": Modify(place, str(rule.id), rule, replace(rule, cidr="10.0.0.0/9")),
    }
    ended = perform(revert(acts[kind]))
    assert ("done" if kind == "revoke" else "held") == ended.state
    assert [] == rig.writes()


def test_one_part_that_was_changed_since_holds_the_whole_before_anything_is_done(
    world: World, perform: Perform, rig: Rig
) -> None:
    """What was judged was the whole; a part of it is something else."""
    group = world.group()
    gone, added = world.add(group, "10.0.0.0/8"), world.add(group, "0.0.0.0/0")
    world.drop(group, gone)
    change(world, group, added, "10.9.0.0/16")
    acts: list[Act] = [Authorize(key("group", group), gone), Revoke(key("group", group), added)]
    ended = perform(revert(*acts))
    assert ("held", ["dry-run passed", "held"], []) == (ended.state, [one.state for one in ended.steps], rig.writes())


def test_with_go_on_the_other_parts_are_undone(world: World, perform: Perform, rig: Rig) -> None:
    """When asked for, what can be undone is, and the revert is partial."""
    group = world.group()
    gone, added = world.add(group, "10.0.0.0/8"), world.add(group, "0.0.0.0/0")
    world.drop(group, gone)
    change(world, group, added, "10.9.0.0/16")
    acts: list[Act] = [Revoke(key("group", group), added), Authorize(key("group", group), gone)]
    ended = perform(revert(*acts, trouble="go on"))
    assert ("partial", ["held", "done"]) == (ended.state, [one.state for one in ended.steps])
    assert [(443, "10.0.0.0/8"), (443, "10.9.0.0/16")] == world.allows(group)


@pytest.mark.parametrize(
    ("trouble", "state", "states", "left"),
    [
        ("stop", "partial", ["done", "held", "dry-run passed"], True),
        ("go on", "partial", ["done", "held", "done"], True),
        ("compensate", "compensated", ["compensated", "held", "dry-run passed"], False),
    ],
)
def test_a_change_in_the_midst(
    world: World, perform: Perform, rig: Rig, trouble: Trouble, state: str, states: list[str], left: bool
) -> None:
    """Somebody changes the second part after the first is done: stop there, go on, or take the first back."""
    group = world.group()
    gone = world.add(group, "10.0.0.0/8")
    first, second = world.add(group, "0.0.0.0/0"), world.add(group, "192.0.2.0/24")
    world.drop(group, gone)

    def overtake(action: str, params: dict[str, str]) -> None:
        if action == "AuthorizeSecurityGroupIngress" and "DryRun" not in params:
            change(world, group, first, "10.9.0.0/16")

    rig.after = overtake
    place = key("group", group)
    ended = perform(revert(Authorize(place, gone), Revoke(place, first), Revoke(place, second), trouble=trouble))
    assert (state, states) == (ended.state, [one.state for one in ended.steps])
    allowed = world.allows(group)
    assert (443, "10.9.0.0/16") in allowed
    assert left == ((443, "10.0.0.0/8") in allowed)
    assert (trouble == "go on") == ((443, "192.0.2.0/24") not in allowed)


def test_a_rule_changed_in_the_very_moment_is_put_back(world: World, perform: Perform, rig: Rig) -> None:
    """Between the last look and the revoke somebody changes the rule: EC2 removes it by its id and tells what it was.
    It is put back at once, and the step is held."""
    group = world.group()
    added = world.add(group, "0.0.0.0/0")

    def overtake(action: str, params: dict[str, str]) -> None:
        if action == "RevokeSecurityGroupIngress" and "DryRun" not in params:
            change(world, group, added, "10.9.0.0/16")

    rig.hinder = overtake
    ended = perform(revert(Revoke(key("group", group), added)))
    assert ("held", [(443, "10.9.0.0/16")]) == (ended.state, world.allows(group))
    assert "is back as sgr-" in ended.note


def test_a_change_right_after_is_told(world: World, perform: Perform, rig: Rig) -> None:
    """What was done and is changed again before the end is seen by the last look: the revert is not said to be done."""
    group = world.group()
    added = world.add(group, "0.0.0.0/0")

    def undo(action: str, params: dict[str, str]) -> None:
        if action == "RevokeSecurityGroupIngress" and "DryRun" not in params:
            world.add(group, "0.0.0.0/0")

    rig.after = undo
    ended = perform(revert(Revoke(key("group", group), added)))
    assert ("partial", "done") == (ended.state, ended.steps[0].state)
    assert "was allowed anew" in ended.steps[0].note
