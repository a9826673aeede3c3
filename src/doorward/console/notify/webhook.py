"""A generic webhook: the whole notice as JSON, signed (`signature`).

The body is described by docs/reference/alert-routes.md; its ``version`` grows only when a field changes its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from doorward.console.notify import signature
from doorward.console.notify.address import target
from doorward.console.notify.http import Poster
from doorward.console.notify.notice import Notice, plain, shorten, stamp
from doorward.console.notify.outcome import Delivered
from doorward.console.notify.route import Clock, encode, judge, now, telling
from doorward.console.notify.secret import Secret

VERSION = 1


@dataclass(frozen=True, slots=True)
class Webhook:
    """``url`` as text, or as a secret when it holds one. ``old`` is the former signing secret while it is changed."""

    name: str
    url: str | Secret
    secret: Secret
    old: Secret | None = None
    poster: Poster = field(default_factory=Poster)
    resend: timedelta | None = None
    clock: Clock = now

    def check(self) -> None:
        """Reads the URL and the secrets."""
        url, secrets = self._read()
        target(url, allow_private=self.poster.guard.allow_private)
        for secret in secrets:
            signature.key(secret)

    def _read(self) -> tuple[str, list[str]]:
        url = self.url.reveal() if isinstance(self.url, Secret) else self.url
        return url, [secret.reveal() for secret in (self.secret, self.old) if secret is not None]

    def send(self, notice: Notice) -> Delivered:
        """Any 2xx is taken as delivered. The answer's body is not looked at."""
        url, secrets = self._read()
        to = target(url, allow_private=self.poster.guard.allow_private)
        body = encode(payload(notice))
        headers = signature.headers(secrets, notice.id, self.clock(), body)
        answer = self.poster.post(to, body, headers)
        if not 200 <= answer.status < 300:
            raise judge(answer, self.name, [*secrets, *telling(url)], clock=self.clock)
        return Delivered(self.name, notice.id)


def payload(notice: Notice) -> dict[str, object]:
    """The body: ``type``, ``timestamp`` and ``data``, as Standard Webhooks advises."""
    return {
        "version": VERSION,
        "type": f"doorward.notice.{notice.status}",
        "timestamp": stamp(notice.at),
        "data": {
            "id": notice.id,
            "fingerprint": notice.fingerprint,
            "sequence": notice.sequence,
            "status": notice.status,
            "severity": notice.severity,
            "title": plain(notice.title),
            "text": shorten(plain(notice.text), 60_000),
            "markdown": shorten(plain(notice.markdown), 60_000),
            "starts": stamp(notice.starts),
            "ends": stamp(notice.ends) if notice.ends is not None else None,
            "account": notice.account,
            "region": notice.region,
            "owner": notice.owner,
            "broken": list(notice.broken),
            "labels": {plain(name): plain(value) for name, value in notice.labels},
            "links": [{"text": plain(link.text), "url": link.url} for link in notice.pages],
            "revert": shorten(plain(notice.revert), 60_000),
        },
    }
