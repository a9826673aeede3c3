"""nginx's configuration from a load balancer's: a pure function of text.

nginx stands for the Application Load Balancer: it never tries a second target for one request (`proxy_next_upstream
off`), never takes a target out by itself (`max_fails=0`; health checks do that), gives up connecting after 10 s (504),
and answers 502 at once when the target refuses. Not here: the process (`balancer`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from doorward_lab.errors import BadScene
from doorward_lab.stack.balancing import ANY_PATH, Action, Balancer, Listener, Target, TargetGroup

# Read by the exporter (`edge`), line by line.
_LOG = {
    "at": "$msec",
    "listener": "$server_port",
    "group": "$target_group",
    "method": "$request_method",
    "path": "$uri",
    "status": "$status",
    "seconds": "$request_time",
    "client": "$remote_addr",
    "upstream": "$upstream_addr",
    "upstream_status": "$upstream_status",
    "connect": "$upstream_connect_time",
    "header": "$upstream_header_time",
}
STATUS_SOCKET = "status.sock"
ACCESS_LOG = "access.log"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class Site:
    """Where nginx runs: its folder, the addresses it listens at, and the certificate of HTTPS listeners."""

    folder: str
    addresses: tuple[str, ...]
    certificate: str = ""
    key: str = ""


def quote(text: str) -> str:
    """A word of nginx's configuration that means exactly this text."""
    if "\0" in text or "\n" in text or "$" in text:
        raise BadScene(f"{text!r} cannot stand in nginx's configuration (line break, dollar or NUL)")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def host(address: str) -> str:
    """An address as a URL writes it."""
    return f"[{address}]" if ":" in address else address


def pattern(path: str) -> str:
    """A regular expression for a path pattern: `*` is any text, `?` any one character; case matters.

    ELB User Guide, "Listener rules", path conditions. Everything but letters and digits is written as its code, so no
    character has a meaning to PCRE or to nginx.
    """
    parts = []
    for character in path:
        if character == "*":
            parts.append(".*")
        elif character == "?":
            parts.append(".")
        elif character.isascii() and (character.isalnum() or character in "/_"):
            parts.append(character)
        else:
            parts += [f"\\x{byte:02x}" for byte in character.encode()]
    return "^" + "".join(parts) + "$"


