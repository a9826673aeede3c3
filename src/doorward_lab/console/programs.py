"""`exec`: programs of callers on hosts and on the internet, with the lab's names and none of this machine's.

A program sees the machine's files, as uid 1000 and with the rights over them of whoever started the lab; only its
network is the lab's, and the files that say how names are looked up. Not here: how it loses its power (`kernel.spawn`).
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from doorward_lab.console import control
from doorward_lab.console.visitor import checked, visitor
from doorward_lab.console.web import Web
from doorward_lab.errors import LabError, Missing, Refused
from doorward_lab.fabric.apply import Fabric
from doorward_lab.kernel.netns import Namespace
from doorward_lab.kernel.spawn import spawn
from doorward_lab.model import CloudState, Interface

INTERNET = "internet"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NO_PROGRAM, NO_START = 127, 126  # as shells say it (POSIX, Shell Command Language, *Exit Status for Commands*)
RESOLV_CONF, NSSWITCH = "/etc/resolv.conf", "/etc/nsswitch.conf"
_HOSTS_LINE = re.compile(r"^hosts:.*$", re.MULTILINE)


class Owner(Protocol):
    """The lab, as far as programs need it."""

    fabric: Fabric
    folder: Path
    state: CloudState
    web: Web | None

    def interface(self, host: str) -> Interface:
        """A host's interface. Raises NotRunning."""
        ...


def run(lab: Owner, caller: control.Caller) -> dict[str, object]:
    """Run a caller's program to its end; its exit status. Ends it when the caller goes away.

    Raises:
        LabError: no such host, an address that no client can have, or half a request.
    """
    words, host, client = caller.request.get("argv"), str(caller.request.get("host")), caller.request.get("client")
    if not isinstance(words, list) or not words or len(caller.files) != 3:
        raise LabError("exec needs a command, and the caller's input, output and error")
    if client is not None and host != INTERNET:
        raise LabError(f"--client is for the internet, whose programs can have any address; {host} has its own")
    with ExitStack() as until:
        if host == INTERNET:
            space, names = lab.fabric.internet, None
            if client is not None:
                users = lab.web.sources() if lab.web is not None else frozenset()
                space = until.enter_context(visitor(space, checked(str(client), lab.state, users)))
        else:
            interface = lab.interface(host)
            space, names = lab.fabric.host(interface.id), _name_server(lab, interface)
        try:
            process = _start(space, [str(word) for word in words], caller, _files(lab.folder, names))
        except (Missing, Refused) as error:
            there = isinstance(error, Missing) and "/" in str(words[0]) and Path("/", str(words[0])).exists()
            told = f"{words[0]} cannot be run: it is no program, or may not be run by you" if there else str(error)
            os.write(caller.files[2], f"doorward-lab: {told}\n".encode())
            return {"status": NO_START if there or isinstance(error, Refused) else NO_PROGRAM}
        return {"status": _wait(process, caller)}


def _start(
    space: Namespace, words: list[str], caller: control.Caller, files: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    return spawn(
        space,
        words,
        env={"PATH": PATH, "HOME": "/", "TERM": os.environ.get("TERM", "dumb"), "LANG": "C.UTF-8"},
        cwd="/",
        stdin=caller.files[0],
        stdout=caller.files[1],
        stderr=caller.files[2],
        files=files,
    )


def _name_server(lab: Owner, interface: Interface) -> str | None:
    """The address of the name server that a host asks: the stack's, in the host's own VPC."""
    for id, service in lab.web.places().items() if lab.web is not None else ():
        server = lab.state.interfaces.get(id)
        if service.partition("-")[0] == "dns" and server is not None and server.vpc == interface.vpc:
            return server.ipv4[0]
    return None


def _files(folder: Path, server: str | None) -> dict[str, str]:
    """What tells how names are looked up: by the name server or, without one, not at all.

    Without a name server, resolvers ask this host's port 53, where nobody is: they fail at once (resolv.conf(5)).
    """
    shown = folder / "names" / (server or "none")
    shown.mkdir(parents=True, exist_ok=True)
    made = {RESOLV_CONF: f"nameserver {server}\noptions timeout:2 attempts:2\n" if server else "# no name server\n"}
    if Path(NSSWITCH).is_file():
        # Others than `dns` may ask this machine's own services by a socket in a file (nss-resolve(8)).
        text = Path(NSSWITCH).read_text(encoding="utf-8", errors="replace")
        made[NSSWITCH] = _HOSTS_LINE.sub("hosts: files dns", text)
    for path, text in made.items():
        beside = shown / f"{Path(path).name}.{threading.get_ident()}"
        beside.write_text(text, encoding="utf-8")
        beside.replace(shown / Path(path).name)  # another program may be starting
    return {path: str(shown / Path(path).name) for path in made}


def _wait(process: subprocess.Popen[bytes], caller: control.Caller) -> int:
    """Until the process ends, or its caller goes away: then it is ended."""
    ended = os.pidfd_open(process.pid)
    try:
        while not select.select([ended], [], [], 0.25)[0]:
            if caller.gone():
                process.send_signal(signal.SIGHUP)
                try:
                    process.wait(2.0)
                except subprocess.TimeoutExpired:
                    process.kill()
    finally:
        os.close(ended)
    code = process.wait()
    return 128 - code if code < 0 else code
