"""The course of a revert, step by durable step: dry runs, three-way looks, acts, verification, compensation.

Each function of ``Steps`` may be killed at any point and run again: it looks before it acts, and marks a step as
``acting`` in the store before it sends the call. ``course`` puts them in order; whoever runs it (``perform``) makes
each durable. What does not live here: durability itself, exact calls (``calls``), the comparison (``look``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from doorward.errors import CloudError, InvalidInput
from doorward.model.revert import (
    Act,
    Authorize,
    Revert,
    RevertState,
    RevertStep,
    Revoke,
    StepState,
    dump,
    inverse_of,
    load,
)
from doorward.remedy.answers import Refusal, refusal
from doorward.remedy.calls import Call, Sent, call_of, send, taken_by_mistake
from doorward.remedy.look import Clouds, Look, look, show
from doorward.remedy.states import States

Plan: TypeAlias = dict[str, Any]
"""A revert as JSON values (``model.revert.dump``)."""
Run: TypeAlias = Callable[..., dict[str, Any]]
"""Runs one durable step: ``run(name, function, *arguments)``; what was run to its end is not run again."""

OPEN = frozenset({"planned", "dry-run passed", "acting"})
"""States of a step of which something is still to come."""
UNSURE = frozenset({"again", "lost"})
"""Meanings of a refusal after which the same call may be made again."""
NO_DRY_RUN = "the API has no dry run for it"


@dataclass(slots=True)
class Steps:
    """What each durable step does. ``settle``: seconds between looks after a call, until its effect is described
    (EC2 API Reference, *Eventual consistency*). ``attempts`` and ``pause`` (seconds, doubled each time, at most 60):
    how often a call is made again that was throttled or whose answer was lost, beside boto3's own retries."""

    clouds: Clouds
    states: States
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    nap: Callable[[float], None] = time.sleep
    settle: Sequence[float] = field(default=(0.1, 0.2, 0.5, 1, 2, 4, 8))
    attempts: int = 8
    pause: float = 1.0

    def begin(self, plan: Plan) -> dict[str, Any]:
        """The revert is running."""
        return self._kept(replace(load(plan), state="running"))

    def dry_run(self, plan: Plan, last: bool) -> dict[str, Any]:
        """Every call once as a dry run. One that may not be sent refuses the whole revert."""
        revert, again = load(plan), False
        for number, step in enumerate(revert.steps):
            if step.state == "planned":
                step = self._dry(revert.id, step)
                again |= step.state == "planned"
                if last and step.state == "planned":
                    step = replace(step, state="failed")
                revert = revert.with_step(number, step)
        failed = [one for one in revert.steps if one.state == "failed"]
        if failed and (last or not again):
            revert = replace(revert, state="refused", note="; ".join(dict.fromkeys(one.note for one in failed)))
        return self._kept(revert, again and not failed)

    def _dry(self, id: str, step: RevertStep) -> RevertStep:
        found: str | None = None
        if isinstance(step.act, Revoke) and step.act.rule.id is None:
            seen = self._look(step.act, id)
            if isinstance(seen, Look) and seen.id is None:
                return replace(step, state="dry-run passed", note="nothing to be done")
            if isinstance(seen, Refusal):
                return replace(step, state="planned" if seen.meaning in UNSURE else "failed", note=seen.text)
            found = seen.id
        try:
            call = call_of(step.act, found)
        except (CloudError, InvalidInput) as error:
            return replace(step, state="failed", note=str(error))
        if not call.has_dry_run:
            return replace(step, state="dry-run passed", note=NO_DRY_RUN)
        refused = self._try(call, id, dry=True)
        if isinstance(refused, Sent):
            return replace(step, state="failed", note=f"{call.right}: the dry run was carried out")
        match refused.meaning:
            case "would succeed":
                return replace(step, state="dry-run passed", note="")
            case "again" | "lost":
                return replace(step, note=refused.text)
            case "look":
                return replace(step, state="held", note=refused.text)
            case _:
                return replace(step, state="failed", note=refused.text)

    def look_all(self, plan: Plan) -> dict[str, Any]:
        """Look at everything before anything is done: if a part was changed since, the whole is not what was judged."""
        revert = load(plan)
        for number, step in enumerate(revert.steps):
            if step.state != "dry-run passed":
                continue
            seen = self._look(step.act, revert.id)
            if isinstance(seen, Look):
                if seen.state != "ready":
                    state: StepState = "already so" if seen.state == "already" else "held"
                    revert = revert.with_step(number, replace(step, state=state, note=seen.text, made=None))
            elif seen.meaning not in UNSURE:
                revert = revert.with_step(number, replace(step, state="failed", note=seen.text))
        if any(one.state == "failed" for one in revert.steps):
            revert = replace(revert, state="refused", note=_notes(revert, "failed"))
        elif revert.trouble != "go on" and any(one.state == "held" for one in revert.steps):
            revert = replace(revert, state="held", note=_notes(revert, "held"))
        return self._kept(revert)

    def act(self, plan: Plan, number: int, last: bool) -> dict[str, Any]:
        """One step in earnest: look, compare, mark, send, look again. ``last``: it is not tried again after this."""
        revert = load(plan)
        step = revert.steps[number]
        stored = self.states.get(revert.id)
        if stored is not None and stored.steps[number].state not in OPEN:
            return self._kept(revert.with_step(number, stored.steps[number]))  # killed after its end was stored
        # Killed after the mark: the call may have been sent, and its answer was lost.
        lost = step.state == "acting" or (stored is not None and stored.steps[number].state == "acting")
        seen = self._look(step.act, revert.id)
        if isinstance(seen, Refusal):
            step, again = self._refused(replace(step, state="acting") if lost else step, seen, last, lost)
        elif seen.state == "already":
            step, again = self._there(step, seen, lost), False
        elif seen.state == "held":
            said = f"{seen.text} (its call may have been sent before)" if lost else seen.text
            step, again = replace(step, state="held", note=said, at=self.now()), False
        else:
            step = replace(step, state="acting", note="")
            self.states.put(revert.with_step(number, step))
            step, again = self._send(revert.id, step, seen, last, lost)
        return self._kept(revert.with_step(number, step), again)

    def _there(self, step: RevertStep, seen: Look, ours: bool) -> RevertStep:
        made = seen.id if isinstance(step.act, Authorize) else None
        if ours:
            return replace(step, state="done", note="its answer was lost", made=made, at=self.now())
        return replace(step, state="already so", note=seen.text, at=self.now())

    def _send(self, id: str, step: RevertStep, seen: Look, last: bool, lost: bool) -> tuple[RevertStep, bool]:
        try:
            call = call_of(step.act, seen.id)
        except (CloudError, InvalidInput) as error:
            return replace(step, state="failed", note=str(error), at=self.now()), False
        sent = self._try(call, id)
        if isinstance(sent, Refusal):
            if sent.meaning != "look":
                return self._refused(step, sent, last, lost)
            found = self._look(step.act, id)
            if isinstance(found, Refusal):
                return self._refused(step, found, last, lost)
            if found.state == "already":
                return self._there(step, found, sent.retried or lost), False
            if found.state == "held":
                return replace(step, state="held", note=found.text, at=self.now()), False
            # Still as it was, and still refused: what else is there (a group that is gone) is in the API's words.
            if sent.code in ("IncorrectState", "PrefixListVersionMismatch") and not last:
                return replace(step, state="dry-run passed", note=sent.text), True
            return replace(step, state="failed", note=sent.text, at=self.now()), False
        wrong = taken_by_mistake(step.act, sent)
        if wrong:
            return self._put_back(id, step, wrong), False
        step = replace(step, made=sent.made, request=sent.request, at=self.now())
        after = self._settled(step.act, id)
        if isinstance(after, Look) and after.state == "already":
            return replace(step, state="done", note="", made=step.made and (after.id or step.made)), False
        if isinstance(after, Look) and after.state == "held":
            return replace(step, state="done", note=f"done, and changed again right after: {after.text}"), False
        said = after.text if isinstance(after, Refusal) else "the API accepted it, but describes what was there before"
        return replace(step, state="failed", note=said), False

    def _put_back(self, id: str, step: RevertStep, wrong: Sequence[Any]) -> RevertStep:
        """What a revoke by id removed was not what was to be removed any more: it is put back at once."""
        said = []
        for rule in wrong:
            back = Authorize(step.act.group, replace(rule, id=None))  # type: ignore[union-attr]
            sent = self._try(call_of(back), id)
            there = self._look(back, id)
            if isinstance(there, Look) and there.state == "already":
                said.append(f"{show(rule)} was put there in the very moment; it is back as {there.id}")
            elif isinstance(sent, Sent):
                said.append(f"{show(rule)} was put there in the very moment; it is back as {sent.made}")
            else:
                said.append(f"{show(rule)} was put there in the very moment and is removed: put it back ({sent.text})")
        state = "held" if all(" is back as " in one for one in said) else "failed"
        return replace(step, state=state, note="; ".join(said), at=self.now())  # type: ignore[arg-type]

    def _settled(self, act: Act, id: str) -> Look | Refusal:
        """What is described some time after the call: the API may lag behind itself."""
        seen = self._look(act, id)
        for seconds in self.settle:
            if isinstance(seen, Look) and seen.state != "ready":
                break
            self.nap(seconds)
            seen = self._look(act, id)
        return seen

    def _refused(self, step: RevertStep, error: Refusal, last: bool, lost: bool) -> tuple[RevertStep, bool]:
        if error.meaning in UNSURE and not last:
            # What was refused for certain was not done: the mark comes off.
            state = step.state if step.state != "acting" or error.meaning == "lost" else "dry-run passed"
            return replace(step, state=state, note=error.text), True
        unknown = step.state == "acting" and error.meaning in ("lost", "again")
        said = f"{error.text}; whether it was done is not known" if unknown else error.text
        return replace(step, state="failed", note=said, at=self.now()), False

    def take_back(self, plan: Plan, number: int, last: bool) -> dict[str, Any]:
        """Compensate one step that is done: its inverse, by the same three ways. Only what was ours for certain."""
        revert = load(plan)
        step = revert.steps[number]
        stored = self.states.get(revert.id)
        if stored is not None and stored.steps[number].state == "compensated":
            return self._kept(revert.with_step(number, stored.steps[number]))  # killed after its end was stored
        if not step.request:
            return self._kept(revert.with_step(number, _left(step, "somebody else may have done it")))
        act = inverse_of(step.act, step.made)
        seen = self._look(act, revert.id)
        sent: Sent | Refusal | None = None
        if isinstance(seen, Look) and seen.state == "ready":
            try:
                sent = self._try(call_of(act, seen.id), revert.id)
            except CloudError as error:
                return self._kept(revert.with_step(number, _left(step, str(error))))
            wrong = taken_by_mistake(act, sent) if isinstance(sent, Sent) else ()
            if wrong:
                put = self._put_back(revert.id, replace(step, act=act), wrong)
                return self._kept(revert.with_step(number, _left(step, put.note)))
            seen = self._settled(act, revert.id)
        refused = sent if isinstance(sent, Refusal) else seen if isinstance(seen, Refusal) else None
        if isinstance(seen, Look) and seen.state == "already":
            step = replace(step, state="compensated", note="", at=self.now())
        elif refused is not None and refused.meaning in UNSURE and not last:
            return self._kept(revert, again=True)
        else:
            step = _left(step, refused.text if refused is not None else seen.text)
        return self._kept(revert.with_step(number, step))

    def verify(self, plan: Plan) -> dict[str, Any]:
        """Look at all that is done once more, and say how the revert ended."""
        revert = load(plan)
        changed = False
        for number, step in enumerate(revert.steps):
            if step.state not in ("done", "already so"):
                continue
            seen = self._settled(step.act, revert.id)
            if not (isinstance(seen, Look) and seen.state == "already"):
                changed = True
                said = seen.text or "what was there before is there again"
                revert = revert.with_step(number, replace(step, note=f"{step.state}, but now: {said}"))
        state = outcome(revert)
        notes = [_notes(revert, "held", "failed")]
        if changed:
            state = "partial" if state == "done" else state
            notes.append("changed again since it was done: see the steps")
        return self._kept(replace(revert, state=state, note="; ".join(one for one in notes if one), ended=self.now()))

    def end(self, plan: Plan) -> dict[str, Any]:
        """It ended before anything was done."""
        return self._kept(replace(load(plan), ended=self.now()))

    def _look(self, act: Act, id: str) -> Look | Refusal:
        try:
            return look(self.clouds, act, id)
        except (BotoCoreError, ClientError) as error:
            return refusal(error, f"describing what {type(act).__name__} changes")
        except (CloudError, InvalidInput) as error:
            return Refusal("final", type(error).__name__, str(error))

    def _try(self, call: Call, id: str, *, dry: bool = False) -> Sent | Refusal:
        try:
            return send(self.clouds, call, id, dry=dry)
        except (BotoCoreError, ClientError) as error:
            return refusal(error, call.right)
        except CloudError as error:
            return Refusal("final", type(error).__name__, str(error))

    def _kept(self, revert: Revert, again: bool = False) -> dict[str, Any]:
        self.states.put(revert)
        return {"revert": dump(revert), "again": again}


