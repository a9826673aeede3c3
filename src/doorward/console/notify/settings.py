"""The settings of alert routes: YAML → checked values → routes.

Validation is pydantic's; its messages are turned into ours, without the values that were given (one may be a secret in
the wrong place). What does not live here: the daemon's other settings.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from doorward.console.notify.address import Guard, Resolver, system, target
from doorward.console.notify.alertmanager import Alertmanager
from doorward.console.notify.dispatch import Dispatcher
from doorward.console.notify.http import Poster, context
from doorward.console.notify.limit import Limit
from doorward.console.notify.mail import Mail
from doorward.console.notify.notice import Severity
from doorward.console.notify.others import Others
from doorward.console.notify.pagerduty import URLS, PagerDuty
from doorward.console.notify.retry import Retry
from doorward.console.notify.route import Route
from doorward.console.notify.secret import Secret, reference
from doorward.console.notify.slack import Slack
from doorward.console.notify.table import Rule, Table
from doorward.console.notify.webhook import Webhook
from doorward.errors import DoorwardError, InvalidInput, Unreadable

MAX_BYTES = 1 << 20
REFERENCE = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"

Reference = Annotated[str, Field(pattern=REFERENCE, max_length=4096)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Address = Annotated[str, Field(pattern=r"^[^\s@<>,;]+@[^\s@<>,;]+$", max_length=320)]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _span(value: object) -> object:
    """``90s``, ``10m``, ``24h``, ``2d``; a bare number is seconds."""
    if isinstance(value, str) and value[:-1].isdigit() and value[-1] in _UNITS:
        return timedelta(seconds=int(value[:-1]) * _UNITS[value[-1]])
    return value


Span = Annotated[timedelta, BeforeValidator(_span), Field(gt=timedelta(0), le=timedelta(days=30))]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, str_strip_whitespace=True)


class LimitSettings(_Model):
    """``limit:`` of a route, see `limit.Limit`."""

    per_hour: float = Field(default=30.0, gt=0, le=10_000)
    burst: int = Field(default=10, ge=1, le=1_000)
    every: Span = timedelta(minutes=10)
    most: int = Field(default=100, ge=2, le=1_000)


class _Route(_Model):
    allow_private: bool = False
    ca_file: Path | None = None
    timeout: Span = timedelta(seconds=15)
    limit: LimitSettings | None = None


class AlertmanagerSettings(_Route):
    """``kind: alertmanager``."""

    kind: Literal["alertmanager"]
    urls: tuple[str, ...] = Field(min_length=1, max_length=10)
    user: str = ""
    password_from: Reference | None = None
    token_from: Reference | None = None
    hold: Span = timedelta(hours=24)
    resend: Span = timedelta(minutes=1)
    limit: None = None  # Alertmanager groups and holds back by itself

    @model_validator(mode="after")
    def _one_way_in(self) -> AlertmanagerSettings:
        if self.token_from and (self.password_from or self.user):
            raise ValueError("token_from beside user or password_from; expected one of them")
        if bool(self.user) != bool(self.password_from):
            raise ValueError("user and password_from belong together")
        if self.hold < 2 * self.resend:
            raise ValueError("hold must be at least twice resend, or alerts end while they fire")
        return self


class WebhookSettings(_Route):
    """``kind: webhook``."""

    kind: Literal["webhook"]
    url: str | None = None
    url_from: Reference | None = None
    secret_from: Reference
    old_secret_from: Reference | None = None

    @model_validator(mode="after")
    def _one_url(self) -> WebhookSettings:
        if (self.url is None) == (self.url_from is None):
            raise ValueError("expected exactly one of url and url_from")
        return self


class PagerDutySettings(_Route):
    """``kind: pagerduty``."""

    kind: Literal["pagerduty"]
    routing_key_from: Reference
    service_region: Literal["us", "eu"] = "us"
    url: str | None = None


class SlackSettings(_Route):
    """``kind: slack``."""

    kind: Literal["slack"]
    url_from: Reference


class MailSettings(_Route):
    """``kind: mail``."""

    kind: Literal["mail"]
    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$")
    port: int | None = Field(default=None, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: Address
    to: tuple[Address, ...] = Field(min_length=1, max_length=50)
    user: str = ""
    password_from: Reference | None = None
    timeout: Span = timedelta(seconds=30)

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> MailSettings:
        if self.security == "none" and (self.password_from or not self.allow_private):
            raise ValueError("security: none is for private addresses (allow_private: true), without a password")
        if bool(self.user) != bool(self.password_from):
            raise ValueError("user and password_from belong together")
        return self


class AppriseSettings(_Route):
    """``kind: apprise``."""

    kind: Literal["apprise"]
    url_from: Reference
    timeout: Span = timedelta(seconds=60)
    ca_file: None = None


RouteSettings = Annotated[
    AlertmanagerSettings | WebhookSettings | PagerDutySettings | SlackSettings | MailSettings | AppriseSettings,
    Field(discriminator="kind"),
]


class RuleSettings(_Model):
    """One entry of ``rules:``, see `table.Rule`."""

    to: tuple[Name, ...] = Field(min_length=1)
    at_least: Severity | None = None
    severity: tuple[Severity, ...] = ()
    owner: tuple[str, ...] = ()
    account: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    contract: tuple[str, ...] = ()
    broken: bool | None = None
    go_on: bool = Field(default=False, alias="continue")


class RetrySettings(_Model):
    """``retry:``, see `retry.Retry`."""

    base: Span = timedelta(seconds=2)
    longest: Span = timedelta(minutes=5)
    attempts: int = Field(default=70, ge=1, le=10_000)
    obey: Span = timedelta(hours=1)


class AlertSettings(_Model):
    """A file of alert routes."""

    version: Literal[1]
    routes: dict[Name, RouteSettings] = Field(min_length=1)
    rules: tuple[RuleSettings, ...] = ()
    otherwise: tuple[Name, ...] | None = Field(default=None, min_length=1)
    fallback: tuple[Name, ...] = ()
    retry: RetrySettings = RetrySettings()

    @model_validator(mode="after")
    def _names_exist(self) -> AlertSettings:
        used = {name for rule in self.rules for name in rule.to} | set(self.otherwise or ()) | set(self.fallback)
        if unknown := sorted(used - set(self.routes)):
            raise ValueError(f"no route is named {', '.join(unknown)}; there are {', '.join(sorted(self.routes))}")
        return self


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, and aliases (there is nothing to share in such a file)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("an alias; write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise yaml.YAMLError(f"the key {twice!r} stands twice")
        return super().construct_mapping(node, deep)


def read(path: Path) -> AlertSettings:
    """The settings of a file. Raises `Unreadable` and `InvalidInput`, which name the place and never the value."""
    where = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unreadable(error.strerror or str(error), where=where, hint="check the path") from error
    if len(data) > MAX_BYTES:
        raise Unreadable(f"longer than {MAX_BYTES:,} bytes", where=where, hint="check that this is the alerts file")
    return parse(data, where)


def parse(data: bytes, where: str = "alerts") -> AlertSettings:
    """The settings of a file's bytes."""
    problem, line = "", None
    value: Any = None
    try:
        value = yaml.load(data.decode("utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except UnicodeDecodeError:
        problem = "not UTF-8"
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # The parser's own message may quote the line, and with it a secret: only its place is passed on.
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else None
        own = str(error) if type(error) is yaml.YAMLError and error.args else ""
        problem = own or "not YAML"
    if problem:
        raise Unreadable(problem, where=f"{where}:{line}" if line else where, hint="check quotes and indentation")
    if not isinstance(value, dict):
        raise InvalidInput("not a mapping; expected version: 1 and routes:", where=where)
    problems: list[str] = []
    try:
        return AlertSettings.model_validate(value)
    except ValidationError as error:
        problems = [
            _said(entry) for entry in error.errors(include_input=False, include_url=False, include_context=False)
        ]
    raise InvalidInput("; ".join(problems), where=where, hint="see docs/reference/alert-routes.md")


def _said(entry: Any) -> str:
    place = ".".join(str(part) for part in entry["loc"])
    kind, message = entry["type"], str(entry["msg"])
    if kind == "string_pattern_mismatch" and place.endswith("_from"):
        message = "expected env:NAME or file:PATH, never the secret itself"
    elif kind == "union_tag_invalid":
        message = "unknown kind; expected alertmanager, webhook, pagerduty, slack, mail or apprise"
    elif kind == "extra_forbidden":
        message = "unknown key"
    return f"{place}: {message.removeprefix('Value error, ')}" if place else message.removeprefix("Value error, ")


def build(settings: AlertSettings, *, base: Path | None = None, resolve: Resolver = system) -> Dispatcher:
    """The dispatcher of settings. Relative paths lie beside ``base``. Raises `InvalidInput` for what cannot work."""
    routes: dict[str, Route] = {}
    for name, one in settings.routes.items():
        problem: DoorwardError | None = None
        try:
            routes[name] = _route(name, one, base, resolve)
        except InvalidInput as error:
            problem = error
        if problem is not None:
            raise InvalidInput(problem.message, where=f"routes.{name}", hint=problem.hint)
    rules = tuple(
        Rule(rule.to, rule.at_least, rule.severity, rule.owner, rule.account, rule.region, rule.contract, rule.broken,
             rule.go_on)
        for rule in settings.rules
    )  # fmt: skip
    given = settings.retry
    retry = Retry(given.base.total_seconds(), given.longest.total_seconds(), given.attempts, given.obey.total_seconds())
    limits = {
        name: Limit(one.limit.per_hour, one.limit.burst, one.limit.every, one.limit.most)
        for name, one in settings.routes.items()
        if one.limit is not None
    }
    return Dispatcher(routes, Table(settings.otherwise or tuple(routes), rules), retry, limits, settings.fallback)


def _route(name: str, one: RouteSettings, base: Path | None, resolve: Resolver) -> Route:
    guard = Guard(one.allow_private, resolve)
    seconds = one.timeout.total_seconds()
    tls = context(base / one.ca_file if base is not None else one.ca_file) if one.ca_file is not None else None

    def poster() -> Poster:
        return Poster(guard, tls or context(None), seconds)

    def maybe(text: str | None) -> Secret | None:
        return reference(text, base) if text is not None else None

    secret: Callable[[str], Secret] = lambda text: reference(text, base)  # noqa: E731
    match one:
        case AlertmanagerSettings():
            for url in one.urls:
                target(url, allow_private=one.allow_private)
            return Alertmanager(name, one.urls, poster(), one.user, maybe(one.password_from), maybe(one.token_from),
                                one.hold, one.resend)  # fmt: skip
        case WebhookSettings():
            hook: str | Secret = secret(one.url_from) if one.url_from is not None else one.url or ""
            if isinstance(hook, str):
                target(hook, allow_private=one.allow_private)
            return Webhook(name, hook, secret(one.secret_from), maybe(one.old_secret_from), poster())
        case PagerDutySettings():
            at = one.url or URLS[one.service_region]
            target(at, allow_private=one.allow_private)
            return PagerDuty(name, secret(one.routing_key_from), at, poster())
        case SlackSettings():
            return Slack(name, secret(one.url_from), poster())
        case MailSettings():
            port = one.port or {"starttls": 587, "tls": 465, "none": 25}[one.security]
            return Mail(name, one.host, one.sender, one.to, port, one.security, one.user, maybe(one.password_from),
                        guard, tls, seconds)  # fmt: skip
        case AppriseSettings():
            return Others(name, secret(one.url_from), one.allow_private, seconds)
