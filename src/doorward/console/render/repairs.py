"""A repair as Terraform in the author's style and as commands of the AWS CLI.

Everything that comes from an input is quoted for the language that it is written into.
What does not live here: which repair (``reach``), how it is laid out.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple

from doorward.console.render.sheet import Names
from doorward.model.addresses import parse_network
from doorward.model.intervals import Span
from doorward.model.services import ALL_SPAN, BLOCK, ICMP, ICMPV6, NAMES, TCP, UDP
from doorward.model.verdict import Edit

Style = Literal["rule-resource", "old-rule-resource", "inline"]
_MODULES = re.compile(r"^(?:module\.[^.\[]+(?:\[[^\]]*\])?\.)*")
_ADDRESS = re.compile(r"(?:aws_[a-z0-9_]+)\.[A-Za-z_][\w-]*(?:\[(?:[0-9]+|\"[^\"\\$%]*\")\])?")


class Permission(NamedTuple):
    """Protocol and ports as the EC2 API writes them."""

    protocol: str
    first: int | None
    last: int | None


def permissions(span: Span) -> Iterator[Permission]:
    """The fewest API permissions that together are exactly ``span``."""
    if span == ALL_SPAN:
        yield Permission("-1", None, None)
        return
    first, last = span
    for number in range(first // BLOCK, last // BLOCK + 1):
        low, high = max(first - number * BLOCK, 0), min(last - number * BLOCK, BLOCK - 1)
        name = NAMES.get(number, str(number))
        if number in (TCP, UDP):
            yield Permission(name, low, high)
        elif number not in (ICMP, ICMPV6):
            yield Permission(name, None, None)
        elif (low, high) == (0, BLOCK - 1):
            yield Permission(name, -1, -1)
        else:
            yield from _icmp(name, low, high)


def _icmp(name: str, low: int, high: int) -> Iterator[Permission]:
    at = low
    while at <= high:
        if at % 256 == 0 and at + 255 <= high:
            yield Permission(name, at // 256, -1)
            at += 256
        else:
            yield Permission(name, at // 256, at % 256)
            at += 1


def peer_kind(peer: str) -> Literal["cidr4", "cidr6", "prefix-list", "group"]:
    """What a peer's text is."""
    try:
        parse_network(peer)
    except ValueError:
        is_list = peer.startswith("pl-") or "aws_ec2_managed_prefix_list" in peer or "aws_prefix_list" in peer
        return "prefix-list" if is_list else "group"
    return "cidr6" if ":" in peer else "cidr4"


def commands(edit: Edit) -> list[str]:
    """AWS CLI commands; none when a resource does not exist before the apply."""
    if not edit.group.startswith("sg-") or (peer_kind(edit.peer) == "group" and not _is_id(edit.peer)):
        return []
    verb = f"aws ec2 {edit.action}-security-group-{edit.direction} --group-id {shlex.quote(edit.group)}"
    if edit.action == "revoke" and edit.rule and edit.rule.startswith("sgr-"):
        return [f"{verb} --security-group-rule-ids {shlex.quote(edit.rule)}"]
    allowed = []
    for one in permissions(edit.service):
        permission: dict[str, object] = {"IpProtocol": one.protocol}
        if one.first is not None:
            permission |= {"FromPort": one.first, "ToPort": one.last}
        allowed.append(permission | _api_peer(edit.peer))
    return [f"{verb} --ip-permissions {shlex.quote(json.dumps(allowed))}"]


def _is_id(text: str) -> bool:
    return text.rpartition("/")[2].startswith("sg-")


def _api_peer(peer: str) -> dict[str, object]:
    kind = peer_kind(peer)
    if kind == "cidr4":
        return {"IpRanges": [{"CidrIp": peer if "/" in peer else f"{peer}/32"}]}
    if kind == "cidr6":
        return {"Ipv6Ranges": [{"CidrIpv6": peer if "/" in peer else f"{peer}/128"}]}
    if kind == "prefix-list":
        return {"PrefixListIds": [{"PrefixListId": peer}]}
    owner, _, group = peer.rpartition("/")
    return {"UserIdGroupPairs": [{"GroupId": group, "UserId": owner} if owner else {"GroupId": group}]}


def terraform(edit: Edit, names: Names, label: str) -> list[str]:
    """Lines of Terraform for one step; ``label`` names a new resource."""
    home = _module(edit.origin or names.address(edit.group) or "")
    lines = [f"# in {home}"] if home else []
    if edit.action == "revoke":
        return [*lines, *_removal(edit, names)]
    style = style_of(edit, names)
    if edit.restores and edit.origin:
        lines.append(f"# put back {edit.origin}")
        label = _last_name(edit.origin) or label
    pieces = list(permissions(edit.service))
    for at, one in enumerate(pieces):
        suffix = f"_{at + 1}" if at else ""
        lines += _block(style, edit, one, names, _identifier(label) + suffix)
    return lines


