"""Bring MLflow's database to the schema of the MLflow that is installed, then become the given command.

    MLFLOW_BACKEND_STORE_URI=sqlite:////... python -m deployments.mlflow_database [COMMAND ...]

After an upgrade `mlflow server` ends at once on the database of the version before, or migrates it without a copy
where a table is new. The address comes from the environment, since it can hold a password.

SQLite: a copy is migrated and takes the original's place, wholly or not at all; the original is kept as
`<name>.before-<version of MLflow>`. `<name>.version` notes what the file fits, so a start with the same MLflow costs
nothing; to ask the database would cost 2.5 s. Others are migrated where they are; back them up before an upgrade.
"""

import os
import shutil
import sqlite3
import sys
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

ADDRESS = "MLFLOW_BACKEND_STORE_URI"
SQLITE = "sqlite:///"


def upgrade(uri: str) -> None:
    """`mlflow db upgrade`, in this process: a password in the address stands in no list. Raises what that does."""
    from mlflow.db import commands

    commands.main(["upgrade", uri], standalone_mode=False)


def upgrade_file(path: Path, installed: str) -> None:
    """Migrate an SQLite file that was last used with another MLflow than `installed`.

    Raises what the migration does; the file is then as it was.
    """
    marker = path.with_name(f"{path.name}.version")
    if marker.is_file() and marker.read_text().strip() == installed:
        return
    if path.is_file():
        print(f"Bringing {path} to the schema of MLflow {installed}", flush=True)
        _replace(path, path.with_name(f"{path.name}.before-{installed}"))
    marker.write_text(f"{installed}\n")


def _replace(path: Path, before: Path) -> None:
    """Put a migrated copy into the file's place, and the file into that of `before`, where they differ."""
    copy = path.with_name(f"{path.name}.upgrading")
    for leftover in path.parent.glob(f"{copy.name}*"):  # a journal of a run that was killed would go into the new copy
        leftover.unlink()
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    shutil.copymode(path, copy)
    upgrade(f"{SQLITE}{copy}")
    if _schema(copy) == _schema(path):
        copy.unlink()
        return
    before.unlink(missing_ok=True)
    os.link(path, before)  # not a rename: at no time is there no database
    copy.replace(path)
    print(f"The one before is {before}", flush=True)


def _schema(path: Path) -> str | None:
    """The revision of its tables; None without any."""
    with closing(sqlite3.connect(path)) as database:
        try:
            row = database.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            return None
    return str(row[0]) if row else None


def main() -> None:
    """Upgrade, then replace this process."""
    uri, command = os.environ[ADDRESS], sys.argv[1:]
    if uri.startswith(SQLITE):
        upgrade_file(Path(uri.removeprefix(SQLITE)), version("mlflow"))
    else:
        upgrade(uri)
    if command:
        os.execvp(command[0], command)  # noqa: S606 - our own words


if __name__ == "__main__":
    main()
