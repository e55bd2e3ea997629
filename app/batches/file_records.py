"""The rows of files. Every question names the caller, so no answer can be another tenant's or customer's."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, and_, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts.types import Caller
from app.batches.transaction import transaction
from app.batches.types import OPEN, StoredFile
from app.clock import now_ms
from app.sql.schema import batches, files

COLUMNS = (
    files.c.id,
    files.c.tenant,
    files.c.customer,
    files.c.key_id,
    files.c.name,
    files.c.purpose,
    files.c.bytes,
    files.c.created_ms,
)


@dataclass(frozen=True, slots=True)
class Stored:
    """How much a tenant has stored."""

    files: int
    bytes: int


class FileRecords:
    """Table `files`. All methods raise Unavailable while the database is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, file: StoredFile) -> None:
        """Make a file visible."""
        async with transaction(self._engine) as connection:
            await connection.execute(insert(files).values(file_values(file)))

    async def find(self, caller: Caller, file_id: str, *, deleted: bool = False) -> StoredFile | None:
        """The file, unless it is not the caller's or, but with `deleted`, is deleted."""
        query = select(*COLUMNS).where(owned(files, caller) if deleted else _visible(caller), files.c.id == file_id)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).first()
        return StoredFile(**row._mapping) if row else None

    async def page(
        self, caller: Caller, *, purpose: str | None, after: str | None, limit: int, ascending: bool
    ) -> Sequence[StoredFile] | None:
        """Up to `limit` files behind the file `after`, which may have been deleted meanwhile; None: no such file."""
        query = select(*COLUMNS).where(_visible(caller)).limit(limit)
        if purpose is not None:
            query = query.where(files.c.purpose == purpose)
        order = (files.c.created_ms, files.c.id)
        query = query.order_by(*order) if ascending else query.order_by(*(column.desc() for column in order))
        async with transaction(self._engine) as connection:
            if after is not None:
                place = select(*order).where(owned(files, caller), files.c.id == after)
                row = (await connection.execute(place)).first()
                if row is None:
                    return None
                query = query.where(behind(files.c.created_ms, files.c.id, row[0], row[1], ascending))
            rows = (await connection.execute(query)).all()
        return [StoredFile(**row._mapping) for row in rows]

    async def delete(self, caller: Caller, file_id: str) -> bool:
        """Make a file invisible, which it may be already. False: there is none, or an unfinished batch reads it."""
        in_use = exists().where(
            batches.c.input_file == file_id, batches.c.tenant == caller.tenant, batches.c.status.in_(OPEN)
        )
        query = (
            update(files)
            .where(owned(files, caller), files.c.id == file_id, or_(files.c.deleted_ms.is_not(None), ~in_use))
            .values(deleted_ms=func.coalesce(files.c.deleted_ms, now_ms()))
        )
        async with transaction(self._engine) as connection:
            return (await connection.execute(query)).rowcount == 1

    async def stored(self, tenant: str) -> Stored:
        """What the tenant has, all of its customers together."""
        query = select(func.count(), func.coalesce(func.sum(files.c.bytes), 0)).where(
            files.c.tenant == tenant, files.c.deleted_ms.is_(None)
        )
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).one()
        return Stored(int(row[0]), int(row[1]))


def file_values(file: StoredFile) -> dict[str, object]:
    """A row of `files`."""
    return {column.name: getattr(file, column.name) for column in COLUMNS}


def owned(table: Table, caller: Caller) -> ColumnElement[bool]:
    """Rows that the caller may see: its customer's, or, where its key has none, the whole tenant's."""
    tenants: ColumnElement[bool] = table.c.tenant == caller.tenant
    return tenants if caller.customer is None else and_(tenants, table.c.customer == caller.customer)


def behind(
    time: ColumnElement[int], identifier: ColumnElement[str], last_time: int, last_id: str, ascending: bool
) -> ColumnElement[bool]:
    """Rows that follow a given one, ordered by time and then by id."""
    if ascending:
        return or_(time > last_time, and_(time == last_time, identifier > last_id))
    return or_(time < last_time, and_(time == last_time, identifier < last_id))


def _visible(caller: Caller) -> ColumnElement[bool]:
    return and_(owned(files, caller), files.c.deleted_ms.is_(None))
