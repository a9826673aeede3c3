"""The trail: each call that the cloud tells of becomes records, kept, written and handed to the emitter."""

from __future__ import annotations

import json
import threading
from collections import deque
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from doorward_lab.cloud.call import Call
from doorward_lab.cloud.trail.emit import Emitter
from doorward_lab.cloud.trail.identity import Identity, Registry
from doorward_lab.cloud.trail.performed import Performed
from doorward_lab.cloud.trail.record import SENT_READS, Record, records
from doorward_lab.cloud.trail.style import Style

_ATTRIBUTES = {"AccessKeyId", "EventId", "EventName", "EventSource", "ReadOnly", "Username"}


class Trail:
    """Give `observe` to the cloud's `on_call`.

    `reads` keeps and emits read-only calls too (EventBridge hands `Describe*`, `Get*` and `List*` only to rules in the
    state ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS). The newest `capacity` records are kept in memory; `file` gets
    every record as a line of JSON, appended, complete when `observe` returns. Thread-safe.
    """

    def __init__(
        self,
        emitter: Emitter | None = None,
        *,
        registry: Registry | None = None,
        style: Style | None = None,
        reads: bool = False,
        capacity: int = 10_000,
        file: Path | None = None,
    ) -> None:
        self.emitter = emitter
        self.registry = registry or Registry()
        self.style = style or Style()
        self.reads = reads
        self._kept: deque[Record] = deque(maxlen=capacity)
        self._written = 0
        self._performed = Performed()
        self._lock = threading.Lock()
        self._file: TextIO | None = file.open("a", encoding="utf-8") if file is not None else None

    def observe(self, call: Call) -> None:
        """Record a call and what services did because of it."""
        with self._lock:
            who = self.registry.identify(call)
            self.registry.learn(call, who)
            self._record(call, who)
            for made, service in self._performed.after(call):
                self._record(made, service)

    def _record(self, call: Call, who: Identity) -> None:
        if call.reads_only and call.action not in SENT_READS and not self.reads:
            return
        for record in records(call, who, self.style.at(self._written)):
            self._written += 1
            self._kept.append(record)
            if self._file is not None:
                self._file.write(json.dumps(record, separators=(",", ":")) + "\n")
                self._file.flush()
            if self.emitter is not None:
                self.emitter.emit(record)

    def recent(self, limit: int | None = None) -> list[Record]:
        """The newest records, newest first."""
        with self._lock:
            kept = list(reversed(self._kept))
        return kept[:limit]

    def lookup(self, attribute: str | None = None, value: str = "", limit: int = 50) -> list[dict[str, Any]]:
        """What CloudTrail's LookupEvents answers, of the records in memory, newest first.

        Raises:
            ValueError: an attribute that cannot be looked up here.
        """
        if attribute is not None and attribute not in _ATTRIBUTES:
            raise ValueError(f"attribute: got {attribute}, expected one of {', '.join(sorted(_ATTRIBUTES))}")
        events = (_event(record) for record in self.recent())
        return list(islice((one for one in events if attribute is None or one.get(attribute) == value), limit))

    def close(self) -> None:
        """Close the file, not the emitter."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


def _event(record: Record) -> dict[str, Any]:
    event = {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": "true" if record["readOnly"] else "false",
        "AccessKeyId": record["userIdentity"].get("accessKeyId"),
        "EventTime": datetime.strptime(record["eventTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
        "EventSource": record["eventSource"],
        "Username": _user_name(record),
        "Resources": [],
        "CloudTrailEvent": json.dumps(record, separators=(",", ":")),
    }
    return {name: value for name, value in event.items() if value is not None}


def _user_name(record: Record) -> str | None:
    """The user's name, a role's session name, "root", or none: as LookupEvents has it."""
    who = record["userIdentity"]
    if who["type"] == "Root":
        return "root"
    name = who.get("userName") or (who.get("principalId", "").partition(":")[2] or None)
    return str(name) if name else None
