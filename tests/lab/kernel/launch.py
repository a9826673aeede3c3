"""A launcher to be killed: `python -m tests.lab.kernel.launch MARK`. Says "ready" and pids when its town stands."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from doorward_lab.kernel import universe


def main() -> None:
    """Enter, build, tell, stay."""
    universe.enter()
    from tests.lab.kernel.guests_universe import town

    town()
    subprocess.Popen(["sleep", sys.argv[1]], start_new_session=True)
    os.write(1, b"ready\n")
    time.sleep(600)


if __name__ == "__main__":
    main()
