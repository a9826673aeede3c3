"""What the two waiting processes of a universe do: pass signals on, reap, and end as their child ended.

They run no threads and no code of the application.
"""

from __future__ import annotations

import os
import signal

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
WATCHED = (*FORWARDED, signal.SIGCHLD)  # to be blocked before the child is started, so that none is lost

_FROM_KERNEL = 0x80  # si_code SI_KERNEL: the terminal's Ctrl-C, which reaches the child without us


def attend(child: int, *, orphans: bool = False) -> int:
    """Wait until `child` ends; its exit status, 128 + n for signal n. `orphans`: reap every process meanwhile."""
    while True:
        info = signal.sigwaitinfo(WATCHED)
        if info.si_signo == signal.SIGCHLD:
            status = _reap(child, orphans=orphans)
            if status is not None:
                return status
        elif info.si_code != _FROM_KERNEL:
            os.kill(child, info.si_signo)


def _reap(child: int, *, orphans: bool) -> int | None:
    """One SIGCHLD may stand for many ends. None while `child` lives."""
    while True:
        try:
            pid, status = os.waitpid(-1 if orphans else child, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid == 0:
            return None
        if pid == child:
            return exit_status(os.waitstatus_to_exitcode(status))


def exit_status(code: int) -> int:
    """The exit status that says how a process ended, as shells say it."""
    return 128 - code if code < 0 else code
