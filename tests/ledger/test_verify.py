"""Verification finds what was done to a ledger behind its back, and names the first bad entry."""

# ruff: noqa: S608 -- statements of an attacker, made of our own numbers

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from doorward.errors import InvalidInput, LedgerBroken, Unreadable
from doorward.ledger import anchor
from doorward.ledger.entry import link, seal
from doorward.ledger.ledger import Ledger
from doorward.ledger.verify import Problem
from tests.ledger.samples import after, entries, note
from tests.ledger.tamper import rows, tamper


def filled(place: str) -> None:
    """Thirty changes and a record of state."""
    with Ledger.open(place) as ledger:
        ledger.append(entries(0, 30))
        ledger.put("alert", "a1", {"open": True}, at=after(50))


def problems(place: str) -> list[Problem]:
    """What verification finds."""
    with Ledger.open(place) as ledger:
        return ledger.verify()


ALTER = "UPDATE ledger_entry SET sealed = replace(sealed, 'tcp', 'udp')"
ATTACKS = {
    "a text is altered": ([ALTER + " WHERE seq = 12"], 12, "altered"),
    "a text is no JSON": (["UPDATE ledger_entry SET sealed = 'x' WHERE seq = 12"], 12, "altered"),
    "the last text is altered": (["UPDATE ledger_entry SET sealed = sealed || ' ' WHERE seq = 31"], 31, "altered"),
    "one entry is removed": (["DELETE FROM ledger_entry WHERE seq = 7"], 7, "missing"),
    "several are removed": (["DELETE FROM ledger_entry WHERE seq BETWEEN 7 AND 9"], 7, "missing"),
    "the first is removed": (["DELETE FROM ledger_entry WHERE seq = 1"], 1, "missing"),
    "the end is removed": (["DELETE FROM ledger_entry WHERE seq > 25"], 26, "truncated"),
    "one is removed and the rest moved up": (
        ["DELETE FROM ledger_entry WHERE seq = 7",
         "UPDATE ledger_entry SET seq = -seq WHERE seq > 7", "UPDATE ledger_entry SET seq = -seq - 1 WHERE seq < 0"],
        7, "altered",
    ),
    "two change places, with their hashes": (
        ["UPDATE ledger_entry SET seq = 1000 WHERE seq = 5", "UPDATE ledger_entry SET seq = 5 WHERE seq = 9",
         "UPDATE ledger_entry SET seq = 9 WHERE seq = 1000"],
        5, "reordered",
    ),
    "neighbours change places": (
        ["UPDATE ledger_entry SET seq = 1000 WHERE seq = 5", "UPDATE ledger_entry SET seq = 5 WHERE seq = 6",
         "UPDATE ledger_entry SET seq = 6 WHERE seq = 1000"],
        5, "reordered",
    ),
    "one is inserted at the end": (
        ["INSERT INTO ledger_entry SELECT 32, kind, 'x', at, learned, sealed, hash FROM ledger_entry WHERE seq = 4"],
        32, "inserted",
    ),
    "one is inserted before the beginning": (
        ["INSERT INTO ledger_entry SELECT 0, kind, 'x', at, learned, sealed, hash FROM ledger_entry WHERE seq = 4"],
        0, "inserted",
    ),
    "one is inserted between": (
        ["UPDATE ledger_entry SET seq = -seq WHERE seq > 10", "UPDATE ledger_entry SET seq = 1 - seq WHERE seq < 0",
         "INSERT INTO ledger_entry SELECT 11, kind, 'x', at, learned, sealed, hash FROM ledger_entry WHERE seq = 4",
         "UPDATE ledger_head SET seq = 32"],
        11, "altered",
    ),
    "a time column lies": (["UPDATE ledger_entry SET at = at - 1 WHERE seq = 8"], 8, "column"),
    "a key column lies": (["UPDATE ledger_entry SET key = 'other' WHERE seq = 8"], 8, "column"),
    "the head's hash": (["UPDATE ledger_head SET hash = (SELECT hash FROM ledger_entry WHERE seq = 2)"], 31, "head"),
    "the head goes back": (["UPDATE ledger_head SET seq = 30"], 30, "head"),
    "a beginning is cut off as if pruned": (
        ["UPDATE ledger_head SET base_seq = 9, base_hash = (SELECT hash FROM ledger_entry WHERE seq = 9)",
         "DELETE FROM ledger_entry WHERE seq <= 9"],
        1, "missing",
    ),
    "the index hides an entry": (["DELETE FROM ledger_recent WHERE seq = 8"], None, "index"),
    "a record is altered": (["UPDATE ledger_state SET value = '{\"open\":false}'"], None, "state"),
    "a record is removed": (["DELETE FROM ledger_state"], None, "state"),
    "a record is made up": (["INSERT INTO ledger_state VALUES ('approval', 'mine', 1, '{}', 31)"], None, "state"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_found(place: str, attack: str) -> None:
    """Whatever is altered, removed, inserted or moved is found, and the first bad entry named."""
    filled(place)
    assert problems(place) == []
    statements, seq, kind = ATTACKS[attack]
    tamper(place, *statements)
    found = problems(place)
    assert (seq, kind) == (found[0].seq, found[0].kind), found
    assert found[0].text


def test_every_entry_is_watched(tmp_path: Path) -> None:
    """Altering any one entry is found at that entry."""
    place = str(tmp_path / "ledger.db")
    filled(place)
    for seq in range(1, 32):
        where = f" WHERE seq = {seq}"
        text, digest = rows(place, "SELECT sealed, hash FROM ledger_entry" + where)[0]
        tamper(place, "UPDATE ledger_entry SET sealed = sealed || ' '" + where)
        assert [(seq, "altered")] == [(one.seq, one.kind) for one in problems(place)]
        tamper(place, f"UPDATE ledger_entry SET sealed = '{text}'" + where)
        flipped = bytes([digest[0] ^ 1]) + digest[1:]
        tamper(place, f"UPDATE ledger_entry SET hash = x'{flipped.hex()}'" + where)
        assert problems(place)[0].seq == seq
        tamper(place, f"UPDATE ledger_entry SET hash = x'{digest.hex()}'" + where)
        assert problems(place) == []


def test_a_chain_rewritten_whole_is_found_by_its_anchor(place: str, tmp_path: Path) -> None:
    """Who recomputes every hash after an entry, and the head, is not found by the chain, but by an outside anchor."""
    filled(place)
    file = tmp_path / "anchors"
    key = b"k" * 32
    with Ledger.open(place) as ledger:
        ledger.anchor(file, key)
        ledger.append(entries(30, 40))
        ledger.anchor(file, key)
    assert [31, 41] == [one.seq for one in anchor.read(file, key)]
    previous = bytes(32)
    statements = []
    for seq, text in rows(place, "SELECT seq, sealed FROM ledger_entry ORDER BY seq"):
        digest = seal(note("instead", seq, f"k{seq}")) if seq == 35 else None
        value = digest.text if digest else text
        previous = link(previous, seq, hashlib.sha256(value.encode()).digest())
        told = f"'{value}'"
        blob = f"x'{previous.hex()}'" if not place.startswith("postgresql") else f"'\\x{previous.hex()}'"
        statements.append(f"UPDATE ledger_entry SET sealed = {told}, hash = {blob}" + f" WHERE seq = {seq}")
    statements.append("UPDATE ledger_entry SET kind = 'note', key = 'k35' WHERE seq = 35")
    statements.append("UPDATE ledger_head SET hash = (SELECT hash FROM ledger_entry WHERE seq = 41)")
    tamper(place, *statements)
    with Ledger.open(place) as ledger:
        ledger.reindex()
        assert [] == [one for one in ledger.verify() if one.kind != "column"]
        found = ledger.verify(anchors=anchor.read(file, key))
        assert (41, "anchor") in [(one.seq, one.kind) for one in found]
        assert (31, "anchor") not in [(one.seq, one.kind) for one in found]


def test_a_truncated_end_with_its_head_is_found_by_an_anchor(place: str, tmp_path: Path) -> None:
    """Cutting the end off and moving the head back leaves a chain that holds; the anchor knows better."""
    filled(place)
    with Ledger.open(place) as ledger:
        anchors = [ledger.anchor()]
    tamper(
        place,
        "DELETE FROM ledger_state",
        "DELETE FROM ledger_recent WHERE seq > 20",
        "DELETE FROM ledger_entry WHERE seq > 20",
        "UPDATE ledger_head SET seq = 20, hash = (SELECT hash FROM ledger_entry WHERE seq = 20)",
    )
    with Ledger.open(place) as ledger:
        assert ledger.verify() == []
        assert [(31, "truncated")] == [(one.seq, one.kind) for one in ledger.verify(anchors=anchors)]


def test_the_index_can_be_made_anew(place: str) -> None:
    """A damaged index of subjects is told, and made again from the entries."""
    filled(place)
    tamper(place, "DELETE FROM ledger_recent WHERE seq > 5")
    with Ledger.open(place) as ledger:
        assert ["index"] == [one.kind for one in ledger.verify()]
        ledger.reindex()
        assert ledger.verify() == []


def test_anchors_are_of_one_ledger_and_signed(tmp_path: Path) -> None:
    """An anchor of another ledger says so; a forged, altered or unreadable one is refused."""
    one, other = str(tmp_path / "one.db"), str(tmp_path / "other.db")
    filled(one)
    filled(other)
    file = tmp_path / "anchors"
    with Ledger.open(other) as ledger:
        ledger.anchor(file, b"0123456789abcdef")
        with pytest.raises(InvalidInput, match="16 bytes"):
            ledger.anchor(file, b"short")
    assert 1 == len(anchor.read(file, b"0123456789abcdef"))
    with pytest.raises(LedgerBroken, match="not signed"):
        anchor.read(file, b"another key, as long")
    with Ledger.open(one) as ledger:
        assert ["anchor"] == [problem.kind for problem in ledger.verify(anchors=anchor.read(file))]
    file.write_text(file.read_text().replace('"seq":31', '"seq":30'))
    with pytest.raises(LedgerBroken, match="not signed"):
        anchor.read(file, b"0123456789abcdef")
    file.write_text("{}\n")
    with pytest.raises(Unreadable, match="anchors:1"):
        anchor.read(file)
    with pytest.raises(InvalidInput):
        anchor.read(tmp_path / "none")


def test_progress_is_told(ledger: Ledger) -> None:
    """Verification tells how far it is, up to the end."""
    ledger.append(entries(0, 2500))
    told: list[tuple[int, int]] = []
    assert ledger.verify(lambda done, total: told.append((done, total))) == []
    assert told == [(1000, 2500), (2000, 2500), (2500, 2500)]


def test_a_hundred_problems_are_enough(place: str) -> None:
    """A ledger full of problems is told of by its first ones, in order."""
    with Ledger.open(place) as ledger:
        ledger.append(entries(0, 500))
    tamper(place, ALTER)
    found = problems(place)
    assert 100 == len(found)
    assert list(range(1, 101)) == [one.seq for one in found]
