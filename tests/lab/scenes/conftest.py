"""One served cloud for the tests of scenes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.scenes.accounts import Ground


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    """A cloud over HTTP."""
    made = Ground()
    yield made
    made.close()
