"""Coverage-guided fuzzing with atheris: `python -m tests.fuzz.run --seconds 60`, one target after the other.

Not a test of the ordinary suite: it needs atheris (requirements/fuzz.txt) and is better the longer it runs. What it
finds becomes a case in `test_bad_files` or `test_damage`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.fuzz import inputs


def contracts(data: bytes) -> None:
    """A contracts file."""
    _with(data, lambda path: inputs.check(inputs.ESTATE, path))


def plan(data: bytes) -> None:
    """A plan."""
    _with(data, lambda path: inputs.gate(path, inputs.ESTATE))


def estate(data: bytes) -> None:
    """One file with answers."""
    _with(data, inputs.check)


def _with(data: bytes, act: Callable[[Path], object]) -> None:
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(data)
        file.flush()
        act(Path(file.name))


TARGETS: dict[str, tuple[Callable[[bytes], None], list[Path]]] = {
    "contracts": (contracts, [inputs.CONTRACTS]),
    "plan": (plan, [inputs.PLAN, inputs.EXAMPLE / "plan-good.json"]),
    "estate": (estate, sorted(inputs.ESTATE.iterdir())),
}


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one target in this process; does not return."""
    import atheris

    with atheris.instrument_imports(include=["doorward"]):
        import doorward.contracts.language
        import doorward.readers.aws
        import doorward.readers.terraform  # noqa: F401
    act, seeds = TARGETS[name]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            (Path(corpus) / f"seed-{number}").write_bytes(seed.read_bytes())
        words = [
            sys.argv[0],
            corpus,
            f"-max_total_time={seconds}",
            "-max_len=200000",
            "-timeout=20",
            "-rss_limit_mb=2048",
        ]
        atheris.Setup(words, act)
        atheris.Fuzz()


def main() -> int:
    """All targets, each in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--target", choices=TARGETS)
    options = parser.parse_args()
    if options.target:
        fuzz(options.target, options.seconds)
        return 0
    worst = 0
    for name in TARGETS:
        print(f"== {name}", flush=True)
        words = [sys.executable, "-m", "tests.fuzz.run", "--target", name, "--seconds", str(options.seconds)]
        worst = max(worst, abs(subprocess.run(words, check=False).returncode))
    return worst


if __name__ == "__main__":
    sys.exit(main())
