"""What a process does between being started and becoming a workload. Runs by itself, on the standard library alone.

argv[1]: {"program", "argv", "errors": descriptor for words of failure, "parent": pid, "uid": of the nested user
namespace, or null to keep all power, "files": path → the file that is seen there instead}. Steps:
1. be killed with the process that started this one; 2. a user and a mount namespace of its own, as an ordinary user;
3. the machine's settings read-only, and files of its own; 4. become the program.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC = 1, 2, 4, 8, 32, 4096, 16384
_PR_SET_PDEATHSIG = 1


def _called(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _become(program: str, argv: list[str], parent: int, uid: int | None, files: dict[str, str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    long = ctypes.c_ulong
    # 1. The parent may have died before the kernel was asked.
    _called(libc.prctl(_PR_SET_PDEATHSIG, long(signal.SIGKILL), long(0), long(0), long(0)), "prctl")
    if os.getppid() != parent:
        os._exit(1)
    if uid is not None:
        # 2. Power over the network namespace is of the user namespace that made it; this one is below it.
        outer, outer_group = os.geteuid(), os.getegid()
        _called(libc.unshare(_NEWUSER | _NEWNS), "unshare")
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {outer} 1")
        _write("/proc/self/gid_map", f"{uid} {outer_group} 1")
        # 3. Outside, this user owns /proc/sys (under real root, the machine's too): the file modes would let it write.
        sysctls = b"/proc/sys"
        _called(libc.mount(sysctls, sysctls, None, long(_BIND | _REC), None), "bind /proc/sys")
        flags = _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV | _NOEXEC  # a mount from above may not lose flags
        _called(libc.mount(None, sysctls, None, long(flags), None), "protect /proc/sys")
        for path, instead in files.items():
            if os.path.exists(path):  # a link that leads nowhere, or no file: whoever reads it finds nothing
                _called(libc.mount(instead.encode(), path.encode(), None, long(_BIND), None), f"bind {path}")
    # 4.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # this interpreter ignores it; that would outlive exec
    os.execv(program, argv)  # noqa: S606 (no shell is what is wanted)


def main() -> None:
    """Read the request, become the program, or say why not."""
    request = json.loads(sys.argv[1])
    errors = request["errors"]
    os.set_inheritable(errors, False)
    try:
        _become(request["program"], request["argv"], request["parent"], request["uid"], request["files"])
    except OSError as error:
        os.write(errors, str(error.strerror).encode())
        os._exit(127)


if __name__ == "__main__":
    main()
