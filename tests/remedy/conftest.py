"""A cloud served over HTTP for a whole session, remedy's own clients of it, and steps that do not wait long."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from doorward.model.revert import Revert, load
from doorward.remedy.course import Steps, course, planned, run_here
from doorward.remedy.sessions import Sessions
from doorward.remedy.states import MemoryStates
from tests.remedy.rig import Rig, Served, World

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def _served() -> Iterator[Served]:
    made = Served()
    yield made
    made.close()


@pytest.fixture
def served(_served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The cloud of the session, unhindered at first, and credentials for it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREMEDY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    _served.rig.calls.clear()
    yield _served
    _served.rig.hinder = _served.rig.after = None


@pytest.fixture
def rig(served: Served) -> Rig:
    """What hinders the calls of that cloud."""
    return served.rig


@pytest.fixture
def world(served: Served) -> World:
    """A VPC of the test's own."""
    return World(served.client("ec2"), next(_NUMBERS))


@pytest.fixture
def steps(served: Served) -> Steps:
    """What the steps of a revert do, over HTTP."""
    clouds = Sessions(endpoint_url=served.url, attempts=2, timeout=5)
    return Steps(clouds, MemoryStates(), settle=(0.01, 0.02), attempts=3, pause=0.01)


@pytest.fixture
def perform(steps: Steps) -> Callable[[Revert], Revert]:
    """The whole course of a revert, in this process."""
    return lambda one: load(course(steps, planned(one), run_here, lambda seconds: None))
