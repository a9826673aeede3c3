"""A snapshot of live accounts: ``take_snapshot`` writes what ``readers.aws.read_estate`` reads.

Only calls that read (``policy_json`` prints the exact rights). One folder for each account and region, one file for
each call, as the AWS CLI prints it; a manifest says what was asked and what was denied. boto3 is imported when a
snapshot is taken, not before: it costs more than everything else at start-up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from doorward.errors import CloudError
from doorward.readers.snapshot import calls
from doorward.readers.snapshot.calls import policy_json
from doorward.readers.snapshot.collect import Gap, ScopeReader, ScopeResult, cloud_error
from doorward.readers.snapshot.store import FORMAT_VERSION, MANIFEST, new_folder, write_object

__all__ = ["Gap", "Progress", "ScopeSummary", "Summary", "policy_json", "take_snapshot"]

SCOPES_AT_ONCE = 8
ATTEMPTS = 10
"""How often a call is made at most; boto3 slows down when it is throttled."""
STEPS = len(calls.LISTS) + 7
"""Steps of one scope, for progress: the lists, then what they lead to."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One step was done."""

    account: str
    region: str
    call: str
    done: int
    total: int
    """Steps done and to do in all accounts and regions."""


@dataclass(frozen=True, slots=True)
class ScopeSummary:
    """What was read of one account and region."""

    account: str
    region: str
    items: dict[str, int]
    """Top-level key -> number of elements."""
    denied: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a snapshot holds."""

    output: Path
    time: str
    scopes: tuple[ScopeSummary, ...]

    @property
    def denied(self) -> tuple[Gap, ...]:
        """All calls that were denied or are not supported."""
        return tuple(gap for scope in self.scopes for gap in scope.denied)


@dataclass(frozen=True, slots=True)
class _Scope:
    session: Any
    account: str
    region: str


def take_snapshot(
    output: Path,
    *,
    profiles: Sequence[str] = (),
    regions: Sequence[str] = (),
    role_arn: str | None = None,
    external_id: str | None = None,
    endpoint_url: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Read accounts (one for each profile; none = the default credentials) in regions (none = each profile's own;
    ``all`` = all that are enabled) and write them to ``output``.

    ``role_arn`` is assumed from each profile. Calls that are denied become gaps: recorded, and unknown to whoever reads
    the snapshot. Raises ``CloudError`` when there are no credentials, no region, or a call fails otherwise; then
    nothing is written. Raises ``InvalidInput`` when ``output`` holds anything but a former snapshot.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    time = datetime.now(UTC).isoformat(timespec="seconds")
    with new_folder(Path(output)) as folder:
        try:
            scopes = _scopes(profiles, regions, role_arn, external_id, endpoint_url)
        except (BotoCoreError, ClientError) as error:
            raise cloud_error(error) from error
        results = _read_scopes(scopes, folder, endpoint_url, progress)
        write_object(folder / MANIFEST, {"DoorwardSnapshot": _manifest(time, results, folder)})
    summaries = (ScopeSummary(one.account, one.region, one.items, tuple(one.denied)) for one in results)
    return Summary(Path(output), time, tuple(summaries))


def _manifest(time: str, results: list[ScopeResult], folder: Path) -> dict[str, Any]:
    return {
        "version": FORMAT_VERSION,
        "time": time,
        "scopes": [
            {
                "account": one.account,
                "region": one.region,
                "folder": str(one.folder.relative_to(folder)),
                "calls": sorted(one.items),
                "denied": [{"call": gap.call, "key": gap.key, "code": gap.code} for gap in one.denied],
            }
            for one in results
        ],
    }


def _scopes(
    profiles: Sequence[str],
    regions: Sequence[str],
    role_arn: str | None,
    external_id: str | None,
    endpoint_url: str | None,
) -> list[_Scope]:
    """Accounts and regions to read, each once even when two profiles lead to the same account."""
    import boto3

    found: dict[tuple[str, str], _Scope] = {}
    for profile in profiles or (None,):
        session = boto3.Session(profile_name=profile)
        home = session.region_name
        wanted = list(regions) or ([home] if home else [])
        if not wanted:
            name = f"profile {profile}" if profile else "the default credentials"
            raise CloudError(f"{name} has no region", hint="give --region, or --region all")
        first = home or next((one for one in wanted if one != "all"), "us-east-1")
        if role_arn is not None:
            session = _assumed(session, role_arn, external_id, endpoint_url, first)
        account = str(_client(session, "sts", first, endpoint_url).get_caller_identity()["Account"])
        if "all" in wanted:
            answer = _client(session, "ec2", first, endpoint_url).describe_regions()
            wanted = [one["RegionName"] for one in answer["Regions"]]
        for region in wanted:
            found.setdefault((account, region), _Scope(session, account, region))
    return [found[key] for key in sorted(found)]


def _assumed(session: Any, role_arn: str, external_id: str | None, endpoint_url: str | None, region: str) -> Any:
    import boto3

    asked = {"RoleArn": role_arn, "RoleSessionName": "doorward-snapshot"}
    if external_id is not None:
        asked["ExternalId"] = external_id
    made = _client(session, "sts", region, endpoint_url).assume_role(**asked)["Credentials"]
    return boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], region_name=region)


def _client(session: Any, service: str, region: str, endpoint_url: str | None) -> Any:
    from botocore.config import Config

    config = Config(
        retries={"mode": "adaptive", "max_attempts": ATTEMPTS},
        max_pool_connections=16,
        connect_timeout=10,
        read_timeout=60,
    )
    return session.client(service, region_name=region, endpoint_url=endpoint_url, config=config)


def _read_scopes(
    scopes: list[_Scope], folder: Path, endpoint_url: str | None, progress: Callable[[Progress], None] | None
) -> list[ScopeResult]:
    lock = Lock()
    done = 0
    total = STEPS * len(scopes)

    def step(scope: _Scope, call: str) -> None:
        nonlocal done
        with lock:
            done += 1
            if progress is not None:
                progress(Progress(scope.account, scope.region, call, done, total))

    def read(scope: _Scope) -> ScopeResult:
        clients: dict[str, Any] = {}
        making = Lock()

        def client(service: str) -> Any:
            # boto3 sessions must not make clients in several threads at once; the clients themselves may be shared.
            with making, lock:
                if service not in clients:
                    clients[service] = _client(scope.session, service, scope.region, endpoint_url)
                return clients[service]

        target = folder / scope.account / scope.region
        return ScopeReader(scope.account, scope.region, target, client, partial(step, scope)).read()

    with ThreadPoolExecutor(max(1, min(SCOPES_AT_ONCE, len(scopes)))) as pool:
        return list(pool.map(read, scopes))
