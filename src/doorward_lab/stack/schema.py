"""The login service's tables, and the statements that make and seed them.

Lives here: SQL as text, and the seeding of a new database. Not here: connections, the cluster (`postgres`), queries
of the login service (`store`).
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import psycopg

from doorward_lab.stack import accounts

DATABASE = "login"
OWNER = "login"  # the role that the login service uses

# lab_delay() is what the fault "slow" replaces; every statement of the login service passes it.
SCHEMA = """
create table account (
    name text primary key, salt bytea not null, digest bytea not null, cost integer not null,
    enabled boolean not null default true
);
create table account_role (
    name text not null references account on delete cascade, role text not null, primary key (name, role)
);
create table client (
    id text primary key, salt bytea not null, digest bytea not null, cost integer not null, scopes text[] not null
);
create table refresh_token (
    digest bytea primary key, family uuid not null, name text not null references account on delete cascade,
    expires timestamptz not null, used timestamptz
);
create index on refresh_token (family);
create index on refresh_token (expires);
create function lab_delay() returns void language plpgsql as 'begin end';
create function credentials(wanted text) returns table (salt bytea, digest bytea, cost integer, roles text[])
language plpgsql as $$ begin
    perform lab_delay();
    return query select a.salt, a.digest, a.cost,
        array(select r.role from account_role r where r.name = a.name order by r.role)
        from account a where a.name = wanted and a.enabled;
end $$;
create function delayed() returns trigger language plpgsql as $$ begin perform lab_delay(); return new; end $$;
create trigger delayed before insert or update on refresh_token for each statement execute function delayed();
grant select on account, account_role, client to login;
grant select, insert, update, delete on refresh_token to login;
"""


def delay(seconds: float) -> str:
    """The statement that makes each of the login service's statements wait so long; 0 heals."""
    body = f"begin perform pg_sleep({seconds:.3f}); end" if seconds else "begin end"
    return f"create or replace function lab_delay() returns void language plpgsql as '{body}'"


def seed(connection: psycopg.Connection[tuple[object, ...]], count: int, secret: str, cost: int) -> None:
    """Fill a database that has the schema: `count` accounts and the clients, with the passwords of the lab's seed."""

    def hashed(name: str) -> tuple[str, bytes, bytes]:
        salt = hashlib.sha256(f"{secret} salt {name}".encode()).digest()[:16]
        return name, salt, accounts.digest(accounts.password(secret, name), salt, cost)

    people = accounts.directory(count)
    with ThreadPoolExecutor() as pool:  # scrypt lets go of the interpreter's lock
        digests = {row[0]: row for row in pool.map(hashed, [*(p.name for p in people), *accounts.CLIENTS])}
    with connection.cursor() as cursor:
        with cursor.copy("copy account (name, salt, digest, cost) from stdin") as copy:
            for person in people:
                copy.write_row((*digests[person.name], cost))
        with cursor.copy("copy account_role (name, role) from stdin") as copy:
            for person in people:
                for role in person.roles:
                    copy.write_row((person.name, role))
        with cursor.copy("copy client (id, salt, digest, cost, scopes) from stdin") as copy:
            for client, scopes in accounts.CLIENTS.items():
                copy.write_row((*digests[client], cost, list(scopes)))
    connection.commit()
