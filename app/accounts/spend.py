"""Reading the table `usage`: sums by what one asks for, and the rows themselves."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import BigInteger, ColumnElement, and_, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.accounts.changes import reading
from app.errors import InvalidRequest
from app.ledger.types import UsageRow
from app.sql.schema import usage

Group = Literal[
    "day", "tenant", "customer", "key", "model", "requested_model", "provider", "operation", "outcome", "batch"
]
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Which rows; None: whatever it is. A customer's id is unique in its tenant only, so give both."""

    from_ms: int | None = None
    to_ms: int | None = None  # exclusive
    tenant: str | None = None
    customer: str | None = None
    key_id: str | None = None
    model: str | None = None
    outcome: str | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """For a WHERE clause."""
        found = []
        if self.from_ms is not None:
            found.append(usage.c.at_ms >= self.from_ms)
        if self.to_ms is not None:
            found.append(usage.c.at_ms < self.to_ms)
        for name in ("tenant", "customer", "key_id", "model", "outcome"):
            value = getattr(self, name)
            if value is not None:
                found.append(usage.c[name] == value)
        return found


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over rows. Money in nano-dollars."""

    requests: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_nano: int
    overrun_nano: int


@dataclass(frozen=True, slots=True)
class Spend:
    """What one group of rows comes to. `day`: days since the epoch, as a whole number."""

    group: dict[str, Any]
    totals: Totals


class UsageStore:
    """Reads usage rows; the ledger writes them."""

    def __init__(self, engine: AsyncEngine, flush: Callable[[], Awaitable[None]] | None = None) -> None:
        """`flush`: waits until the rows of finished requests are in the database."""
        self._engine = engine
        self._flush = flush

    async def total(self, where: UsageFilter) -> Totals:
        """Over all rows."""
        async with self._reading() as connection:
            row = (await connection.execute(select(*_sums()).where(*where.conditions))).one()
            return _totals(row)

    async def by(self, groups: Sequence[Group], where: UsageFilter, limit: int, offset: int = 0) -> list[Spend]:
        """Days in order, and within one what cost most first."""
        columns = {name: column for group in groups for name, column in _columns(group).items()}
        days = [column for name, column in columns.items() if name == "day"]
        statement = (
            select(*(column.label(name) for name, column in columns.items()), *_sums())
            .where(*where.conditions)
            .group_by(*columns.values())
            .order_by(*days, func.sum(usage.c.cost_nano).desc(), *columns.values())
            .limit(limit)
            .offset(offset)
        )
        async with self._reading() as connection:
            rows = await connection.execute(statement)
            return [Spend({name: row._mapping[name] for name in columns}, _totals(row)) for row in rows]

    async def requests(self, where: UsageFilter, limit: int, after: str | None = None) -> list[UsageRow]:
        """The rows, newest first. `after`: the last id of the page before. Raises InvalidRequest."""
        statement = select(usage).where(*where.conditions).order_by(usage.c.at_ms.desc(), usage.c.id.desc())
        async with self._reading() as connection:
            if after is not None:
                last = select(usage.c.at_ms).where(usage.c.id == after, *where.conditions)
                at_ms = await connection.scalar(last)
                if at_ms is None:
                    raise InvalidRequest("'after' is no request of this list.", param="after")
                same_time = and_(usage.c.at_ms == at_ms, usage.c.id < after)
                statement = statement.where(or_(usage.c.at_ms < at_ms, same_time))
            return [UsageRow(**row._mapping) for row in await connection.execute(statement.limit(limit))]

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        if self._flush is not None:
            await self._flush()
        async with reading(self._engine) as connection:
            yield connection


def _columns(group: Group) -> dict[str, ColumnElement[Any]]:
    if group == "day":
        # The number stands in the statement: PostgreSQL does not know that two parameters are the same.
        return {"day": usage.c.at_ms // literal_column(str(DAY_MS), BigInteger)}
    if group == "customer":
        return {"tenant": usage.c.tenant, "customer": usage.c.customer}
    return {group: usage.c["key_id" if group == "key" else group]}


def _sums() -> list[ColumnElement[Any]]:
    names = ("prompt_tokens", "cached_tokens", "completion_tokens", "cost_nano", "overrun_nano")
    return [func.count().label("requests"), *(func.coalesce(func.sum(usage.c[name]), 0).label(name) for name in names)]


def _totals(row: Any) -> Totals:
    # PostgreSQL's sums of big integers are decimals.
    return Totals(*(int(row._mapping[name]) for name in Totals.__dataclass_fields__))
