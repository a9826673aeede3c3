"""Where a part of the stack runs: a way to start processes there, and the addresses that it has.

Lives here: the spawner's shape, one for plain processes on this machine, and the death of a child with its parent.
Not here: network namespaces; `doorward_lab.kernel.spawn`, bound to a namespace, is a spawner as it is.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from doorward_lab.errors import Missing

Stream = int | IO[bytes] | None


class Spawner(Protocol):
    """Starts one process somewhere: `functools.partial(doorward_lab.kernel.spawn.spawn, namespace)`, or `local`."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
    ) -> subprocess.Popen[bytes]:
        """Start it; the process dies with the thread that called."""


@dataclass(frozen=True, slots=True)
class Place:
    """A host: how to start a process on it, and its own addresses (the first of each family is the one it serves)."""

    spawn: Spawner
    ipv4: tuple[str, ...] = ()
    ipv6: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address, IPv4 first."""
        return self.ipv4 + self.ipv6


class Local:
    """Starts plain processes on this machine; as root, each in a user namespace of its own as another user.

    PostgreSQL refuses to run as root, and nginx would change its workers' user; a lab's workloads are ordinary users
    everywhere.
    """

    def __init__(self) -> None:
        self._prefix = _prefix()

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
    ) -> subprocess.Popen[bytes]:
        """Start `argv` in a session of its own; it is killed when the calling thread ends."""
        return subprocess.Popen(
            [*self._prefix, *argv],
            env=None if env is None else dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )


def _prefix() -> tuple[str, ...]:
    """The command that starts another: another user when we are root, and SIGKILL when the parent dies."""
    if os.geteuid() != 0:
        return dies_with_parent()
    # Entering a user namespace clears the parent-death signal, so setpriv comes after unshare.
    unshare = program("unshare", "util-linux")
    user = _user()
    return (unshare, "--user", f"--map-user={user}", f"--map-group={user}", "--", *dies_with_parent())


def _user() -> int:
    """1000, or another number that has a name: initdb refuses to run as nobody knows whom."""
    known = [entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0]
    return 1000 if 1000 in known or not known else max(known)


def dies_with_parent() -> tuple[str, ...]:
    """The words before a command that make it die with the thread that starts it. Raises `Missing`."""
    return (program("setpriv", "util-linux"), "--pdeathsig", "KILL", "--")


def program(name: str, package: str, *folders: str) -> str:
    """Where the program `name` is; looks into `folders` and the system's own beyond PATH.

    Raises `Missing` naming the package that brings it.
    """
    path = os.pathsep.join([*folders, os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin", "/sbin", "/bin"])
    if (found := shutil.which(name, path=path)) is None:
        raise Missing(f"{name} is not installed; install the package {package}: apt install {package}")
    return found
