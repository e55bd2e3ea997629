"""The right to erasure: rows with their vectors and vaults at once; traces by their tags, in the background.

The cache has nothing of it: what memory takes part in is never cached. What is under way while something is erased does
not bring it back: a turn's items need the conversation's row, and a user who was not erased since the turn began; a
summary needs all the items that it tells of; and facts are neither added nor worded anew where the user or the
conversation was erased since the turn began.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Column, ColumnElement, and_, delete, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from app.accounts.subjects import ID
from app.batches.transaction import transaction
from app.clock import now_ms
from app.memory.locks import alone
from app.memory.tags import CONVERSATION, CUSTOMER_USER, TENANT, USER, Tags
from app.memory.types import Owner
from app.sql.schema import conversations, erasures, memories

# What was under way when something was erased has left its traces by then, and has nothing more to add.
FINAL_MS = 600_000
FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 60_000, 3_600_000
AT_ONCE = 100
BULK_TIMEOUT_S = 300.0  # for all that a tenant has, or that has expired
_CUSTOMER = re.compile(ID)


@dataclass(frozen=True, slots=True)
class Erased:
    """How much is gone. Traces follow."""

    conversations: int = 0
    memories: int = 0


@dataclass(frozen=True, slots=True)
class Erasure:
    """Traces that are to be deleted: those with this tag."""

    id: str
    tenant: str
    tag: str
    value: str
    created_ms: int
    due_ms: int
    failures: int


class ErasureRecords:
    """All methods raise Unavailable while the database is away."""

    def __init__(self, engine: AsyncEngine, tags: Tags) -> None:
        self._engine = engine
        self._tags = tags

    async def conversation(self, owner: Owner, conversation_id: str) -> bool:
        """One conversation with its items and summary, and the facts that came of it. False: there is none."""
        async with alone(self._engine, owner.tenant) as connection:
            gone = delete(conversations).where(_owned(conversations.c, owner), conversations.c.id == conversation_id)
            if (await connection.execute(gone)).rowcount != 1:
                return False
            drawn = and_(memories.c.tenant == owner.tenant, memories.c.conversation == conversation_id)
            await connection.execute(delete(memories).where(drawn))
            await _note(connection, owner.tenant, [(CONVERSATION, conversation_id)])
        return True

    async def user(self, owner: Owner, name: str) -> Erased:
        """All of an end user. Of a tenant's: whichever of its customers knows the user by that name. A customer of that
        name, whose key stood for the user, is meant too."""
        end_user, tenant = owner.end_user or "", owner.tenant
        whole = owner.customer is None
        value = end_user if whole else self._tags.customer_user(tenant, owner.customer, end_user)
        return await self._erase(owner, [(USER if whole else CUSTOMER_USER, value)], name)

    async def tenant(self, tenant: str) -> Erased:
        """Everything of a tenant."""
        return await self._erase(Owner(tenant), [(TENANT, tenant)])

    async def due(self) -> list[Erasure]:
        """Those whose traces are to be looked for now."""
        query = select(erasures).where(erasures.c.due_ms <= now_ms()).order_by(erasures.c.due_ms).limit(AT_ONCE)
        async with transaction(self._engine) as connection:
            return [Erasure(**row._mapping) for row in await connection.execute(query)]

    async def done(self, erasure: Erasure) -> None:
        """Its traces are deleted. Once more when nothing can be under way any more; then that is all."""
        final = erasure.created_ms + FINAL_MS
        async with transaction(self._engine) as connection:
            this = erasures.c.id == erasure.id
            if now_ms() >= final:
                await connection.execute(delete(erasures).where(this))
            else:
                await connection.execute(update(erasures).where(this).values(due_ms=final, failures=0))

    async def failed(self, erasure: Erasure) -> None:
        """Try again, after a pause that grows."""
        pause = min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS << min(erasure.failures, 10))
        changes = {"due_ms": now_ms() + pause, "failures": erasure.failures + 1}
        async with transaction(self._engine) as connection:
            await connection.execute(update(erasures).where(erasures.c.id == erasure.id).values(changes))

    async def expire(self, retention_days: float) -> Erased:
        """What nobody has touched for so long. Its traces have a retention of their own."""
        now = now_ms()
        async with transaction(self._engine, BULK_TIMEOUT_S) as connection:
            old = await connection.execute(delete(conversations).where(conversations.c.expires_ms <= now))
            before = now - round(retention_days * 86_400_000)
            facts = await connection.execute(delete(memories).where(memories.c.updated_ms <= before))
        return Erased(old.rowcount, facts.rowcount)

    async def _erase(self, owner: Owner, tags: Sequence[tuple[str, str]], name: str | None = None) -> Erased:
        where = _owned(conversations.c, owner)
        if name is not None and _CUSTOMER.fullmatch(name):
            nobodys = and_(conversations.c.customer == name, conversations.c.end_user.is_(None))
            where = or_(where, and_(_owned(conversations.c, replace(owner, end_user=None)), nobodys))
        async with alone(self._engine, owner.tenant, BULK_TIMEOUT_S) as connection:
            # First: who adds a fact at the same time looks for it.
            await _note(connection, owner.tenant, tags)
            query = delete(conversations).where(where).returning(conversations.c.id)
            gone = list((await connection.execute(query)).scalars())
            for start in range(0, len(gone), AT_ONCE):
                ids = gone[start : start + AT_ONCE]
                await _note(connection, owner.tenant, [(CONVERSATION, one) for one in ids])
            drawn, of_tenant = _owned(memories.c, owner), memories.c.tenant == owner.tenant
            facts = (await connection.execute(delete(memories).where(drawn))).rowcount
            for start in range(0, len(gone), AT_ONCE):
                of_these = memories.c.conversation.in_(gone[start : start + AT_ONCE])
                facts += (await connection.execute(delete(memories).where(of_tenant, of_these))).rowcount
        return Erased(len(gone), facts)


def erased_since(tenant: str, since_ms: int, known_as: Sequence[tuple[str, str]]) -> ColumnElement[bool]:
    """Whether what is known by one of these tags and values was erased at that time or later."""
    return exists().where(
        erasures.c.tenant == tenant,
        erasures.c.created_ms >= since_ms,
        or_(*(and_(erasures.c.tag == tag, erasures.c.value == value) for tag, value in known_as)),
    )


async def _note(connection: AsyncConnection, tenant: str, tags: Sequence[tuple[str, str]]) -> None:
    now = now_ms()
    rows = [
        {
            "id": f"erase_{uuid.uuid4().hex}",
            "tenant": tenant,
            "tag": tag,
            "value": value,
            "created_ms": now,
            "due_ms": now,
            "failures": 0,
        }
        for tag, value in tags
    ]
    if rows:
        await connection.execute(insert(erasures), rows)


def _owned(columns: ReadOnlyColumnCollection[str, Column[Any]], owner: Owner) -> ColumnElement[bool]:
    """What an owner may delete: its customer's, or, without one, the whole tenant's."""
    found = [columns.tenant == owner.tenant]
    if owner.customer is not None:
        found.append(columns.customer == owner.customer)
    if owner.end_user is not None:
        found.append(columns.end_user == owner.end_user)
    return and_(*found)
