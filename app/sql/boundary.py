"""Where errors of the SQL database become ours."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

from app.errors import Unavailable

RETRY_AFTER_S = 2.0


@contextmanager
def foreign_errors() -> Iterator[None]:
    """Around statements: a database that is away, full or slow is Unavailable.

    A statement that is wrong passes as it is: that is a bug. While connecting, asyncpg's errors come
    without SQLAlchemy's around them.
    """
    try:
        yield
    except (DataError, IntegrityError, ProgrammingError):
        raise
    except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise Unavailable("The database cannot be asked.", retry_after_s=RETRY_AFTER_S) from error
