"""What Alembic runs. The connection is handed in by app.sql.migrate, inside a transaction of its own."""

from alembic import context

from app.sql.schema import metadata


def run() -> None:
    """Bring the connection's database to the revision that Alembic was asked for."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        # SQLite cannot alter most of a table in place: Alembic then copies it.
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # Alembic's name for this file
    run()
