"""The JSON Schema of contracts files, for editors: generated from the tables in ``shapes``.

What does not live here: validation (``language``), which says more than a schema can (host bits, port order, names).
"""

from __future__ import annotations

from typing import Any

from doorward.contracts.shapes import (
    EPHEMERAL,
    KEYS,
    MAX_TERM,
    MAX_TEXT,
    SELECTORS,
    SERVICES,
    TOP_KEYS,
    VERSION,
    Form,
    Key,
)

SCHEMA_ID = "urn:doorward:contracts:1"


def json_schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) that admits every valid contracts file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Doorward contracts",
        "description": "What traffic must be able to flow, and what traffic must not.",
        "type": "object",
        "required": list(TOP_KEYS),
        "additionalProperties": False,
        "properties": {
            "version": {"description": "Version of this language.", "const": VERSION},
            "contracts": {
                "description": "Contracts by name; each name once.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"minLength": 1, "maxLength": MAX_TEXT},
                "additionalProperties": {"$ref": "#/$defs/contract"},
            },
        },
        "$defs": {
            "contract": {
                "type": "object",
                "required": [key.name for key in KEYS if key.required],
                "additionalProperties": False,
                "properties": {key.name: {"description": key.doc, **_shape(key)} for key in KEYS},
            },
            "selector": _one_of("Which interfaces or addresses.", SELECTORS),
            "service": _one_of("A set of protocols and ports.", SERVICES),
        },
    }


def _shape(key: Key) -> dict[str, Any]:
    if key.shape == "choice":
        return {"enum": list(key.choices)}
    if key.shape == "selectors":
        return _one_or_many("#/$defs/selector")
    if key.shape == "services":
        return _one_or_many("#/$defs/service")
    if key.shape == "ports":
        port = {"type": "integer", "minimum": 0, "maximum": 65_535}
        pair = {"type": "array", "prefixItems": [port, port], "minItems": 2, "maxItems": 2, "items": False}
        return {"anyOf": [{"type": "string", "pattern": EPHEMERAL.pattern, "examples": [EPHEMERAL.example]}, pair]}
    return {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}


def _one_or_many(reference: str) -> dict[str, Any]:
    return {"anyOf": [{"$ref": reference}, {"type": "array", "minItems": 1, "items": {"$ref": reference}}]}


def _one_of(doc: str, forms: tuple[Form, ...]) -> dict[str, Any]:
    return {
        "description": doc,
        "type": "string",
        "maxLength": MAX_TERM,
        "anyOf": [
            {"pattern": form.pattern, "description": form.doc, "examples": [form.example]} for form in forms
        ],
    }  # fmt: skip
