"""The JSON Schema: committed = generated, and it agrees with the validation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from doorward.contracts.language import json_schema, parse_contracts
from doorward.contracts.shapes import SELECTORS, SERVICES
from doorward.errors import InvalidInput
from tests.contracts.test_language import EXAMPLE, file_of

ROOT = Path(__file__).resolve().parents[2]


def admits(text: str) -> bool:
    """Whether the schema admits a file."""
    validator = pytest.importorskip("jsonschema").Draft202012Validator(json_schema())
    return bool(validator.is_valid(yaml.safe_load(text)))


def is_valid(text: str) -> bool:
    """Whether the language does."""
    try:
        parse_contracts(text)
    except InvalidInput:
        return False
    return True


def test_committed_schema_is_the_generated_one() -> None:
    """``schema/doorward.schema.json`` is what ``doorward schema`` prints."""
    committed: Any = json.loads((ROOT / "schema" / "doorward.schema.json").read_text(encoding="utf-8"))
    assert json_schema() == committed


def test_schema_is_a_schema() -> None:
    """It follows draft 2020-12 itself."""
    pytest.importorskip("jsonschema").Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize(
    "text",
    [
        EXAMPLE,
        *(file_of(f"to: '{form.example}'\nfrom: 10.0.0.0/8") for form in SELECTORS),
        *(file_of(f"service: {form.example}") for form in SERVICES),
        *(file_of(f"service: {text}") for text in ("tcp", "udp/1-65535", "icmp/3:4", "icmpv6/128", "[tcp, proto/0]")),
        *(file_of(f"ephemeral: {text}") for text in ("1024-65535", "[1024, 65535]")),
        *(file_of(f"to: '{text}'") for text in ("vpc:main vpc", "tag:A=", "tag:A=b=c", "::/0", "10.0.0.1")),
        file_of("owner: 'yes'\nwhy: '443'\nseverity: low"),
    ],
)
def test_valid_files_fit(text: str) -> None:
    """What the language reads, the schema admits: an editor never marks a good file."""
    assert is_valid(text)
    assert admits(text)


@pytest.mark.parametrize(
    "text",
    [
        "version: 2\ncontracts: {}",
        "version: 1\ncontracts: {}",
        file_of("must: allow"),
        file_of("service: 443"),
        file_of("service: https"),
        file_of("service: []"),
        file_of("from: web"),
        file_of("from: 'group:'"),
        file_of("from: 'group: web'"),
        file_of("severity: urgent"),
        file_of("ephemeral: 80"),
        file_of("ephemeral: [1, 2, 3]"),
        file_of("owner: 443"),
        file_of("why: true"),
        file_of("why:"),
        file_of("unknown: 1"),
    ],
)
def test_plain_mistakes_are_seen_by_both(text: str) -> None:
    """Plain mistakes are marked in an editor as they are refused here."""
    assert not is_valid(text)
    assert not admits(text)
