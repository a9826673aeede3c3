"""An estate while it is taken over into a scene: names for ids, and what is left out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from doorward import Estate
from doorward.model.addresses import show_address, span_networks
from doorward.model.intervals import Span
from doorward.model.services import show_span
from doorward_lab.scenes import terms
from doorward_lab.scenes.scene import LeftOut, Service

_STRANGE = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST = 55
"""Of a name, so that a number still fits behind it."""


@dataclass(slots=True)
class Taking:
    """What the parts of a take-over share."""

    estate: Estate
    region: str = ""
    left_out: list[LeftOut] = field(default_factory=list)
    _names: dict[tuple[str, str], str] = field(default_factory=dict)
    _taken: set[tuple[str, str]] = field(default_factory=set)

    def leave(self, what: str, why: str) -> None:
        """Something is left out; each once."""
        one = LeftOut(what, why)
        if one not in self.left_out:
            self.left_out.append(one)

    def name(self, section: str, id: str, wanted: str, pattern: re.Pattern[str] | None = None) -> str:
        """The scene's name for an id: its own as far as it can be one, else its id; each once in a section."""
        if (section, id) in self._names:
            return self._names[section, id]
        base = self.clean(wanted or id)
        if pattern is not None and not pattern.fullmatch(base):
            base = re.sub(r"[^A-Za-z0-9-]+", "-", base)[:28].strip("-") or "x"
        name, number = base, 1
        while (section, name) in self._taken:
            number += 1
            name = f"{base}-{number}"
        self._taken.add((section, name))
        self._names[section, id] = name
        return name

    def known(self, section: str, id: str) -> str:
        """The scene's name for an id that has been taken over, else nothing."""
        return self._names.get((section, id), "")

    @staticmethod
    def clean(text: str) -> str:
        """A text as a name: what cannot stand in one is a dash."""
        found = _STRANGE.sub("-", text).strip("-_.")[:_LONGEST]
        return found if terms.NAME.fullmatch(found) else "x"

    @staticmethod
    def address(number: int) -> str:
        """One address."""
        return show_address(number)


def cidr(span: Span) -> str:
    """A network on the address line."""
    (found,) = span_networks(span)
    return found


def service_of(span: Span) -> Service:
    """A service on the service line; rules and entries are always one span."""
    return terms.service(show_span(span))
