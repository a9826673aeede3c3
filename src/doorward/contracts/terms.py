"""Single terms of the contract language: one selector, one service; and the hints for what was meant instead.

A term that is no term comes back as ``Mistake``: whoever knows its place in the file makes the error of it.
What does not live here: files, lines, lists (``language``); what a selector matches (``selectors``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, cast

from doorward.contracts.contract import Selector, SelectorKind
from doorward.contracts.shapes import NAMED
from doorward.model.addresses import INTERNET, INTERNET_V4, INTERNET_V6, parse_network, span_networks
from doorward.model.intervals import Intervals
from doorward.model.services import parse_service


class Mistake(NamedTuple):
    """What is wrong with a term, and what to do next."""

    message: str
    hint: str | None = None


_INTERNET = {"internet": INTERNET, "internet:v4": INTERNET_V4, "internet:v6": INTERNET_V6}
_NETWORK = re.compile(r"[0-9.]+(/.*)?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(/.*)?")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_EXPECTED = "expected internet, a CIDR, or " + ", ".join(f"{kind}:…" for kind in (*NAMED, "tag"))
_ID_PREFIXES = {
    "sg-": "group", "eni-": "interface", "i-": "instance", "subnet-": "subnet", "vpc-": "vpc",
    "arn:aws:elasticloadbalancing": "lb", "arn:aws:rds": "db", "aws_security_group.": "group", "aws_lb.": "lb",
    "aws_alb.": "lb", "aws_elb.": "lb", "aws_instance.": "instance", "aws_db_instance.": "db", "aws_subnet.": "subnet",
    "aws_vpc.": "vpc", "aws_network_interface.": "interface",
}  # fmt: skip
_SYNONYMS = {
    "sg": "group", "security-group": "group", "securitygroup": "group", "security_group": "group", "eni": "interface",
    "if": "interface", "ec2": "instance", "i": "instance", "alb": "lb", "nlb": "lb", "elb": "lb",
    "loadbalancer": "lb", "load-balancer": "lb", "rds": "db", "database": "db", "tags": "tag", "net": "subnet",
}  # fmt: skip
_WELL_KNOWN = {
    "http": "tcp/80", "https": "tcp/443", "ssh": "tcp/22", "rdp": "tcp/3389", "dns": "udp/53", "smtp": "tcp/25",
    "ldap": "tcp/389", "ldaps": "tcp/636", "kerberos": "tcp/88", "postgres": "tcp/5432", "postgresql": "tcp/5432",
    "mysql": "tcp/3306", "redis": "tcp/6379", "ntp": "udp/123", "ping": "icmp/8", "any": "all", "*": "all",
    "-1": "all", "esp": "proto/50", "ah": "proto/51", "gre": "proto/47", "nfs": "tcp/2049",
}  # fmt: skip


def parse_selector(text: str) -> Selector | Mistake:
    """One selector."""
    if text != text.strip() or _UNPRINTABLE.search(text):
        return Mistake(f"got {text!r}; a selector has no space around it and no control characters")
    if text in _INTERNET:
        return Selector("internet", text.partition(":")[2], text, _INTERNET[text])
    kind, colon, value = text.partition(":")
    if colon and kind in NAMED:
        if not value or value != value.strip():
            return Mistake(f"got {text!r}; expected a name or id after {kind}:", f"e.g. {kind}:web")
        return Selector(cast(SelectorKind, kind), value, text)
    if colon and kind == "tag":
        return _parse_tag(text, value)
    if _NETWORK.fullmatch(text):
        return _parse_cidr(text)
    return Mistake(f"got {text!r}; {_EXPECTED}", _selector_hint(text, kind, colon, value))


def _parse_tag(text: str, value: str) -> Selector | Mistake:
    key, equals, _ = value.partition("=")
    if not equals or not key.strip():
        return Mistake(f"got {text!r}; expected tag:Key=Value", f"e.g. tag:{key.strip() or 'Tier'}=web")
    return Selector("tag", value, text)


def _parse_cidr(text: str) -> Selector | Mistake:
    if re.search(r"(^|\.)0[0-9]", text.partition("/")[0]) and ":" not in text:
        return Mistake(f"got {text!r}; a number with a leading zero means different things to different programs",
                       "write it without the zero")  # fmt: skip
    try:
        span = parse_network(text)
    except ValueError:
        if re.fullmatch(r"[0-9]{1,5}", text):
            return Mistake(f"got {text}; {_EXPECTED}", f"a port belongs to service: tcp/{text}")
        return Mistake(f"got {text!r}; expected a CIDR such as 10.9.0.0/16 or 2001:db8::/32", None)
    address, slash, _ = text.partition("/")
    if slash and parse_network(address)[0] != span[0]:
        network = span_networks(span)[0]
        whole = "/128" if ":" in text else "/32"
        return Mistake(f"got {text}, which has host bits set; the network is {network}",
                       f"write {network}, or {address}{whole} for the one address")  # fmt: skip
    return Selector("cidr", text, text, Intervals([span]))


def _selector_hint(text: str, kind: str, colon: str, value: str) -> str | None:
    low = text.lower()
    if low in _INTERNET or low in ("any", "*", "everyone", "world", "internet:ipv4", "internet:ipv6", "public"):
        return f"did you mean {low.replace(':ip', ':') if low.startswith('internet') else 'internet'}?"
    for prefix, meant in _ID_PREFIXES.items():
        if low.startswith(prefix):
            return f"did you mean {meant}:{text}?"
    if colon and value:
        near = _SYNONYMS.get(kind.lower()) or closest(kind, (*NAMED, "tag", "internet"))
        return f"did you mean {near}:{value.strip()}?" if near else None
    if not colon:
        near = closest(text, ("internet",))
        return f"did you mean {near}?" if near else f"did you mean group:{text}?"
    return None


def parse_service_term(text: str) -> Intervals | Mistake:
    """One service."""
    if text != text.strip().lower():
        return Mistake(f"got {text!r}; services are written in small letters, without spaces",
                       f"did you mean {text.strip().lower()}?")  # fmt: skip
    try:
        return parse_service(text)
    except ValueError as error:
        found = str(error).removeprefix(f"not a service: {text!r}; ")
        return Mistake(f"got {text!r}; {found}", _service_hint(text))


def _service_hint(text: str) -> str | None:
    if text in _WELL_KNOWN:
        return f"did you mean {_WELL_KNOWN[text]}?"
    if re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?", text):
        return f"did you mean tcp/{text}?"
    swapped = re.fullmatch(r"([0-9]{1,5}(?:-[0-9]{1,5})?)[/: ](tcp|udp)", text)
    if swapped:
        return f"did you mean {swapped[2]}/{swapped[1]}?"
    joined = re.fullmatch(r"(tcp|udp)[: _-]?([0-9]{1,5})(?:[-:]([0-9]{1,5}))?", text)
    if joined:
        return f"did you mean {joined[1]}/{joined[2]}{'-' + joined[3] if joined[3] else ''}?"
    backwards = re.fullmatch(r"(tcp|udp)/([0-9]{1,5})-([0-9]{1,5})", text)
    if backwards and int(backwards[2]) > int(backwards[3]):
        return f"did you mean {backwards[1]}/{backwards[3]}-{backwards[2]}?"
    if "," in text:
        return f"several services are a list: [{', '.join(part.strip() for part in text.split(','))}]"
    return None


def closest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that a mistyped word most likely means."""
    import difflib  # 4 ms that only a mistake pays for

    flat = {choice.replace("-", "").replace("_", ""): choice for choice in choices}
    near = difflib.get_close_matches(word.lower().replace("-", "").replace("_", ""), flat, n=1, cutoff=0.6)
    return flat[near[0]] if near else None


_MEANT = {
    "source": "from", "sources": "from", "src": "from", "target": "to", "targets": "to", "dest": "to",
    "destination": "to", "port": "service", "ports": "service", "services": "service", "protocol": "service",
    "description": "why", "reason": "why", "team": "owner", "priority": "severity", "rule": "must", "type": "must",
    "deny": "never-reach", "block": "never-reach", "allow": "reach", "can-reach": "reach", "sev": "severity",
    "cannot-reach": "never-reach", "not-reach": "never-reach", "rules": "contracts", "policies": "contracts",
}  # fmt: skip


def hint_for(word: str, choices: Iterable[str]) -> str | None:
    """A did-you-mean line for a key or choice, or None."""
    known = tuple(choices)
    meant = _MEANT.get(word.lower())
    found = meant if meant in known else closest(word, known)
    return f"did you mean {found}?" if found else None


def looks_typed(text: str) -> str | None:
    """What other YAML readers would take an unquoted text for, or None for text (YAML 1.2, core schema)."""
    if text in ("~", "null", "Null", "NULL"):
        return "the null"
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return "the truth value"
    if re.fullmatch(r"[-+]?([0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?)", text):
        return "the number"
    return None
