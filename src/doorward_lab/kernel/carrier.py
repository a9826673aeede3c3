"""Waiting until a link that was just set up can really send.

The kernel tells the two ends of a veth pair of each other's state on a work queue: for some milliseconds (more on a
busy machine) after both ends are up, one of them still drops what it is given, and so does a bridge that got its first
port. Asking for the link's state by ethtool makes a kernel from 6.8 on do that work first; older ones are polled for
IFF_RUNNING.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct
import time
from collections.abc import Iterable

from doorward_lab.errors import Refused
from doorward_lab.kernel.netns import Namespace

_SIOCGIFFLAGS, _SIOCETHTOOL, _GLINK = 0x8913, 0x8946, 0x0A
_IFF_RUNNING = 0x40
_PATIENCE = 2.0  # s


def wait(ns: Namespace, links: Iterable[str]) -> None:
    """Return when each link of `ns` is running. Raises Refused when one is not within two seconds."""
    with ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        for link in links:
            deadline = time.monotonic() + _PATIENCE
            while not _running(handle, link):
                if time.monotonic() > deadline:
                    raise Refused(f"link {link} in {ns.name} is not running {_PATIENCE:g} s after it was set up")
                time.sleep(0.0005)


def _running(handle: socket.socket, link: str) -> bool:
    name = link.encode()
    value = array.array("I", [_GLINK, 0])
    try:
        fcntl.ioctl(handle, _SIOCETHTOOL, struct.pack("16sP16x", name, value.buffer_info()[0]))
        answer = fcntl.ioctl(handle, _SIOCGIFFLAGS, struct.pack("16sh22x", name, 0))
    except OSError as error:
        raise Refused(f"cannot ask for the state of link {link}: {error.strerror}") from error
    (flags,) = struct.unpack_from("h", answer, 16)
    return bool(value[1]) and bool(flags & _IFF_RUNNING)
