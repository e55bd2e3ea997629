"""Draft the migration for what app/sql/schema.py has changed: `python -m app.sql.revise "what changes"`.

Compares the schema with a scratch database at the newest revision. Read the draft before you keep it.
"""

import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine

from app.sql.database import database_url
from app.sql.migrate import alembic_config, migrate, newest_revision


def main(message: str) -> None:
    """Write a new file into app/sql/migrations/versions."""
    with tempfile.TemporaryDirectory() as directory:
        migrate(database_url(None, Path(directory)))
        engine = create_engine(f"sqlite:///{directory}/sextant.db")
        with engine.connect() as connection:
            number = f"{int(newest_revision()) + 1:04}"
            command.revision(alembic_config(connection), message, autogenerate=True, rev_id=number)
        engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
