"""One account and region: make all calls, write each answer in the AWS CLI's layout, record what was denied.

boto3 is imported by ``__init__`` only when a snapshot is taken; here clients are used, not made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from doorward.errors import CloudError
from doorward.readers.snapshot import calls
from doorward.readers.snapshot.calls import Call
from doorward.readers.snapshot.store import write_list, write_object

DENIED = frozenset(
    """
    AccessDenied AccessDeniedException UnauthorizedOperation UnauthorizedException AuthorizationError
    AuthorizationErrorException OptInRequired SubscriptionRequiredException
    """.split()
)
"""Error codes that mean: these credentials may not ask this."""
UNSUPPORTED = frozenset(
    """
    InvalidAction UnsupportedOperation UnsupportedOperationException UnknownOperationException NotImplemented
    NotImplementedException NotYetImplemented UnknownAction 501 500 404
    """.split()
)
"""Error codes that mean: this region or endpoint does not know the call. AWS names its own faults (``InternalError``);
a bare number for a code is the status of an answer that no API gave."""
AT_ONCE = 6
"""Calls made at the same time for one account and region."""


_IDS = {
    "Vpcs": "VpcId", "TransitGatewayRouteTables": "TransitGatewayRouteTableId", "ManagedPrefixLists": "PrefixListId",
    "LoadBalancers": "LoadBalancerArn", "TargetGroups": "TargetGroupArn", "Firewalls": "FirewallArn",
}  # fmt: skip
"""File -> the field that names the subjects of later calls."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A call that gave nothing: what is missing is not known."""

    call: str
    key: str
    code: str


@dataclass(slots=True)
class ScopeResult:
    """What was read of one account and region."""

    account: str
    region: str
    folder: Path
    items: dict[str, int] = field(default_factory=dict)
    denied: list[Gap] = field(default_factory=list)


