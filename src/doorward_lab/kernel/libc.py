"""The system calls that Python 3.11 does not offer: namespaces, mounts, prctl.

Each raises OSError with the kernel's error number; callers say what it means. Nothing here keeps state.
"""

from __future__ import annotations

import ctypes
import functools
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SHARED = 1 << 20

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


@functools.cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _must(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def unshare(flags: int) -> None:
    """Move the calling thread (with NEWUSER, NEWPID: the process, single-threaded) into fresh namespaces."""
    _must(_library().unshare(ctypes.c_int(flags)), "unshare")


def setns(fd: int, kind: int) -> None:
    """Move the calling thread into the namespace that `fd` refers to."""
    _must(_library().setns(ctypes.c_int(fd), ctypes.c_int(kind)), "setns")


def mount(source: str, target: str, filesystem: str | None, flags: int, data: str | None = None) -> None:
    """mount(2)."""
    _must(
        _library().mount(
            source.encode(),
            target.encode(),
            None if filesystem is None else filesystem.encode(),
            ctypes.c_ulong(flags),
            None if data is None else data.encode(),
        ),
        f"mount {filesystem or source} on {target}",
    )


def die_with_parent(signal: int) -> None:
    """Have the kernel send `signal` to this process when the *thread* that started it ends (PR_SET_PDEATHSIG)."""
    _prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal))


def name_process(name: str) -> None:
    """Set what `ps` and `top` show of this thread (at most 15 bytes)."""
    _prctl(_PR_SET_NAME, ctypes.create_string_buffer(name.encode()[:15]))


def _prctl(option: int, value: ctypes.c_ulong | ctypes.Array[ctypes.c_char]) -> None:
    rest = (ctypes.c_ulong(0),) * 3
    _must(_library().prctl(ctypes.c_int(option), value, *rest), "prctl")
