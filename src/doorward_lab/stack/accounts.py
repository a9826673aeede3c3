"""Accounts and their passwords: the seeded directory that database, login service and users agree upon.

Passwords follow from the lab's seed, so that the generator knows them; the database holds only salted scrypt digests.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

SCRYPT_R = 8
SCRYPT_P = 1
# Machine-to-machine clients: who they are, and what their tokens may do.
CLIENTS = {"portal": ("authorize",), "billing": ("report",)}


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the directory."""

    name: str
    roles: tuple[str, ...]


def directory(count: int) -> list[Account]:
    """`count` accounts: everybody is a member, every tenth also an editor, every twentieth an admin."""
    return [
        Account(
            f"user-{i:04d}",
            ("member",) + (("editor",) if i % 10 == 0 else ()) + (("admin",) if i % 20 == 0 else ()),
        )
        for i in range(count)
    ]


def password(seed: str, name: str) -> str:
    """The password of `name` (an account or a client) in the lab with this seed."""
    return hmac.new(seed.encode(), f"password of {name}".encode(), hashlib.sha256).hexdigest()[:24]


def digest(secret: str, salt: bytes, n: int) -> bytes:
    """The scrypt digest of a password (RFC 7914); `n` is the cost, a power of two. Lets other threads run meanwhile."""
    return hashlib.scrypt(secret.encode(), salt=salt, n=n, r=SCRYPT_R, p=SCRYPT_P, dklen=32)


def matches(secret: str, salt: bytes, n: int, stored: bytes) -> bool:
    """Whether the password is the stored one, in constant time."""
    return hmac.compare_digest(digest(secret, salt, n), stored)
