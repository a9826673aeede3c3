"""What flood and scan share: hard bounds, a pace, and the promise to stay within the lab.

Both run in the lab's namespaces, which have no way out; still no target that could be somebody's is accepted.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import AsyncIterator

MOST_RATE = 5000.0  # per second
MOST_COUNT = 500_000
MOST_SECONDS = 900.0
MOST_OPEN = 5000
_BENCHMARKING = ipaddress.ip_network("198.18.0.0/15")  # RFC 2544: the lab's public addresses


def check_target(address: str) -> None:
    """Raises `ValueError` for an address that may belong to somebody: neither private, nor for documentation."""
    parsed = ipaddress.ip_address(address)
    if parsed.is_global or parsed.is_multicast or parsed.is_unspecified:
        raise ValueError(f"{address} may be somebody's; expected a private, documentation or benchmarking address")


def check_bounds(rate: float, count: int, seconds: float) -> None:
    """Raises `ValueError` for bounds that no lab needs."""
    if not (0 < rate <= MOST_RATE and 0 < count <= MOST_COUNT and 0 < seconds <= MOST_SECONDS):
        raise ValueError(
            f"{rate:g} a second, {count} in all, {seconds:g} s; "
            f"expected at most {MOST_RATE:g}, {MOST_COUNT}, {MOST_SECONDS:g}, and more than 0"
        )


async def paced(rate: float, count: int, seconds: float) -> AsyncIterator[int]:
    """0, 1, … at `rate` a second, until `count` or `seconds` is reached; catches up in bursts of 10 ms."""
    began = time.monotonic()
    for number in range(count):
        ahead = number / rate - (time.monotonic() - began)
        if time.monotonic() - began >= seconds:
            return
        if ahead > 0.01 or number % 64 == 63:
            await asyncio.sleep(max(0.0, ahead))
        yield number


async def connect(source: str, target: str, port: int, seconds: float) -> tuple[str, socket.socket | None]:
    """Try one TCP connection: open, refused, silent (no answer in time) or failed; the socket when it is open."""
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        sock.bind((source, 0))
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, (target, port)), seconds)
    except TimeoutError:
        sock.close()
        return "silent", None
    except ConnectionRefusedError:
        sock.close()
        return "refused", None
    except OSError:
        sock.close()
        return "failed", None
    except BaseException:
        sock.close()
        raise
    return "open", sock


def same_family(sources: list[str], target: str) -> list[str]:
    """The sources of the target's family. Raises `ValueError` when there are none."""
    found = [source for source in sources if (":" in source) == (":" in target)]
    if not found:
        raise ValueError(f"no source address is of the family of {target}")
    return found
