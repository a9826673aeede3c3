"""The JSON Schema of scene files, for editors: generated from the table in `keys`.

What does not live here: validation (`read`, `check`), which says more than a schema can.
"""

from __future__ import annotations

from typing import Any

from doorward_lab.scenes import terms
from doorward_lab.scenes.keys import RULE, SECTIONS, STACK, TOP, VERSION, Key

SCHEMA_ID = "urn:doorward:scene:1"
_NAME = {"type": "string", "pattern": f"^{terms.NAME.pattern}$"}
_TEXT = {"type": "string", "minLength": 1}
_FOUR = {"type": "string", "pattern": r"^[0-9.]+/[0-9]+$"}
_SIX = {"type": "string", "pattern": "^[0-9a-fA-F:.]+/[0-9]+$"}
_ADDRESS4 = {"type": "string", "pattern": "^[0-9.]+$"}
_ADDRESS6 = {"type": "string", "pattern": "^[0-9a-fA-F:.]+$"}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65_535}


def json_schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) that admits every scene that the lab takes."""
    top: dict[str, Any] = {key.name: {"description": key.doc, **_shape(key)} for key in TOP}
    for section in SECTIONS:
        top[section.name] = {
            "description": section.doc,
            "type": "object",
            "propertyNames": {"pattern": _NAME["pattern"]},
            "additionalProperties": _object(section.keys),
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Doorward lab scene",
        "description": "A cloud that the lab builds.",
        "type": "object",
        "required": ["version", "vpcs"],
        "additionalProperties": False,
        "properties": top,
    }


def _object(keys: tuple[Key, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [key.name for key in keys if key.required],
        "additionalProperties": False,
        "properties": {key.name: {"description": key.doc, **_shape(key)} for key in keys},
    }


def _list(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def _or(*shapes: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": list(shapes)}


def _shape(key: Key) -> dict[str, Any]:
    if key.shape == "choice":
        return {"enum": list(key.choices)}
    if key.shape == "stack":
        return _object(STACK)
    return _SHAPES[key.shape]


_BOOL = {"type": "boolean"}
_RULE = {
    "type": "object",
    "required": [key.name for key in RULE if key.required],
    "additionalProperties": False,
    "properties": {key.name: {"description": key.doc, **_TEXT} for key in RULE},
}
_RULES = _list(_or(_TEXT, _RULE), uniqueItems=True)
_ENTRIES = {"type": "object", "propertyNames": {"pattern": "^[0-9]+$"}, "additionalProperties": _TEXT}
_SHAPES: dict[str, dict[str, Any]] = {
    "version": {"const": VERSION},
    "name": _NAME,
    "names": _list(_NAME, uniqueItems=True),
    "pair": _list(_NAME, uniqueItems=True, minItems=2, maxItems=2),
    "text": _TEXT,
    "bool": _BOOL,
    "count": {"type": "integer", "minimum": 0},
    "rate": {"type": "number", "minimum": 0, "maximum": 1_000_000},
    "port": _PORT,
    "protocol": {"enum": [one for name in terms.PROTOCOLS for one in (name.lower(), name)]},
    "zone": {"type": "string", "pattern": "^([a-z]|.*-.*)$"},
    "cidr4": _FOUR,
    "cidrs4": _or(_FOUR, _list(_FOUR, minItems=1)),
    "cidrs": _list(_or(_FOUR, _SIX), minItems=1),
    "block6": _or(_BOOL, _SIX),
    "address4": _ADDRESS4,
    "addresses4": _list(_ADDRESS4),
    "addresses6": _or(_BOOL, _ADDRESS6, _list(_ADDRESS6)),
    "public": _or(_BOOL, _ADDRESS4),
    "ingress": _RULES,
    "egress": _RULES,
    "acl-ingress": _ENTRIES,
    "acl-egress": _ENTRIES,
    "routes": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^(gateway|peering|host):"}},
    "listeners": _list(_TEXT, uniqueItems=True),
    "settings": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
    "contracts": _TEXT,
}
