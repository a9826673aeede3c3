"""``python -m tests.oracle.hunt --seed S --count N``: how often both agree, and the smallest case where not."""

from __future__ import annotations

import argparse
import json
import time
import traceback
from collections import Counter

from tests.oracle import compare, estates


def main() -> int:
    """Exit status 1 when they disagree anywhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=200, help="how many estates")
    parser.add_argument("--most", type=int, default=1, help="how many disagreements to shrink and show")
    parser.add_argument("--contracts", type=int, default=6, help="contracts for each estate")
    options = parser.parse_args()
    tally: Counter[str] = Counter()
    shown, began = 0, time.perf_counter()
    for seed in range(options.seed, options.seed + options.count):
        estate, contracts = estates.from_seed(seed, options.contracts)
        try:
            found = compare.disagreements(estate, contracts)
        except Exception:  # noqa: BLE001  (a hunt names the seed of every crash and goes on)
            tally["crash"] += 1
            if shown < options.most:
                shown += 1
                print(f"=== seed {seed}: crash\n{traceback.format_exc()}")
            continue
        tally["agree"] += len(contracts) - len(found)
        for one in found:
            tally[f"{one.contract['must']}: oracle {one.oracle}, engine {one.engine}"] += 1
            if shown < options.most:
                shown += 1
                print(f"=== seed {seed}: {json.dumps(one.contract)}")
                print(f"oracle {one.oracle}, engine {one.engine}: {one.detail}")
                print(compare.explain(*compare.smallest(estate, one.contract)))
    print(f"{options.count} estates in {time.perf_counter() - began:.1f} s")
    for text, number in tally.most_common():
        print(f"{number:6}  {text}")
    return int(sum(tally.values()) != tally["agree"])


if __name__ == "__main__":
    raise SystemExit(main())
