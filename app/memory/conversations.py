"""The rows of conversations and their items. Every question names the tenant, and the customer of
a caller that has one.

Two turns at once: a turn's places are taken by raising the conversation's `next_position` in the statement that also
locks its row, so both are appended whole, one after the other, in the order in which they ended. The unique position
holds the rest to that. A turn does not see what another one says meanwhile.

A turn whose user is erased meanwhile is not appended. Where the conversation was nobody's, the erasure has left it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.batches.transaction import transaction
from app.clock import now_ms
from app.memory.erasure import erased_since
from app.memory.items import INSTRUCTING
from app.memory.locks import beside
from app.memory.tags import CUSTOMER_USER, USER, Tags
from app.memory.types import Conversation, Item, NewItem, Owner
from app.sql.schema import conversation_items, conversations

FIRST_PAGE, PAGE = 32, 128  # items that are read at once
MAX_PINNED = 20  # instructions of a conversation
ITEM = [conversation_items.c[name] for name in Item.__dataclass_fields__]


@dataclass(frozen=True, slots=True)
class Merged:
    """A turn's items as they are to be written, and the vault from now on (sealed)."""

    items: Sequence[NewItem]
    vault: bytes | None


@dataclass(frozen=True, slots=True)
class Appending:
    """A turn that is to be appended. `merge` is asked with the vault as it is by then. `end_user`: put down where the
    conversation has none; `policy` identifies the guard's that the items have passed."""

    count: int
    policy: str
    merge: Callable[[bytes | None], Merged]
    end_user: str | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a turn needs of its conversation."""

    conversation: Conversation
    items: Sequence[Item]
    pinned: Sequence[Item]


class ConversationRecords:
    """Tables `conversations` and `conversation_items`. All methods raise Unavailable while the database is away."""

    def __init__(self, engine: AsyncEngine, tags: Tags, retention_days: float) -> None:
        self._engine = engine
        self._tags = tags
        self._retention_ms = round(retention_days * 86_400_000)

    async def create(self, conversation: Conversation, max_conversations: int) -> bool:
        """Insert it, unless the tenant has so many. (Requests at the same time may pass the bound by their number: it
        is there against a flood.)"""
        counted = select(func.count()).where(conversations.c.tenant == conversation.tenant)
        async with transaction(self._engine) as connection:
            if (await connection.scalar(counted) or 0) >= max_conversations:
                return False
            await connection.execute(insert(conversations).values(asdict(conversation)))
        return True

    async def find(self, owner: Owner, conversation_id: str) -> Conversation | None:
        """The conversation, unless it is not the owner's, or has expired."""
        async with transaction(self._engine) as connection:
            query = select(conversations).where(_is(owner, conversation_id))
            row = (await connection.execute(query)).first()
        return Conversation(**row._mapping) if row else None

    async def edit(self, owner: Owner, conversation_id: str, metadata: Mapping[str, str]) -> bool:
        """Put other metadata in the place of what there is."""
        query = update(conversations).where(_is(owner, conversation_id)).values(metadata=dict(metadata))
        async with transaction(self._engine) as connection:
            return (await connection.execute(query)).rowcount == 1

    async def append(self, owner: Owner, conversation_id: str, turn: Appending) -> int | None:
        """Append a turn in one piece; the position of its first item. None: the conversation, or the turn's end user,
        was erased meanwhile, and stays so."""
        now = now_ms()
        taken = (
            update(conversations)
            .where(_is(owner, conversation_id))
            .values(
                next_position=conversations.c.next_position + turn.count,
                updated_ms=now,
                expires_ms=now + self._retention_ms,
                end_user=func.coalesce(conversations.c.end_user, turn.end_user),
            )
            .returning(conversations.c.next_position, conversations.c.vault, conversations.c.customer)
        )
        opened = transaction(self._engine) if turn.end_user is None else beside(self._engine, owner.tenant)
        async with opened as connection:
            row = (await connection.execute(taken)).first()
            if row is None:
                return None
            # Written first: from here on nobody erases, so what is looked for is not missed.
            if turn.end_user is not None and await self._is_erased(connection, owner, row[2], turn.end_user):
                await connection.rollback()
                return None
            first, merged = row[0] - turn.count, turn.merge(row[1])
            if merged.vault != row[1]:
                await connection.execute(
                    update(conversations)
                    .where(conversations.c.tenant == owner.tenant, conversations.c.id == conversation_id)
                    .values(vault=merged.vault)
                )
            key = {"tenant": owner.tenant, "conversation": conversation_id, "policy": turn.policy, "created_ms": now}
            rows = [
                {**key, "position": first + place, **_values(item), "counted_by": None, "vector": None}
                for place, item in enumerate(merged.items)
            ]
            if rows:
                await connection.execute(insert(conversation_items), rows)
        return int(first)

    async def load(self, owner: Owner, conversation_id: str, tokens: int) -> Loaded | None:
        """A conversation with its newest items, in order: those that have so many tokens together, and some more. Its
        instructions, wherever they stand, by themselves. None: as of `find`."""
        position, found = conversation_items.c.position, list[Item]()
        query = select(*ITEM).where(_of(owner.tenant, conversation_id)).order_by(position.desc())
        is_pinned = conversation_items.c.role.in_(INSTRUCTING)
        instructions = select(*ITEM).where(_of(owner.tenant, conversation_id), is_pinned).order_by(position)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(select(conversations).where(_is(owner, conversation_id)))).first()
            if row is None:
                return None
            conversation, size = Conversation(**row._mapping), FIRST_PAGE
            while tokens > 0 and conversation.next_position:
                page = query.where(position < found[-1].position) if found else query
                rows = [Item(**row._mapping) for row in await connection.execute(page.limit(size))]
                found += rows
                tokens -= sum(item.tokens for item in rows)
                if len(rows) < size:
                    break
                size = PAGE
            pinned = [Item(**row._mapping) for row in await connection.execute(instructions.limit(MAX_PINNED))]
        return Loaded(conversation, [item for item in found[::-1] if item.role not in INSTRUCTING], pinned)

    async def between(self, tenant: str, conversation_id: str, start: int, limit: int) -> list[Item]:
        """Items from a position on, in order."""
        return await self._items(and_(_of(tenant, conversation_id), conversation_items.c.position >= start), limit)

    async def at(self, tenant: str, conversation_id: str, spans: Sequence[tuple[int, int]]) -> list[Item]:
        """The items of spans of positions (the end is not among them), in order."""
        if not spans:
            return []
        position = conversation_items.c.position
        within = or_(*(and_(position >= start, position < end) for start, end in spans))
        return await self._items(and_(_of(tenant, conversation_id), within), PAGE)

    async def page(
        self, tenant: str, conversation_id: str, *, after: str | None, limit: int, ascending: bool
    ) -> list[Item] | None:
        """Items behind the item `after`; None: there is no such item."""
        position = conversation_items.c.position
        query = select(*ITEM).where(_of(tenant, conversation_id)).limit(limit)
        query = query.order_by(position if ascending else position.desc())
        async with transaction(self._engine) as connection:
            if after is not None:
                place = select(position).where(_of(tenant, conversation_id), conversation_items.c.id == after)
                at = await connection.scalar(place)
                if at is None:
                    return None
                query = query.where(position > at if ascending else position < at)
            return [Item(**row._mapping) for row in await connection.execute(query)]

    async def item(self, tenant: str, conversation_id: str, item_id: str) -> Item | None:
        found = await self._items(and_(_of(tenant, conversation_id), conversation_items.c.id == item_id), 1)
        return found[0] if found else None

    async def delete_item(self, owner: Owner, conversation_id: str, item_id: str) -> bool:
        """Delete an item; a summary that tells of it is forgotten with it, and made anew."""
        async with transaction(self._engine) as connection:
            touched = update(conversations).where(_is(owner, conversation_id)).values(updated_ms=now_ms())
            if (await connection.execute(touched)).rowcount != 1:
                return False
            gone = delete(conversation_items).where(
                _of(owner.tenant, conversation_id), conversation_items.c.id == item_id
            )
            position = (await connection.execute(gone.returning(conversation_items.c.position))).scalar()
            if position is None:
                return False
            await _forget_summary(connection, owner.tenant, conversation_id, position)
        return True

    async def tokens(self, tenant: str, conversation_id: str, start: int) -> int:
        """Of all items from a position on, whoever has counted them."""
        where = and_(_of(tenant, conversation_id), conversation_items.c.position >= start)
        async with transaction(self._engine) as connection:
            return int(await connection.scalar(select(func.sum(conversation_items.c.tokens)).where(where)) or 0)

    async def count(self, tenant: str, conversation_id: str, tokens: Mapping[str, int], model: str) -> None:
        """Items' tokens, by id, as this model's tokenizer counts them."""
        async with transaction(self._engine) as connection:
            for item_id, number in tokens.items():
                where = and_(_of(tenant, conversation_id), conversation_items.c.id == item_id)
                counted = update(conversation_items).where(where).values(tokens=number, counted_by=model)
                await connection.execute(counted)

    async def _is_erased(self, connection: AsyncConnection, owner: Owner, customer: str | None, end_user: str) -> bool:
        """Whether the end user of a conversation of this customer was erased since the owner came."""
        known_as = [(USER, end_user), (CUSTOMER_USER, self._tags.customer_user(owner.tenant, customer, end_user))]
        return bool(await connection.scalar(select(erased_since(owner.tenant, owner.since_ms, known_as))))

    async def _items(self, where: ColumnElement[bool], limit: int) -> list[Item]:
        query = select(*ITEM).where(where).order_by(conversation_items.c.position).limit(limit)
        async with transaction(self._engine) as connection:
            return [Item(**row._mapping) for row in await connection.execute(query)]


async def _forget_summary(connection: AsyncConnection, tenant: str, conversation_id: str, position: int) -> None:
    told = and_(
        conversations.c.tenant == tenant,
        conversations.c.id == conversation_id,
        conversations.c.summary_upto > position,
    )
    await connection.execute(update(conversations).where(told).values(summary="", summary_upto=0))


def _values(item: NewItem) -> dict[str, Any]:
    return {"id": item.id, "role": item.role, "content": dict(item.content), "tokens": item.tokens}


def _is(owner: Owner, conversation_id: str) -> ColumnElement[bool]:
    """The one conversation, if the owner may have it. Another end user's is none; one of nobody yet is."""
    table = conversations.c
    found = [table.tenant == owner.tenant, table.id == conversation_id, table.expires_ms > now_ms()]
    if owner.customer is not None:
        found.append(table.customer == owner.customer)
    if owner.end_user is not None:
        found.append(or_(table.end_user == owner.end_user, table.end_user.is_(None)))
    return and_(*found)


def _of(tenant: str, conversation_id: str) -> ColumnElement[bool]:
    return and_(conversation_items.c.tenant == tenant, conversation_items.c.conversation == conversation_id)
