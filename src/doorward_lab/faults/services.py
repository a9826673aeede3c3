"""Faults of what runs in the hosts: by the services' knobs, and by others who come from the internet.

What does not live here: how a service behaves with a knob turned (`doorward_lab.stack`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from doorward_lab.errors import LabError
from doorward_lab.faults.fault import Act, Fault, Parameter
from doorward_lab.faults.fault import Value as Knob

NETWORKS = ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24")
"""Where attackers come from: documentation addresses (RFC 5737)."""


def named(act: Act, role: str, second: bool = False) -> list[str]:
    """Services of a role: of the first login stack, or of the second (login-b). Raises `LabError` for none."""
    found = sorted(name for name in act.lab.services() if name.split("-")[0] == role)
    found = [name for name in found if (name.split("-")[1:2] == ["b"]) == second]
    if not found:
        there = ", ".join(sorted(act.lab.services())) or "none"
        raise LabError(f"no {role} runs in this lab (services: {there}); it needs a scene with one, such as outage")
    return found


def turn(act: Act, role: str, knobs: Callable[[Act], dict[str, Any]], said: str) -> str:
    """Turn knobs of all services of a role, each remembered as it was."""
    wanted = knobs(act)
    services = named(act, role)
    for service in services:
        before = act.lab.call(service, "GET", "/knobs")
        act.done("knobs", service=service, knobs={name: before[name] for name in wanted})
        act.lab.call(service, "PUT", "/knobs", wanted)
    return f"{', '.join(services)}: {said.format(**wanted)}"


def _front(act: Act) -> tuple[str, int]:
    """A public address and a port of the first load balancer."""
    for balancer in act.lab.built.load_balancers.values():
        addresses = [node.public for node in balancer.nodes if node.public]
        if addresses and balancer.listeners:
            ports = sorted(map(int, balancer.listeners))
            return act.random.choice(sorted(addresses)), 443 if 443 in ports else ports[0]
    for host in act.lab.built.hosts.values():
        if host.public:
            return host.public, 443
    raise LabError(f"{act.lab.built.scene} has nothing that the internet could reach")


def flood(act: Act) -> str:
    """Many sources open connections and want nothing."""
    target, port = _front(act)
    kind = act.text("kind")
    settings: dict[str, object] = {
        "target": target, "port": port, "networks": list(NETWORKS), "seed": str(act.random.random()), "kind": kind,
        "tls": port == 443, "rate": act.number("rate"), "seconds": act.number("seconds"),
        "sources": int(act.number("sources")),
    }  # fmt: skip
    act.done("stop", name="flood")
    act.lab.start("flood", "flood", settings)
    return f"{settings['rate']:g} connections a second from {settings['sources']} addresses to {target} port {port}"


def scan(act: Act) -> str:
    """Somebody tries every door that has a public address."""
    built = act.lab.built
    nodes = [node for one in built.load_balancers.values() for node in one.nodes]
    targets = sorted({one.public for one in (*nodes, *built.hosts.values()) if one.public})
    if not targets:
        raise LabError(f"{built.scene} has nothing that the internet could reach")
    settings: dict[str, object] = {
        "targets": targets, "networks": list(NETWORKS), "seed": str(act.random.random()), "rate": act.number("rate"),
        "first": int(act.number("first")), "last": int(act.number("last")), "seconds": act.number("seconds"),
    }  # fmt: skip
    act.done("stop", name="scan")
    act.lab.start("scan", "scan", settings)
    return f"ports {settings['first']} to {settings['last']} of {len(targets)} address(es) are tried"


def bad_deploy(act: Act) -> str:
    """A version that fails is deployed to the login service."""
    wanted = {"version": act.text("version"), "error_share": act.number("share"), "slow": act.number("slow")}
    services = named(act, "login")
    if not act.parameters["all"]:
        services = [act.random.choice(services)]
    for service in services:
        act.done("deploy", service=service, deploy={"version": act.text("good")})
        act.lab.call(service, "PUT", "/deploy", wanted)
    return f"{', '.join(services)} run version {wanted['version']}: {wanted['error_share']:.0%} of answers are errors"


def expired(act: Act) -> str:
    """The load balancer serves a certificate that has expired."""
    certificate, key = act.lab.expired_certificate()
    return turn(act, "balancer", lambda _: {"certificate": certificate, "key": key}, "serve an expired certificate")


def _set(name: str, parameter: str) -> Callable[[Act], dict[str, Any]]:
    """One knob from one parameter."""
    return lambda act: {name: act.parameters[parameter]}


def _fixed(**knobs: Knob) -> Callable[[Act], dict[str, Any]]:
    return lambda act: dict(knobs)


def _dns(kind: str) -> Callable[[Act], dict[str, Any]]:
    return lambda act: {"fault": kind, "only": [name for name in act.text("only").split(",") if name]}


def _signing(act: Act) -> dict[str, Any]:
    wanted = act.text("key")
    if wanted not in ("wrong-key", "unknown-id"):
        raise LabError(f"signing-key-mismatch: key is {wanted!r}; expected wrong-key or unknown-id")
    return {"signing": wanted}


def _skew(act: Act) -> str:
    role = act.text("role")
    if role not in ("login", "portal"):
        raise LabError(f"clock-skew: role is {role!r}; expected login or portal")
    return turn(act, role, _set("clock_offset", "seconds"), "the clock is off by {clock_offset:g} s")


def _turned(
    name: str, summary: str, role: str, knobs: Callable[[Act], dict[str, Any]], said: str, *parameters: Parameter
) -> Fault:
    return Fault(name, summary, partial(turn, role=role, knobs=knobs, said=said), parameters, needs_stack=True)


_ONLY = Parameter("only", "", "The names that it hits, joined by commas; empty: all.")
FAULTS = (
    _turned(
        "database-slow", "Every statement takes long", "database", _set("slow", "seconds"), "{slow:g} s a statement",
        Parameter("seconds", 2.0, "Seconds that each statement takes longer."),
    ),
    _turned("database-locked", "The accounts are locked", "database", _fixed(locked=True), "accounts are locked"),
    _turned(
        "database-out-of-connections", "All connections of the database are taken", "database", _fixed(exhausted=True),
        "no connection is left",
    ),
    _turned("database-down", "The database does not run", "database", _fixed(stopped=True), "it is stopped"),
    Fault("flood", "Many addresses open connections to the load balancer", flood, (
        Parameter("rate", 200.0, "Connections in a second."),
        Parameter("seconds", 60.0, "How long."),
        Parameter("sources", 500, "Addresses that they come from."),
        Parameter("kind", "connect", "connect: connections are held; http: each asks for a page."),
    ), needs_stack=True),
    Fault("scan", "Somebody tries all ports of what is public", scan, (
        Parameter("rate", 200.0, "Attempts in a second."),
        Parameter("first", 1, "First port."),
        Parameter("last", 1024, "Last port."),
        Parameter("seconds", 120.0, "How long at most."),
    ), needs_stack=True),
    Fault("bad-deploy", "A version that fails is deployed to the login service", bad_deploy, (
        Parameter("version", "1.1.0", "The bad version."),
        Parameter("good", "1.0.0", "The version that healing brings back."),
        Parameter("share", 0.8, "Share of answers that are errors."),
        Parameter("slow", 0.0, "Seconds that each answer takes longer."),
        Parameter("all", True, "All replicas, or one that the seed picks."),
    ), needs_stack=True),
    Fault("expired-certificate", "The load balancer's certificate has expired", expired, needs_stack=True),
    _turned("dns-nxdomain", "Names do not exist", "dns", _dns("nxdomain"), "answers that there is no such name", _ONLY),
    _turned("dns-timeout", "The name server does not answer", "dns", _dns("silent"), "does not answer", _ONLY),
    _turned("dns-wrong", "Names lead elsewhere", "dns", _dns("wrong"), "answers a wrong address", _ONLY),
    _turned(
        "signing-key-mismatch", "Tokens are signed with a key that verifiers do not know", "login", _signing,
        "signs with {signing}", Parameter("key", "wrong-key", "wrong-key (under the known id) or unknown-id."),
    ),
    Fault("clock-skew", "A clock is off, so that tokens are not yet valid or no longer", _skew, (
        Parameter("role", "login", "Whose clock: login or portal."),
        Parameter("seconds", 900.0, "By how much; less than 0: behind."),
    ), needs_stack=True),
    _turned(
        "cpu-starvation", "The login service gets little processor time", "login", _set("cpu_burn", "share"),
        "{cpu_burn:.0%} of its time is burnt", Parameter("share", 0.9, "Share of its time that is gone, below 1."),
    ),
)  # fmt: skip
