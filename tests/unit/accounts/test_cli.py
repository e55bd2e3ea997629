"""The command `sextant` against the real routes on a real socket."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, insert
from sqlalchemy.engine import URL
from typer.testing import CliRunner, Result

from app.cli import main as entry
from app.cli.connection import CommandFailed, find_stack
from app.cli.main import app
from app.sql.schema import usage
from tests.unit.accounts.desk import SECRETS, served, usage_row

Sextant = Callable[..., Result]


@pytest.fixture
def url(sqlite_database: URL) -> Iterator[str]:
    with served(sqlite_database) as url:
        yield url


@pytest.fixture
def sextant(url: str, monkeypatch: pytest.MonkeyPatch) -> Sextant:
    """Runs the command; it must succeed."""
    monkeypatch.setenv("SEXTANT_URL", url)
    monkeypatch.setenv("SEXTANT_ADMIN_KEY", SECRETS.admin_key)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> Result:
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output + repr(result.exception)
        return result

    return run


def parsed(result: Result) -> Any:
    return json.loads(result.stdout)


def test_a_key_from_creation_to_revocation(sextant: Sextant) -> None:
    words = "keys create --tenant acme --customer eu --name web --model m --model n --expires 30d --rpm 60"
    made = parsed(sextant(*words.split(), "--budget", "2.5/month", "--budget", "1/12h", "--metadata", "a=b", "--json"))
    assert made["key"].startswith("sk-sextant-")
    assert (made["models"], made["metadata"], made["name"]) == (["m", "n"], {"a": "b"}, "web")
    shown = parsed(sextant("keys", "show", made["id"], "--json"))
    assert shown["limits"]["requests_per_minute"] == 60
    assert {(one["amount_usd"], one["period"], one["window_s"]) for one in shown["budgets"]} == {
        (2.5, "month", None),
        (1, "rolling", 43_200),
    }
    assert "$2.50" in sextant("keys", "show", made["id"]).stdout
    table = sextant("keys", "list").stdout
    assert made["id"] in table
    assert made["key"] not in table
    rotated = sextant("keys", "rotate", made["id"], "--grace", "1h").stdout.splitlines()[-1]
    assert rotated.startswith("sk-sextant-")
    assert rotated != made["key"]
    assert "revoked" in sextant("keys", "revoke", made["id"]).stdout
    assert "No keys" in sextant("keys", "list").stdout
    assert [key["state"] for key in parsed(sextant("keys", "list", "--all", "--json"))] == ["revoked"]


def test_limits_and_budgets_are_set_listed_and_lifted(sextant: Sextant) -> None:
    assert "No limits" in sextant("keys", "limits", "default").stdout
    sextant("keys", "limits", "default", "--rpm", "5")
    sextant("keys", "limits", "model:*/chat", "--concurrent", "8")
    assert parsed(sextant("keys", "limits", "default", "--json"))["requests_per_minute"] == 5
    sextant("keys", "limits", "default", "--clear")
    assert parsed(sextant("keys", "limits", "default", "--json")) is None
    assert "No budgets" in sextant("budgets", "list").stdout
    budget = parsed(sextant("budgets", "set", "tenant:default", "$100/month", "--json"))
    assert "$120.00" in sextant("budgets", "set", "tenant:default", "120/month").stdout
    assert "tenant:default" in sextant("budgets", "list", "tenant:default").stdout
    sextant("budgets", "delete", budget["id"])
    assert parsed(sextant("budgets", "list", "--json")) == []


def test_usage_as_table_json_and_csv(sextant: Sextant, sqlite_database: URL) -> None:
    assert "Nothing was used" in sextant("usage").stdout
    engine = create_engine(sqlite_database.set(drivername="sqlite"))
    with engine.begin() as connection:
        for model, cost in (("m", 1_500_000_000), ("evil\x1b[2J", 1)):
            row = usage_row(model=model, cost_nano=cost, prompt_tokens=1234)
            connection.execute(insert(usage).values(**{name: getattr(row, name) for name in row.__slots__}))
    engine.dispose()
    table = sextant("usage", "--by", "model").stdout
    assert "$1.50" in table
    assert "1,234" in table
    assert "\x1b" not in table
    answer = parsed(sextant("usage", "--by", "tenant,model", "--model", "m", "--json"))
    assert answer["total"]["requests"] == 1
    rows = list(csv.DictReader(io.StringIO(sextant("usage", "--by", "model", "--csv").stdout)))
    assert [row["cost_usd"] for row in rows] == ["0.000000001", "1.500000000"]


def test_the_ledger_is_rebuilt(sextant: Sextant) -> None:
    assert parsed(sextant("ledger", "rebuild", "--json"))["rebuilt"]


@pytest.mark.parametrize(
    "words",
    [
        ["keys", "create"],
        ["keys", "create", "--tenant", "a", "--budget", "much"],
        ["keys", "create", "--tenant", "a", "--expires", "soon"],
        ["keys", "create", "--tenant", "a", "--metadata", "x"],
        ["keys", "rotate", "k", "--grace", "1y"],
        ["keys", "limits", "k", "--rpm", "0"],
        ["keys", "limits", "k", "--rpm", "1", "--clear"],
        ["budgets", "set", "k", "1/year"],
        ["usage", "--csv", "--json"],
    ],
)
def test_a_wrong_command_line_exits_with_2(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEXTANT_ADMIN_KEY", "x")
    assert CliRunner().invoke(app, words).exit_code == 2


@pytest.mark.parametrize("words", [[], ["keys", "create"], ["keys", "limits"], ["budgets", "set"], ["usage"]])
def test_help_teaches_by_examples_and_needs_no_stack(words: list[str]) -> None:
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0
    assert " ".join(["sextant", *words]) in result.output.partition("Examples" if words else "First steps")[2]


def failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command says when it exits with 1."""
    monkeypatch.setattr(sys, "argv", ["sextant", *words])
    with pytest.raises(SystemExit) as ended:
        entry()
    assert ended.value.code == 1
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert captured.out == ""
    return " ".join(captured.err.split())


