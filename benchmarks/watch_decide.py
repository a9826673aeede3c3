"""How many events the watcher decides in a second: `python -m benchmarks.watch_decide --size L --events 100000`.

State, verdicts of 1,000 contracts, rights, causes and alerts: all that `Watcher.handle` does, in batches of 100, as
after an outage of the daemon. One rule of an attached group comes or goes per event; a tenth of the events is doubled,
and they are out of order within a minute. At the end the outcomes are compared with those of a full check.
Decoding of records and writing to the ledger are measured elsewhere.
"""

from __future__ import annotations

import argparse
import gc
import json
import mmap
import random
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from benchmarks import subjects
from benchmarks.generate import SIZES, contracts_path, estate_path, generate
from doorward import api
from doorward.duty.commands import Alert, Command, CompareFlows, Describe
from doorward.duty.events import ChangesSeen, SnapshotRead
from doorward.duty.judge import EngineJudge
from doorward.duty.policy import Policy
from doorward.duty.rules import Content, content_of, content_of_rule, rules_of, with_rules
from doorward.duty.watch import Watcher
from doorward.model.addresses import span_networks
from doorward.model.change import Change, Effect, Key, Place, RuleAdded, RuleFact, RuleRemoved, Who
from doorward.model.estate import Estate
from doorward.model.intervals import Span
from doorward.model.rules import AnyPeer, GroupPeer, PrefixListPeer, Rule
from doorward.model.services import ALL_SPAN, BLOCK, ICMP, ICMPV6, TCP, UDP

PLACE = Place("111122223333", "eu-west-1")
START = 1_708_000_000
BATCH = 100
PER_SECOND = 100
"""Events in a second of their own time."""


def id_of(group: str, content: Content) -> str:
    """The id of a rule that was there before all events."""
    return f"sgr-{zlib.crc32(repr((group, content)).encode()):08x}"


