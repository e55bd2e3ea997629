"""Reading the table `usage`: sums by what one asks for, and the rows themselves."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import BigInteger, ColumnElement, Select, and_, false, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.accounts.changes import reading
from app.errors import InvalidRequest
from app.ledger.types import UsageRow
from app.sql.schema import usage

Group = Literal[
    "day", "tenant", "customer", "key", "model", "requested_model", "provider", "operation", "outcome", "batch"
]
DAY_MS = 86_400_000
LAST_DAY = 1_000_000  # since the epoch: no row is from a later one


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
        """Days in order, and within one what cost most first. For a look: what is billed between two pages moves
        groups from one to the other."""
        columns = _columns(groups)
        days = [column for name, column in columns.items() if name == "day"]
        order = (*days, func.sum(usage.c.cost_nano).desc(), *columns.values())
        return await self._grouped(columns, _sums_by(columns, where).order_by(*order).limit(limit).offset(offset))

    async def table(
        self,
        groups: Sequence[Group],
        where: UsageFilter,
        limit: int,
        offset: int = 0,
        after: Mapping[str, Any] | None = None,
    ) -> list[Spend]:
        """Days in order, and within one by what the groups are called. `after`: the last group of the page before.

        For accounts: whatever is billed meanwhile, pages repeat no group and leave out none of those there were.
        Raises InvalidRequest.
        """
        columns = _columns(groups)
        names = sorted(columns, key=lambda name: name != "day")
        statement = _sums_by(columns, where)
        if after is not None:
            if after.keys() != columns.keys() or not all(_is_value(name, after[name]) for name in names):
                raise InvalidRequest("'after' is no group of this table.", param="after")
            statement = statement.where(_behind((columns[name], after[name]) for name in names))
        # The databases differ in where they put what has no value.
        order = (columns[name].nulls_first() for name in names)
        return await self._grouped(columns, statement.order_by(*order).limit(limit).offset(offset))

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

    async def _grouped(self, columns: Mapping[str, ColumnElement[Any]], statement: Select[Any]) -> list[Spend]:
        async with self._reading() as connection:
            rows = await connection.execute(statement)
            return [Spend({name: row._mapping[name] for name in columns}, _totals(row)) for row in rows]

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        if self._flush is not None:
            await self._flush()
        async with reading(self._engine) as connection:
            yield connection


def _columns(groups: Sequence[Group]) -> dict[str, ColumnElement[Any]]:
    """What makes a group, by name."""
    return {name: column for group in groups for name, column in _columns_of(group).items()}


def _columns_of(group: Group) -> dict[str, ColumnElement[Any]]:
    if group == "day":
        # The number stands in the statement: PostgreSQL does not know that two parameters are the same.
        return {"day": usage.c.at_ms // literal_column(str(DAY_MS), BigInteger)}
    if group == "customer":
        return {"tenant": usage.c.tenant, "customer": usage.c.customer}
    return {group: usage.c["key_id" if group == "key" else group]}


def _sums_by(columns: Mapping[str, ColumnElement[Any]], where: UsageFilter) -> Select[Any]:
    labelled = (column.label(name) for name, column in columns.items())
    return select(*labelled, *_sums()).where(*where.conditions).group_by(*columns.values())


def _is_value(name: str, value: object) -> bool:
    """Whether a group's column may hold it; what clients send is not passed on unseen."""
    if name == "day":
        return type(value) is int and 0 <= value <= LAST_DAY
    return value is None or (isinstance(value, str) and "\x00" not in value)


def _behind(place: Iterable[tuple[ColumnElement[Any], Any]]) -> ColumnElement[bool]:
    """What comes after a place, in the order of these columns. None comes before every value."""
    found: ColumnElement[bool] = false()
    for column, value in reversed(list(place)):
        if value is None:
            found = or_(column.is_not(None), and_(column.is_(None), found))
        else:
            found = or_(column > value, and_(column == value, found))
    return found


def _sums() -> list[ColumnElement[Any]]:
    names = ("prompt_tokens", "cached_tokens", "completion_tokens", "cost_nano", "overrun_nano")
    return [func.count().label("requests"), *(func.coalesce(func.sum(usage.c[name]), 0).label(name) for name in names)]


def _totals(row: Any) -> Totals:
    # PostgreSQL's sums of big integers are decimals.
    return Totals(*(int(row._mapping[name]) for name in Totals.__dataclass_fields__))
