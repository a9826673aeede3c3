"""Somebody edits the same groups while a revert runs, at any moment between its calls: it never closes or opens more
than it said, and what others did stands.

The cloud is in this process. Every call of remedy and every edit is written down as what it did to the rules, so what
remedy itself opened and closed is known exactly.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward.model.change import RuleFact
from doorward.model.revert import Act, Authorize, Modify, Revert, Revoke, Trouble, load
from doorward.remedy.course import Steps, course, planned, run_here
from doorward.remedy.look import Content, content_of
from doorward.remedy.states import MemoryStates
from tests.remedy.rig import PLACE, Inside, Rig, World, key, revert

CIDRS = ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24"]
PORTS = [22, 443]
CONTENTS = [RuleFact(False, "tcp", (port, port), cidr=cidr) for port in PORTS for cidr in CIDRS]
NUMBERS = itertools.count(1)
WRITES = {"AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "ModifySecurityGroupRules"}

Edit = tuple[str, int, int]
"""What somebody does: the deed, which rule (by place) or content it is about, and the new content."""
edits = st.tuples(st.sampled_from(["add", "drop", "change"]), st.integers(0, 7), st.integers(0, 7))


class Scene:
    """A group, what was done to it, the revert of that, and a record of who did what."""

    rig = Rig()
    world: World | None = None

    def __init__(self, before: set[int], done: list[Edit], trouble: Trouble) -> None:
        if Scene.world is None:
            Scene.world = World(Inside(self.rig, agent="somebody").client("ec2", PLACE, ""), 77)
        self.here = Scene.world
        self.rig.hinder = self.rig.after = None
        self.group = self.here.group(f"random-{next(NUMBERS)}")
        for number in sorted(before):
            self.put(CONTENTS[number])
        was = self.rules()
        for edit in done:
            self.edit(edit)
        self.revert = revert(*acts(self.group, was, self.rules()), trouble=trouble)
        self.total = 0  # calls of remedy
        self.last = 0  # before which of them somebody edited something

    def rules(self) -> dict[str, RuleFact]:
        """The rules by id."""
        return {str(one.id): one for one in self.here.rules(self.group)}

    def put(self, rule: RuleFact) -> None:
        """Authorize a rule."""
        assert rule.cidr is not None and rule.ports is not None
        self.here.add(self.group, rule.cidr, rule.ports[0])

    def edit(self, edit: Edit) -> None:
        """Somebody does something, if it can be done."""
        deed, which, what = edit
        there = self.rules()
        held = {content_of(one) for one in there.values()}
        new = CONTENTS[what]
        free = content_of(new) not in held
        if deed == "add" and free:
            self.put(new)
        elif there and deed == "drop":
            self.here.drop(self.group, list(there.values())[which % len(there)])
        elif there and deed == "change" and free:
            assert new.ports is not None
            update = {"IpProtocol": "tcp", "FromPort": new.ports[0], "ToPort": new.ports[1], "CidrIpv4": new.cidr}
            one = {"SecurityGroupRuleId": list(there)[which % len(there)], "SecurityGroupRule": update}
            self.here.ec2.modify_security_group_rules(GroupId=self.group, SecurityGroupRules=[one])

    def run(self, when: dict[int, list[Edit]], *, inside: bool = False) -> tuple[Revert, list[tuple[str, Any, Any]]]:
        """Run the revert; before its n-th call somebody does ``when[n]``. Only with ``inside`` also between the last
        look and the call that it was for. The end, and what remedy itself changed: (id, before, after)."""
        calls = itertools.count()
        waiting: list[Edit] = []
        own: list[tuple[str, Any, Any]] = []
        standing: dict[str, RuleFact] = {}

        def before(action: str, params: dict[str, str]) -> None:
            self.total = next(calls) + 1
            waiting.extend(when.get(self.total - 1, ()))
            writes = action in WRITES and "DryRun" not in params
            if inside or not writes:
                for one in waiting:
                    self.edit(one)
                    self.last = self.total
                waiting.clear()
            if writes:
                standing.clear()
                standing.update(self.rules())

        def after(action: str, params: dict[str, str]) -> None:
            if action in WRITES and "DryRun" not in params:
                now = self.rules()
                for id in {*now, *standing}:
                    was, is_now = standing.get(id), now.get(id)
                    if was != is_now:
                        own.append((id, was and content_of(was), is_now and content_of(is_now)))

        self.rig.hinder, self.rig.after = before, after
        steps = Steps(Inside(self.rig), MemoryStates(), nap=lambda seconds: None, settle=(0,), attempts=2)
        try:
            ended = load(course(steps, planned(self.revert), run_here, lambda seconds: None))
        finally:
            self.rig.hinder = self.rig.after = None
            self.rig.calls.clear()
        return ended, own

    def close(self) -> None:
        """Leave nothing behind: thousands of groups would slow the cloud down."""
        self.here.ec2.delete_security_group(GroupId=self.group)


def acts(group: str, before: dict[str, RuleFact], after: dict[str, RuleFact]) -> list[Act]:
    """The inverse of what was done, rule by rule, restoring first."""
    place = key("group", group)
    kept = {content_of(one) for one in before.values()} & {content_of(one) for one in after.values()}
    found: list[tuple[int, Act]] = []
    for id in {**before, **after}:
        was, now = before.get(id), after.get(id)
        lost = was if was is not None and content_of(was) not in kept else None
        gained = now if now is not None and content_of(now) not in kept else None
        if lost is not None and gained is not None:
            found.append((1, Modify(place, id, gained, replace(lost, id=id))))
        elif lost is not None:
            found.append((0, Authorize(place, replace(lost, id=None))))
        elif gained is not None:
            found.append((2, Revoke(place, gained)))
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def said(one: Revert) -> tuple[Counter[Content], Counter[Content]]:
    """What the revert said that it opens and closes."""
    opens: Counter[Content] = Counter()
    closes: Counter[Content] = Counter()
    for step in one.steps:
        match step.act:
            case Authorize(_, rule):
                opens[content_of(rule)] += 1
            case Revoke(_, rule):
                closes[content_of(rule)] += 1
            case Modify(_, _, now, back):
                closes[content_of(now)] += 1
                opens[content_of(back)] += 1
    return opens, closes


def check(scene: Scene, ended: Revert, own: list[tuple[str, Any, Any]]) -> None:
    """What remedy itself did is what it said, each at most once; taken back is the same in reverse."""
    opens, closes = said(scene.revert)
    opened = Counter(after for _, _, after in own if after is not None)
    closed = Counter(before for _, before, _ in own if before is not None)
    back = sum(one.state == "compensated" for one in ended.steps)
    if ended.trouble != "compensate":
        assert opened <= opens, (opened - opens, ended)
        assert closed <= closes, (closed - closes, ended)
    else:
        assert opened <= opens + closes and closed <= opens + closes, ended
    states = Counter(one.state for one in ended.steps)
    unseen = [one for one in ended.steps if one.state == "failed"]
    # Somebody undid it before it was described: told as what it looks like.
    assert all("describes what was there before" in one.note for one in unseen), ended
    assert states["done"] <= len(own) <= states["done"] + 2 * back + len(unseen), ended
    if ended.state == "done" and scene.last < scene.total - len(ended.steps):
        there = {content_of(one) for one in scene.rules().values()}
        assert set(opens) <= there and not set(closes) & there, ended


PLANS = (
    st.sets(st.integers(0, 7), max_size=5),
    st.lists(edits, min_size=1, max_size=4),
    st.dictionaries(st.integers(0, 25), st.lists(edits, min_size=1, max_size=2), max_size=4),
    st.sampled_from(["stop", "go on", "compensate"]),
)
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much]


def never_more(before: set[int], done: list[Edit], when: dict[int, list[Edit]], trouble: Trouble) -> None:
    """One example."""
    scene = Scene(before, done, trouble)
    if scene.revert.steps:
        check(scene, *scene.run(when))
    scene.close()


@given(*PLANS)
@settings(max_examples=150, deadline=None, suppress_health_check=QUIET)
def test_it_never_closes_or_opens_more_than_it_said(
    before: set[int], done: list[Edit], when: dict[int, list[Edit]], trouble: Trouble
) -> None:
    """Random edits between any two calls but a look and its call: remedy's own calls change what it said, no more."""
    never_more(before, done, when, trouble)


