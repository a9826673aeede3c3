"""What all tests of the semantics start with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.semantics.account import Account


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """An account with one VPC, ``vpc-1`` (10.0.0.0/16, 2001:db8:1::/56), of two subnets, ``subnet-a`` and
    ``subnet-b``."""
    return Account(tmp_path)
