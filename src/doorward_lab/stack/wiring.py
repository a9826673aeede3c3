"""Who talks to whom: settings for every service of a stack, from the places that they have.

Lives here: names, ports, secrets, certificates, keys, scrape jobs. Not here: starting (`roles`), what a load balancer
of the API's is told (`balancing.from_describe`; given here as `Options.balancer`).
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from doorward_lab.errors import BadScene
from doorward_lab.stack import accounts, tokens
from doorward_lab.stack.authority import Authority
from doorward_lab.stack.balancer import BalancerSettings
from doorward_lab.stack.balancing import Action, Balancer, HealthCheck, Listener, Target, TargetGroup
from doorward_lab.stack.database import DatabaseSettings
from doorward_lab.stack.dns import DnsSettings
from doorward_lab.stack.login import LoginSettings
from doorward_lab.stack.monitor import MonitorSettings, Watched
from doorward_lab.stack.nginx import host
from doorward_lab.stack.place import Place
from doorward_lab.stack.portal import PortalSettings
from doorward_lab.stack.prometheus import Job
from doorward_lab.stack.roles import ROLES, Seat
from doorward_lab.stack.service import Settings
from doorward_lab.stack.users import UsersSettings

DOMAIN = "lab.internal"
PORTAL_NAME = "portal.example.com"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where each service listens; 80 and 443 are the listeners' own."""

    http: int = 80
    https: int = 443
    portal: int = 8080
    portal_metrics: int = 9108
    login: int = 8443
    login_metrics: int = 9109
    sql: int = 5432
    dns: int = 53
    dns_metrics: int = 9153
    balancer: int = 9113
    database: int = 9187
    users: int = 9200
    prometheus: int = 9090
    alertmanager: int = 9093


@dataclass(frozen=True, slots=True)
class Options:
    """What may differ from stack to stack."""

    seed: str
    accounts: int = 100
    cost: int = 1024  # scrypt's n: what the lab's two cores bear, not what a real directory should have
    rate: float = 10.0
    patience: float = 15.0
    networks: tuple[str, ...] = ("203.0.113.0/24", "198.51.100.0/24", "2001:db8:c::/64")
    tls: bool = True
    front: tuple[str, ...] = ()  # addresses at which users find the balancer; none: its own
    balancer: Balancer | None = None  # None: one that forwards everything to the portals
    keepalive: int = 0  # of the balancer's connections to targets
    keepalive_time: float = 10.0
    portal_keepalive: bool = True
    portal_timeout: float = 6.0  # seconds that the portal waits for the login service
    pool_lifetime: float = 20.0
    token_seconds: float = 300.0
    check_seconds: float = 5.0
    webhook: str | None = None
    scrape_seconds: float = 1.0
    second: bool = True  # the second login stack, where it has places, is on from the start
    share_keys: bool = False  # the second stack's tokens are signed with the first one's keys
    ports: Ports = field(default_factory=Ports)
    users_metrics: socket.socket | None = None  # listening, made where the monitor is; passed on to the users


@dataclass(frozen=True, slots=True)
class Wiring:
    """The seats of a stack, and what the faults and the users need to know of it.

    `seats` are those to start with; `second` those of the second login stack, which `switch.on` starts and `switch.off`
    stops; `jobs` scrape the world without it, `jobs_with_second` all.
    """

    seats: tuple[Seat, ...]
    second: tuple[Seat, ...]
    url: str
    root: Path  # the CA's certificate
    expired: tuple[Path, Path] | None  # certificate and key that have expired
    jobs: tuple[Job, ...]
    jobs_with_second: tuple[Job, ...]


def role_of(name: str) -> str:
    """The role of a seat: login-2 and login-b are logins. Raises `BadScene`."""
    role = name.partition("-")[0]
    if role not in ROLES:
        raise BadScene(f"{name!r} is no service of the stack; expected one of {', '.join(ROLES)}, and -SUFFIX")
    return role


def is_second(name: str) -> bool:
    """Whether a seat belongs to the second, independent login stack: login-b, login-b-2, database-b."""
    role, *rest = name.split("-")
    return role in ("login", "database") and rest[:1] == ["b"]


