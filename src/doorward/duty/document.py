"""What is known at a moment of a document that is not a group: fields, each with the values that it may have.

Same interface as ``group.GroupRules``, so that ``timeline`` puts effects in order for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doorward.model.change import Effect, Gone, Member, Put

ABSENT = "\0absent"
"""Stands for "has no such field" among the values that a field may have."""


class Document:
    """A document as fields; a field with several candidates is not certain."""

    __slots__ = ("exists", "fields", "known", "open")

    def __init__(self) -> None:
        self.fields: dict[str, tuple[object, ...]] = {}
        self.exists: tuple[bool, ...] = (True,)
        self.open = False
        """Any field may be anything."""
        self.known = False

    @classmethod
    def of(cls, document: Mapping[str, object] | None) -> Document:
        """As a describe answer shows it; None: it does not exist."""
        made = cls()
        made.known = True
        if document is None:
            made.exists = (False,)
        else:
            made.fields = {key: (value,) for key, value in document.items()}
        return made

    @classmethod
    def never_seen(cls) -> Document:
        """One of which nothing was read."""
        made = cls()
        made.open = True
        return made

    def copy(self) -> Document:
        """The same, to be changed apart."""
        made = Document.__new__(Document)
        made.fields, made.exists, made.open, made.known = self.fields.copy(), self.exists, self.open, self.known
        return made

    @property
    def gone(self) -> bool:
        """It does not exist, for certain."""
        return self.exists == (False,)

    @property
    def unsure(self) -> bool:
        """Whether anything is left open."""
        return self.open or len(self.exists) > 1 or any(len(some) > 1 for some in self.fields.values())

    def doubts(self) -> dict[str, tuple[object, ...]]:
        """Fields that are not certain, with what they may be."""
        return {key: some for key, some in self.fields.items() if len(some) > 1}

    def document(self) -> dict[str, object] | None:
        """As a describe answer would show it, open fields by one of their candidates; None: it does not exist."""
        if self.gone:
            return None
        return {key: some[0] for key, some in self.fields.items() if some[0] is not ABSENT}

    def apply(self, effect: Effect) -> None:
        """One effect, at its turn."""
        match effect:
            case Put(_, document, part):
                if not part:
                    self.fields, self.open = {}, False
                for key, value in document.items():
                    self.fields[key] = (value,)
                self.exists, self.known = (True,), True
            case Member(_, groups):
                self.fields["Groups"] = ([{"GroupId": group} for group in sorted(groups)],)
            case Gone():
                self.fields, self.exists, self.open = {}, (False,), False
            case _:
                self.blur()

    def blur(self) -> None:
        """Anything may be true of it now."""
        self.open = True

    def merge(self, other: Document) -> None:
        """This or the other is true."""
        for key in [*self.fields, *(one for one in other.fields if one not in self.fields)]:
            mine, theirs = self.fields.get(key, (ABSENT,)), other.fields.get(key, (ABSENT,))
            if mine != theirs:
                self.fields[key] = (*mine, *(one for one in theirs if one not in mine))
        self.exists = (*self.exists, *(one for one in other.exists if one not in self.exists))
        self.open |= other.open
        self.known |= other.known

    def shows(self, effect: Effect) -> bool:
        """Whether this, read while the effect happened, has it in already."""
        match effect:
            case Put(_, document, _):
                return not self.gone and all(self.fields.get(key) == (value,) for key, value in document.items())
            case Member(_, groups):
                return member_groups(self.document() or {}) == tuple(sorted(groups))
            case Gone():
                return self.gone
            case _:
                return False

    def dump(self) -> dict[str, Any]:
        """All of it in JSON values."""
        return {
            "fields": {key: list(some) for key, some in self.fields.items()},
            "exists": list(self.exists), "open": self.open, "known": self.known,
        }  # fmt: skip

    @classmethod
    def load(cls, saved: Mapping[str, Any]) -> Document:
        """What ``dump`` wrote."""
        made = cls()
        made.fields = {
            key: tuple(ABSENT if one == ABSENT else one for one in some) for key, some in saved["fields"].items()
        }
        made.exists, made.open, made.known = tuple(saved["exists"]), saved["open"], saved["known"]
        return made


def member_groups(document: Mapping[str, object]) -> tuple[str, ...]:
    """Ids of the groups that an interface's document names, sorted."""
    listed = document.get("Groups") or ()
    if not isinstance(listed, list | tuple):
        return ()
    return tuple(sorted(str(one["GroupId"]) for one in listed if isinstance(one, Mapping) and "GroupId" in one))
