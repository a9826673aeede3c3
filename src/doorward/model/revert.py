"""Reverts: what leads back from a change, act by act, and how far that has come.

An *act* is one call of the API that changes one thing: a rule, the groups of an interface, an entry of an ACL, a route,
some entries of a prefix list. Each names what must be there now (``now``; for a rule to be put back: nothing) and what
it leaves (``back``). If anything else is there, somebody has changed it since, and the act is held.
What does not live here: which acts undo a change and whether they may be done (``duty``), doing them (``remedy``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, cast

from doorward.errors import InvalidInput
from doorward.model.change import Key, Kind, Place, RuleFact


@dataclass(frozen=True, slots=True)
class Authorize:
    """Put a rule back that is not there now. It gets a new id: who manages it by id (Terraform) has to import that."""

    group: Key
    rule: RuleFact


@dataclass(frozen=True, slots=True)
class Revoke:
    """Remove one rule: the one with the id ``rule.id`` if it is known, and only while it allows what ``rule`` says."""

    group: Key
    rule: RuleFact


@dataclass(frozen=True, slots=True)
class Modify:
    """Change one rule back in place (ModifySecurityGroupRules): it keeps its id, and nothing is cut in between."""

    group: Key
    id: str
    now: RuleFact
    back: RuleFact


@dataclass(frozen=True, slots=True)
class SetGroups:
    """Put an interface, an instance (its first interface) or a load balancer (by ARN) back into exactly these groups.

    The order of groups means nothing.
    """

    interface: Key
    now: tuple[str, ...]
    back: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AclEntryBack:
    """Put one numbered entry of a network ACL back: ``now`` None creates it, ``back`` None deletes it, else replaces.

    Entries are in the words of ``describe-network-acls``.
    """

    acl: Key
    number: int
    egress: bool
    now: Mapping[str, object] | None
    back: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class RouteBack:
    """Put one route back, likewise (words of ``describe-route-tables``).

    ``destination`` is the field that names the route and its value: ``("DestinationCidrBlock", "0.0.0.0/0")``.
    """

    table: Key
    destination: tuple[str, str]
    now: Mapping[str, object] | None
    back: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class PrefixEntriesBack:
    """Add and remove entries of a prefix list, in one call, as long as it is at ``version``.

    Entries are (CIDR, description). ``add`` must not be there now, ``remove`` must be.
    """

    prefix_list: Key
    version: int
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[tuple[str, str], ...] = ()


Act: TypeAlias = Authorize | Revoke | Modify | SetGroups | AclEntryBack | RouteBack | PrefixEntriesBack

StepState: TypeAlias = Literal[
    "planned", "dry-run passed", "acting", "done", "already so", "held", "failed", "compensated"
]
"""How far a step has come.

``acting``: the call may have been sent, and its end is not known yet. ``already so``: what it would leave is there, not
by us. ``held``: something else is there than was to be undone. ``failed``: the API refused for good. ``compensated``:
was done and taken back.
"""


@dataclass(frozen=True, slots=True)
class RevertStep:
    """One act, why it is done, and how far it has come.

    ``note`` says what differs (held), what the API said or which right is missing (failed). ``made`` is the id of the
    rule that it made (``sgr-…``), ``request`` the API's id of the call that did it: empty for a step that is done
    whose answer was lost (the process was killed before it came).
    """

    act: Act
    why: str = ""
    state: StepState = "planned"
    note: str = ""
    made: str | None = None
    request: str = ""
    at: datetime | None = None


Trouble: TypeAlias = Literal["stop", "go on", "compensate"]
"""What to do when a step is held or fails: leave the rest undone, do the rest, or take back what was done."""

RevertState: TypeAlias = Literal["planned", "refused", "running", "done", "held", "partial", "failed", "compensated"]
"""How far a revert has come.

