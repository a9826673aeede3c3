"""The picture of a path: well formed, told in words too, and true to where the packet stops."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

from doorward.console.render.picture import explanation_svg, path_svg
from doorward.console.render.sheet import Names
from doorward.model.verdict import Explanation, Hop, Outcome, Verdict
from tests.console.samples import NASTY, POSTGRES, WITNESS, broken, estate, gap, hops, untold

SVG = "{http://www.w3.org/2000/svg}"
NAMES = Names((estate(),))


def drawn(svg: str) -> ElementTree.Element:
    """The parsed picture."""
    return ElementTree.fromstring(svg)  # noqa: S314 - our own text


def words(svg: str) -> list[str]:
    """Every text in it."""
    return [element.text or "" for element in drawn(svg).iter(f"{SVG}text")]


def passing(hop: Hop) -> Hop:
    """The same hop, passed."""
    return replace(hop, passes="yes")


def test_accessible() -> None:
    """It has a role, a title and a description that tell the whole path."""
    root = drawn(path_svg(broken(), NAMES))
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert desc is not None
    assert "img" == root.get("role")
    assert f"{title.get('id')} {desc.get('id')}" == root.get("aria-labelledby")
    assert "auth-reaches-its-database: broken" == title.text
    assert "From auth-1 to auth-db-1 on tcp/5432: passes: rule admits" in (desc.text or "")
    assert "stopped: no rule of auth-db admits tcp/5432 from 10.0.1.5" in (desc.text or "")


def test_stops_where_the_packet_stops() -> None:
    """Behind the stop the line is dotted, the target is not reached, and no answer is drawn."""
    text = words(path_svg(broken(), NAMES))
    assert "not reached" in text
    assert "and the answer back" not in text
    root = drawn(path_svg(broken(), NAMES))
    states = [one.get("class", "").split()[-1] for one in root.iter(f"{SVG}path") if "line" in one.get("class", "")]
    assert "lyes" == states[0]
    assert "lnone" == states[-1]


def test_the_way_back() -> None:
    """A packet that arrives and whose answer does not is drawn so."""
    there = tuple(map(passing, hops()[:5]))
    text = words(path_svg(broken(hops=(*there, replace(hops()[5], passes="no"))), NAMES))
    assert "reached" in text
    assert "and the answer back" in text
    assert "no answer arrives" in text


def test_a_leak() -> None:
    """What must not arrive and does is drawn as the fault that it is, whether the contract's kind is given or not."""
    verdict = broken(hops=tuple(map(passing, hops()[:5])))
    assert "reached, and must not be" in words(path_svg(verdict, NAMES))
    assert "reached, and must not be" in words(path_svg(replace(verdict, hops=()), NAMES, must="never-reach"))
    assert "reached, and must not be" not in words(path_svg(replace(verdict, hops=()), NAMES, must="reach"))


def test_without_packet() -> None:
    """Without a packet the reasons stand alone; nothing is invented."""
    for verdict in (untold(), gap()):
        text = words(path_svg(verdict, NAMES, Outcome.BROKEN))
        assert verdict.name in text[0]
        assert "not reached" not in text
    assert "perhaps reached" in words(path_svg(replace(untold(), witness=WITNESS), NAMES))


def test_pure() -> None:
    """The same verdict gives the same picture; names are optional."""
    assert path_svg(broken()) == path_svg(broken())


def test_hostile_names() -> None:
    """A hostile name is text in the picture, and no element."""
    hop = Hop("security-group", NASTY, NASTY * 40, "no", rule=NASTY)
    svg = path_svg(Verdict(NASTY, Outcome.BROKEN, why=NASTY, witness=replace(WITNESS, source=NASTY), hops=(hop,)))
    assert {"svg", "title", "desc", "style", "rect", "text", "path", "circle"} == {
        element.tag.removeprefix(SVG) for element in drawn(svg).iter()
    }


def test_explanation() -> None:
    """``explain`` has the same picture."""
    found = Explanation(
        Outcome.KEPT, "eni-0a1", "eni-0b2", POSTGRES[0], WITNESS.source_address, WITNESS.target_address,
        tuple(map(passing, hops())),
    )  # fmt: skip
    text = words(explanation_svg(found, NAMES))
    assert "auth-1 → auth-db-1 on tcp/5432: passes" == text[0]
    assert "the answer arrives" in text
