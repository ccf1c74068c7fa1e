"""Each store is a parameter of the fixture."""

from pathlib import Path

import pytest
from tests.support.stores import Opened, postgres_at, sqlite_at


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Opens a store; the same one again each time."""
    if request.param == "sqlite":
        return sqlite_at(tmp_path / "store.db")
    return postgres_at(request.getfixturevalue("postgres_url"))