@pytest.mark.nightly
@given(*PLANS)
@settings(max_examples=10_000, deadline=None, suppress_health_check=QUIET)
def test_ten_thousand_times(before: set[int], done: list[Edit], when: dict[int, list[Edit]], trouble: Trouble) -> None:
    """The same claim, ten thousand times."""
    never_more(before, done, when, trouble)


@given(*PLANS[:3])
@settings(max_examples=50, deadline=None, suppress_health_check=QUIET)
def test_in_the_very_moment_too_revokes_and_restores_stay_exact(
    before: set[int], done: list[Edit], when: dict[int, list[Edit]]
) -> None:
    """Edits also between a look and its call. Of what a revoke took by mistake nothing is missing in the end; a rule
    that is changed in place is the one thing that EC2 gives no way to guard, so those reverts are left out here."""
    scene = Scene(before, done, "stop")
    scene.revert = replace(
        scene.revert, steps=tuple(one for one in scene.revert.steps if not isinstance(one.act, Modify))
    )
    if not scene.revert.steps:
        return
    ended, own = scene.run(when, inside=True)
    opens, closes = said(scene.revert)
    opened = Counter(after for _, _, after in own if after is not None)
    closed = Counter(before for _, before, _ in own if before is not None)
    mistaken = closed - closes
    # Exactly what was taken by mistake is put back, unless somebody was quicker; and that step is held.
    assert opened - opens <= mistaken, ended
    assert sum(mistaken.values()) <= sum(" is back as sgr-" in one.note for one in ended.steps if one.state == "held")
