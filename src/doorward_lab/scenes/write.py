"""Scenes → YAML of the scene language: `dump`. `load_text(dump(scene))` is the same scene, but for what was left out.

What does not live here: reading (`read`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

import yaml

from doorward_lab.scenes import terms
from doorward_lab.scenes.keys import SECTIONS, STACK, VERSION, Key
from doorward_lab.scenes.scene import DEFAULT_REGION, AclEntry, Rule, Scene


def dump(scene: Scene) -> str:
    """The scene as a file. What a snapshot or plan had and the scene has not stands in comments at its head."""
    head = "".join(f"# left out: {_line(str(one))}\n" for one in scene.left_out)
    return head + yaml.dump(
        to_data(scene), Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=118, allow_unicode=True
    )


def to_data(scene: Scene) -> dict[str, Any]:
    """The scene as the plain mappings, lists and scalars of its file."""
    data: dict[str, Any] = {"version": VERSION, "name": scene.name}
    if scene.description:
        data["description"] = scene.description
    if scene.region != DEFAULT_REGION:
        data["region"] = scene.region
    for section in SECTIONS:
        elements: Mapping[str, Any] = getattr(scene, section.field)
        if elements:
            data[section.name] = {name: _element(one, section.keys) for name, one in elements.items()}
    if scene.stack is not None:
        data["stack"] = _element(scene.stack, STACK)
    if scene.contracts:
        # A text of one line would be taken for a path.
        data["contracts"] = scene.contracts if "\n" in scene.contracts.strip() else f"\n{scene.contracts}\n"
    return data


def _element(one: Any, keys: tuple[Key, ...]) -> dict[str, Any]:
    defaults = {field.name: _default(field) for field in fields(one)}
    found: dict[str, Any] = {}
    for key in keys:
        value = getattr(one, key.field)
        if key.required or value != defaults[key.field]:
            found[key.name] = WRITERS.get(key.shape, _plain)(value)
    return found


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return dict(value) if isinstance(value, Mapping) else value


def _auto(value: Any) -> Any:
    """`auto` is true, nothing is false."""
    if value in ("auto", ("auto",)):
        return True
    return False if value in ("", ()) else _plain(value)


def _rules(egress: bool) -> Callable[[tuple[Rule, ...]], list[Any]]:
    def write(rules: tuple[Rule, ...]) -> list[Any]:
        lines = [(terms.show_rule(rule, egress), rule.description) for rule in rules]
        return [{"rule": line, "description": said} if said else line for line, said in lines]

    return write


def _entries(egress: bool) -> Callable[[tuple[AclEntry, ...]], dict[int, str]]:
    return lambda entries: {entry.number: terms.show_entry(entry, egress) for entry in entries}


WRITERS: dict[str, Callable[[Any], Any]] = {
    "ingress": _rules(egress=False),
    "egress": _rules(egress=True),
    "acl-ingress": _entries(egress=False),
    "acl-egress": _entries(egress=True),
    "listeners": lambda listed: [terms.show_listener(one) for one in listed],
    "block6": _auto,
    "addresses6": _auto,
    "public": _auto,
    "protocol": lambda value: value.lower(),
}


def _line(text: str) -> str:
    return " ".join(text.split())


class _Dumper(yaml.SafeDumper):
    """Lists under their key are indented, texts of several lines are blocks, nothing is an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
