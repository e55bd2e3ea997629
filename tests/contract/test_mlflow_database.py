"""What becomes of MLflow's database when another MLflow is installed: with the real MLflow's migrations."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest

from app.config.files import PROJECT
from deployments import mlflow_database
from deployments.mlflow_database import ADDRESS, SQLITE

INSTALLED = version("mlflow")
# A database as the MLflow before the last migration left it.
OLDER = """
import sqlalchemy, sys
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels.initial_models import Base

engine = sqlalchemy.create_engine(sys.argv[1])
Base.metadata.create_all(engine)
config = utils._get_alembic_config(sys.argv[1])
scripts = ScriptDirectory.from_config(config)
(head,) = scripts.get_heads()
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, scripts.get_revision(head).down_revision)
    connection.execute(sqlalchemy.text("INSERT INTO experiments (name, lifecycle_stage, workspace) "
                                       "VALUES ('mine', 'active', 'default')"))
print(head, end="")
"""


def python(*arguments: str, database: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, ADDRESS: f"{SQLITE}{database}", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True, check=False)


def started(database: Path) -> subprocess.CompletedProcess[str]:
    """As `make serve` starts MLflow, with a stand-in for its server."""
    return python("-m", "deployments.mlflow_database", sys.executable, "-c", "print('served')", database=database)


def one(database: Path, query: str) -> object:
    with closing(sqlite3.connect(database)) as connection:
        (value,) = connection.execute(query).fetchone()
        return value


def schema(database: Path) -> object:
    return one(database, "SELECT version_num FROM alembic_version")


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The older database, and the schema that the installed MLflow wants."""
    database = tmp_path_factory.mktemp("older") / "mlflow.db"
    made = python("-c", OLDER, f"{SQLITE}{database}", database=database)
    assert made.returncode == 0, made.stderr
    return database, made.stdout


@pytest.fixture
def database(tmp_path: Path, older: tuple[Path, str]) -> Path:
    """A copy of the older database in a folder of its own."""
    copy = tmp_path / "mlflow.db"
    copy.write_bytes(older[0].read_bytes())
    return copy


def test_an_older_database_is_migrated_before_the_server_starts_and_kept(
    database: Path, older: tuple[Path, str]
) -> None:
    _, wanted = older
    before = schema(database)
    assert before != wanted
    (database.parent / "mlflow.db.upgrading-journal").write_bytes(b"of a run that was killed")
    done = started(database)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "served"
    assert schema(database) == wanted
    kept = database.with_name(f"mlflow.db.before-{INSTALLED}")
    assert str(kept) in done.stdout
    assert schema(kept) == before
    for path in (database, kept):
        assert one(path, "SELECT count(*) FROM experiments WHERE name = 'mine'") == 1
    assert {path.name for path in database.parent.iterdir()} == {database.name, kept.name, "mlflow.db.version"}


def test_the_next_start_with_the_same_mlflow_does_not_even_ask(database: Path) -> None:
    database.with_name("mlflow.db.version").write_text(f"{INSTALLED}\n")
    before = database.read_bytes()
    assert started(database).stdout == "served\n"
    assert database.read_bytes() == before


def test_a_database_that_fits_is_left_alone_by_another_mlflow(database: Path) -> None:
    assert started(database).returncode == 0
    database.with_name(f"mlflow.db.before-{INSTALLED}").unlink()
    database.with_name("mlflow.db.version").write_text("3.0.0\n")
    inode = database.stat().st_ino
    assert started(database).stdout.splitlines()[-1] == "served"
    assert database.stat().st_ino == inode
    assert {path.name for path in database.parent.iterdir()} == {"mlflow.db", "mlflow.db.version"}


def test_a_migration_that_fails_changes_nothing_and_starts_no_server(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:  # as an MLflow from the future has it
        connection.execute("UPDATE alembic_version SET version_num = 'unheard-of'")
        connection.commit()
    before = database.read_bytes()
    for _ in range(2):  # nor does it pass at the second start
        done = started(database)
        assert done.returncode != 0
        assert "unheard-of" in done.stderr
        assert "served" not in done.stdout
    assert database.read_bytes() == before


def test_a_new_database_is_left_to_the_server(tmp_path: Path) -> None:
    assert started(tmp_path / "mlflow.db").stdout == "served\n"
    assert not (tmp_path / "mlflow.db").exists()


def test_a_database_on_a_server_is_migrated_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    uris: list[str] = []
    address = "postgresql+psycopg2://mlflow:secret@127.0.0.1/mlflow"
    monkeypatch.setenv(ADDRESS, address)
    monkeypatch.setattr(sys, "argv", ["mlflow_database"])
    monkeypatch.setattr(mlflow_database, "upgrade", uris.append)
    mlflow_database.main()
    assert uris == [address]