``refused``: the dry run did not pass, nothing was done. ``held``: somebody changed what was to be undone, nothing was
done. ``partial``: some of its steps are done and others not: see them. ``failed``: nothing was done, or something that
was done could not be verified. ``done``: all that it said is so.
"""
ENDED: frozenset[RevertState] = frozenset({"refused", "done", "held", "partial", "failed", "compensated"})


@dataclass(frozen=True, slots=True)
class Revert:
    """The inverse of a change, and how far it has come.

    ``change`` is the id of the change (or change set) that it undoes, ``actor`` who asked for it (an ARN, a name, or
    ``doorward`` in automatic mode). Steps are in order: what restores comes before what removes.
    """

    id: str
    change: str
    steps: tuple[RevertStep, ...]
    reason: str
    actor: str
    trouble: Trouble = "stop"
    state: RevertState = "planned"
    note: str = ""
    created: datetime | None = None
    ended: datetime | None = None

    def with_step(self, number: int, step: RevertStep) -> Revert:
        """The same with another step at this place."""
        return replace(self, steps=(*self.steps[:number], step, *self.steps[number + 1 :]))

    @property
    def imports(self) -> tuple[tuple[Key, str], ...]:
        """Rules that have new ids now: (group, ``sgr-…``). Terraform users import these."""
        return tuple(
            (one.act.group, one.made)
            for one in self.steps
            if isinstance(one.act, Authorize) and one.made is not None and one.state == "done"
        )


def key_of(act: Act) -> Key:
    """The document that an act changes."""
    match act:
        case Authorize(group=key) | Revoke(group=key) | Modify(group=key):
            return key
        case SetGroups(interface=key) | AclEntryBack(acl=key) | RouteBack(table=key):
            return key
        case PrefixEntriesBack(prefix_list=key):
            return key


def inverse_of(act: Act, made: str | None = None) -> Act:
    """What takes an act back that was done. ``made``: the id that an authorized rule got."""
    match act:
        case Authorize(group, rule):
            return Revoke(group, replace(rule, id=made))
        case Revoke(group, rule):
            return Authorize(group, replace(rule, id=None))
        case Modify(group, id, now, back):
            return Modify(group, id, back, now)
        case SetGroups(interface, now, back):
            return SetGroups(interface, back, now)
        case AclEntryBack(acl, number, egress, was, put):
            return AclEntryBack(acl, number, egress, put, was)
        case RouteBack(table, destination, was, put):
            return RouteBack(table, destination, put, was)
        case PrefixEntriesBack(prefix_list, version, add, remove):
            return PrefixEntriesBack(prefix_list, version + 1, remove, add)


# --- as JSON values ---------------------------------------------------------------------------------------------

_ACTS: dict[str, type[Act]] = {
    "authorize": Authorize, "revoke": Revoke, "modify": Modify, "set-groups": SetGroups, "acl-entry": AclEntryBack,
    "route": RouteBack, "prefix-entries": PrefixEntriesBack,
}  # fmt: skip
_NAMES = {kind: name for name, kind in _ACTS.items()}
_KEYS = ("group", "interface", "acl", "table", "prefix_list")


def act_name(act: Act) -> str:
    """The name of its kind: ``authorize``, ``revoke``, ``modify``, ``set-groups``, …"""
    return _NAMES[type(act)]


def dump(revert: Revert) -> dict[str, Any]:
    """A revert in JSON values."""
    made = _plain(revert)
    made["steps"] = [{**_plain(one), "act": {"do": act_name(one.act), **_plain(one.act)}} for one in revert.steps]
    return made


def load(saved: Mapping[str, Any]) -> Revert:
    """What ``dump`` wrote. Raises ``InvalidInput``."""
    try:
        steps = tuple(
            RevertStep(**{**one, "act": _act(one["act"]), "at": _moment(one["at"])}) for one in saved["steps"]
        )
        times = {name: _moment(saved[name]) for name in ("created", "ended")}
        return Revert(**{**saved, "steps": steps, **times})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(
            f"a revert that cannot be read: {error!r}", hint="expected what `doorward.model.revert.dump` writes"
        ) from error


def _plain(value: Any) -> dict[str, Any]:
    return {one.name: _value(getattr(value, one.name)) for one in fields(value)}


def _value(value: Any) -> Any:
    if isinstance(value, RuleFact):
        return _plain(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, tuple | list):
        return [_value(one) for one in value]
    if isinstance(value, Mapping):
        return {str(key): _value(one) for key, one in value.items()}
    return value


def _act(saved: Mapping[str, Any]) -> Act:
    kind = _ACTS[saved["do"]]
    made: dict[str, Any] = {}
    for name, value in saved.items():
        if name == "do":
            continue
        if name in _KEYS:
            (account, region), what, id = value
            made[name] = Key(Place(account, region), cast(Kind, what), id)
        elif name == "rule" or (kind is Modify and name in ("now", "back")):
            ports = value["ports"]
            made[name] = RuleFact(**{**value, "ports": None if ports is None else (ports[0], ports[1])})
        elif isinstance(value, list):
            made[name] = tuple(tuple(one) if isinstance(one, list) else one for one in value)
        else:
            made[name] = value
    return kind(**made)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
