"""The login service's side of its database: a pool of few, short-lived connections, and the queries.

Each connection resolves the database's name anew with the lab's resolver, and lives at most `lifetime` seconds: so a
security group that cuts the way to the database is noticed when connections are renewed, as AWS's tracked connections
imply, and not never. Not here: tables (`schema`), HTTP (`login`).
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from doorward_lab.stack import schema
from doorward_lab.stack.resolver import LookupFailed, Resolver

_TIMEOUT_MS = 3000  # after which a silent peer counts as dead (TCP_USER_TIMEOUT), and a statement is cancelled


class Unavailable(Exception):
    """The database cannot be asked; `reason` is one word for metrics: pool, timeout, connection, lookup, error."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the directory holds of an account or a client; `grants` are roles or scopes."""

    salt: bytes
    digest: bytes
    cost: int
    grants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A rotated refresh token: whose, the new token, and the roles as they are now."""

    name: str
    token: str
    roles: tuple[str, ...]


class Reused(Exception):
    """A refresh token that was already used: its whole family is revoked (RFC 9700 §4.14.2)."""


class Store:
    """The queries. Every method raises `Unavailable` when the database does not do its part in time."""

    def __init__(
        self, host: str, port: int, password: str, resolver: Resolver, *, size: int, lifetime: float, wait: float
    ):
        self.resolver = resolver
        self.lookup_failures: dict[str, int] = {}
        owner = self

        class Resolving(psycopg.AsyncConnection[tuple[Any, ...]]):
            """A connection whose host is looked up by the lab's resolver each time that one is made."""

            @classmethod
            async def connect(cls, conninfo: str = "", **options: Any) -> Any:
                try:
                    address = (await owner.resolver.addresses(host))[0]
                except LookupFailed as error:
                    owner.lookup_failures[error.reason] = owner.lookup_failures.get(error.reason, 0) + 1
                    raise psycopg.OperationalError(f"looking up {error}") from error
                return await super().connect(conninfo, host=host, hostaddr=address, **options)

        self.pool: AsyncConnectionPool[psycopg.AsyncConnection[tuple[Any, ...]]] = AsyncConnectionPool(
            "",
            connection_class=Resolving,
            kwargs={
                "port": port,
                "user": schema.OWNER,
                "password": password,
                "dbname": schema.DATABASE,
                "connect_timeout": 3,
                "tcp_user_timeout": _TIMEOUT_MS,
                "autocommit": True,
                "options": f"-c statement_timeout={_TIMEOUT_MS}",
                "application_name": "login",
            },
            min_size=1,
            max_size=size,
            timeout=wait,
            max_lifetime=lifetime,
            max_waiting=200,
            # Give up soon and try again with the next request: a pool that backs off for minutes outlives the fault.
            reconnect_timeout=2.0,
            num_workers=2,
            open=False,
        )

    async def open(self) -> None:
        """Start the pool; connections come when the database does."""
        await self.pool.open()

    async def close(self) -> None:
        """Close every connection."""
        await self.pool.close(timeout=1.0)

    async def _ask(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        try:
            async with self.pool.connection() as connection:
                cursor = await connection.execute(statement.encode(), arguments)
                return await cursor.fetchall() if cursor.description else []
        except PoolTimeout as error:
            reason = "lookup" if self._lookup_fails() else "pool"
            raise Unavailable(reason, f"no connection to the database in time: {error}") from error
        except psycopg.errors.QueryCanceled as error:
            raise Unavailable("timeout", str(error)) from error
        except psycopg.OperationalError as error:
            raise Unavailable("connection", str(error)) from error
        except psycopg.Error as error:
            raise Unavailable("error", str(error)) from error

    def _lookup_fails(self) -> bool:
        return bool(self.lookup_failures) and self.pool.get_stats().get("pool_size", 0) == 0

    async def ping(self) -> None:
        """One round trip."""
        await self._ask("select 1")

    async def account(self, name: str) -> Credentials | None:
        """The credentials of an enabled account."""
        rows = await self._ask("select salt, digest, cost, roles from credentials(%s)", name)
        return Credentials(bytes(rows[0][0]), bytes(rows[0][1]), rows[0][2], tuple(rows[0][3])) if rows else None

    async def client(self, id_: str) -> Credentials | None:
        """The credentials of a machine client."""
        rows = await self._ask("select salt, digest, cost, scopes from client where id = %s", id_)
        return Credentials(bytes(rows[0][0]), bytes(rows[0][1]), rows[0][2], tuple(rows[0][3])) if rows else None

    async def roles(self, name: str) -> tuple[str, ...] | None:
        """The roles that an account has now; None when there is no such account, or it is disabled."""
        found = await self.account(name)
        return None if found is None else found.grants

    async def issue(self, name: str, seconds: float) -> str:
        """A first refresh token of a new family; only its digest is stored."""
        token = secrets.token_urlsafe(32)
        await self._ask(
            "insert into refresh_token (digest, family, name, expires)"
            " values (%s, %s, %s, now() + %s * interval '1 s')",
            _digest(token), uuid.uuid4(), name, seconds,
        )  # fmt: skip
        return token

    async def rotate(self, token: str, seconds: float) -> Refreshed | None:
        """Use a refresh token up and issue the next of its family; None when it is unknown or expired.

        One statement, so that of two that come at once only one wins. Raises `Reused`.
        """
        fresh = secrets.token_urlsafe(32)
        rows = await self._ask(
            """with old as (
                update refresh_token set used = now() where digest = %s and used is null and expires > now()
                returning family, name
            ), new as (
                insert into refresh_token (digest, family, name, expires)
                select %s, family, name, now() + %s * interval '1 s' from old returning name
            ) select new.name, array(select role from account_role r where r.name = new.name order by role)
            from new join account using (name) where enabled""",
            _digest(token), _digest(fresh), seconds,
        )  # fmt: skip
        if rows:
            return Refreshed(rows[0][0], fresh, tuple(rows[0][1]))
        revoked = await self._ask(
            """delete from refresh_token where family in
            (select family from refresh_token where digest = %s and used is not null) returning 1""",
            _digest(token),
        )
        if revoked:
            raise Reused
        return None

    async def purge(self) -> None:
        """Forget what has expired."""
        await self._ask("delete from refresh_token where expires < now()")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
