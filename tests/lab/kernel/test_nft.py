"""nftables in process: all or nothing, in the right namespace, and never a connection lost to a replacement."""

from __future__ import annotations

import shutil

import pytest

from doorward_lab.kernel import universe

GUESTS = "tests.lab.kernel.guests_nft:"

pytestmark = pytest.mark.usefixtures("kernel")

needs_nft = pytest.mark.skipif(shutil.which("nft") is None, reason="nft(8) is the judge, and is not installed")


@needs_nft
def test_transactions() -> None:
    """A refused command undoes those before it; a replacement is the whole table; other namespaces see nothing."""
    found = universe.run(GUESTS + "transactions")
    assert "Refused: nftables refused rules for a: Error: " in found["second_bad"]
    assert "No such file or directory" in found["second_bad"]
    assert "syntax error" in found["no_words"]
    assert found["unchanged"]
    assert "sgr-2" in found["after"] and "sgr-1" not in found["after"]
    assert [] == found["added"]
    assert [["input", "sgr-2", 0], ["input", "fwd } by JSON", 0]] == found["counters"]
    assert [] == found["other"]
    assert "No such file or directory" in found["json_refused"]


def test_counters() -> None:
    """A rule's counter tells the packets and bytes that it let in."""
    assert [3, 84] == universe.run(GUESTS + "counts")


@needs_nft
def test_links_are_looked_up_in_their_namespace() -> None:
    """The same name is another index in each of three namespaces, and each rule has its own."""
    assert ["lan", "lan", "lan"] == universe.run(GUESTS + "names_of_links")


def test_more_namespaces_than_contexts() -> None:
    """300 namespaces with 256 contexts and 1,500 files open: every rule set is right, and no descriptor stays.

    libnftables would abort the process at a descriptor of 1024 or more. What stays are the reserved low numbers.
    """
    found = universe.run(GUESTS + "many_contexts", 300)
    assert 0 == found["wrong"]
    assert found["left"] <= 256


def test_no_low_descriptor_is_said() -> None:
    """Where no descriptor below 1024 is left, that is an error, not an abort."""
    assert "no descriptor below 1024" in universe.run(GUESTS + "no_low_number")


def test_many_threads() -> None:
    """Eight threads, 20 namespaces, 480 replacements, and a ninth thread that snatches descriptors: all right."""
    assert [] == universe.run(GUESTS + "crowd")


def test_replacement_loses_no_connection() -> None:
    """Thousands of new connections during hundreds of replacements: none is lost."""
    tally = universe.run(GUESTS + "swaps", 3.0, True)
    assert 0 == tally["lost"]
    assert tally["connections"] > 1000 and tally["swaps"] > 500


def test_replacement_in_two_steps_loses_connections() -> None:
    """The test above can fail: emptying and filling in two transactions loses some."""
    assert universe.run(GUESTS + "swaps", 3.0, False)["lost"] > 0
