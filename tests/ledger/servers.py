"""A real PostgreSQL for the tests: its own data, a Unix socket in a temporary folder, ended with the tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

FOLDERS = ("/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin")
MEMORY = "/dev/shm"
PASSWORD = "s3cret/of:the@tests"


def binaries() -> Path | None:
    """The folder with initdb and postgres, if there is one."""
    found = shutil.which("initdb", path=os.pathsep.join((*FOLDERS, os.environ.get("PATH", ""))))
    return Path(found).parent if found and (Path(found).parent / "postgres").exists() else None


def missing() -> str | None:
    """Why no server can be started here, or None."""
    if binaries() is None:
        return "PostgreSQL's initdb and postgres are not installed (Debian: postgresql)"
    if os.geteuid() == 0 and shutil.which("unshare") is None:
        return "PostgreSQL refuses to run as root, and unshare (util-linux) is not installed"
    if shutil.which("setpriv") is None:
        return "setpriv (util-linux) is not installed"
    return None


class Server:
    """One server; `stop` and `start` again keep its data."""

    def __init__(self, folder: Path) -> None:
        bin_folder = binaries()
        assert bin_folder is not None
        self.bin, self.folder = bin_folder, folder
        self.process: subprocess.Popen[bytes] | None = None
        secret = folder / "password"
        secret.write_text(PASSWORD)
        words = [str(self.bin / "initdb"), "-D", str(folder / "data"), "-U", "owner", "-A", "scram-sha-256"]
        words += ["-E", "UTF8", "--locale", "C", "--no-sync", "--pwfile", str(secret)]
        done = subprocess.run([*_prefix(), *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = [str(self.bin / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder)]
        words += ["-c", "listen_addresses=", "-c", "max_connections=50", "-c", "log_min_messages=fatal"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*_prefix(), *words], stdout=log, stderr=log)
        for _ in range(600):
            ready = [str(self.bin / "pg_isready"), "-q", "-h", str(self.folder)]
            if subprocess.run(ready).returncode == 0:
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)
        raise AssertionError("PostgreSQL did not start within 30 s")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT at once, SIGQUIT as a crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def url(self, database: str, user: str = "owner", password: str = PASSWORD) -> str:
        """The address of one of its databases."""
        return f"postgresql://{user}:{quote(password, safe='')}@/{database}?host={self.folder}"


@contextmanager
def server(parent: str | None = None) -> Iterator[Server]:
    """A server for a while, in memory where there is room, else in ``parent``.

    Its socket's path must be short, so it does not lie in pytest's folders.
    """
    if parent is None and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2 << 30:
        parent = MEMORY
    with tempfile.TemporaryDirectory(prefix="dw-pg-", dir=parent) as name:
        folder = Path(name)
        one = Server(folder)
        try:
            yield one
        finally:
            one.stop(signal.SIGQUIT)  # its data goes with it: no need to tidy them


def _prefix() -> list[str]:
    """The words before a server's command: it dies with us, and is not root in its own eyes."""
    dies = ["setpriv", "--pdeathsig", "KILL", "--"]
    return dies if os.geteuid() != 0 else ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--", *dies]