class _Wire:
    def __init__(self, folder: Path, places: Mapping[str, Place], options: Options) -> None:
        self.folder = folder
        self.places = places
        self.options = options
        self.ports = options.ports
        shared = folder / "shared"
        shared.mkdir(parents=True, exist_ok=True)
        shared.chmod(0o700)
        self.authority = Authority(shared)
        self.secrets = {False: secrets.token_hex(16), True: secrets.token_hex(16)}
        first, second = tokens.generate("login-1"), tokens.generate("login-b-1")
        self.keys = {False: shared / "keys.json", True: shared / "keys-b.json"}
        tokens.write(self.keys[False], [first])
        tokens.write(self.keys[True], [first] if options.share_keys else [second])
        self.resolver = tuple(f"{host(a)}:{self.ports.dns}" for p in self._of("dns").values() for a in p.addresses[:1])
        own = tuple(a for place in self._of("balancer").values() for a in place.addresses)
        self.front = options.front or own
        names = (PORTAL_NAME, *dict.fromkeys((*self.front, *own)))
        self.certificate = self.authority.issue("portal", names)
        ended = datetime.now(UTC) - timedelta(hours=1)
        self.expired = self.authority.issue("portal-expired", names, ends=ended)
        port = self.ports.https if options.tls else self.ports.http
        default = 443 if options.tls else 80
        scheme = "https" if options.tls else "http"
        self.url = f"{scheme}://{PORTAL_NAME}{'' if port == default else f':{port}'}"

    def _of(self, role: str, second: bool | None = None) -> dict[str, Place]:
        return {
            name: place
            for name, place in self.places.items()
            if role_of(name) == role and second in (None, is_second(name))
        }

    def _host(self, name: str) -> str:
        """How others name a service: by DNS when there is a name server, else by its first address."""
        return f"{name}.{DOMAIN}" if self.resolver else host(self.places[name].addresses[0])

    def _logins(self, second: bool) -> tuple[str, ...]:
        return tuple(f"http://{self._host(name)}:{self.ports.login}" for name in self._of("login", second))

    def _balancer(self) -> Balancer:
        options, ports = self.options, self.ports
        if options.balancer is not None:
            return options.balancer
        targets = tuple(
            Target(id=name, address=place.addresses[0], port=ports.portal) for name, place in self._of("portal").items()
        )
        check = HealthCheck(path="/healthz", interval=options.check_seconds, timeout=2.0, healthy=2, unhealthy=2)
        forward = Action(kind="forward", group="portal")
        redirect = Action(kind="redirect", port=ports.https)
        plain = Listener(port=ports.http, protocol="HTTP", default=redirect if options.tls else forward)
        secure = Listener(port=ports.https, protocol="HTTPS", default=forward)
        return Balancer(
            listeners=(plain, secure) if options.tls else (plain,),
            groups=(TargetGroup(arn="portal", name="portal", targets=targets, check=check),),
            keepalive=options.keepalive,
            keepalive_time=options.keepalive_time,
        )

    def settings(self, name: str) -> Settings:
        """The settings of one service."""
        options, ports, second = self.options, self.ports, is_second(name)
        folder, listen = str(self.folder / name), self.places[name].addresses
        match role_of(name):
            case "dns":
                names = {f"{n}.{DOMAIN}": p.addresses for n, p in self.places.items() if p.addresses}
                return DnsSettings(
                    folder=folder, listen=listen, names=names, port_dns=ports.dns, metrics_port=ports.dns_metrics
                )
            case "database":
                return DatabaseSettings(
                    folder=folder, listen=listen, metrics_port=ports.database, port_sql=ports.sql,
                    seed=options.seed, secret=self.secrets[second], accounts=options.accounts, cost=options.cost,
                )  # fmt: skip
            case "login":
                database = next(iter(self._of("database", second)), None)
                if database is None:
                    raise BadScene(f"{name} has no database; expected database{'-b' if second else ''}")
                return LoginSettings(
                    folder=folder, listen=listen, port=ports.login, metrics_port=ports.login_metrics,
                    database=self._host(database).strip("[]"),
                    database_port=ports.sql, secret=self.secrets[second], keys=str(self.keys[second]),
                    issuer="login-b" if second else "login", resolver=self.resolver,
                    token_seconds=options.token_seconds, pool_lifetime=options.pool_lifetime,
                )  # fmt: skip
            case "portal":
                return PortalSettings(
                    folder=folder, listen=listen, port=ports.portal, metrics_port=ports.portal_metrics,
                    login=self._logins(False),
                    second=self._logins(True), use_second=options.second and bool(self._logins(True)),
                    secret=accounts.password(options.seed, "portal"),
                    resolver=self.resolver, keepalive=options.portal_keepalive, timeout=options.portal_timeout,
                    keepalive_time=options.keepalive_time,
                )  # fmt: skip
            case "balancer":
                certificate, key = self.certificate
                return BalancerSettings(
                    folder=folder, listen=listen, metrics_port=ports.balancer, balancer=self._balancer(),
                    certificate=str(certificate), key=str(key),
                )  # fmt: skip
            case "users":
                passed = options.users_metrics is not None
                return UsersSettings(
                    folder=folder, listen=listen, metrics_port=None if passed else ports.users,
                    metrics_fd=0 if passed else None, url=self.url, addresses=self.front, networks=options.networks,
                    seed=options.seed, rate=options.rate, accounts=options.accounts, patience=options.patience,
                    ca=str(self.authority.root) if options.tls else "",
                )  # fmt: skip
            case "monitor":
                watched = Watched(
                    jobs=self.jobs(second=options.second),
                    webhook=options.webhook,
                    scrape_seconds=options.scrape_seconds,
                )
                return MonitorSettings(
                    folder=folder, listen=listen, watched=watched, port_prometheus=ports.prometheus,
                    port_alertmanager=ports.alertmanager,
                )  # fmt: skip
        raise BadScene(f"{name!r} is started by its fault, not with the stack")

    def jobs(self, *, second: bool) -> tuple[Job, ...]:
        """One scrape job a role; `second`: the second login stack's services too."""
        ports = self.ports
        at = {
            "balancer": ports.balancer, "portal": ports.portal_metrics, "login": ports.login_metrics,
            "database": ports.database,
            "dns": ports.dns_metrics, "users": ports.users,
        }  # fmt: skip
        jobs = []
        for role, port in at.items():
            services = self._of(role) if second else self._of(role, False)
            found = tuple((n, p.addresses[0], port) for n, p in services.items() if p.addresses)
            if role == "users" and self.options.users_metrics is not None and self._of(role):
                address, port = self.options.users_metrics.getsockname()[:2]
                found = tuple((n, address, port) for n in self._of(role))
            if found:
                jobs.append(Job(name=role, instances=found))
        return tuple(jobs)

    def seat(self, name: str) -> Seat:
        """One seat."""
        role, second = role_of(name), is_second(name)
        after: tuple[str, ...] | None = None
        if role == "login":
            after = (*self._of("dns"), *self._of("database", second))
        elif role == "users":
            after = (*self._of("login", False), *self._of("portal"), *self._of("balancer"))
        passed = self.options.users_metrics if role == "users" else None
        stdin = passed.fileno() if passed is not None else None
        return Seat(name, role, self.places[name], self.settings(name), stdin=stdin, after=after)


def wire(folder: Path, places: Mapping[str, Place], options: Options) -> Wiring:
    """The settings of a stack whose services are the keys of `places`: balancer, portal, login-1, login-2, database,
    dns, monitor, users, and login-b with database-b for the second, independent login stack.

    Files that services share (keys, certificates) are written to `folder`/shared. Raises `BadScene`.
    """
    work = _Wire(folder, places, options)
    return Wiring(
        seats=tuple(work.seat(name) for name in places if options.second or not is_second(name)),
        second=tuple(work.seat(name) for name in sorted(places) if is_second(name)),
        url=work.url,
        root=work.authority.root,
        expired=work.expired,
        jobs=work.jobs(second=False),
        jobs_with_second=work.jobs(second=True),
    )