class Lazy(Mapping[str, object]):
    """A group's document, with ids of its rules, that is decoded when it is first looked into."""

    __slots__ = ("made", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.made: dict[str, object] | None = None

    def _all(self) -> dict[str, object]:
        if self.made is None:
            made = msgspec.json.decode(self.raw)
            facts = rules_of(made) or ()
            self.made = with_rules(made, (replace(one, id=id_of(made["GroupId"], content_of(one))) for one in facts))
        return self.made

    def __getitem__(self, name: str) -> object:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


class _Top(msgspec.Struct):
    SecurityGroups: list[msgspec.Raw]


class _Id(msgspec.Struct):
    GroupId: str


def documents(size: str) -> dict[Key, Mapping[str, object] | None]:
    """The groups of an estate as documents."""
    found: dict[Key, Mapping[str, object] | None] = {}
    path = estate_path(size) / "describe-security-groups.json"
    name = msgspec.json.Decoder(_Id)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        top = msgspec.json.decode(view, type=_Top)
        for raw in top.SecurityGroups:
            found[Key(PLACE, "group", name.decode(raw).GroupId)] = Lazy(bytes(raw))
        del top, raw
        gc.collect()
    return found


def fact(rule: Rule, id: str) -> RuleFact:
    """A rule of the engine as events tell it."""
    protocol, ports = _service(rule.service)
    peer = rule.peer
    assert not isinstance(peer, AnyPeer)
    if isinstance(peer, GroupPeer):
        return RuleFact(rule.direction == "egress", protocol, ports, group=peer.group, id=id)
    if isinstance(peer, PrefixListPeer):
        return RuleFact(rule.direction == "egress", protocol, ports, prefix_list=peer.prefix_list, id=id)
    return RuleFact(rule.direction == "egress", protocol, ports, cidr=span_networks(peer)[0], id=id)


def _service(span: Span) -> tuple[str, tuple[int, int] | None]:
    if span == ALL_SPAN:
        return "-1", None
    number, first, last = span[0] // BLOCK, span[0] % BLOCK, span[1] % BLOCK
    if number in (TCP, UDP):
        return "tcp" if number == TCP else "udp", (first, last)
    if number in (ICMP, ICMPV6):
        whole = last - first == BLOCK - 1
        one = last == first
        name = "icmp" if number == ICMP else "icmpv6"
        return name, (-1, -1) if whole else (first >> 8, first & 255 if one else -1)
    return str(number), None


def events(estate: Estate, number: int, disorder: float, seed: int = 7) -> list[Change]:
    """Changes as they come: doubled now and then, and out of order within ``disorder`` seconds."""
    rng = random.Random(seed)
    actors = [Who(f"arn:aws:iam::111122223333:role/team-{one}", "AssumedRole", session="s") for one in range(200)]
    made: list[Change] = []
    ids: dict[tuple[str, object], str] = {}
    for at, one in enumerate(subjects.changes(estate, number)):
        moment = datetime.fromtimestamp(START + 10 + at // PER_SECOND, UTC)
        group = Key(PLACE, "group", one.group)
        effect: Effect
        if one.added is not None:
            name = ids[one.group, one.added.key] = f"sgr-{at:x}"
            effect = RuleAdded(group, fact(one.added, name))
        else:
            assert one.removed is not None
            content = content_of_rule(one.removed)
            assert content is not None
            name = ids.pop((one.group, one.removed.key), "") or id_of(one.group, content)
            effect = RuleRemoved(group, name, fact(one.removed, name))
        call = "ec2:AuthorizeSecurityGroupIngress" if one.added else "ec2:RevokeSecurityGroupIngress"
        made.append(Change(f"event-{at}", moment, moment, PLACE, call, rng.choice(actors), (effect,)))
    made += rng.sample(made, number // 10)
    order = sorted((one.at.timestamp() + rng.random() * disorder, number) for number, one in enumerate(made))
    return [made[number] for _, number in order]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watch_decide", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="L")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--disorder", type=float, default=60, help="seconds within which events are out of order")
    options = parser.parse_args()
    generate(options.size)
    estate, contracts = subjects.load(estate_path(options.size), contracts_path(options.size))
    policy = Policy(lag=0, canary_every=0, reconcile_every=0)
    judge = EngineJudge(contracts, lambda _: estate)
    watcher = Watcher(policy, judge)
    begin = datetime.fromtimestamp(START, UTC)
    clock = time.process_time()
    watcher.handle(SnapshotRead(PLACE, documents(options.size), begin, begin, begin, ("group",), first=True))
    ready = time.process_time() - clock
    listed = events(estate, options.events, options.disorder)
    now = datetime.fromtimestamp(START + 10 + options.events // PER_SECOND + 60, UTC)
    batches = [ChangesSeen(tuple(listed[at : at + BATCH]), now) for at in range(0, len(listed), BATCH)]
    for change in listed:  # documents are decoded when they are read, which is measured elsewhere
        for effect in change.effects:
            if isinstance(effect, RuleAdded | RuleRemoved):
                len(watcher.state.read[effect.group])
    gc.collect()
    gc.freeze()
    given: list[Command] = []
    times: list[float] = []
    began = time.process_time()
    for batch in batches:
        clock = time.perf_counter()
        given += watcher.handle(batch)
        times.append(time.perf_counter() - clock)
    seconds = time.process_time() - began
    times.sort()
    final = judge.estate
    assert final is not None
    full = {one.name: one.outcome for one in api.check(contracts, final, repair=False).verdicts}
    told = watcher.outcomes
    differ = sum(full[name] is not told[name] for name in full)
    rate = len(listed) / seconds
    print(json.dumps({
        "size": options.size, "events": len(listed), "disorder": options.disorder,
        "seconds": round(seconds, 2), "events_per_second": round(rate),
        "bar": 10_000, "met": rate >= 10_000, "ready_seconds": round(ready, 2),
        "batch_ms_median": round(1000 * times[len(times) // 2], 2),
        "batch_ms_p99": round(1000 * times[len(times) * 99 // 100], 2), "batch_ms_worst": round(1000 * times[-1], 2),
        "alerts": sum(isinstance(one, Alert) for one in given),
        "compares": sum(isinstance(one, CompareFlows) for one in given),
        "described": sum(len(one.keys) for one in given if isinstance(one, Describe)),
        "outcomes_that_differ_from_a_full_check": differ,
    }))  # fmt: skip
    return 0 if differ == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
