"""boto3 clients for one endpoint, shared by whoever builds or breaks a cloud. boto3 is imported when first used.

What does not live here: what is called.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeAlias

Connect: TypeAlias = Callable[[str], Any]
"""Name of a service in boto3 ("ec2", "elbv2", …) → a client, the same one each time."""


class Clients:
    """Clients of one principal, made when first asked for; threads may share them."""

    def __init__(
        self,
        endpoint_url: str | None = None,
        *,
        region: str,
        access_key: str | None = None,
        secret_key: str | None = None,
        session_token: str | None = None,
    ) -> None:
        self.endpoint_url = endpoint_url
        self.region = region
        self._keys = (access_key, secret_key, session_token)
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()

    def __call__(self, service: str) -> Any:
        """The client of a service."""
        with self._lock:
            if service not in self._made:
                self._made[service] = self._make(service)
            return self._made[service]

    def _make(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(
            retries={"mode": "standard", "max_attempts": 4},
            max_pool_connections=16,
            connect_timeout=10,
            read_timeout=60,
        )
        access, secret, token = self._keys
        session = boto3.Session(access, secret, token, region_name=self.region)
        return session.client(service, endpoint_url=self.endpoint_url, config=config)

    def assume(self, role: str, session: str) -> Clients:
        """The same endpoint as another principal: a role, under a session name (STS API Reference, AssumeRole)."""
        arn = role
        if not role.startswith("arn:"):
            account = self("sts").get_caller_identity()["Account"]
            arn = f"arn:aws:iam::{account}:role/{role}"
        made = self("sts").assume_role(RoleArn=arn, RoleSessionName=session)["Credentials"]
        return Clients(
            self.endpoint_url, region=self.region, access_key=made["AccessKeyId"],
            secret_key=made["SecretAccessKey"], session_token=made["SessionToken"],
        )  # fmt: skip
