"""What `make demo` runs: the gate on both plans, and the picture of what broke.

Ends with 0 when the gate says what it should: 1 for the plan that caused the outage, 0 for the one that was meant.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE.parent.parent / "build" / "demo"
DOORWARD = Path(sys.executable).parent / "doorward"


def gate(kind: str, *more: str) -> int:
    """The gate on one of the plans; what it prints goes to the terminal."""
    words = ["gate", f"plan-{kind}.json", "--contracts", "doorward.yaml", "--estate", "estate", *more]
    if not more:
        print(f"\n$ doorward {' '.join(words)}", flush=True)
    return subprocess.run([DOORWARD, *words], cwd=HERE, check=False).returncode


def main() -> int:
    """Both plans, then the picture."""
    OUT.mkdir(parents=True, exist_ok=True)
    statuses = {}
    for kind in ("bad", "good"):
        statuses[kind] = gate(kind)
        print(f"exit status {statuses[kind]}", flush=True)
    page, picture = OUT / "outage.html", OUT / "outage.svg"
    gate("bad", "--format", "html", "--output", str(page), "--picture", str(picture))
    print("\nThe picture of what broke:")
    for file in (picture, page):
        if file.is_file():
            print(f"  {file}")
    if page.is_file() and os.environ.get("DISPLAY") and sys.stdout.isatty() and shutil.which("xdg-open"):
        subprocess.run(["xdg-open", str(page)], check=False)
    expected = {"bad": 1, "good": 0}
    if statuses == expected and page.is_file() and picture.is_file():
        return 0
    print(f"the gate ended with {statuses}, expected {expected} and a picture", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