def render(balancer: Balancer, site: Site, routed: Mapping[str, Sequence[Target]]) -> str:
    """nginx.conf for a load balancer; `routed` are the targets that get requests, by target-group ARN.

    Raises `BadScene` for names that are no target-group names, and HTTPS without a certificate.
    """
    folder = PurePosixPath(site.folder)
    log = ",".join(f'"{name}":"{value}"' for name, value in _LOG.items())
    lines = [
        "worker_processes 1;",
        "daemon off;",
        "master_process on;",
        f"pid {quote(str(folder / 'nginx.pid'))};",
        f"error_log {quote(str(folder / 'error.log'))} warn;",
        "worker_rlimit_nofile 8192;",
        "worker_shutdown_timeout 20s;",
        "events { worker_connections 4096; }",
        "http {",
        "server_tokens off;",
        f"log_format edge escape=json '{{{log}}}';",
        f"access_log {quote(str(folder / ACCESS_LOG))} edge;",
        *(
            f"{name}_temp_path {quote(str(folder / 'tmp' / name))};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        ),
        f"keepalive_timeout {balancer.idle_timeout:g}s;",
        f"client_header_timeout {balancer.idle_timeout:g}s;",
        f"client_body_timeout {balancer.idle_timeout:g}s;",
        f"send_timeout {balancer.idle_timeout:g}s;",
        "keepalive_requests 100000;",
        "reset_timedout_connection on;",
        'map "" $target_group { default ""; }',
        *(line for g in balancer.groups for line in _upstream(balancer, g, routed.get(g.arn, ()))),
        *(line for x in balancer.listeners for line in _server(balancer, x, site, routed)),
        f"server {{ listen unix:{folder / STATUS_SOCKET}; access_log off; location / {{ stub_status; }} }}",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _upstream(balancer: Balancer, group: TargetGroup, targets: Sequence[Target]) -> Iterable[str]:
    if not _SAFE_NAME.fullmatch(group.name):
        raise BadScene(f"{group.name!r} is no target group's name: up to 32 letters, digits and hyphens")
    if not targets:
        return
    yield f"upstream tg-{group.name} {{"
    yield f"zone tg-{group.name} 64k;"  # the rotation is common to old and new workers
    for target in targets:
        yield f"server {host(target.address)}:{target.port} max_fails=0;"
    if balancer.keepalive:
        yield f"keepalive {balancer.keepalive};"
        yield f"keepalive_time {balancer.keepalive_time:g}s;"
        yield f"keepalive_timeout {min(balancer.idle_timeout, balancer.keepalive_time):g}s;"
        yield "keepalive_requests 1000000;"
    yield "}"


def _server(
    balancer: Balancer, listener: Listener, site: Site, routed: Mapping[str, Sequence[Target]]
) -> Iterable[str]:
    tls = listener.protocol == "HTTPS"
    if tls and not (site.certificate and site.key):
        raise BadScene(f"listener {listener.port} is HTTPS and has no certificate")
    yield "server {"
    for address in site.addresses:
        only = " ipv6only=on" if ":" in address else ""
        yield f"listen {host(address)}:{listener.port}{' ssl' if tls else ''}{only} backlog=1024;"
    if tls:
        yield f"ssl_certificate {quote(site.certificate)};"
        yield f"ssl_certificate_key {quote(site.key)};"
        yield "ssl_protocols TLSv1.2 TLSv1.3;"
    # A prefix location would win over none of these: regular expressions are asked in their order, as rules are.
    for rule in listener.rules:
        for path in rule.paths:
            if path != ANY_PATH:
                yield f"location ~ {_verbatim(pattern(path))} {{"
                yield from _action(balancer, rule.action, routed)
                yield "}"
    any_path = [rule.action for rule in listener.rules if ANY_PATH in rule.paths]
    yield "location / {"
    yield from _action(balancer, any_path[0] if any_path else listener.default, routed)
    yield "}"
    yield "}"


def _verbatim(expression: str) -> str:
    """A quoted regular expression: `pattern` writes no quote, and nginx leaves \\x as it is."""
    return f'"{expression}"'


def _action(balancer: Balancer, action: Action, routed: Mapping[str, Sequence[Target]]) -> Iterable[str]:
    if action.kind == "fixed":
        yield "default_type text/plain;"
        yield f"return {action.status} {quote(action.body)};"
        return
    if action.kind == "redirect":
        port = "" if action.port == 443 else f":{action.port}"
        yield f"return {action.status} https://$host{port}$request_uri;"
        return
    group = balancer.group(action.group)
    if group is None or not routed.get(group.arn):
        # ELB User Guide, troubleshooting: "HTTP 503: The target groups for the load balancer have no registered
        # targets".
        if group is not None:
            yield f"set $target_group {quote(group.name)};"
        yield "return 503;"
        return
    yield f"set $target_group {quote(group.name)};"
    yield f"proxy_pass http://tg-{group.name};"
    yield "proxy_http_version 1.1;"
    yield 'proxy_set_header Connection "";'
    yield "proxy_set_header Host $http_host;"
    yield "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
    yield "proxy_set_header X-Forwarded-Proto $scheme;"
    yield "proxy_set_header X-Forwarded-Port $server_port;"
    yield "proxy_next_upstream off;"
    yield f"proxy_connect_timeout {balancer.connect_timeout:g}s;"
    yield f"proxy_read_timeout {balancer.idle_timeout:g}s;"
    yield f"proxy_send_timeout {balancer.idle_timeout:g}s;"
