"""Random damage to valid files: an answer or an error in words, nothing else; and no false "kept".

Half of the mutations are of bytes (what disks and copies do), half of values (what programs do).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward.errors import DoorwardError
from tests.fuzz.inputs import (
    CONTRACTS,
    ESTATE,
    altered,
    check,
    copied,
    estate_files,
    gate,
    outcomes,
    places,
    plan_text,
)

ODD: list[Any] = [
    None, True, 0, -1, 1 << 70, 0.5, "", "x", "0.0.0.0/0", "::/0", "10.0.0.0/33", "sg-0", "-1", "tcp", [], {}, [[]],
    {"": None}, "\ud7ff", "a" * 5000,
]  # fmt: skip
NAMES = sorted(estate_files())
DOCUMENTS = {name: json.loads(data) for name, data in estate_files().items()}
PATHS = {name: list(places(document)) for name, document in DOCUMENTS.items()}
PLAN = json.loads(plan_text())
PLAN_PATHS = [path for path in places(PLAN) if path[:1] != ("planned_values",)]
few = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@st.composite
def hurt(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with a piece cut out, doubled, or overwritten."""
    begin = draw(st.integers(0, len(data) - 1))
    end = min(len(data), begin + draw(st.integers(0, 40)))
    piece = draw(st.sampled_from([b"", b"\0", b'"', b"}", b"[", b",", b"-", b"\xff", b"1e999", data[begin:end] * 2]))
    return data[:begin] + piece + data[end:]


@few
@given(st.data())
def test_damaged_bytes_of_an_answer(data: st.DataObject) -> None:
    """Any damage to the bytes of one answer ends in a report or in an error for people."""
    name = data.draw(st.sampled_from(NAMES))
    with copied({name: data.draw(hurt(estate_files()[name]))}) as folder:
        check(folder)


@few
@given(st.data())
def test_odd_values_in_an_answer(data: st.DataObject) -> None:
    """Any value of any answer may be of the wrong type, out of range, or missing."""
    name = data.draw(st.sampled_from(NAMES))
    path = data.draw(st.sampled_from(PATHS[name]))
    remove = data.draw(st.booleans())
    document = altered(DOCUMENTS[name], path, data.draw(st.sampled_from(ODD)), remove=remove)
    with copied({name: json.dumps(document).encode()}) as folder:
        check(folder)


@few
@given(st.data())
def test_damaged_bytes_of_a_plan(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Any damage to the bytes of a plan."""
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    path.write_bytes(data.draw(hurt(plan_text())))
    gate(path, ESTATE)
    path.unlink()


@few
@given(st.data())
def test_odd_values_in_a_plan(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Any value of a plan may be of the wrong type, out of range, or missing; with and without a snapshot."""
    place = data.draw(st.sampled_from(PLAN_PATHS))
    document = altered(PLAN, place, data.draw(st.sampled_from(ODD)), remove=data.draw(st.booleans()))
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    gate(path, ESTATE if data.draw(st.booleans()) else None)
    path.unlink()


@few
@given(st.data())
def test_damaged_bytes_of_contracts(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Any damage to the bytes of a contracts file."""
    path = tmp_path_factory.mktemp("contracts") / "doorward.yaml"
    path.write_bytes(data.draw(hurt(CONTRACTS.read_bytes())))
    check(ESTATE, path)
    path.unlink()


WANTED = b"""version: 1
contracts:
  web-stays-private: {must: never-reach, from: internet, to: "group:web", service: tcp/443}
  only-the-portal: {must: only-from, from: "group:portal", to: "group:auth", service: tcp/8443}
  portal-reaches-the-database: {must: reach, from: "group:portal", to: "group:auth-db", service: tcp/5432}
"""


@pytest.mark.parametrize("missing", NAMES)
def test_what_is_broken_never_becomes_kept_by_a_missing_file(missing: str, tmp_path: Path) -> None:
    """An answer that was not collected may make a broken contract untellable or the input invalid, but not kept."""
    contracts = tmp_path / "doorward.yaml"
    contracts.write_bytes(WANTED)
    whole = check(ESTATE, contracts)
    assert not isinstance(whole, DoorwardError)
    assert {"broken"} == set(outcomes(whole).values())
    with copied({missing: None}) as folder:
        report = check(folder, contracts)
    if not isinstance(report, DoorwardError):
        assert [] == [name for name, outcome in outcomes(report).items() if outcome == "kept"]


@pytest.mark.parametrize("missing", NAMES)
def test_what_is_kept_stays_or_is_doubted_by_a_missing_file(missing: str) -> None:
    """An answer that was not collected never breaks what is kept: what is not known is not held against anybody."""
    with copied({missing: None}) as folder:
        report = check(folder)
    if not isinstance(report, DoorwardError):
        assert [] == [name for name, outcome in outcomes(report).items() if outcome == "broken"]
