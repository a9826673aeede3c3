"""Fixtures of the alert routes' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.notify.servers import Authority, authority


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of the tests' own."""
    return authority(Path(tmp_path_factory.mktemp("tls")))
