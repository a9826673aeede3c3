"""Laws of the scene language, on random scenes and random text."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward_lab.errors import BadScene
from doorward_lab.scenes import Scene, dump, load
from doorward_lab.scenes.check import check
from doorward_lab.scenes.places import Places
from doorward_lab.scenes.read import load_text
from doorward_lab.scenes.scene import Service
from doorward_lab.scenes.terms import service, show_service
from tests.lab.scenes.made import scenes, services

CALM = list(HealthCheck)
DAMAGE = ("", " ", "\n", ":", "x", "[", "0", "/", "10.0.0.0/8", "\t", "'")
OUTAGE = dump(load("outage"))


@settings(max_examples=60, deadline=None, suppress_health_check=CALM)
@given(scenes())
def test_a_scene_written_and_read_is_the_same(scene: Scene) -> None:
    """Every scene that makes sense, dumped as YAML and read again, is equal to itself."""
    check(scene, Places("made"))
    assert scene == load_text(dump(scene), "made.yaml")


@given(services())
def test_a_service_written_and_read_is_the_same(one: Service) -> None:
    """Every service has one short form, which means it."""
    if one.protocol in ("tcp", "udp") or one.first is None or one.first >= 0:
        assert one == service(show_service(one))


@settings(max_examples=150, deadline=None, suppress_health_check=CALM)
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: str | bytes) -> None:
    """Whatever the bytes, there is a scene or a `BadScene`: nothing else comes out."""
    try:
        load_text(data, "s")
    except BadScene as error:
        assert str(error).startswith("s")


@settings(max_examples=150, deadline=None, suppress_health_check=CALM)
@given(st.integers(0, len(OUTAGE) - 1), st.sampled_from(DAMAGE))
def test_a_damaged_scene_is_read_or_refused(at: int, what: str) -> None:
    """One place of a good scene overwritten: there is a scene or a `BadScene` that names the file."""
    try:
        load_text(OUTAGE[:at] + what + OUTAGE[at + 1 :], "s")
    except BadScene as error:
        assert str(error).startswith("s")
        assert "\n" not in str(error)
