"""The notice: a value that queues and ledgers can keep."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.console.notify.notice import SEVERITIES, STATUSES, Notice, of_record, one_line, plain, shorten
from tests.console.notify.servers import T0, notice


@given(
    st.sampled_from(STATUSES), st.sampled_from(SEVERITIES), st.integers(0, 99), st.text(max_size=20), st.booleans(),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)  # fmt: skip
def test_it_survives_queues(
    status: Any, severity: Any, sequence: int, title: str, ends: bool, labels: dict[str, str]
) -> None:  # fmt: skip
    """Round trips through JSON and pickle give an equal value with the same id and hash."""
    made = notice(status=status, severity=severity, sequence=sequence, title=title, ends=ends, labels=labels)
    for copy in (of_record(json.loads(json.dumps(made.record()))), pickle.loads(pickle.dumps(made))):  # noqa: S301
        assert (made, made.id, hash(made)) == (copy, copy.id, hash(copy))


def test_its_id_names_one_word() -> None:
    """The same fingerprint and sequence, the same id, whatever the words are; else another."""
    assert notice().id == notice(title="other", severity="low").id
    assert 3 == len({notice().id, notice(sequence=1).id, notice(fingerprint="other").id})


@pytest.mark.parametrize(
    "wrong", [{"fingerprint": ""}, {"sequence": -1}, {"severity": "bad"}, {"status": "open"},
              {"at": T0.replace(tzinfo=None)}, {"starts": T0.replace(tzinfo=None)}],
)  # fmt: skip
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    """No name, a negative count, unknown words, times without a zone."""
    right: dict[str, Any] = {"fingerprint": "a", "sequence": 0, "status": "firing", "severity": "low", "title": "",
                             "text": "", "markdown": "", "at": T0, "starts": T0}  # fmt: skip
    Notice(**right)
    with pytest.raises(ValueError, match="expected"):
        Notice(**{**right, **wrong})


@given(st.text(max_size=100), st.integers(0, 50))
def test_texts_are_made_fit(text: str, limit: int) -> None:
    """Plain texts have no control characters and encode; lines are one; cuts are within their limit."""
    assert all(char in "\n\t" or (char >= " " and char != "\x7f") for char in plain(text))
    plain(text + "\ud800").encode("utf-8")
    assert 1 >= len(one_line(text).splitlines())
    assert limit >= len(shorten(text, limit))
