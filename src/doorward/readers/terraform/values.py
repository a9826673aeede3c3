"""Reading attributes of a resource instance: known, absent, or not known yet and then resolved.

A ``View`` looks at an instance or at one of its blocks. References (``one``, ``many``) answer with ids of the estate:
real ids where the plan knows them, Terraform addresses for what does not exist yet.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from doorward.readers.terraform.configuration import Configuration, Found
from doorward.readers.terraform.document import Document, Instance, Side, odd
from doorward.readers.terraform.kinds import HIDDEN_SOURCES, KINDS, LOOKS, SAME_ELEMENT


class Ref(NamedTuple):
    """What a single-valued reference stands for."""

    ids: tuple[str, ...] = ()
    certain: bool = True
    open: bool = False
    """It may also be something that is not among ``ids``."""
    unknown: str | None = None

    @property
    def id(self) -> str | None:
        """The id when there is exactly one for certain."""
        return self.ids[0] if self.certain and len(self.ids) == 1 else None


class Refs(NamedTuple):
    """What a reference with many values stands for."""

    certain: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()
    unknown: str | None = None
    """Set when there may be more that cannot be named."""


class World:
    """A plan's document with its configuration."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.configuration = Configuration(document)
        self._by_type: dict[str, dict[str, list[Instance]]] = {}
        for side, found in (("before", document.before), ("after", document.after)):
            kept = self._by_type.setdefault(side, {})
            for one in found.values():
                kept.setdefault(one.type, []).append(one)
        self.loose: dict[str, None] = {}
        """Attributes whose members were read from references alone, where a literal beside them would not show."""

    def of_type(self, side: Side, *types: str) -> list[Instance]:
        """The instances of these resource types on one side, data sources included."""
        kept = self._by_type[side]
        return [one for kind in types for one in kept.get(kind, ())]

    def view(self, instance: Instance) -> View:
        """The whole instance."""
        return View(self, instance, instance.values, instance.unknown, ())


