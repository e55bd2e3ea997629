"""What the usage rows tell: the row that stands for a request, and what was spent on a budget."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Integer, and_, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import Unavailable
from app.ledger.types import UsageRow
from app.sql.schema import usage


@dataclass(frozen=True, slots=True)
class History:
    """Reads of the table `usage`. All raise Unavailable when the database cannot be read."""

    engine: AsyncEngine

    async def row(self, row_id: str) -> UsageRow | None:
        """The row of that id."""
        try:
            async with self.engine.connect() as connection:
                found = (await connection.execute(select(usage).where(usage.c.id == row_id))).mappings().first()
        except Exception as error:
            raise _unreadable() from error
        return UsageRow(**found) if found else None

    async def spent(
        self, subject: str, since_ms: int, until_ms: int | None, slot_ms: int, without: Collection[str]
    ) -> dict[int, int]:
        """Nano-dollars by slot (0 when `slot_ms` is 0) of a subject's requests admitted in [since_ms, until_ms)."""
        slot: ColumnElement[int] = literal_column("0")
        if slot_ms:
            slot = usage.c.at_ms // literal_column(str(slot_ms), Integer)
        query = select(slot, func.sum(usage.c.cost_nano)).where(belongs_to(subject), usage.c.at_ms >= since_ms)
        if until_ms is not None:
            query = query.where(usage.c.at_ms < until_ms)
        if without:
            query = query.where(usage.c.id.not_in(without))
        if slot_ms:
            query = query.group_by(slot)
        try:
            async with self.engine.connect() as connection:
                return {int(slot): int(total) for slot, total in await connection.execute(query) if total is not None}
        except Exception as error:
            raise _unreadable() from error


def belongs_to(subject: str) -> ColumnElement[bool]:
    """The rows of a subject, as `app.accounts.types` names it."""
    scope, _, name = subject.partition(":")
    owner, _, rest = name.partition("/")
    if scope == "key":
        return usage.c.key_id == name
    if scope == "tenant":
        return usage.c.tenant == name
    if scope == "customer":
        return and_(usage.c.tenant == owner, usage.c.customer == rest)
    if owner == "*":
        return usage.c.model == rest
    return and_(usage.c.model == rest, usage.c.tenant == owner)


def _unreadable() -> Unavailable:
    return Unavailable("The usage database cannot be read right now.", retry_after_s=5)
