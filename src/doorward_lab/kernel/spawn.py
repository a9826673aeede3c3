"""Programs in a namespace: without power over their own filter, and ended with this process.

The way to a program: a thread that lives as long as this process enters the namespace and starts `trampoline`, which
makes the user namespace, asks the kernel to be killed with its parent, and becomes the program. Nothing of ours runs
between fork and exec, so any number of threads may run here.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from doorward_lab.errors import Missing, Refused
from doorward_lab.kernel import trampoline
from doorward_lab.kernel.netns import Namespace

UID = 1000  # of workloads, and their group

Stream = int | IO[bytes] | None


@functools.cache
def _starter() -> ThreadPoolExecutor:
    """The kernel kills a child when the *thread* that started it ends, so one thread starts all."""
    return ThreadPoolExecutor(1, thread_name_prefix="spawn")


def spawn(
    ns: Namespace,
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    privileged: bool = False,
    pass_fds: Sequence[int] = (),
    files: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in `ns`; it runs when this returns. Killed when this process ends.

    It is uid 1000 of a nested user namespace, without capabilities over the network, the mounts or the machine's
    settings, unless `privileged`. `pass_fds` stay open in it under their numbers. `files`: path → the file that it
    sees there instead, where there is one (not for privileged programs, which share the mounts of this process).
    Raises Missing where there is no such program, Refused where the kernel or the program's format refuses.
    """
    path = (os.environ if env is None else env).get("PATH", os.defpath)
    wanted = os.path.join(cwd or "", argv[0]) if os.path.dirname(argv[0]) else argv[0]
    program = shutil.which(wanted, path=path)
    if program is None:
        raise Missing(f"there is no program {argv[0]!r} (searched: {path}); install the package that has it")
    return (
        _starter()
        .submit(
            _start,
            ns,
            os.path.abspath(program),
            argv,
            env,
            cwd,
            (stdin, stdout, stderr),
            privileged,
            tuple(pass_fds),
            dict(files or {}),
        )
        .result()
    )


def _start(
    ns: Namespace,
    program: str,
    argv: Sequence[str],
    env: Mapping[str, str] | None,
    cwd: str | os.PathLike[str] | None,
    streams: tuple[Stream, Stream, Stream],
    privileged: bool,
    pass_fds: tuple[int, ...],
    files: dict[str, str],
) -> subprocess.Popen[bytes]:
    heard, said = os.pipe()
    try:
        request = json.dumps(
            {
                "program": program,
                "argv": list(argv),
                "errors": said,
                "parent": os.getpid(),
                "uid": None if privileged else UID,
                "files": files,
            }
        )
        with ns.inside():
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(trampoline.__file__)), request],
                env=None if env is None else dict(env),
                cwd=cwd,
                stdin=streams[0],
                stdout=streams[1],
                stderr=streams[2],
                pass_fds=(said, *pass_fds),
            )
    finally:
        os.close(said)
    with os.fdopen(heard, "rb") as stream:
        words = stream.read().decode(errors="replace")  # ends when the program has replaced the trampoline
    if words:
        process.wait()
        raise Refused(f"cannot run {program} in {ns.name}: {words}")
    process.args = list(argv)  # for people; what was started is not what runs
    return process
