"""What the API refuses: rights, throttling, lost answers, and what is refused for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

from doorward.model.revert import Authorize, Revert, Revoke, SetGroups, dump, load
from doorward.remedy.course import NO_DRY_RUN, Steps
from tests.remedy.rig import Refuse, Rig, World, key, revert

Perform = Callable[[Revert], Revert]


def test_a_missing_right_refuses_the_whole_before_anything_is_done(world: World, perform: Perform, rig: Rig) -> None:
    """The dry run of one step shows it; the revert says which right is missing, without the API's encoded message."""
    group = world.group()
    gone, added = world.add(group, "10.0.0.0/8"), world.add(group, "0.0.0.0/0")
    world.drop(group, gone)

    def refuse(action: str, params: dict[str, str]) -> Refuse | None:
        if action != "RevokeSecurityGroupIngress":
            return None
        text = "You are not authorized to perform this operation. Encoded authorization failure message: c2VjcmV0"
        return 403, "UnauthorizedOperation", text

    rig.hinder = refuse
    ended = perform(revert(Authorize(key("group", group), gone), Revoke(key("group", group), added)))
    assert ("refused", ["dry-run passed", "failed"]) == (ended.state, [one.state for one in ended.steps])
    assert "the right ec2:RevokeSecurityGroupIngress is missing" in ended.note
    assert "c2VjcmV0" not in ended.note
    assert [] == rig.writes()
    assert ended.ended is not None


def test_a_right_to_describe_that_is_missing_refuses_it_too(world: World, perform: Perform, rig: Rig) -> None:
    """What cannot be looked at is not touched."""
    group = world.group()
    added = world.add(group, "0.0.0.0/0")
    rig.hinder = lambda action, params: (403, "UnauthorizedOperation", "no") if action.startswith("Describe") else None
    ended = perform(revert(Revoke(key("group", group), added)))
    assert ("refused", []) == (ended.state, rig.writes())


def test_a_call_that_is_throttled_is_made_again(world: World, perform: Perform, rig: Rig) -> None:
    """More often than boto3 itself tries: the step waits and is done in the end, once."""
    group = world.group()
    added = world.add(group, "0.0.0.0/0")
    left = [3, 3]

    def throttle(action: str, params: dict[str, str]) -> Refuse | None:
        kind = int("DryRun" in params)
        if action == "RevokeSecurityGroupIngress" and left[kind]:
            left[kind] -= 1
            return 503, "RequestLimitExceeded", "Request limit exceeded."
        return None

    rig.hinder = throttle
    ended = perform(revert(Revoke(key("group", group), added)))
    assert ("done", [0, 0], []) == (ended.state, left, world.rules(group))
    assert "" != ended.steps[0].request


def test_a_call_that_is_throttled_for_ever_fails_and_says_so(world: World, perform: Perform, rig: Rig) -> None:
    """It is not tried without end; nothing was done, for certain."""
    group = world.group()
    added = world.add(group, "0.0.0.0/0")

    def throttle(action: str, params: dict[str, str]) -> Refuse | None:
        earnest = action == "RevokeSecurityGroupIngress" and "DryRun" not in params
        return (503, "RequestLimitExceeded", "Request limit exceeded.") if earnest else None

    rig.hinder = throttle
    ended = perform(revert(Revoke(key("group", group), added)))
    assert ("failed", "failed") == (ended.state, ended.steps[0].state)
    assert "RequestLimitExceeded" in ended.note
    assert [(443, "0.0.0.0/0")] == world.allows(group)


def test_an_answer_that_is_lost_is_looked_for(
    world: World, perform: Perform, steps: Steps, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call was carried out and its answer never came: the rule is found, the call is not repeated."""
    group = world.group()
    gone = world.add(group, "10.0.0.0/8")
    world.drop(group, gone)
    client = steps.clouds.client("ec2", key("group", group).place, "rv-lost")
    real = client.authorize_security_group_ingress

    def lose(**arguments: Any) -> Any:
        answer = real(**arguments)
        if "DryRun" not in arguments:
            raise ConnectTimeoutError(endpoint_url="there")
        return answer

    monkeypatch.setattr(client, "authorize_security_group_ingress", lose)
    ended = perform(revert(Authorize(key("group", group), gone), id="rv-lost"))
    (back,) = world.rules(group)
    assert ("done", "its answer was lost", "") == (ended.state, ended.steps[0].note, ended.steps[0].request)
    assert ((key("group", group), back.id),) == ended.imports
    assert 1 == rig.writes().count("AuthorizeSecurityGroupIngress")


def test_a_duplicate_is_only_believed_when_the_rule_is_there(world: World, perform: Perform, rig: Rig) -> None:
    """Somebody allows the same between look and call: already so. An API that says Duplicate of what is not: failed."""
    group = world.group()
    gone = world.add(group, "10.0.0.0/8")
    world.drop(group, gone)

    def quicker(action: str, params: dict[str, str]) -> None:
        if action == "AuthorizeSecurityGroupIngress" and "DryRun" not in params:
            world.add(group, "10.0.0.0/8")

    rig.hinder = quicker
    ended = perform(revert(Authorize(key("group", group), gone), id="rv-one"))
    assert ("done", "already so") == (ended.state, ended.steps[0].state)

    other = world.group("other")

    def lie(action: str, params: dict[str, str]) -> Refuse | None:
        earnest = action == "AuthorizeSecurityGroupIngress" and "DryRun" not in params
        return (400, "InvalidPermission.Duplicate", "exists") if earnest else None

    rig.hinder = lie
    ended = perform(revert(Authorize(key("group", other), gone), id="rv-two"))
    assert ("failed", []) == (ended.state, world.rules(other))


def test_a_revoke_that_was_accepted_and_did_nothing_is_seen(
    world: World, perform: Perform, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A default VPC's silence: no error, nothing revoked. The description afterwards shows it."""
    group = world.group()
    added = world.add(group, "0.0.0.0/0")
    client = steps.clouds.client("ec2", key("group", group).place, "rv-silent")
    real = client.revoke_security_group_ingress

    def silent(**arguments: Any) -> Any:
        return real(**arguments) if "DryRun" in arguments else {"Return": True, "RevokedSecurityGroupRules": []}

    monkeypatch.setattr(client, "revoke_security_group_ingress", silent)
    ended = perform(revert(Revoke(key("group", group), added), id="rv-silent"))
    assert ("failed", "the API accepted it, but describes what was there before") == (ended.state, ended.note)


def test_what_has_no_dry_run_says_so(steps: Steps) -> None:
    """Elastic Load Balancing has none: the step passes, with a note."""
    one = revert(SetGroups(key("load-balancer", "arn:x"), ("sg-1",), ("sg-2",)))
    ended = load(steps.dry_run(dump(one), False)["revert"])
    assert ("dry-run passed", NO_DRY_RUN) == (ended.steps[0].state, ended.steps[0].note)


def test_what_boto3_refuses_itself_fails_in_words(world: World, perform: Perform) -> None:
    """Arguments that boto3 will not send are an end of the revert, not of the program."""
    group = world.group()
    added = world.add(group, "0.0.0.0/0")
    ended = perform(revert(SetGroups(key("vpc", "vpc-1"), ("a",), ("b",)), Revoke(key("group", group), added)))
    assert ("refused", 1) == (ended.state, len(world.rules(group)))