class ScopeReader:
    """Reads one account and region through clients that ``client`` makes."""

    def __init__(
        self, account: str, region: str, folder: Path, client: Callable[[str], Any], done: Callable[[str], None]
    ) -> None:
        self.result = ScopeResult(account, region, folder)
        self._client = client
        self._done = done
        self._lock = Lock()
        self._seen: dict[str, list[str]] = {}

    def read(self) -> ScopeResult:
        """All calls. Raises ``CloudError`` for anything but a denied or unsupported call."""
        self.result.folder.mkdir(parents=True)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(self._list, calls.LISTS):
                pass
            second = [
                self._stale, self._transit_routes, self._list_entries, self._listeners, self._targets, self._firewalls,
                self._ecs,
            ]  # fmt: skip
            for _ in pool.map(lambda step: step(), second):
                pass
        return self.result

    # Calls without a subject

    def _list(self, call: Call) -> None:
        if call.key == "VpcBlockPublicAccessOptions":
            self._single(call)
        else:
            field_name = _IDS.get(call.name)
            ids: list[str] = []

            def remembered() -> Iterator[list[Any]]:
                for page in self._pages(call):
                    if field_name is not None:
                        ids.extend(item[field_name] for item in page)
                    yield page

            self._write(call, f"{call.name}.json", call.key, remembered())
            self._seen[call.name] = ids
        self._done(call.operation)

    def _single(self, call: Call) -> None:
        answer = self._ask(call)
        if answer is not None:
            write_object(self.result.folder / f"{call.key}.json", {call.key: answer.get(call.key)})
            self._count(call.key, 1)

    # Calls with a subject

    def _stale(self) -> None:
        pages = (page for vpc in self._seen.get("Vpcs", ()) for page in self._pages(calls.STALE, VpcId=vpc))
        self._write(calls.STALE, "StaleSecurityGroupSet.json", calls.STALE.key, pages)
        self._done(calls.STALE.operation)

    def _transit_routes(self) -> None:
        for table in self._seen.get("TransitGatewayRouteTables", ()):
            wanted = [{"Name": "state", "Values": ["active", "blackhole"]}]
            answer = self._ask(calls.TRANSIT_ROUTES, TransitGatewayRouteTableId=table, Filters=wanted, MaxResults=1000)
            if answer is not None:
                more = {"AdditionalRoutesAvailable": bool(answer.get("AdditionalRoutesAvailable"))}
                path = self.result.folder / f"TransitGatewayRoutes-{table}.json"
                self._count(calls.TRANSIT_ROUTES.name, write_list(path, "Routes", [answer.get("Routes") or []], more))
        self._done(calls.TRANSIT_ROUTES.operation)

    def _list_entries(self) -> None:
        for id in self._seen.get("ManagedPrefixLists", ()):
            pages = self._pages(calls.LIST_ENTRIES, PrefixListId=id)
            self._write(calls.LIST_ENTRIES, f"ManagedPrefixListEntries-{id}.json", calls.LIST_ENTRIES.key, pages)
        self._done(calls.LIST_ENTRIES.operation)

    def _listeners(self) -> None:
        listeners: list[str] = []

        def all_listeners() -> Iterator[list[Any]]:
            for arn in self._seen.get("LoadBalancers", ()):
                own = [one for page in self._pages(calls.LISTENERS, LoadBalancerArn=arn) for one in page]
                listeners.extend(one["ListenerArn"] for one in own)
                yield [{"LoadBalancerArn": arn, "Listeners": own}]

        self._write(calls.LISTENERS, "LoadBalancerListeners.json", "LoadBalancerListeners", all_listeners())
        rules = (page for arn in listeners for page in self._pages(calls.LISTENER_RULES, ListenerArn=arn))
        self._write(calls.LISTENER_RULES, "Rules.json", calls.LISTENER_RULES.key, rules)
        self._done(calls.LISTENERS.operation)

    def _targets(self) -> None:
        def each(call: Call) -> Iterator[list[Any]]:
            for arn in self._seen.get("TargetGroups", ()):
                own = [one for page in self._pages(call, TargetGroupArn=arn) for one in page]
                yield [{"TargetGroupArn": arn, call.key: own}]

        health, attributes = calls.TARGET_HEALTH, calls.TARGET_ATTRIBUTES
        self._write(health, "LoadBalancerTargetHealth.json", "LoadBalancerTargetHealth", each(health))
        self._write(attributes, "TargetGroupAttributes.json", "TargetGroupAttributes", each(attributes))
        self._done(health.operation)

    def _firewalls(self) -> None:
        for arn in self._seen.get("Firewalls", ()):
            answer = self._ask(calls.FIREWALL, FirewallArn=arn)
            if answer is not None:
                name = arn.rpartition("/")[2]
                write_object(self.result.folder / f"Firewall-{name}.json", {"Firewall": answer.get("Firewall")})
        self._done(calls.FIREWALL.operation)

    def _ecs(self) -> None:
        clusters: list[str] = []
        self._collect(calls.CLUSTERS, clusters)
        for listing, describing, name in (
            (calls.SERVICE_ARNS, calls.SERVICES, "services"), (calls.TASK_ARNS, calls.TASKS, "tasks"),
        ):  # fmt: skip
            pages = self._described(clusters, listing, describing, name)
            self._write(describing, f"{describing.key}.json", describing.key, pages)
        self._done(calls.TASKS.operation)

    def _described(self, clusters: list[str], listing: Call, describing: Call, name: str) -> Iterator[list[Any]]:
        for cluster in clusters:
            arns = [arn for page in self._pages(listing, cluster=cluster) for arn in page]
            for start in range(0, len(arns), 10):
                asked = {"cluster": cluster, name: arns[start : start + 10]}
                yield _kept(describing, self._call(describing, asked).get(describing.key) or [])

    def _collect(self, call: Call, into: list[str]) -> None:
        try:
            for page in self._pages(call):
                into.extend(page)
        except _Refused as refused:
            self._gap(call, refused.code)

    # One call

    def _pages(self, call: Call, **asked: Any) -> Iterator[list[Any]]:
        """The lists under the call's key, page by page."""
        client = self._client(call.service)
        method = _method(call.operation)
        with _mapped(call, self.result):
            if client.can_paginate(method):
                for answer in client.get_paginator(method).paginate(**asked):
                    yield _kept(call, answer.get(call.key) or [])
                return
        yield from self._by_token(call, asked)

    def _by_token(self, call: Call, asked: dict[str, Any]) -> Iterator[list[Any]]:
        """For calls that boto3 has no paginator for but that may hand out a token all the same."""
        token: str | None = None
        while True:
            answer = self._call(call, {**asked, "NextToken": token} if token else asked)
            yield _kept(call, answer.get(call.key) or [])
            token = answer.get("NextToken")
            if not token:
                return

    def _call(self, call: Call, asked: dict[str, Any]) -> Any:
        with _mapped(call, self.result):
            return getattr(self._client(call.service), _method(call.operation))(**asked)

    def _ask(self, call: Call, **asked: Any) -> Any:
        """One call; None, and a recorded gap, when it is refused."""
        try:
            return self._call(call, asked)
        except _Refused as refused:
            self._gap(call, refused.code)
            return None

    def _write(self, call: Call, name: str, key: str, pages: Iterable[list[Any]]) -> None:
        try:
            self._count(call.name, write_list(self.result.folder / name, key, pages))
        except _Refused as refused:
            self._gap(call, refused.code)

    def _gap(self, call: Call, code: str) -> None:
        gap = Gap(call.action, call.name, code)
        with self._lock:
            if gap not in self.result.denied:
                self.result.denied.append(gap)

    def _count(self, key: str, items: int) -> None:
        with self._lock:
            self.result.items[key] = self.result.items.get(key, 0) + items