def style_of(edit: Edit, names: Names) -> Style:
    """How the author writes rules of this group: like the rule that is put back, else like most rules of the group."""
    if edit.origin:
        found = _style(edit.origin)
        if found:
            return found
    group = names.group(edit.group)
    if group is not None:
        counts = Counter(style for rule in group.rules if rule.origin and (style := _style(rule.origin)))
        if counts:
            return counts.most_common(1)[0][0]
    return "rule-resource"


def _style(address: str) -> Style | None:
    kind = _MODULES.sub("", address).partition(".")[0]
    if kind in ("aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule"):
        return "rule-resource"
    if kind == "aws_security_group_rule":
        return "old-rule-resource"
    return "inline" if kind in ("aws_security_group", "aws_default_security_group") else None


def _removal(edit: Edit, names: Names) -> list[str]:
    way = "from" if edit.direction == "ingress" else "to"
    ports = ", ".join(_ports_text(one) for one in permissions(edit.service))
    style = _style(edit.origin) if edit.origin else None
    if edit.origin and style != "inline":
        return [f"# remove the resource {edit.origin}: {ports} {way} {edit.peer}"]
    where = edit.origin or names.address(edit.group) or edit.group
    return [f"# remove from {where} the {edit.direction} rule {ports} {way} {edit.peer}"]


def _ports_text(one: Permission) -> str:
    if one.first is None:
        return "everything" if one.protocol == "-1" else f"protocol {one.protocol}"
    return f"{one.protocol}/{one.first}" + (f"-{one.last}" if one.last != one.first else "")


def _block(style: Style, edit: Edit, one: Permission, names: Names, label: str) -> list[str]:
    home = _module(edit.origin or names.address(edit.group) or "")
    ports = [] if one.first is None else [("from_port", str(one.first)), ("to_port", str(one.last))]
    if style == "rule-resource":
        body = [("security_group_id", _reference(edit.group, names, home)), _new_peer(edit.peer, names, home),
                ("ip_protocol", _quoted(one.protocol)), *ports]  # fmt: skip
        return [f'resource "aws_vpc_security_group_{edit.direction}_rule" "{label}" {{', *_aligned(body, 2), "}"]
    zero = [("from_port", "0"), ("to_port", "0")]
    common = [("protocol", _quoted(one.protocol)), *(ports or zero)]
    if style == "old-rule-resource":
        body = [("type", _quoted(edit.direction)), ("security_group_id", _reference(edit.group, names, home)),
                _old_peer(edit, names, home), *common]  # fmt: skip
        return [f'resource "aws_security_group_rule" "{label}" {{', *_aligned(body, 2), "}"]
    name, value = _old_peer(edit, names, home)
    if name == "source_security_group_id":
        name, value = "security_groups", f"[{value}]"
    where = names.address(edit.group) or edit.group
    return [f"# in {where}", f"{edit.direction} {{", *_aligned([*common, (name, value)], 2), "}"]


def _new_peer(peer: str, names: Names, home: str) -> tuple[str, str]:
    kind = peer_kind(peer)
    if kind == "cidr4":
        return "cidr_ipv4", _quoted(peer if "/" in peer else f"{peer}/32")
    if kind == "cidr6":
        return "cidr_ipv6", _quoted(peer if "/" in peer else f"{peer}/128")
    if kind == "prefix-list":
        return "prefix_list_id", _reference(peer, names, home)
    return "referenced_security_group_id", _reference(peer, names, home)


def _old_peer(edit: Edit, names: Names, home: str) -> tuple[str, str]:
    kind = peer_kind(edit.peer)
    if kind == "group":
        return ("self", "true") if edit.peer == edit.group else (
            "source_security_group_id", _reference(edit.peer, names, home)
        )  # fmt: skip
    name, value = _new_peer(edit.peer, names, home)
    plural = {"cidr_ipv4": "cidr_blocks", "cidr_ipv6": "ipv6_cidr_blocks", "prefix_list_id": "prefix_list_ids"}
    return plural[name], f"[{value}]"


def _reference(id: str, names: Names, home: str) -> str:
    """``aws_security_group.auth.id`` where the same module manages it, else the quoted id.

    What another module manages and does not exist yet has neither: its address then says what to pass in.
    """
    address = names.address(id) or ""
    local = _MODULES.sub("", address)
    if not _ADDRESS.fullmatch(local):
        return _quoted(id)
    if _module(address) == home:
        return f"{local}.id"
    return _quoted(id) if id != address else f"{local}.id # of {_module(address) or 'the root module'}: pass it in"


def _module(address: str) -> str:
    found = _MODULES.match(address)
    return found[0].rstrip(".") if found else ""


def _last_name(address: str) -> str:
    return _MODULES.sub("", address).partition(".")[2].partition("[")[0]


def _identifier(text: str) -> str:
    slug = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_").lower()
    return slug if slug[:1].isalpha() else f"rule_{slug}".rstrip("_")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${").replace("%{", "%%{")
    return f'"{escaped}"'


def _aligned(pairs: list[tuple[str, str]], indent: int) -> list[str]:
    """``terraform fmt`` aligns the equals signs."""
    width = max(len(name) for name, _ in pairs)
    return [f"{' ' * indent}{name.ljust(width)} = {value}" for name, value in pairs]
