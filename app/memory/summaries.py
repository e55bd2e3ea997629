"""What is known of a conversation's older turns: the summary in its row, and a vector for each turn."""

from collections.abc import Mapping, Sequence

from sqlalchemy import and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.batches.transaction import transaction
from app.memory.types import Conversation
from app.sql.schema import conversation_items, conversations

MAX_VECTORS = 2000  # of one conversation that a question is compared with: 3 MB with 384 dimensions


class SummaryRecords:
    """All methods raise Unavailable while the database is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def put(self, before: Conversation, summary: str, upto: int, policy: str, items: int) -> bool:
        """Exchange the summary for one that tells of the positions up to `upto`, too: of so many items from
        `before.summary_upto` on.

        False, and nothing is changed: somebody else has done so since, one of these items was deleted, or the
        conversation is gone."""
        table = conversation_items.c
        told = select(func.count()).where(
            table.tenant == before.tenant,
            table.conversation == before.id,
            table.position >= before.summary_upto,
            table.position < upto,
        )
        query = (
            update(conversations)
            .where(
                conversations.c.tenant == before.tenant,
                conversations.c.id == before.id,
                conversations.c.summary_upto == before.summary_upto,
                conversations.c.summary == before.summary,
            )
            .values(summary=summary, summary_upto=upto, summary_policy=policy)
        )
        async with transaction(self._engine) as connection:
            # Written first: whoever deletes an item locks the row as well, so what is counted then stays.
            if (await connection.execute(query)).rowcount != 1:
                return False
            if await connection.scalar(told) != items:
                await connection.rollback()
                return False
        return True

    async def put_vectors(self, tenant: str, conversation_id: str, vectors: Mapping[str, bytes]) -> None:
        """By item id."""
        table = conversation_items
        async with transaction(self._engine) as connection:
            for item_id, vector in vectors.items():
                where = and_(table.c.tenant == tenant, table.c.conversation == conversation_id, table.c.id == item_id)
                await connection.execute(update(table).where(where).values(vector=vector))

    async def vectors(self, tenant: str, conversation_id: str, before: int) -> Sequence[tuple[int, bytes]]:
        """Positions of turns that begin before a position, and their vectors; of very many the newest."""
        table = conversation_items
        query = (
            select(table.c.position, table.c.vector)
            .where(
                table.c.tenant == tenant,
                table.c.conversation == conversation_id,
                table.c.position < before,
                table.c.vector.is_not(None),
            )
            .order_by(table.c.position.desc())
            .limit(MAX_VECTORS)
        )
        async with transaction(self._engine) as connection:
            return [(row[0], row[1]) for row in await connection.execute(query)]
