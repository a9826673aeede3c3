"""The process in which Apprise runs: ``python -m doorward.console.notify.apprise_child``, one message each.

Apart for three reasons. Apprise and the libraries below it log URLs and payloads, here nobody listens; they resolve and
redirect by themselves, here every connection is judged at the moment it is made (an audit hook, which nothing can take
back: PEP 578); and some have no deadline, here there is a process to end. It starts with almost no environment.

In: JSON on standard input. Out: one word on standard output: ``ok``, ``refused`` (the service), ``forbidden`` (an
address), ``url`` (Apprise does not know it), ``absent`` (no Apprise).
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys

from doorward.console.notify.address import kind


class _Forbidden(OSError):
    """A connection that the route may not make."""


FORBIDDEN_ACTS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.startfile", "pty.spawn"})


def guard(allow_private: bool, seen: list[str]) -> None:
    """From now on, no connection to where a route may not go, and no other programs."""

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event in FORBIDDEN_ACTS:
            seen.append(event)
            raise _Forbidden(event)
        if event not in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            return
        sock, to = args[0], args[-1]
        family = getattr(sock, "family", None)
        if family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(to, tuple):
            if family in (socket.AF_INET, socket.AF_INET6):
                return  # sent on a connection that was judged when it was made
            seen.append("another kind of socket")
            raise _Forbidden("another kind of socket")
        try:
            what = kind(str(to[0]))
        except ValueError:
            what = "never"  # a name: the kernel's view of it cannot be judged
        resolver = to[1] == 53 and getattr(sock, "type", None) == socket.SOCK_DGRAM
        if not resolver and (what == "never" or (what == "private" and not allow_private)):
            seen.append(str(to[0]))
            raise _Forbidden(str(to[0]))

    sys.addaudithook(hook)


def run(given: dict[str, object]) -> str:
    """Sends one message; the word for what became of it."""
    try:
        import apprise
    except ImportError:
        return "absent"
    logging.disable(logging.CRITICAL)
    seen: list[str] = []
    guard(bool(given["allow_private"]), seen)
    everything = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False, plugin_paths=[]))
    if not everything.add(str(given["url"])):
        return "url"
    sent = everything.notify(
        title=str(given["title"]), body=str(given["body"]), body_format=str(given["format"]),
        notify_type=str(given["type"]),
    )  # fmt: skip
    return "ok" if sent else "forbidden" if seen else "refused"


def main() -> None:
    """Reads, sends, says one word. Whatever Apprise prints is not passed on."""
    given = json.load(sys.stdin)
    out = os.dup(1)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    word = run(given)
    os.write(out, word.encode())


if __name__ == "__main__":
    main()
