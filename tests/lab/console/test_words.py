"""What people read: wrapped where there is a terminal, and complete; what services inherit."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from doorward_lab.console import words
from doorward_lab.console.rules import words as of_rule
from doorward_lab.model import Group, Rule
from doorward_lab.stack import roles


def test_tables_wrap_at_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In a terminal no line is wider than it is; elsewhere each name has one line."""
    found = {"one": "words " * 20, "another-name": "few words"}
    words.table(found)
    assert 2 == len(capsys.readouterr().out.splitlines())
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    words.table(found)
    told = capsys.readouterr().out.splitlines()
    assert len(told) > 2
    assert max(map(len, told)) <= 60
    assert " ".join(found.values()).split() == " ".join(line[14:] for line in told).split()


def test_what_is_left_out_is_cut_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten lines and how many more; nothing at all where nothing was left out."""
    words.left_out([], sys.stdout)
    assert "" == capsys.readouterr().out
    words.left_out([f"thing {n}: why" for n in range(25)], sys.stdout)
    told = capsys.readouterr().out.splitlines()
    assert ["(25):", "  - thing 0: why", "  - thing 9: why"] == [told[0].split()[-1], told[1], told[10]]
    assert "  and 15 more: doorward-lab status --json" == told[11]


def test_rules_are_in_the_words_of_scenes() -> None:
    """Ports, ICMP types, protocols by number, and peers by name."""
    groups = {"sg-1": Group("sg-1", "web", "vpc-1")}
    for rule, told in (
        (Rule("r", False, "tcp", 443, 443, group="sg-1"), "tcp/443 from group:web"),
        (Rule("r", True, "udp", 1, 9, cidr="10.0.0.0/8"), "udp/1-9 to 10.0.0.0/8"),
        (Rule("r", False, "icmp", 3, 4, cidr="::/0"), "icmp/3:4 from ::/0"),
        (Rule("r", False, "icmp", 8, -1, group="sg-9"), "icmp/8 from group:sg-9"),
        (Rule("r", True, "-1", None, None, prefix_list="pl-1"), "all to prefix-list:pl-1"),
        (Rule("r", False, "50", None, None, cidr="0.0.0.0/0"), "proto/50 from 0.0.0.0/0"),
    ):
        assert told == of_rule(rule, groups)


def test_services_can_import_what_the_lab_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages that came by PYTHONPATH are there for the services; the current folder is not among them."""
    monkeypatch.setattr(sys, "path", [os.getcwd(), str(tmp_path), "", *sys.path])
    paths = roles.environment(tmp_path)["PYTHONPATH"].split(os.pathsep)
    assert str(tmp_path) in paths
    assert os.getcwd() not in paths
    assert "" not in paths