class View:
    """An instance, or a block of it, through which attributes are read."""

    __slots__ = ("instance", "path", "unknown", "values", "world")

    def __init__(
        self,
        world: World,
        instance: Instance,
        values: dict[str, Any],
        unknown: dict[str, Any],
        path: tuple[str | int, ...],
    ) -> None:
        self.world = world
        self.instance = instance
        self.values = values
        self.unknown = unknown
        self.path = path

    @property
    def address(self) -> str:
        """The instance's Terraform address."""
        return self.instance.address

    @property
    def id(self) -> str:
        """The instance's id, or its address."""
        return self.instance.id

    def where(self, attribute: str) -> str:
        """The name of an attribute in words: ``aws_instance.a.network_interface[0].subnet_id``."""
        text = self.address
        for part in (*self.path, attribute):
            text += f"[{part}]" if isinstance(part, int) else f".{part}"
        return text

    def unsettled(self, attribute: str) -> bool:
        """Whether the attribute is given but (partly) not known before the apply."""
        return _any_true(self.unknown.get(attribute)) and not self._computed(attribute)

    def _computed(self, attribute: str) -> bool:
        """Whether only the provider sets it: the configuration has the resource (or block) without it."""
        configuration = self.world.configuration
        if not self.path:
            return configuration.configured(self.instance, attribute) is False
        block = configuration.expression(self.instance, self.path)
        blocks = block if isinstance(block, list) else [block]
        shown = [one for one in blocks if isinstance(one, dict) and "references" not in one]
        return bool(shown) and all(attribute not in one for one in shown)

    def get(self, attribute: str) -> Any:
        """The known value, or None."""
        return None if self.unknown.get(attribute) is True else self.values.get(attribute)

    def text(self, attribute: str) -> str | None:
        """The known text, or None; an empty one counts as absent."""
        value = self.get(attribute)
        if value is not None and not isinstance(value, str):
            raise odd(value, "a text", self.where(attribute))
        return value or None

    def number(self, attribute: str) -> int | None:
        """The known whole number (also from text), or None."""
        value = self.get(attribute)
        if value is None or value == "":
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, str) and value.lstrip("-").isascii() and value.lstrip("-").isdigit() and len(value) < 12:
            return int(value)
        raise odd(value, "a whole number", self.where(attribute))

    def port(self, attribute: str) -> int | None:
        """The known port, or None where there is none or a word stands instead of it."""
        value = self.get(attribute)
        return self.number(attribute) if not isinstance(value, str) or value.isdigit() else None

    def flag(self, attribute: str) -> bool | None:
        """The known truth value, or None."""
        value = self.get(attribute)
        if value is None or isinstance(value, bool):
            return value
        if value in ("true", "false", ""):
            return {"true": True, "false": False}.get(value)
        raise odd(value, "true or false", self.where(attribute))

    def texts(self, attribute: str) -> list[str]:
        """The known texts of a list or set."""
        return self._listed(self.get(attribute), attribute)

    def _listed(self, value: Any, attribute: str) -> list[str]:
        """The texts of a list; elements that are not known yet stand as null in it."""
        if value is None:
            return []
        if not isinstance(value, list):
            raise odd(value, "a list", self.where(attribute))
        for one in value:
            if one is not None and not isinstance(one, str):
                raise odd(one, "a text", self.where(attribute))
        return [one for one in value if one]

    def blocks(self, attribute: str) -> list[View]:
        """The blocks of that name, known as far as they are."""
        values, unknown = self.get(attribute), self.unknown.get(attribute)
        if isinstance(values, dict):
            values, unknown = [values], [unknown]
        if values is None:
            values = []
        if not isinstance(values, list) or not all(one is None or isinstance(one, dict) for one in values):
            raise odd(values, "a list of blocks", self.where(attribute))
        marks = unknown if isinstance(unknown, list) else []
        found: list[View] = []
        for at in range(max(len(values), len(marks))):
            value = values[at] if at < len(values) else None
            mark = marks[at] if at < len(marks) else None
            given = value if isinstance(value, dict) else {}
            if mark is True:
                mark = _Everything()
            marked = mark if isinstance(mark, dict) else {}
            found.append(View(self.world, self.instance, given, marked, (*self.path, attribute, at)))
        return found

    def tags(self) -> tuple[tuple[str, str], ...]:
        """The tags, those inherited from the provider included."""
        merged: dict[str, str] = {}
        for name in ("tags", "tags_all"):
            value = self.get(name)
            if isinstance(value, dict):
                merged.update({key: one for key, one in value.items() if isinstance(one, str)})
        return tuple(sorted(merged.items()))

    # --- references --------------------------------------------------------------------------------------------

    def one(self, attribute: str, kind: str) -> Ref:
        """The element that a single-valued attribute names."""
        if not _any_true(self.unknown.get(attribute)):
            value = self.values.get(attribute)
            if value is not None and not isinstance(value, str):
                raise odd(value, "a text", self.where(attribute))
            return Ref((value,)) if value else Ref()
        if self._computed(attribute):
            return Ref()
        found = self._found(attribute)
        fresh, settled, other = self._identify(found, kind)
        name = self.where(attribute)
        if len(fresh) == 1 and not other:
            return Ref((next(iter(fresh)),))
        ids = tuple(sorted({*fresh, *settled}))
        return Ref(ids, certain=False, open=other or not fresh, unknown=name)

    def many(self, attribute: str, kind: str) -> Refs:
        """The elements that a list or set names."""
        mark, value = self.unknown.get(attribute), self.values.get(attribute)
        given = self._listed(value if mark is not True else None, attribute)
        if not _any_true(mark):
            return Refs(tuple(dict.fromkeys(given)))
        if self._computed(attribute):
            return Refs()
        name = self.where(attribute)
        found = self._found(attribute)
        fresh, settled, other = self._identify(found, kind)
        look = LOOKS.get(kind)
        if look is not None:
            settled |= {one for one in _flat(found.literals) if isinstance(one, str) and one.startswith(look)}
        certain = dict.fromkeys(given)
        if other or not (fresh or settled):
            maybe = (fresh | settled) - set(certain)
            return Refs(tuple(certain), tuple(sorted(maybe)), name)
        self.world.loose[name] = None
        if not (found.choice or found.through_local):
            return Refs(tuple(dict.fromkeys([*certain, *sorted(settled), *sorted(fresh)])))
        if len(fresh) == 1:
            certain.update(dict.fromkeys(fresh))
        maybe = (fresh | settled) - set(certain)
        return Refs(tuple(certain), tuple(sorted(maybe)))

    def _found(self, attribute: str) -> Found:
        configuration = self.world.configuration
        expression = self._own_expression(attribute)
        found = configuration.sources(self.instance, expression)
        if expression is None:
            found.opaque = True
        return found

    def _own_expression(self, attribute: str) -> Any:
        """The attribute's expression. Of several blocks of one name, those whose constants do not contradict this one:
        sets lose their order. Blocks that differ in nothing but what is unknown may change places without effect."""
        configuration = self.world.configuration
        blocks = configuration.expression(self.instance, self.path[:-1]) if self.path else None
        if not isinstance(blocks, list):
            return configuration.expression(self.instance, (*self.path, attribute))
        fitting = {
            at: block
            for at, block in enumerate(blocks)
            if isinstance(block, dict) and attribute in block and self._fits(block)
        }
        index = self.path[-1]
        if len(fitting) > 1 and index in fitting and all(self._alone(block) for block in fitting.values()):
            return fitting[int(index)][attribute]
        return [block[attribute] for block in fitting.values()] or None

    def _alone(self, block: dict[str, Any]) -> bool:
        return all(
            _any_true(self.unknown.get(name)) or not isinstance(one, dict) or "constant_value" in one
            for name, one in block.items()
        )

    def _fits(self, block: dict[str, Any]) -> bool:
        for name, expression in block.items():
            if not isinstance(expression, dict):
                continue
            if "constant_value" in expression:
                known = self.values.get(name)
                if known is None or self.unknown.get(name) is True:
                    continue
                if not _alike(expression["constant_value"], known):
                    return False
        return all(
            not self.values.get(name) or name in block or not isinstance(self.values.get(name), list)
            for name in self.values
        )

    def _identify(self, found: Found, kind: str) -> tuple[set[str], set[str], bool]:
        """(ids not known before, ids known before, whether something else may be meant)."""
        allowed = KINDS.get(kind, {})
        fresh: set[str] = set()
        settled: set[str] = set()
        other = found.opaque
        for address, attribute in found.hits:
            instance = self.world.document.after.get(address)
            if instance is None:
                continue
            names = allowed.get(instance.type)
            if names is None or (attribute is not None and attribute not in names):
                other = other or self._may_hide(instance, attribute, kind, found.through_local)
                continue
            wanted = attribute if attribute is not None else names[0]
            value = instance.values.get(wanted)
            if isinstance(value, str) and value and not instance.unknown.get(wanted):
                settled.add(value)
            elif instance.mode == "data":
                other = True  # read during the apply: it may find anything
            else:
                fresh.add(stand_in(instance, wanted))
        return fresh, settled, other

    def _may_hide(self, instance: Instance, attribute: str | None, kind: str, through_local: bool) -> bool:
        if instance.mode == "data":
            return _any_true(instance.unknown)
        if through_local:
            return instance.type in HIDDEN_SOURCES.get(kind, ()) and _any_true(instance.unknown)
        if attribute is None:
            return instance.type in HIDDEN_SOURCES.get(kind, ())
        return _any_true(instance.unknown.get(attribute))


