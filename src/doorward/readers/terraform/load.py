"""From a file to the decoded document of one plan, or a refusal that says what the file is and what to run instead.

Here lives everything about bytes, encodings and the shape of the outermost object. What the document means is for
``document`` and later modules.
"""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path
from typing import Any, NoReturn

from doorward.errors import InvalidInput, Unreadable

MAX_BYTES = 1 << 30
MAX_DEPTH = 200
"""Terraform's own documents nest to about 40; a deeper one is not a plan."""
SHOW = "terraform plan -out=tfplan && terraform show -json tfplan > plan.json"
_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HCL = re.compile(
    r'^\s*(?:#.*\n|//.*\n|/\*.*?\*/|\s)*(?:resource|data|provider|variable|module)\s+"|^\s*(?:terraform|locals)\s*\{',
    re.DOTALL,
)
_HUMAN = re.compile(
    r"Terraform (?:used the selected providers|will perform)|OpenTofu (?:used|will perform)|Plan: \d+ to"
)

Document = dict[str, Any]


def load_plan(path: Path) -> Document:
    """The decoded plan. Raises ``Unreadable`` for bytes that are no JSON, ``InvalidInput`` for JSON that is no plan."""
    return parse_plan(_bytes_of(path), str(path))


def parse_plan(raw: bytes, where: str) -> Document:
    """As ``load_plan``, from bytes; ``where`` names them in messages."""
    text = _text_of(raw, where)
    document = _decode(text, where)
    return _check_shape(document, where)


def _bytes_of(path: Path) -> bytes:
    if path.is_dir():
        raise InvalidInput("this is a folder, expected a plan's JSON file", where=str(path), hint=f"run: {SHOW}")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise Unreadable(f"{size} bytes, more than the {MAX_BYTES} that a plan can have", where=str(path))
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InvalidInput("no such file", where=str(path), hint=f"run: {SHOW}") from error
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be read: {error}", where=str(path)) from error


def _text_of(raw: bytes, where: str) -> str:
    if raw[:2] == b"PK":
        raise InvalidInput(
            "this is the binary plan, expected its JSON form",
            where=where,
            hint="run: terraform show -json tfplan > plan.json (tofu show -json for OpenTofu)",
        )
    encoding, skip = "utf-8", 0
    for mark, name in _BOMS:
        if raw.startswith(mark):
            encoding, skip = name, len(mark)
            break
    if not raw[skip:].strip(b" \t\r\n\0"):
        raise Unreadable("the file is empty, expected a plan as JSON", where=where, hint=f"run: {SHOW}")
    if not skip and b"\0" in raw[:2]:
        raise Unreadable(
            "looks like UTF-16 without its mark, expected UTF-8", where=where, hint="save it as UTF-8, or run: " + SHOW
        )
    try:
        return raw[skip:].decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(
            f"not text: byte {error.start + skip} is not {encoding}",
            where=where,
            hint=f"expected JSON in UTF-8; run: {SHOW}",
        ) from error


def _decode(text: str, where: str) -> Any:
    depth = _depth(text)
    if depth > MAX_DEPTH:
        raise Unreadable(f"nested {depth} deep, expected at most {MAX_DEPTH}", where=where, hint=f"run: {SHOW}")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        _refuse_other_text(text, where, error)
    except _RepeatedError as error:
        raise Unreadable(
            f"the key {error.key!r} is given twice in one object", where=where, hint="expected the output of show -json"
        ) from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {error}", where=where, hint=f"run: {SHOW}") from error


class _RepeatedError(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RepeatedError(key)
            seen.add(key)
    return made


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


_MARKS = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def _depth(text: str) -> int:
    """The deepest nesting outside of strings, counted before any recursive parser sees the text."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return 0
    deepest = depth = 0
    for found in _MARKS.finditer(text):
        mark = text[found.start()]
        if mark in "[{":
            depth += 1
            if depth > deepest:
                deepest = depth
                if deepest > MAX_DEPTH:
                    break
        elif mark in "]}":
            depth -= 1
    return deepest


def _refuse_other_text(text: str, where: str, error: json.JSONDecodeError) -> NoReturn:
    start = text.lstrip()
    first = start.split("\n", 1)[0]
    if first.startswith("{") and ('"@level"' in first or '"@message"' in first):
        _refuse_events(where)
    if error.msg == "Extra data" and '"@level"' in text:
        _refuse_events(where)
    if _HUMAN.search(text[:200_000]):
        raise InvalidInput("this is the plan as text for people, expected JSON", where=where, hint=f"run: {SHOW}")
    if _HCL.match(text[:20_000]):
        raise InvalidInput("this is Terraform configuration, expected a plan as JSON", where=where, hint=f"run: {SHOW}")
    at_end = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
    what = "the JSON ends too early" if at_end else f"not JSON: {error.msg}"
    raise Unreadable(
        f"{what} (line {error.lineno}, column {error.colno})", where=where, hint=f"expected a whole plan; run: {SHOW}"
    ) from error


def _refuse_events(where: str) -> NoReturn:
    raise InvalidInput(
        "this is the event stream of `terraform plan -json`, expected the plan itself", where=where, hint=f"run: {SHOW}"
    )


def _check_shape(document: Any, where: str) -> Document:
    if not isinstance(document, dict):
        kind = {list: "a list", str: "a text", type(None): "null"}.get(type(document), "a bare value")
        raise InvalidInput(f"the JSON is {kind}, expected a plan's object", where=where, hint=f"run: {SHOW}")
    if "@level" in document or ("@message" in document and "type" in document):
        _refuse_events(where)
    if "lineage" in document or ("serial" in document and "resources" in document):
        raise InvalidInput("this is a state file, expected a plan", where=where, hint=f"run: {SHOW}")
    if "resource_changes" not in document and "planned_values" not in document:
        if "values" in document or ("format_version" in document and "configuration" not in document):
            raise InvalidInput(
                "this is `show -json` of a state, expected that of a plan", where=where, hint=f"run: {SHOW}"
            )
        raise InvalidInput("a JSON object, but no plan: it has no resource_changes", where=where, hint=f"run: {SHOW}")
    version = document.get("format_version")
    if not isinstance(version, str) or not re.fullmatch(r"[01]\.\d{1,4}", version):
        raise InvalidInput(
            f"format_version is {version!r}, expected 0.1 to 1.x",
            where=where,
            hint="show the plan with a Terraform from 0.12 to 1.x, or OpenTofu",
        )
    if document.get("errored") is True:
        raise InvalidInput("the plan ended in an error and is incomplete", where=where, hint="mend it and plan again")
    changes = document.get("resource_changes", [])
    if changes is not None and not isinstance(changes, list):
        raise InvalidInput("resource_changes is not a list", where=where, hint=f"run: {SHOW}")
    return document
