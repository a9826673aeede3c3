"""A client of the internet with an address of its own, for one program: a namespace, to which a route leads.

Whatever the program does, its packets come from the address: there is no other. Not here: how a program is run.
"""

from __future__ import annotations

import ipaddress
import itertools
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from doorward_lab.errors import LabError
from doorward_lab.fabric.gateways import PUBLIC6, internet_routes, public_networks
from doorward_lab.fabric.plan import CLIENT4, CLIENT6
from doorward_lab.kernel import carrier
from doorward_lab.kernel.netlink import Netlink
from doorward_lab.kernel.netns import Namespace
from doorward_lab.model import CloudState

_HOP = {4: ("169.254.0.1", "0.0.0.0/0"), 6: ("fe80::1", "::/0")}
_NEAR, _FAR = "02:00:00:00:0c:01", "02:00:00:00:0c:02"
_LOCAL = 255  # the routing table that says which addresses are the internet's own: a longer prefix there goes first

_numbers = itertools.count()
_lock = threading.Lock()
_taken: set[str] = set()


def checked(text: str, state: CloudState, users: Collection[str]) -> str:
    """The address of a client, as the kernel writes it.

    Raises:
        LabError: it is no address, none of the internet, the cloud's own, or one that the lab's users come from.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise LabError(f"--client {text}: is no IP address; expected one such as 192.0.2.7 or 2001:db8::7") from None
    blocks = public_networks() if address.version == 4 else (PUBLIC6,)
    if not any(address in ipaddress.ip_network(block) for block in blocks):
        raise LabError(f"--client {text}: no address of the internet; expected one such as 192.0.2.7 or 2001:db8::7")
    cloud = [*internet_routes(state), *(block for vpc in state.vpcs.values() for block in vpc.ipv6)]
    if any(address in ipaddress.ip_network(block) for block in cloud if (":" in block) == (address.version == 6)):
        raise LabError(f"--client {text}: is the cloud's; choose another, such as 192.0.2.7")
    if str(address) in users or str(address) in (CLIENT4, CLIENT6):
        raise LabError(f"--client {text}: the lab's own users come from there; choose another, such as 192.0.2.7")
    return str(address)


@contextmanager
def visitor(internet: Namespace, address: str) -> Iterator[Namespace]:
    """A namespace whose only address is `address` (see `checked`), on the other side of the internet; gone afterwards.

    Raises:
        LabError: another program has the address at this moment.
    """
    with _lock:
        if address in _taken:
            raise LabError(f"--client {address}: another program uses it; choose another, or wait")
        _taken.add(address)
    try:
        with Namespace.create(f"client {address}") as space:
            yield from _joined(internet, address, space)
    finally:
        with _lock:
            _taken.discard(address)


def _joined(internet: Namespace, address: str, space: Namespace) -> Iterator[Namespace]:
    six = ":" in address
    own = f"{address}/{128 if six else 32}"
    hop, everywhere = _HOP[6 if six else 4]
    link = f"client{next(_numbers)}"
    near, far = Netlink(internet), Netlink(space)
    try:
        near.veth(link, "eth0", space, mac=_NEAR, peer_mac=_FAR, up=True)
        try:
            far.up("eth0")
            far.address("eth0", own)
            far.neighbour("eth0", hop, _NEAR)
            if not six:
                far.route(f"{hop}/32", dev="eth0")
            far.route(everywhere, via=hop, dev="eth0")
            near.neighbour(link, address, _FAR)
            near.route(own, dev=link, table=_LOCAL)
            carrier.wait(internet, [link])
            carrier.wait(space, ["eth0"])
            yield space
        finally:
            near.link_delete(link)  # its route goes with it, and the address is the internet's again
    finally:
        near.close()
