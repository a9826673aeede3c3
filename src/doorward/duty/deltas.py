"""What a change did, with both sides: what was there before, and what after. Of these, inverses are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from doorward.model.change import Key, RuleFact


@dataclass(frozen=True, slots=True)
class RuleDelta:
    """One rule of a group: appeared (``before`` None), went (``after`` None) or changed in place.

    ``sure`` False: what was there before is not known, because events were missing or their order is open.
    """

    group: Key
    before: RuleFact | None
    after: RuleFact | None
    sure: bool = True


@dataclass(frozen=True, slots=True)
class MemberDelta:
    """The groups of an interface; ``before`` None: not known."""

    interface: Key
    before: tuple[str, ...] | None
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DocumentDelta:
    """Any other document; None: it did (does) not exist. ``sure`` False: one side is not known (yet)."""

    key: Key
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None
    sure: bool = True


Delta: TypeAlias = RuleDelta | MemberDelta | DocumentDelta


def key_of(delta: Delta) -> Key:
    """The document that a delta is about."""
    match delta:
        case RuleDelta(group=key) | MemberDelta(interface=key) | DocumentDelta(key=key):
            return key