def stand_in(instance: Instance, attribute: str) -> str:
    """The id of the estate for an attribute that is not known yet."""
    if attribute in SAME_ELEMENT:
        return instance.id
    if attribute == "main_route_table_id":
        attribute = "default_route_table_id"
    if attribute == "propagation_default_route_table_id":
        attribute = "association_default_route_table_id"
    return f"{instance.id}.{attribute}"


class _Everything(dict[str, Any]):
    """Marks of a block of which nothing is known."""

    def get(self, key: str, default: Any = None) -> Any:
        return True


def _any_true(mark: Any) -> bool:
    if isinstance(mark, _Everything):
        return True
    stack = [mark]
    while stack:
        at = stack.pop()
        if at is True:
            return True
        if isinstance(at, dict):
            stack.extend(at.values())
        elif isinstance(at, list):
            stack.extend(at)
    return False


any_true = _any_true


def _flat(values: list[Any]) -> list[Any]:
    found: list[Any] = []
    stack = list(values)
    while stack:
        at = stack.pop()
        if isinstance(at, list):
            stack.extend(at)
        elif isinstance(at, dict):
            stack.extend(at.values())
        else:
            found.append(at)
    return found


def _alike(constant: Any, known: Any) -> bool:
    if isinstance(constant, list) and isinstance(known, list):
        return sorted(map(str, constant)) == sorted(map(str, known))
    if isinstance(constant, bool) or isinstance(known, bool):
        return str(constant).lower() == str(known).lower()
    return str(constant).lower() == str(known).lower()
