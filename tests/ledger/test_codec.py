"""Changes as JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given

from doorward.errors import InvalidInput, LedgerBroken, Unreadable
from doorward.ledger import codec
from doorward.ledger.entry import FORMAT, ZERO, Entry, column_key, link, micros, moment, seal, seal_change, unseal
from doorward.model.change import Change, Put
from tests.ledger.samples import CHANGES, JSON, MOMENTS, change, group, note


@given(CHANGES)
def test_a_change_survives_json_exactly(one: Change) -> None:
    """Decoding what was encoded gives an equal change, whatever is in it; and encoding that gives the same bytes."""
    text = codec.dumps(one)
    assert one == codec.loads(text)
    assert text == codec.dumps(codec.loads(text))


@given(CHANGES)
def test_an_entry_survives_its_sealing_exactly(one: Change) -> None:
    """What is sealed can be opened, and is what was given."""
    entry = Entry.of(one)
    assert entry == unseal(seal(entry).text)
    assert one == unseal(seal(entry).text).change
    assert seal(entry) == seal_change(one)


@given(JSON)
def test_other_entries_hold_any_json(value: object) -> None:
    """Bodies of entries that are no changes are JSON values, kept exactly."""
    entry = Entry("note", value, change(1).at, change(1).at)
    assert entry == unseal(seal(entry).text)


@given(CHANGES)
def test_the_canonical_form_is_what_the_reference_says(one: Change) -> None:
    """UTF-8 without blanks, keys sorted: Python's own JSON, told to do so, reads and orders it alike."""
    text = codec.dumps(one)
    values = json.loads(text)
    assert list(values) == sorted(values, key=lambda key: key.encode())
    assert "\n" not in text
    again = codec.canonical(values).decode()
    assert text == again


@given(MOMENTS)
def test_times_survive_as_microseconds(when: datetime) -> None:
    """Times are whole microseconds, and none is lost."""
    assert when == moment(micros(when))


def test_the_hash_is_what_the_reference_says() -> None:
    """SHA-256 of the format's name, the hash before, the number in eight bytes, and the SHA-256 of the sealed text."""
    sealed = seal(note("hello"))
    assert FORMAT == 1
    digest = hashlib.sha256(sealed.text.encode()).digest()
    expected = hashlib.sha256(b"doorward-ledger-1" + bytes(32) + b"\0\0\0\0\0\0\0\1" + digest).digest()
    assert expected == link(ZERO, 1, sealed.digest)
    assert sealed.text == (
        '{"about":[],"at":1707993000000000,"body":{"text":"hello"},"kind":"note","learned":1707993000000000,"v":1,'
        '"who":"arn:aws:iam::1:user/ann"}'
    ).replace('"about":[],', "")


def test_other_zones_are_the_same_moment() -> None:
    """A time in another zone is kept as the same moment in UTC; one without a zone is refused."""
    one = change(1)
    east = replace(one, at=one.at.astimezone(timezone(timedelta(hours=9))))
    assert codec.dumps(one) == codec.dumps(east)
    with pytest.raises(InvalidInput, match="no zone"):
        codec.dumps(replace(one, at=one.at.replace(tzinfo=None)))


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        1 << 63,
        -(1 << 63) - 1,
        (1, 2),
        {1: "a"},
        datetime(2024, 1, 1, tzinfo=UTC),
        b"x",
        {1},
    ],
)
def test_what_json_has_no_word_for_is_refused(value: object) -> None:
    """Nothing is bent to fit: the message names the place."""
    one = replace(change(1), effects=(Put(group("sg-1"), {"a": [value]}),))
    with pytest.raises(InvalidInput, match=r"\$\.a\[0\]"):
        codec.dumps(one)


def test_what_is_too_deep_or_no_text_is_refused() -> None:
    """A document without bottom, or half a character, stops nothing and is refused with a reason."""
    deep: list[object] = []
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(InvalidInput, match="deeper"):
        codec.dumps(replace(change(1), effects=(Put(group("sg-1"), {"a": deep}),)))
    with pytest.raises(InvalidInput, match="cannot be written"):
        codec.dumps(replace(change(1), request="\ud800"))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"place":["a"]}', b"\xff", '{"effects":[{"effect":"x"}]}'])
def test_what_is_no_change_is_unreadable(text: str | bytes) -> None:
    """Bytes that no `dumps` wrote are refused, never guessed at."""
    with pytest.raises(Unreadable):
        codec.loads(text)
    with pytest.raises(LedgerBroken):
        unseal(text)


def test_hostile_keys_are_bounded() -> None:
    """An event id of a megabyte, with a NUL or a line break is known by its hash; an honest one by itself."""
    assert column_key("0f3b2a44-aaaa") == "0f3b2a44-aaaa"
    for bad in ("x" * 1_000_000, "a\0b", "a\nb", "", "sha256:" + "0" * 64, "\ud800"):
        key = column_key(bad)
        assert key is not None
        assert len(key) == 71
        assert key != bad
