"""Who made a call: an access key → CloudTrail's `userIdentity`, by moto's IAM and STS and what was learnt of sessions.

Source: CloudTrail User Guide, "CloudTrail userIdentity element".
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends
from moto.utilities.utils import get_partition

from doorward_lab.cloud.call import Call
from doorward_lab.cloud.trail import shapes
from doorward_lab.cloud.trail.style import Era

Kind: TypeAlias = Literal["IAMUser", "AssumedRole", "Root", "AWSService"]

_SESSIONS = {"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "GetSessionToken"}


@dataclass(frozen=True, slots=True)
class Issuer:
    """The role that issued a session."""

    account: str
    name: str
    arn: str
    id: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A principal as CloudTrail names it. `since` is when its session began (None: it has none)."""

    kind: Kind
    account: str
    arn: str = ""
    principal: str = ""
    user: str | None = None
    issuer: Issuer | None = None
    since: datetime | None = None
    mfa: bool = False
    source_identity: str | None = None
    console: bool = False  # the session is the management console's
    instance_metadata: str | None = None  # version of the metadata service that gave an instance its role: "2.0"
    invoked_by: str | None = None  # the service that made the call, "elasticloadbalancing.amazonaws.com"

    @classmethod
    def root(cls, account: str) -> Identity:
        """The account itself."""
        return cls("Root", account, f"arn:aws:iam::{account}:root", account)

    @classmethod
    def of_user(cls, account: str, name: str, identifier: str, **more: Any) -> Identity:
        """An IAM user; with `console=True`, `since` and `mfa`, signed in to the management console."""
        return cls("IAMUser", account, f"arn:aws:iam::{account}:user/{name}", identifier, name, **more)

    @classmethod
    def of_role(
        cls, account: str, role: str, identifier: str, session: str, *, path: str = "/", **more: Any
    ) -> Identity:
        """A session of a role."""
        issuer = Issuer(account, role, f"arn:aws:iam::{account}:role{path}{role}", identifier)
        arn = f"arn:aws:sts::{account}:assumed-role/{role}/{session}"
        return cls("AssumedRole", account, arn, f"{identifier}:{session}", issuer=issuer, **more)

    @classmethod
    def of_service(cls, account: str, principal: str, role: str, session: str, since: datetime) -> Identity:
        """A service (`rds.amazonaws.com`) acting through its service-linked role, as when it makes interfaces."""
        path = f"/aws-service-role/{principal}/"
        identifier = "AROA" + _identifier(account + role)
        made = cls.of_role(account, role, identifier, session, path=path, since=since)
        return replace(made, invoked_by=principal)

    def element(self, access_key: str, era: Era, at: datetime) -> dict[str, Any]:
        """The `userIdentity` element of a record of a call at `at`."""
        if self.kind == "AWSService":
            return {"type": "AWSService", "invokedBy": self.invoked_by}
        made: dict[str, Any] = {
            "type": self.kind,
            "principalId": self.principal,
            "arn": self.arn,
            "accountId": self.account,
        }
        if self.invoked_by is None:
            made["accessKeyId"] = access_key
        if self.user is not None:
            made["userName"] = self.user
        if self.kind == "AssumedRole" or self.since is not None or self.console:
            made["sessionContext"] = self._session(era, at)
        if self.invoked_by is not None:
            made["invokedBy"] = self.invoked_by
        return made

    def _session(self, era: Era, at: datetime) -> dict[str, Any]:
        session: dict[str, Any] = {}
        if self.issuer is not None:
            session["sessionIssuer"] = {
                "type": "Role",
                "principalId": self.issuer.id,
                "arn": self.issuer.arn,
                "accountId": self.issuer.account,
                "userName": self.issuer.name,
            }
        elif era == "2023":
            session["sessionIssuer"] = {}
        if era == "2023":
            session["webIdFederationData"] = {}
        session["attributes"] = {
            "creationDate": f"{self.since or at:%Y-%m-%dT%H:%M:%SZ}",
            "mfaAuthenticated": "true" if self.mfa else "false",
        }
        if self.instance_metadata is not None:
            session["ec2RoleDelivery"] = self.instance_metadata
        if self.source_identity is not None:
            session["sourceIdentity"] = self.source_identity
        return session


def _identifier(text: str) -> str:
    """17 characters that depend on the text alone, as identifiers of roles that moto does not know have."""
    return hashlib.sha256(text.encode()).hexdigest()[:17].upper()


class Registry:
    """Access keys and the identities behind them. Thread-safe.

    What moto knows is looked up at each call; what moto forgets (source identity, when a session began, MFA) is learnt
    from the calls that make sessions; anything else is told by `register`. An unknown key is the account's root: the
    lab does not check signatures, so a key that belongs to nobody is the lab owner's.
    """

    def __init__(self) -> None:
        self._known: dict[str, Identity] = {}
        self._lock = threading.Lock()

    def register(self, access_key: str, identity: Identity) -> None:
        """Say who uses an access key; it holds until said otherwise."""
        with self._lock:
            self._known[access_key] = identity

    def identify(self, call: Call) -> Identity:
        """Who made the call."""
        with self._lock:
            known = self._known.get(call.access_key)
        return known or _of_moto(call) or Identity.root(call.account)

    def learn(self, call: Call, who: Identity) -> None:
        """Learn the session that a call made, if it made one. `who` made the call: a source identity is passed on.

        IAM User Guide, "Monitor and control actions taken with assumed roles": a source identity, once set, is carried
        through role chaining and cannot be changed.
        """
        if call.service != "sts" or call.action not in _SESSIONS or call.error is not None:
            return
        result = shapes.xml(call.answer).get(f"{call.action}Result") or {}
        key = (result.get("Credentials") or {}).get("AccessKeyId")
        if not key:
            return
        mfa = "TokenCode" in call.params
        if call.action == "GetSessionToken":
            self.register(key, replace(who, since=call.at, mfa=mfa))
            return
        user = result.get("AssumedRoleUser") or {}
        role = str(call.params.get("RoleArn", ""))
        account, _, path = role.partition(":role")
        *_, name = path.split("/")
        source = who.source_identity or call.params.get("SourceIdentity") or result.get("SourceIdentity")
        identity = Identity(
            "AssumedRole",
            account.rpartition(":")[2],
            str(user.get("Arn", "")),
            str(user.get("AssumedRoleId", "")),
            issuer=Issuer(account.rpartition(":")[2], name, role, str(user.get("AssumedRoleId", "")).partition(":")[0]),
            since=call.at,
            mfa=mfa,
            source_identity=str(source) if source else None,
        )
        self.register(key, identity)


def _of_moto(call: Call) -> Identity | None:
    partition = get_partition(call.region)
    for user in list(iam_backends[call.account][partition].users.values()):
        if any(key.access_key_id == call.access_key for key in user.access_keys):
            return replace(Identity.of_user(call.account, user.name, user.id), arn=user.arn)
    for session in list(sts_backends[call.account][partition].assumed_roles):
        if session.access_key_id == call.access_key:
            name = session.role_arn.rpartition("/")[2]
            issuer = Issuer(call.account, name, session.role_arn, session.user_id.partition(":")[0])
            return Identity("AssumedRole", call.account, session.arn, session.user_id, issuer=issuer)
    return None