def course(steps: Steps, plan: Plan, run: Run, nap: Callable[[float], None]) -> Plan:
    """All of a revert, in order. ``nap`` waits, durably; the answer is the revert at its end."""

    def attempts(name: str, function: Callable[..., dict[str, Any]], *arguments: object) -> Plan:
        for attempt in range(1, steps.attempts + 1):
            found = run(name, function, *arguments, attempt == steps.attempts)
            if not found["again"]:
                break
            nap(min(steps.pause * 2 ** (attempt - 1), 60))
            arguments = (found["revert"], *arguments[1:])
        return dict(found["revert"])

    plan = run("begin", steps.begin, plan)["revert"]
    plan = attempts("dry run", steps.dry_run, plan)
    if plan["state"] == "running":
        plan = run("look", steps.look_all, plan)["revert"]
    if plan["state"] != "running":
        return dict(run("end", steps.end, plan)["revert"])
    trouble = False
    for number in range(len(plan["steps"])):
        if plan["steps"][number]["state"] in OPEN:
            plan = attempts(f"step {number}", steps.act, plan, number)
            trouble |= plan["steps"][number]["state"] in ("held", "failed")
            if trouble and plan["trouble"] != "go on":
                break
    if trouble and plan["trouble"] == "compensate":
        for number in reversed(range(len(plan["steps"]))):
            step = plan["steps"][number]
            # What was accepted and never described may have been done all the same.
            if step["state"] == "done" or (step["state"] == "failed" and step["request"]):
                plan = attempts(f"take back {number}", steps.take_back, plan, number)
    return dict(run("verify", steps.verify, plan)["revert"])


def outcome(revert: Revert) -> RevertState:
    """How a revert ended, by its steps."""
    states = [one.state for one in revert.steps]
    if all(one in ("done", "already so") for one in states):
        return "done"
    if "done" in states:
        return "partial"
    if "compensated" in states:
        return "compensated"
    return "failed" if "failed" in states else "held"


def _left(step: RevertStep, why: str) -> RevertStep:
    left = f"not taken back: {why}"
    return replace(step, note=f"{step.note}; {left}" if step.note else left)


def _notes(revert: Revert, *states: str) -> str:
    return "; ".join(dict.fromkeys(one.note for one in revert.steps if one.state in states and one.note))


def run_here(name: str, function: Callable[..., dict[str, Any]], *arguments: object) -> dict[str, Any]:
    """Runs a step at once and remembers nothing: for rehearsals, and wherever durability is somebody else's."""
    return dict(function(*arguments))


def planned(revert: Revert | Mapping[str, Any]) -> Plan:
    """A revert as the plan of a course."""
    return dump(revert) if isinstance(revert, Revert) else dict(revert)