class _Refused(Exception):
    """A call was denied or is not supported; caught here, recorded as a gap."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _mapped:
    """Maps botocore's exceptions: refusals to ``_Refused``, all else to ``CloudError``."""

    def __init__(self, call: Call, scope: ScopeResult) -> None:
        self.call = call
        self.where = f"{scope.account} {scope.region} {call.action}"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        if isinstance(error, ClientError):
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in DENIED or code in UNSUPPORTED:
                raise _Refused(code) from error
        if isinstance(error, ResponseParserError):
            raise _Refused("no answer of the API") from error
        if isinstance(error, (BotoCoreError, ClientError)):
            raise cloud_error(error, self.where) from error


def cloud_error(error: Exception, where: str | None = None) -> CloudError:
    """An exception of botocore in words, with what to do next."""
    name = type(error).__name__
    hints = {
        "NoCredentialsError": "log in (`aws sso login`), or set AWS_PROFILE or --profile",
        "PartialCredentialsError": "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "CredentialRetrievalError": "log in again (`aws sso login`)",
        "TokenRetrievalError": "log in again (`aws sso login`)",
        "SSOTokenLoadError": "log in (`aws sso login`)",
        "UnauthorizedSSOTokenError": "log in again (`aws sso login`)",
        "ProfileNotFound": "see `aws configure list-profiles`",
        "NoRegionError": "give --region",
        "EndpointConnectionError": "check the network, the region and --endpoint-url",
        "ConnectTimeoutError": "check the network and --endpoint-url",
    }
    hint = hints.get(name)
    if hint is None and name == "ClientError":
        hint = "check that the credentials are valid and not expired, then try again"
    return CloudError(str(error), where=where, hint=hint or "try again")


def _method(operation: str) -> str:
    """The name of an operation in boto3."""
    from botocore import xform_name

    return str(xform_name(operation))


def _kept(call: Call, items: list[Any]) -> list[Any]:
    if not call.fields:
        return items
    return [{name: item[name] for name in call.fields if name in item} for item in items]
