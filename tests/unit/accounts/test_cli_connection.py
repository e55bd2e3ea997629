"""How the command `sextant` reaches a stack, and what it says about values that no stack could be sent."""

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import pytest
import typer
from sqlalchemy import create_engine, insert
from sqlalchemy.engine import URL

from app.cli import words
from app.cli.connection import CommandFailed, Stack, find_stack
from app.sql.schema import usage
from tests.unit.accounts.desk import SECRETS, served, usage_row


def test_no_proxy_stands_before_a_stack_on_this_machine(sqlite_database: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # nobody listens
    monkeypatch.setenv("NO_PROXY", "")
    with served(sqlite_database) as url:
        for address in (url, url.replace("127.0.0.1", "localhost")):
            assert Stack(address, SECRETS.admin_key).ask("GET", "tenants")["data"] == []
    with pytest.raises(CommandFailed, match="ConnectError"):
        Stack("http://stack.invalid", SECRETS.admin_key).ask("GET", "tenants")


def test_a_table_of_many_pages_has_each_group_once_whatever_is_billed_between_them(sqlite_database: URL) -> None:
    engine = create_engine(sqlite_database.set(drivername="sqlite"))

    def bill(numbers: Iterable[int], cost_nano: int) -> None:
        rows = [asdict(usage_row(model=f"m{number:04}", cost_nano=cost_nano)) for number in numbers]
        with engine.begin() as connection:
            connection.execute(insert(usage), rows)

    bill(range(2500), 1)
    with served(sqlite_database) as url:
        table = Stack(url, SECRETS.admin_key).table("spend", {"group_by": "model,day", "tenant": "default"})
        pages = [next(table)]
        bill(range(1500, 2500), 1_000_000)  # by cost these would come first now, and push others out of the next page
        pages += table
    engine.dispose()
    assert len(pages) == 3
    rows = list(csv.DictReader(io.StringIO("".join(pages))))
    assert [row["model"] for row in rows] == [f"m{number:04}" for number in range(2500)]


@pytest.mark.parametrize("key", ["sk-ädmin", "sk-\x07admin", "sk-admin\nx"])
def test_an_admin_key_that_no_header_can_hold_is_told_in_a_sentence(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEXTANT_ADMIN_KEY", key)
    with pytest.raises(CommandFailed, match="SEXTANT_ADMIN_KEY") as failed:
        find_stack("http://127.0.0.1:1")
    assert key not in str(failed.value)


def test_an_admin_key_file_that_is_no_text_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEXTANT_ADMIN_KEY", raising=False)
    monkeypatch.setenv("SEXTANT_HOME", str(tmp_path))
    (tmp_path / "admin_key").write_bytes(b"\xff")
    with pytest.raises(CommandFailed, match="cannot be read"):
        find_stack("http://127.0.0.1:1")


@pytest.mark.parametrize("url", ["http://host:port", "http://[::1", "http://a\x00b"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(CommandFailed, match="--url"):
        Stack(url, SECRETS.admin_key)


@pytest.mark.parametrize("amount", ["nan", "sNaN", "inf", "-Infinity", "1e999"])
def test_a_budget_is_a_number_that_json_can_hold(amount: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no budget"):
        words.budget(f"{amount}/month")