def test_failures_say_what_to_do(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setenv("SEXTANT_URL", url)
    monkeypatch.setenv("SEXTANT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SEXTANT_ADMIN_KEY", raising=False)
    assert "set SEXTANT_ADMIN_KEY" in failure(monkeypatch, capsys, "keys", "list")
    for wrong in (SECRETS.api_key, "sk-wrong"):
        monkeypatch.setenv("SEXTANT_ADMIN_KEY", wrong)
        said = failure(monkeypatch, capsys, "keys", "list")
        assert "SEXTANT_ADMIN_KEY" in said
        assert wrong not in said
    monkeypatch.setenv("SEXTANT_ADMIN_KEY", SECRETS.admin_key)
    assert "no key of that id" in failure(monkeypatch, capsys, "keys", "show", "key_none")
    assert "nothing of that id" in failure(monkeypatch, capsys, "keys", "show", "a?tenant=b")
    assert "no route" in failure(monkeypatch, capsys, "keys", "show", "../tenants")
    assert "'tenant'" in failure(monkeypatch, capsys, "keys", "create", "--tenant", "a b")
    assert "group_by" in failure(monkeypatch, capsys, "usage", "--by", "shoe")
    monkeypatch.setenv("SEXTANT_URL", "http://127.0.0.1:1")
    assert "make serve" in failure(monkeypatch, capsys, "keys", "list")
    monkeypatch.setenv("SEXTANT_URL", "nonsense")
    assert "--url" in failure(monkeypatch, capsys, "keys", "list")


def test_the_running_stack_is_found_by_its_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SEXTANT_HOME", str(tmp_path))
    monkeypatch.delenv("SEXTANT_ADMIN_KEY", raising=False)
    (tmp_path / "admin_key").write_text(f"{SECRETS.admin_key}\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "stack.json").write_text(json.dumps({"base_url": f"{url}/v1"}))
    assert find_stack(None).ask("GET", "tenants")["data"] == []
    (tmp_path / "run" / "stack.json").write_text("{")
    with pytest.raises(CommandFailed):
        find_stack(None)
