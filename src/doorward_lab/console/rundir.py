"""Where a lab leaves word of itself on the host: one folder a lab, locked while it lives.

The lock is `flock`: the kernel lets go of it whenever and however its holder ends, so that a folder without a lock is
what a dead lab left, and whoever comes next removes it. Everything big (databases, logs) lies on a file system in
memory inside the lab's own mount namespace and needs no removing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import stat
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from doorward_lab.errors import BadScene, NotRunning, Occupied, Refused

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
SOCKET_PATH = 104  # characters that fit a socket's address, on the safe side of the kernel's 108


@dataclass(frozen=True, slots=True)
class Card:
    """What a running lab tells everybody: how to reach it. Ports are on 127.0.0.1."""

    name: str
    pid: int  # the process whose end ends the lab
    scene: str
    endpoint: str
    region: str
    access_key: str
    secret_key: str
    web: str | None
    prometheus: str | None
    alertmanager: str | None
    version: int = 1


def home() -> Path:
    """The folder of all labs of this user: `DOORWARD_LAB_HOME`, the runtime folder, or one in the folder for
    temporary files that nobody else can write to.

    Raises:
        Refused: the folder belongs to another user or is open to others.
    """
    if given := os.environ.get("DOORWARD_LAB_HOME"):
        path = Path(given)
    elif runtime := os.environ.get("XDG_RUNTIME_DIR"):
        path = Path(runtime) / "doorward-lab"
    else:
        path = Path(tempfile.gettempdir()) / f"doorward-lab-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}; set DOORWARD_LAB_HOME to a folder that you may write to") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise Refused(f"{path}: must be a folder of yours that only you can write to; set DOORWARD_LAB_HOME to another")
    return path


class RunDir:
    """The folder of one lab."""

    def __init__(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise BadScene(f"{name!r} is no name for a lab: up to 32 of a-z, 0-9 and '-', not first a '-'")
        self.name = name
        self.path = home() / name
        if len(str(self.socket)) > SOCKET_PATH:
            raise Refused(f"{self.path}: too long for a socket's address; set DOORWARD_LAB_HOME to a shorter path")

    @property
    def socket(self) -> Path:
        """The control socket."""
        return self.path / "control"

    @property
    def log(self) -> Path:
        """What the lab's own process printed."""
        return self.path / "lab.log"

    @property
    def _card(self) -> Path:
        return self.path / "lab.json"

    def claim(self) -> int:
        """Take the folder for a new lab, and clean what a dead one left. Returns the lock: a descriptor to be held.

        Raises:
            Occupied: a lab of this name runs.
        """
        lock = self._lock()
        if lock is None:
            raise Occupied(
                f"a lab named {self.name!r} runs already; end it by `doorward-lab down --name {self.name}`, "
                "or start this one under another --name"
            )
        self._clean()
        return lock

    def _clean(self, *kept: str) -> None:
        for left in self.path.iterdir():
            if left.name not in ("lock", *kept):
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink(missing_ok=True)

    def _lock(self) -> int | None:
        self.path.mkdir(mode=0o700, exist_ok=True)
        while True:
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                return None
            # The file may have been removed between opening and locking: then the lock guards nothing.
            try:
                same = os.stat(self.path / "lock").st_ino == os.fstat(lock).st_ino
            except FileNotFoundError:
                same = False
            if same:
                return lock
            os.close(lock)
            self.path.mkdir(mode=0o700, exist_ok=True)

    def publish(self, card: Card) -> None:
        """Write the card; all of it or nothing is seen."""
        beside = self._card.with_suffix(".new")
        beside.write_text(json.dumps(asdict(card), indent=2) + "\n", encoding="utf-8")
        beside.replace(self._card)

    def alive(self) -> bool:
        """Whether a lab holds this folder."""
        if not (self.path / "lock").exists():
            return False
        lock = self._lock()
        if lock is None:
            return True
        os.close(lock)
        return False

    def card(self) -> Card:
        """How to reach the lab of this name.

        Raises:
            NotRunning: none runs; what a dead one left is removed, but its log.
        """
        if not self.path.exists():
            raise NotRunning(f"no lab named {self.name!r} runs; start one by `doorward-lab up`")
        if (lock := self._lock()) is not None:  # held, so that a lab that is started now keeps what it makes
            try:
                self._clean(self.log.name)
            finally:
                os.close(lock)
            kept = f" Its log is kept until then: {self.log}" if self.log.exists() else ""
            raise NotRunning(
                f"the lab named {self.name!r} has died; what it left is removed. Start it by `doorward-lab up`.{kept}"
            )
        try:
            return Card(**json.loads(self._card.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise NotRunning(f"the lab named {self.name!r} is still starting, or failed to; see {self.log}") from None

    def end(self, patience: float) -> bool:
        """End the lab, gently and then firmly, and remove its folder. Whether one ran. `patience` in seconds."""
        if not self.path.exists():
            return False
        ran = self.alive()
        if ran:
            pid = self._holder()
            for sent, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sent)
                if self._gone(wait):
                    break
            else:
                raise Refused(f"process {pid} of the lab {self.name!r} does not end; see {self.log}")
        self.remove()
        return ran

    def _holder(self) -> int:
        try:
            return int((self.path / "pid").read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            raise NotRunning(f"{self.path} is held by a lab that has not told its process yet; try again") from None

    def _gone(self, patience: float) -> bool:
        until = time.monotonic() + patience
        while self.alive():
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True

    def held_by(self, pid: int) -> None:
        """Tell which process's end ends the lab."""
        (self.path / "pid").write_text(str(pid), encoding="ascii")

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)


def all_labs() -> list[RunDir]:
    """Every lab of this user, dead ones included, by name."""
    return [RunDir(path.name) for path in sorted(home().iterdir()) if path.is_dir() and NAME.fullmatch(path.name)]
