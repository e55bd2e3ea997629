"""The rows of facts. Every question names the tenant; what goes into a prompt, the customer and the end user too."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.batches.file_records import behind
from app.batches.transaction import transaction
from app.clock import now_ms
from app.memory.erasure import erased_since
from app.memory.locks import alone
from app.memory.tags import CONVERSATION, CUSTOMER_USER, TENANT, USER
from app.memory.types import Fact, Owner
from app.sql.schema import memories

# What changes where a turn says anew what is known.
WORDING = ("text", "vault", "vector", "policy", "conversation", "updated_ms")


class FactRecords:
    """Table `memories`. All methods raise Unavailable while the database is away."""

    def __init__(self, engine: AsyncEngine, max_per_user: int, retention_days: float) -> None:
        self._engine = engine
        self._max = max_per_user
        self._retention_ms = round(retention_days * 86_400_000)

    async def of_user(self, owner: Owner) -> list[Fact]:
        """Everything about one end user of exactly this customer (None: of none), the latest first."""
        query = select(memories).where(_exactly(owner), self._is_fresh()).limit(self._max)
        query = query.order_by(memories.c.updated_ms.desc(), memories.c.id)
        async with transaction(self._engine) as connection:
            return [Fact(**row._mapping) for row in await connection.execute(query)]

    async def add(self, facts: Sequence[Fact], customer_user: str, since_ms: int, edited: Sequence[Fact] = ()) -> bool:
        """Insert facts about one end user, all from one turn, and let the oldest go past the bound.

        `edited`: facts of the same turn, under the ids of known ones that get their wording, and are of its
        conversation from then on; one that is gone stays so. `customer_user`: the user's tag. False: the user, the
        tenant or the conversation was erased since `since_ms`; nothing is written then."""
        one = (*facts, *edited)[0]
        owner = Owner(one.tenant, one.customer, one.end_user)
        known_as = [(USER, one.end_user), (CUSTOMER_USER, customer_user), (TENANT, owner.tenant)]
        known_as += [(CONVERSATION, one.conversation)] if one.conversation else []
        gone = erased_since(owner.tenant, since_ms, known_as)
        async with alone(self._engine, owner.tenant) as connection:
            # Written first: from here on nobody else erases, so what is looked for is not missed.
            if facts:
                await connection.execute(insert(memories), [asdict(fact) for fact in facts])
            for fact in edited:
                known = update(memories).where(_exactly(owner), memories.c.id == fact.id)
                await connection.execute(known.values({name: getattr(fact, name) for name in WORDING}))
            if await connection.scalar(select(gone)):
                await connection.rollback()
                return False
            newest = (
                select(memories.c.id)
                .where(_exactly(owner))
                .order_by(memories.c.updated_ms.desc(), memories.c.id)
                .limit(self._max)
            )
            await connection.execute(delete(memories).where(_exactly(owner), memories.c.id.not_in(newest)))
        return True

    async def page(self, owner: Owner, *, after: str | None, limit: int) -> list[Fact] | None:
        """Facts that the owner may see, newest first, behind the fact `after`; None: there is no such fact."""
        created, identifier = memories.c.created_ms, memories.c.id
        query = select(memories).where(_visible(owner), self._is_fresh()).limit(limit)
        async with transaction(self._engine) as connection:
            if after is not None:
                place = select(created).where(_visible(owner), identifier == after)
                time = await connection.scalar(place)
                if time is None:
                    return None
                query = query.where(behind(created, identifier, time, after, False))
            rows = await connection.execute(query.order_by(created.desc(), identifier.desc()))
            return [Fact(**row._mapping) for row in rows]

    async def find(self, owner: Owner, fact_id: str) -> Fact | None:
        query = select(memories).where(_visible(owner), memories.c.id == fact_id, self._is_fresh())
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).first()
        return Fact(**row._mapping) if row else None

    async def edit(self, owner: Owner, fact_id: str, changes: Mapping[str, object]) -> bool:
        query = update(memories).where(_visible(owner), memories.c.id == fact_id).values(dict(changes))
        async with transaction(self._engine) as connection:
            return (await connection.execute(query)).rowcount == 1

    async def delete(self, owner: Owner, fact_id: str) -> bool:
        async with transaction(self._engine) as connection:
            gone = delete(memories).where(_visible(owner), memories.c.id == fact_id)
            return (await connection.execute(gone)).rowcount == 1

    async def count(self, owner: Owner) -> int:
        """Of one end user of exactly this customer."""
        async with transaction(self._engine) as connection:
            return int(await connection.scalar(select(func.count()).select_from(memories).where(_exactly(owner))) or 0)

    def _is_fresh(self) -> ColumnElement[bool]:
        fresh: ColumnElement[bool] = memories.c.updated_ms > now_ms() - self._retention_ms
        return fresh


def _exactly(owner: Owner) -> ColumnElement[bool]:
    """One end user's, as one customer of the tenant knows it."""
    return and_(
        memories.c.tenant == owner.tenant,
        memories.c.customer.is_not_distinct_from(owner.customer),
        memories.c.end_user == owner.end_user,
    )


def _visible(owner: Owner) -> ColumnElement[bool]:
    """What a caller may see: its customer's, or, where its key has none, the whole tenant's."""
    found = [memories.c.tenant == owner.tenant]
    if owner.customer is not None:
        found.append(memories.c.customer == owner.customer)
    if owner.end_user is not None:
        found.append(memories.c.end_user == owner.end_user)
    return and_(*found)
