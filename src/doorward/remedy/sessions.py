"""Sessions of its own: a role for remedy alone, whose sessions say which revert they serve.

Every session carries the revert's id as its *source identity*, which CloudTrail records with each call, which the
caller cannot change once it is set, and which role chaining keeps (IAM User Guide, *Monitor and control actions taken
with assumed roles*). So own acts are recognised by what AWS says of them, never by a name's beginning.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from doorward.errors import CloudError, InvalidInput
from doorward.model.change import Place

SECONDS = 900
"""How long a session lives: the shortest that STS gives (AssumeRole, DurationSeconds)."""
MARGIN = timedelta(minutes=2)
ATTEMPTS = 8
"""How often boto3 makes a call at most; it slows down when it is throttled."""
_NAME = re.compile(r"[\w+=,.@-]{2,55}")


@dataclass(slots=True)
class Sessions:
    """Clients by place and revert.

    ``role``: ARN of the role to assume, ``{account}`` in it stands for the account; or one for each account. None: the
    credentials at hand are used as they are, and own acts are recognised by the ids of their calls alone.
    """

    role: str | Mapping[str, str] | None = None
    external_id: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    attempts: int = ATTEMPTS
    timeout: float = 30
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _sessions: dict[tuple[str, str], tuple[Any, datetime]] = field(default_factory=dict)
    _clients: dict[tuple[str, Place, str], tuple[Any, datetime]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self, service: str, place: Place, revert: str) -> Any:
        """A client. Raises ``CloudError`` when there are no credentials, or they are for another account."""
        with self._lock:
            name = (service, place, revert)
            known = self._clients.get(name)
            if known is None or known[1] < self.clock():
                session, until = self._session(place, revert)
                known = self._client(session, service, place.region), until
                self._clients = {key: one for key, one in self._clients.items() if one[1] >= self.clock()}
                self._clients[name] = known
            return known[0]

    def _session(self, place: Place, revert: str) -> tuple[Any, datetime]:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        name = (place.account, revert if self.role is not None else "")
        known = self._sessions.get(name)
        if known is not None and known[1] >= self.clock():
            return known
        try:
            session = boto3.Session(profile_name=self.profile)
            until = self.clock() + timedelta(seconds=SECONDS)
            if self.role is not None:
                session, until = self._assumed(session, place, revert)
            account = str(self._client(session, "sts", place.region).get_caller_identity()["Account"])
        except (BotoCoreError, ClientError) as error:
            raise CloudError(
                str(error), where=f"credentials for {place.account}", hint="see docs/how-to/revert.md, The role"
            ) from error
        if account != place.account:
            raise CloudError(
                f"the credentials are for account {account}, the revert is for {place.account}",
                hint="give the remedy role with {account} in its ARN",
            )
        self._sessions[name] = session, until
        return session, until

    def _assumed(self, session: Any, place: Place, revert: str) -> tuple[Any, datetime]:
        import boto3

        asked = asked_of(self._role_of(place.account), revert, external_id=self.external_id)
        made = self._client(session, "sts", place.region).assume_role(**asked)["Credentials"]
        assumed = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
        return assumed, made["Expiration"].astimezone(UTC) - MARGIN

    def _role_of(self, account: str) -> str:
        if isinstance(self.role, Mapping):
            if account not in self.role:
                raise CloudError(f"no remedy role is given for account {account}", hint="add it to the settings")
            return self.role[account]
        assert self.role is not None
        return self.role.replace("{account}", account)

    def _client(self, session: Any, service: str, region: str) -> Any:
        from botocore.config import Config

        config = Config(
            retries={"mode": "standard", "total_max_attempts": self.attempts},
            connect_timeout=min(10, self.timeout),
            read_timeout=self.timeout,
            user_agent_extra="doorward-remedy",
        )
        return session.client(service, region_name=region, endpoint_url=self.endpoint_url, config=config)


def asked_of(role: str, revert: str, *, external_id: str | None = None) -> dict[str, Any]:
    """The arguments of AssumeRole for a revert: session name, source identity and tags name it.

    Raises ``InvalidInput`` for an id that STS would not take.
    """
    if not _NAME.fullmatch(revert):
        raise InvalidInput(f"{revert!r} cannot name a session", hint="2 to 55 characters of [A-Za-z0-9_+=,.@-]")
    asked: dict[str, Any] = {
        "RoleArn": role,
        "RoleSessionName": f"doorward-{revert}",
        "SourceIdentity": revert,
        "DurationSeconds": SECONDS,
        "Tags": [{"Key": "doorward:revert", "Value": revert}],
    }
    if external_id is not None:
        asked["ExternalId"] = external_id
    return asked
