"""Export, import and retention."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doorward.errors import InvalidInput, LedgerBroken, Unreadable
from doorward.ledger.ledger import Ledger
from tests.ledger.samples import after, entries, note
from tests.ledger.tamper import tamper


def fill(ledger: Ledger) -> None:
    """Changes, notes, records of state."""
    ledger.append([*entries(0, 120), note("a\0b\n", 3, "k", ("contract:login",))])
    ledger.put("alert", "a1", {"open": True}, at=after(10))
    ledger.put("alert", "a1", {"open": False}, expect=1, at=after(20))


@pytest.mark.parametrize("name", ["ledger.jsonl", "ledger.jsonl.gz"])
def test_an_export_is_the_same_ledger_elsewhere(ledger: Ledger, tmp_path: Path, name: str) -> None:
    """What is imported into an empty ledger is the same chain, with the same records, and goes on."""
    fill(ledger)
    path = tmp_path / name
    assert 123 == ledger.export(path)
    assert [path] == [one for one in tmp_path.iterdir() if one.name.startswith((".", "ledger.jsonl"))]
    with Ledger.open(tmp_path / "other.db") as other:
        assert 123 == other.import_(path)
        assert list(ledger.entries()) == list(other.entries())
        assert ledger.states("alert") == other.states("alert")
        assert ledger.documents_at(after(99)) == other.documents_at(after(99))
        assert (ledger.anchor().ledger, ledger.anchor().hash) == (other.anchor().ledger, other.anchor().hash)
        assert other.verify() == []
        other.append(entries(120, 130))
        assert other.verify() == []
        with pytest.raises(InvalidInput, match="expected none"):
            other.import_(path)


def test_an_export_is_json_lines(ledger: Ledger, tmp_path: Path) -> None:
    """Every line is JSON that other tools read: a header, then an entry with its number and hash."""
    fill(ledger)
    ledger.export(tmp_path / "out")
    header, *lines = [json.loads(line) for line in (tmp_path / "out").read_text().split("\n")[:-1]]
    assert (1, 123) == (header["doorward_ledger"], header["seq"])
    assert list(range(1, 124)) == [line["seq"] for line in lines]
    assert {"entry", "hash", "seq"} == set(lines[0])
    assert "ec2:AuthorizeSecurityGroupIngress" == lines[0]["entry"]["body"]["call"]
    with pytest.raises(InvalidInput, match="format csv"):
        ledger.export(tmp_path / "out", "csv")
    with pytest.raises(InvalidInput, match="cannot be written"):
        ledger.export(tmp_path / "none" / "out")


def test_a_bad_export_is_not_imported(ledger: Ledger, tmp_path: Path) -> None:
    """An altered, shortened, mixed up or foreign file is refused, the line named, and nothing stays of it."""
    path = tmp_path / "out"
    with Ledger.open(tmp_path / "one.db") as one:
        fill(one)
        one.export(path)
    lines = path.read_text().split("\n")[:-1]
    bad = {
        "altered": ([*lines[:50], lines[50].replace("tcp", "udp"), *lines[51:]], LedgerBroken, ":51"),
        "one missing": ([*lines[:50], *lines[51:]], LedgerBroken, ":51"),
        "mixed up": ([*lines[:50], lines[51], lines[50], *lines[52:]], LedgerBroken, ":51"),
        "cut off": (lines[:-1], LedgerBroken, "cut off"),
        "half a line": ([*lines[:-1], lines[-1][:40]], Unreadable, ":124"),
        "no header": (lines[1:], Unreadable, ":1"),
        "of the future": ([lines[0].replace('_ledger":1', '_ledger":2'), *lines[1:]], Unreadable, "format 2"),
        "empty": ([""], Unreadable, ":1"),
    }
    for name, (text, kind, match) in bad.items():
        path.write_text("\n".join(text) + "\n")
        with pytest.raises(kind, match=match):
            ledger.import_(path)
        assert (name, 0) == (name, ledger.size().entries)
    with pytest.raises(InvalidInput, match="cannot be read"):
        ledger.import_(tmp_path / "none")
    (tmp_path / "out.gz").write_bytes(b"no gzip")
    with pytest.raises(InvalidInput, match="cannot be read"):
        ledger.import_(tmp_path / "out.gz")
    assert ledger.verify() == []
    ledger.append(entries(0, 1))


def test_pruning_keeps_the_chain(ledger: Ledger, tmp_path: Path) -> None:
    """A pruned ledger verifies, goes on, keeps its records, tells the pruning, can be pruned, exported, imported."""
    fill(ledger)
    ledger.append(entries(120, 300))
    wanted = [stored for stored in ledger.entries() if stored.seq > 200]
    anchors = [ledger.anchor()]
    done = ledger.prune(after(197 + 7), now=after(400), who="ann")
    assert (200, 200) == (done.removed, done.upto)
    assert ledger.verify(anchors=anchors) == []
    read = list(ledger.entries())
    assert wanted == read[: len(wanted)]
    seal = next(ledger.entries(kind="prune")).entry
    assert ("ann", 200, 200) == (seal.who, seal.body["upto"], seal.body["count"])  # type: ignore[index]
    state = ledger.state("alert", "a1")
    assert state is not None
    assert ({"open": False}, 2) == (state.value, state.version)
    assert state.seq > 303
    ledger.put("alert", "a1", {"open": True}, expect=2)
    ledger.append(entries(300, 320))
    assert 0 == ledger.prune(after(50), now=after(401)).removed
    assert ledger.verify() == []
    ledger.export(tmp_path / "out")
    with Ledger.open(tmp_path / "other.db") as other:
        other.import_(tmp_path / "out")
        assert list(ledger.entries()) == list(other.entries())
        assert ledger.documents_at(after(310)) == other.documents_at(after(310))
        assert other.verify() == []
    assert ledger.prune(after(250), now=after(402)).removed > 0
    assert ledger.verify(anchors=[ledger.anchor()]) == []
    assert ledger.documents_at(after(310)) == ledger.documents_at(after(310))


def test_only_a_beginning_can_go(ledger: Ledger) -> None:
    """An old entry that was learned behind a young one stays until that one goes."""
    ledger.append([note("old", 0), note("young", 100), note("old but late", 1)])
    assert 1 == ledger.prune(after(50), now=after(200)).removed
    assert ["young", "old but late"] == [
        stored.entry.body["text"] for stored in ledger.entries(kind="note")  # type: ignore[index]
    ]  # fmt: skip


def test_what_pruning_kept_is_sealed(place: str) -> None:
    """Altering the documents that a pruning kept is found."""
    with Ledger.open(place) as ledger:
        ledger.append(entries(0, 100))
        ledger.prune(after(80), now=after(200))
    tamper(place, "UPDATE ledger_document SET document = replace(document, 'tcp', 'udp')")
    with Ledger.open(place) as ledger:
        assert {"checkpoint"} == {one.kind for one in ledger.verify()}


def test_everything_can_go(ledger: Ledger) -> None:
    """Pruning beyond the newest entry leaves the seal alone, and the documents."""
    ledger.append(entries(0, 60))
    now = ledger.documents_at(after(1000))
    assert 60 == ledger.prune(after(1000), now=after(1000)).removed
    assert ["prune"] == [stored.entry.kind for stored in ledger.entries()]
    assert ledger.verify() == []
    assert now == ledger.documents_at(after(1000))
