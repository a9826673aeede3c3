"""What is told, in one neutral value that every route can say in its own words.

What does not live here: how a route says it, and when there is something to say (`duty`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias, get_args
from urllib.parse import urlsplit

Severity: TypeAlias = Literal["critical", "high", "medium", "low", "info"]
"""How bad, the worst first: the severities of contracts, and ``info`` below them."""

Status: TypeAlias = Literal["firing", "updated", "acknowledged", "resolved"]
"""``firing`` opens an alert, ``updated`` tells more of the same, ``acknowledged`` says that somebody (or a revert) is
at it, ``resolved`` ends it. A fingerprint that fires again after it was resolved is open again."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
STATUSES: tuple[Status, ...] = get_args(Status)


class Link(NamedTuple):
    """Somewhere to read on: ``url`` is http or https."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One word on one alert.

    ``fingerprint`` names the alert: every notice on the same cause carries the same one, and with it the same
    ``account``, ``region``, ``owner`` and ``labels``. Severity, title and text may change from word to word.
    ``sequence`` counts the words on one fingerprint, from 0, and never goes back: with the fingerprint it names this
    very notice, so that a receiver can tell a retry from news. ``broken`` are the contracts that are broken now: a
    notice that has some is never held back. ``starts`` is when the cause happened, ``ends`` when it was over, ``at``
    when this word was said; all with a zone. ``labels`` are (name, value), kept sorted by name. ``text`` and
    ``markdown`` say the same; ``revert`` is the proposed one.
    """

    fingerprint: str
    sequence: int
    status: Status
    severity: Severity
    title: str
    text: str
    markdown: str
    at: datetime
    starts: datetime
    ends: datetime | None = None
    account: str = ""
    region: str = ""
    owner: str = ""
    broken: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    links: tuple[Link, ...] = ()
    revert: str = ""

    def __post_init__(self) -> None:
        if not one_line(self.fingerprint):
            raise ValueError("a notice without a fingerprint; expected the alert's stable name")
        if self.sequence < 0:
            raise ValueError(f"the sequence {self.sequence}; expected 0 or more")
        if self.severity not in SEVERITIES or self.status not in STATUSES:
            raise ValueError(f"severity {self.severity!r}, status {self.status!r}; expected words of this module")
        for moment in (self.at, self.starts, self.ends):
            if moment is not None and moment.tzinfo is None:
                raise ValueError(f"the time {moment} without a zone; expected UTC")
        object.__setattr__(self, "labels", tuple(sorted(dict(self.labels).items())))

    @property
    def id(self) -> str:
        """The name of this very notice: the same for each try to deliver it, on each route."""
        return digest(f"{self.fingerprint}\n{self.sequence}")

    def record(self) -> dict[str, object]:
        """As JSON, for the ledger and for durable queues; `of_record` reads it back."""
        return {
            **{item.name: getattr(self, item.name) for item in fields(self)},
            "at": self.at.isoformat(),
            "starts": self.starts.isoformat(),
            "ends": self.ends.isoformat() if self.ends is not None else None,
            "broken": list(self.broken),
            "labels": dict(self.labels),
            "links": [link._asdict() for link in self.links],
        }

    @property
    def over(self) -> bool:
        """Whether it says that the cause is gone."""
        return self.status == "resolved"

    @property
    def pages(self) -> list[Link]:
        """The links that any receiver takes: whole http and https URLs. One that is odd must not cost the notice."""
        return [link for link in self.links if _is_web(link.url)]

    @property
    def place(self) -> str:
        """Account and region, as far as they are known."""
        return "/".join(part for part in (self.account, self.region) if part) or "unknown place"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What stands in a table of any route: (name, value), in reading order, without empty ones."""
        rows = [
            ("Status", self.status),
            ("Severity", self.severity),
            ("Broken contracts", ", ".join(self.broken)),
            ("Owner", self.owner),
            ("Account and region", self.place if self.account or self.region else ""),
            ("Since", stamp(self.starts)),
            ("Until", stamp(self.ends) if self.ends is not None else ""),
        ]
        rows += self.labels
        return [(name, value) for name, value in rows if value]


def of_record(record: Mapping[str, Any]) -> Notice:
    """The notice that `Notice.record` wrote."""
    ends = record["ends"]
    return Notice(**{
        **record,
        "at": datetime.fromisoformat(record["at"]),
        "starts": datetime.fromisoformat(record["starts"]),
        "ends": datetime.fromisoformat(ends) if ends is not None else None,
        "broken": tuple(record["broken"]),
        "labels": tuple(record["labels"].items()),
        "links": tuple(Link(**link) for link in record["links"]),
    })  # fmt: skip


def _is_web(url: str) -> bool:
    """Printable ASCII without spaces, valid percent-encoding, a host, and a port that is one."""
    if not re.fullmatch(r"https?://(?:%[0-9A-Fa-f]{2}|[!-$&-~])+", url) or len(url) > 2_000:
        return False
    try:
        parts = urlsplit(url)
        return bool(re.fullmatch(r"[A-Za-z0-9._:-]+", parts.hostname or "")) and parts.port != 0
    except ValueError:
        return False


def digest(text: str) -> str:
    """A short stable name of a text: 32 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def stamp(moment: datetime) -> str:
    """A time for machines and people: ISO 8601 (RFC 3339) with its zone, to the second."""
    return moment.isoformat(timespec="seconds")


def plain(text: str) -> str:
    """A text that any encoder and terminal takes: no control characters but newline and tab, no lone surrogates."""
    kept = "".join(char if char in "\n\t" or (char >= " " and char != "\x7f") else " " for char in text)
    return kept.encode("utf-8", "replace").decode("utf-8")


def one_line(text: str) -> str:
    """The same words on one line: what ends a line in any reckoning becomes a space."""
    return " ".join(plain(text).split())


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters; what was cut off is said by an ellipsis."""
    return text if len(text) <= limit else text[: max(0, limit - 1)] + "…"[:limit]
