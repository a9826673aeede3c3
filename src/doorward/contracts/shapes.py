"""The tables of the contract language: keys, choices, selectors, services.

Both the validation (``language``) and the JSON Schema for editors (``schema``) are made from these tables, so that they
cannot say different things. What does not live here: reading (``yaml_safe``), meaning (``language``, ``selectors``).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from doorward.contracts.contract import Must, Severity

Shape = Literal["choice", "selectors", "services", "text", "ports"]
VERSION = 1
MUSTS: tuple[Must, ...] = get_args(Must)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
MAX_TEXT = 2_000
"""Longest ``why``, ``owner`` or name, in characters."""
MAX_TERM = 512
"""Longest selector or service."""


class Key(NamedTuple):
    """A key of one contract."""

    name: str
    shape: Shape
    required: bool
    doc: str
    choices: tuple[str, ...] = ()


KEYS: tuple[Key, ...] = (
    Key("must", "choice", True, "What has to hold: reach (every source can open a connection to every target, and the "
        "answer comes back), never-reach (no source can), only-from (nobody but the sources can).", MUSTS),
    Key("from", "selectors", True, "Who opens the connection: one selector or a list."),
    Key("to", "selectors", True, "To whom: one selector or a list."),
    Key("service", "services", True, "On what: one service or a list."),
    Key("why", "text", False, "What this protects, in the words of the people whom it serves."),
    Key("owner", "text", False, "Who answers for it: a team, a role, an address."),
    Key("severity", "choice", False, "How bad it is when this breaks; high when left out.", SEVERITIES),
    Key("ephemeral", "ports", False, "Ports on which answers return, for subnet ACLs: first-last; 1024-65535 when left "
        "out."),
)  # fmt: skip
BY_NAME = {key.name: key for key in KEYS}
REQUIRED = tuple(key.name for key in KEYS if key.required)
TOP_KEYS = ("version", "contracts")


class Form(NamedTuple):
    """A form of selector or service: ``pattern`` is a regular expression that holds for JSON Schema (ECMA 262) too."""

    pattern: str
    example: str
    doc: str


NAMED = ("group", "interface", "instance", "subnet", "vpc", "lb", "db")
"""Selectors of the form kind:VALUE, where VALUE is an id, a name or a Terraform address."""
SELECTORS: tuple[Form, ...] = (
    Form(r"^internet(:v[46])?$", "internet", "all public unicast addresses; internet:v4, internet:v6: one family"),
    Form(r"^[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?$", "10.9.0.0/16", "an IPv4 network"),
    Form(r"^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(/[0-9]{1,3})?$", "2001:db8::/32", "an IPv6 network"),
    Form(r"^(" + "|".join(NAMED) + r"):\S(.*\S)?$", "group:auth", "an id, a name or a Terraform address"),
    Form(r"^tag:[^=]+=.*$", "tag:Tier=web", "everything that carries this tag"),
)
SERVICES: tuple[Form, ...] = (
    Form(r"^all$", "all", "every protocol and port"),
    Form(r"^(tcp|udp)(/[0-9]{1,5}(-[0-9]{1,5})?)?$", "tcp/443", "a protocol, a port or a range of ports"),
    Form(r"^(icmp|icmpv6)(/[0-9]{1,3}(:[0-9]{1,3})?)?$", "icmp/8", "ICMP: a type, or type:code"),
    Form(r"^proto/[0-9]{1,3}$", "proto/50", "another IP protocol by its number"),
)
EPHEMERAL = Form(r"^[0-9]{1,5}-[0-9]{1,5}$", "1024-65535", "first and last port")
