"""Which database an address means."""

from pathlib import Path

import pytest

from app.sql.database import database_url


@pytest.mark.parametrize(
    ("url", "database"),
    [
        (None, "{home}/sextant.db"),
        ("sqlite:///accounts.db", "{home}/accounts.db"),
        ("sqlite+aiosqlite:///sql/accounts.db", "{home}/sql/accounts.db"),
        ("sqlite:////srv/accounts.db", "/srv/accounts.db"),
        ("sqlite:///:memory:", ":memory:"),
        ("postgresql://host/sextant", "sextant"),
    ],
)
def test_a_relative_path_of_sqlite_lies_in_home(tmp_path: Path, url: str | None, database: str) -> None:
    assert database_url(url, tmp_path).database == database.format(home=tmp_path)
