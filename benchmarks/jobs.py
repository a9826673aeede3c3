"""One measurement in a process of its own: `python -m benchmarks.jobs NAME SIZE` prints one line of JSON.

Times are CPU seconds of the process, imports counted and the start of the interpreter not. Memory is anonymous memory.
"""

import resource


def cpu() -> float:
    """CPU seconds, user and system, of this process until now."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


START = cpu()

import gc  # noqa: E402  # what is imported from here on is part of the measure
import json  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

from benchmarks.generate import contracts_path, estate_path, next_path  # noqa: E402

Result = dict[str, Any]


def anonymous() -> float:
    """MiB of anonymous memory."""
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Anonymous:"):
                return int(line.split()[1]) / 1024
    raise OSError("no Anonymous line in /proc/self/smaps_rollup")


def floor(size: str) -> Result:
    """Bare typed decoding."""
    gc.disable()
    from benchmarks.floor import decode

    kept = decode(estate_path(size))
    return {"seconds": cpu() - START, "mib": anonymous(), "files": len(kept)}


def check(size: str, number: int = 1000) -> Result:
    """Read everything and judge all contracts, as the command does: without garbage collection."""
    gc.disable()
    from benchmarks import subjects

    estate, contracts = subjects.load(estate_path(size), contracts_path(size, number))
    loaded = cpu() - START
    report = subjects.check(contracts, estate)
    seconds = cpu() - START
    outcomes: dict[str, int] = {}
    for verdict in report.verdicts:
        outcomes[str(verdict.outcome)] = outcomes.get(str(verdict.outcome), 0) + 1
    return {"seconds": seconds, "load": loaded, "mib": anonymous(), "outcomes": outcomes, "contracts": len(contracts)}


def _after_load(size: str, act: Callable[[Any], Any]) -> Result:
    from benchmarks import subjects

    estate, _ = subjects.load(estate_path(size), contracts_path(size, 10))
    gc.collect()
    gc.freeze()
    gc.disable()  # as the command does
    begin = cpu()
    answer = act(estate)
    seconds = cpu() - begin
    return {"seconds": seconds, "mib": anonymous(), "answers": len(answer) if hasattr(answer, "__len__") else None}


def exposure(size: str) -> Result:
    """All that the internet can open, after the estate is loaded."""
    from benchmarks import subjects

    return _after_load(size, subjects.exposure)


def pairs(size: str) -> Result:
    """All pairs, after the estate is loaded."""
    from benchmarks import subjects

    return _after_load(size, subjects.all_pairs)


def diff(size: str) -> Result:
    """Two estates, 1 % of the groups changed, loads included; without garbage collection, as the command does."""
    gc.disable()
    from benchmarks import subjects
    from doorward import api

    before, after = api.read_estate(estate_path(size)), api.read_estate(next_path(size))
    answer = subjects.diff(before, after)
    return {"seconds": cpu() - START, "mib": anonymous(), "gained": len(answer.gained), "lost": len(answer.lost)}


def change(size: str, number: int = 10_000) -> Result:
    """One rule changes in an attached group: which contracts flip. Wall clock of each change."""
    from benchmarks import subjects

    estate, contracts = subjects.load(estate_path(size), contracts_path(size))
    begin = cpu()
    watcher = subjects.watch(contracts, estate)
    start = cpu() - begin
    listed = subjects.changes(estate, number)
    full = []
    for _ in range(3):
        begin = cpu()
        subjects.check(contracts, estate, repair=False)
        full.append(cpu() - begin)
    gc.collect()
    gc.freeze()
    times = []
    flips = 0
    for one in listed:
        clock = time.perf_counter_ns()
        answer = subjects.apply(watcher, one)
        times.append((time.perf_counter_ns() - clock) / 1000)
        flips += len(answer)
    times.sort()
    return {
        "median": statistics.median(times),
        "p99": times[len(times) * 99 // 100],
        "p999": times[len(times) * 999 // 1000],
        "worst": times[-1],
        "mean": statistics.fmean(times),
        "flips": flips,
        "start": start,
        "full": statistics.median(full),
        "mib": anonymous(),
    }


def repair(size: str) -> Result:
    """Each broken contract mended on its own. Wall clock of each."""
    from benchmarks import subjects

    estate, contracts = subjects.load(estate_path(size), contracts_path(size))
    report = subjects.check(contracts, estate, repair=False)
    broken = {one.name for one in report.verdicts if str(one.outcome) == "broken"}
    gc.collect()
    gc.freeze()
    times = []
    found = 0
    mend = subjects.repairs(contracts, estate)
    for index, contract in enumerate(contracts):
        if contract.name in broken:
            clock = time.perf_counter_ns()
            answer = mend(index)
            times.append((time.perf_counter_ns() - clock) / 1_000_000)
            found += bool(answer)
    return {"median": statistics.median(times), "worst": max(times), "broken": len(broken), "mended": found}


JOBS: dict[str, Callable[[str], Result]] = {
    "floor": floor, "check": check, "exposure": exposure, "pairs": pairs, "diff": diff, "change": change,
    "repair": repair,
}  # fmt: skip


def main() -> int:
    """The command."""
    name, size = sys.argv[1:]
    try:
        result = JOBS[name](size)
    except (ImportError, AttributeError) as error:
        result = {"missing": str(error)}
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
