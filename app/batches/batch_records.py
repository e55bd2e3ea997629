"""The rows of batches. Every change of a status is a compare-and-set: the API, the job and the runner race."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, exists, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts.types import Caller
from app.batches.file_records import behind, file_values, owned
from app.batches.transaction import transaction
from app.batches.types import OPEN, Batch, Problem, Status, StoredFile
from app.clock import now_ms
from app.sql.schema import batches, files

# Who was served longer ago counts as not served: a tenant's whole history is not read at every look.
TURNS_MS = 2 * 86_400_000


class BatchRecords:
    """Table `batches`. All methods raise Unavailable while the database is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, batch: Batch, max_open: int) -> bool:
        """Insert, unless the tenant has `max_open` unfinished ones or the input file is gone: then False.

        Requests at the same time may pass the bound by their number where the database lets them run
        side by side (PostgreSQL); it is there against a flood.
        """
        values = {**asdict(batch), "errors": None}
        types = [batches.c[name] for name in values]
        unfinished = (
            select(func.count())
            .select_from(batches)
            .where(batches.c.tenant == batch.tenant, batches.c.status.in_(OPEN))
            .scalar_subquery()
        )
        file = exists().where(files.c.id == batch.input_file, files.c.deleted_ms.is_(None))
        row = select(*(literal(values[column.name], column.type) for column in types)).where(
            unfinished < max_open, file
        )
        async with transaction(self._engine) as connection:
            return (await connection.execute(insert(batches).from_select(types, row))).rowcount == 1

    async def get(self, batch_id: str, caller: Caller | None = None) -> Batch | None:
        """The batch; with `caller`, unless it is not its own."""
        query = select(batches).where(batches.c.id == batch_id)
        if caller is not None:
            query = query.where(owned(batches, caller))
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).first()
        return _batch(row) if row else None

    async def page(self, caller: Caller, *, after: str | None, limit: int) -> Sequence[Batch] | None:
        """Up to `limit` batches older than the batch `after`, newest first; None: there is no such batch."""
        query = select(batches).where(owned(batches, caller)).limit(limit)
        query = query.order_by(batches.c.created_ms.desc(), batches.c.id.desc())
        async with transaction(self._engine) as connection:
            if after is not None:
                place = select(batches.c.created_ms).where(owned(batches, caller), batches.c.id == after)
                time = (await connection.execute(place)).scalar()
                if time is None:
                    return None
                query = query.where(behind(batches.c.created_ms, batches.c.id, time, after, False))
            rows = (await connection.execute(query)).all()
        return [_batch(row) for row in rows]

    async def cancel(self, caller: Caller, batch_id: str) -> bool:
        """Ask for the end of a batch that is not yet near it. One that no job has begun ends at once."""
        now = now_ms()
        untouched = and_(batches.c.job.is_(None), batches.c.status == "validating")
        return await self._change(
            batch_id,
            owned(batches, caller),
            batches.c.status.in_(("validating", "in_progress")),
            status=case((untouched, "cancelled"), else_="cancelling"),
            cancelling_ms=now,
            ended_ms=case((untouched, now), else_=None),
        )

    async def start(self, batch_id: str, total: int) -> bool:
        """The input is valid: validating -> in_progress."""
        return await self._change(
            batch_id, batches.c.status == "validating", status="in_progress", total=total, started_ms=now_ms()
        )

    async def progress(self, batch_id: str, completed: int, failed: int) -> Status | None:
        """Write the counts, and read whether to go on."""
        async with transaction(self._engine) as connection:
            await connection.execute(
                update(batches)
                .where(batches.c.id == batch_id, batches.c.status.in_(OPEN))
                .values(completed=completed, failed=failed)
            )
            status: Status | None = await connection.scalar(select(batches.c.status).where(batches.c.id == batch_id))
        return status

    async def finalize(self, batch_id: str) -> bool:
        """Every request has its line: in_progress -> finalizing."""
        return await self._change(
            batch_id, batches.c.status == "in_progress", status="finalizing", finalizing_ms=now_ms()
        )

    async def finish(
        self,
        batch: Batch,
        status: Status,
        *,
        output: StoredFile | None = None,
        error: StoredFile | None = None,
        errors: Sequence[Problem] = (),
    ) -> bool:
        """End a batch that is still as it was read, and show its files in the same transaction."""
        async with transaction(self._engine) as connection:
            changed = await connection.execute(
                update(batches)
                .where(batches.c.id == batch.id, batches.c.status == batch.status)
                .values(
                    status=status,
                    output_file=output.id if output else None,
                    error_file=error.id if error else None,
                    errors=[asdict(problem) for problem in errors],
                    completed=batch.completed,
                    failed=batch.failed,
                    ended_ms=now_ms(),
                )
            )
            if changed.rowcount != 1:
                return False
            for file in (output, error):
                if file:
                    await connection.execute(insert(files).values(file_values(file)))
        return True

    async def unfinished(self, max_jobs: int) -> Sequence[Batch]:
        """What jobs should work on: what they have begun, and what may begin now.

        A tenant's first batch may while fewer than 2 * `max_jobs` are worked on, any other one while fewer than
        `max_jobs` are. A begun batch may go on for as long as its window, so without the difference one
        tenant's batches would keep those of all others waiting until they expire.
        """
        begun = case((batches.c.job.is_(None), 1), else_=0)
        order = (begun, batches.c.created_ms, batches.c.id)
        rank = func.row_number().over(partition_by=batches.c.tenant, order_by=order).label("rank")
        ranked = select(batches.c.id, rank).where(batches.c.status.in_(OPEN)).subquery()
        served = case((ranked.c.rank == 1, _last_start(batches.c.tenant)), else_=0)
        query = (
            select(batches, ranked.c.rank)
            .join(ranked, ranked.c.id == batches.c.id)
            .order_by(begun, ranked.c.rank, served, batches.c.created_ms, batches.c.id)
            .limit(2 * max_jobs)
        )
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        return [
            _batch(row)
            for place, row in enumerate(rows)
            if row.job is not None or row.rank == 1 or place < max_jobs  # of those ahead of it each is worked on
        ]

    async def first_file_ms(self) -> int | None:
        """When the first file was made that this database knows of."""
        async with transaction(self._engine) as connection:
            first: int | None = await connection.scalar(select(func.min(files.c.created_ms)))
        return first

    async def unclaimed(self, names: Mapping[str, str | None]) -> set[str]:
        """Which contents are neither shown nor of an unfinished batch. `names`: with the batch each would be of."""
        of_batches = [batch_id for batch_id in names.values() if batch_id is not None]
        unfinished = select(batches.c.id).where(batches.c.id.in_(of_batches), batches.c.status.in_(OPEN))
        shown = select(files.c.id).where(files.c.id.in_(list(names)), files.c.deleted_ms.is_(None))
        async with transaction(self._engine) as connection:
            # In this order: a batch that ends in between has by then shown its files.
            kept_batches = set((await connection.execute(unfinished)).scalars())
            kept = set((await connection.execute(shown)).scalars())
        return {name for name, batch_id in names.items() if name not in kept and batch_id not in kept_batches}

    async def claim(self, batch_id: str, before: str | None, job: str) -> bool:
        """Put a new job in the place of the one before; of several processes one succeeds."""
        return await self._change(
            batch_id, batches.c.job.is_not_distinct_from(before), batches.c.status.in_(OPEN), job=job
        )

    async def _change(self, batch_id: str, *conditions: ColumnElement[bool], **values: object) -> bool:
        query = update(batches).where(batches.c.id == batch_id, *conditions).values(**values)
        async with transaction(self._engine) as connection:
            return (await connection.execute(query)).rowcount == 1


def _last_start(tenant: ColumnElement[str]) -> ColumnElement[int]:
    """When the tenant's latest batch of these days was started, 0 for none: the next turn is that of who waits."""
    others = batches.alias()
    latest = select(func.max(others.c.started_ms)).where(
        others.c.tenant == tenant, others.c.created_ms > now_ms() - TURNS_MS
    )
    return func.coalesce(latest.scalar_subquery(), 0)


def _batch(row: Row[Any]) -> Batch:
    fields = {column.name: row._mapping[column] for column in batches.c}
    return Batch(**{**fields, "errors": tuple(Problem(**problem) for problem in fields["errors"] or ())})
