"""What the routes of conversations do. A caller sees what is its customer's, without one what is its tenant's."""

import re
import uuid
from collections.abc import Mapping, Sequence

from app.accounts.types import Caller
from app.clock import now_ms
from app.config.memory import MemoryConfig
from app.errors import InvalidRequest, NotFound, RateLimited
from app.guard.screening import Spoken
from app.memory.conversations import Appending, ConversationRecords, Loaded, Merged
from app.memory.erasure import ErasureRecords
from app.memory.guard import MemoryGuard, restored
from app.memory.items import items_of, with_texts
from app.memory.merge import united
from app.memory.types import Conversation, Item, Message, NewItem, Owner
from app.memory.vault import VaultCipher
from app.pipeline.texts import places

# Anything else is no id of ours, and not a text that every database takes (PostgreSQL refuses a NUL).
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
ITEM_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
RETRY_AFTER_S = 60.0


class ConversationService:
    """All methods raise Unavailable while the database is away, NotFound for what is not the caller's."""

    def __init__(
        self,
        config: MemoryConfig,
        records: ConversationRecords,
        erasing: ErasureRecords,
        guard: MemoryGuard,
        cipher: VaultCipher,
    ) -> None:
        self.config = config
        self.records = records
        self._erasing = erasing
        self._guard = guard
        self._cipher = cipher

    async def create(
        self, caller: Caller, metadata: Mapping[str, str], messages: Sequence[Message] = ()
    ) -> Conversation:
        """Begin a conversation, with turns in it or empty.

        Raises RateLimited past `max_conversations`, BlockedByGuard for turns that the guard refuses."""
        now = now_ms()
        conversation = Conversation(
            tenant=caller.tenant,
            id=f"conv_{uuid.uuid4().hex}",
            customer=caller.customer,
            end_user=None,
            metadata=dict(metadata),
            created_ms=now,
            updated_ms=now,
            expires_ms=now + round(self.config.retention_days * 86_400_000),
        )
        masked = await self._masked(caller, {}, messages)  # before there is anything to be cleared away
        if not await self.records.create(conversation, self.config.max_conversations):
            raise RateLimited(
                f"You may have {self.config.max_conversations:,} conversations; delete some.",
                retry_after_s=RETRY_AFTER_S,
            )
        if messages:
            await self._append(caller, conversation.id, {}, *masked)
        return conversation

    async def conversation(self, owner: Owner, conversation_id: str) -> Conversation:
        """A conversation. One answer for what is not there, has expired, or is somebody else's."""
        found = await self.records.find(owner, conversation_id) if ID.fullmatch(conversation_id) else None
        if found is None:
            raise _missing(conversation_id)
        return found

    async def load(self, owner: Owner, conversation_id: str, tokens: int) -> Loaded:
        """A conversation with its newest items, of so many tokens; as `conversation` does."""
        found = await self.records.load(owner, conversation_id, tokens) if ID.fullmatch(conversation_id) else None
        if found is None:
            raise _missing(conversation_id)
        return found

    async def edit(self, caller: Caller, conversation_id: str, metadata: Mapping[str, str]) -> Conversation:
        """Put other metadata in the place of what there is."""
        owner = Owner.of(caller)
        await self.conversation(owner, conversation_id)
        await self.records.edit(owner, conversation_id, metadata)
        return await self.conversation(owner, conversation_id)

    async def delete(self, caller: Caller, conversation_id: str) -> None:
        """Erase a conversation: rows, summary, vectors, vault, facts that came of it; its traces follow."""
        await self.conversation(Owner.of(caller), conversation_id)
        await self._erasing.conversation(Owner.of(caller), conversation_id)

    async def add(
        self, caller: Caller, conversation_id: str, messages: Sequence[Message]
    ) -> tuple[Conversation, list[Item]]:
        """Append turns as they are given; the conversation as it is then, and the items.

        Raises BlockedByGuard, and InvalidRequest for a conversation that is full."""
        conversation = await self.conversation(Owner.of(caller), conversation_id)
        vault = self.vault(conversation)
        masked, mine, policy = await self._masked(caller, vault, messages)
        self.check_room(conversation, len(masked))
        first = await self._append(caller, conversation_id, vault, masked, mine, policy)
        items = await self.records.between(caller.tenant, conversation_id, first, len(masked))
        return await self.conversation(Owner.of(caller), conversation_id), items

    async def items(
        self, caller: Caller, conversation_id: str, *, after: str | None, limit: int, ascending: bool
    ) -> tuple[Conversation, list[Item]]:
        """A page of items, and one more."""
        conversation = await self.conversation(Owner.of(caller), conversation_id)
        found = await self.records.page(
            caller.tenant, conversation_id, after=after, limit=limit + 1, ascending=ascending
        )
        if found is None:
            raise InvalidRequest("'after' is no item of this conversation.", param="after")
        return conversation, found

    async def item(self, caller: Caller, conversation_id: str, item_id: str) -> tuple[Conversation, Item]:
        conversation = await self.conversation(Owner.of(caller), conversation_id)
        found = await self.records.item(caller.tenant, conversation_id, item_id) if ITEM_ID.fullmatch(item_id) else None
        if found is None:
            raise NotFound(f"There is no item {item_id[:100]!r} in this conversation.", param="item_id")
        return conversation, found

    async def delete_item(self, caller: Caller, conversation_id: str, item_id: str) -> Conversation:
        """Delete an item, and the summary if it tells of it."""
        conversation, item = await self.item(caller, conversation_id, item_id)
        await self.records.delete_item(Owner.of(caller), conversation_id, item.id)
        return conversation

    def vault(self, conversation: Conversation) -> dict[str, str]:
        """What a conversation's placeholders stand for."""
        return self._cipher.open(conversation.tenant, conversation.id, conversation.vault)

    def shown(self, items: Sequence[Item], vault: Mapping[str, str]) -> list[tuple[Item, dict[str, object]]]:
        """Items with the contents that their tenant is shown: values in the place of placeholders."""
        return [
            (
                item,
                with_texts(
                    item.content, lambda text: restored(text, vault), lambda text: restored(text, vault, in_json=True)
                ),
            )
            for item in items
        ]

    def check_room(self, conversation: Conversation, more: int) -> None:
        """Raises InvalidRequest for a conversation that is full."""
        if conversation.next_position + more > self.config.max_items:
            raise InvalidRequest(
                f"The conversation has had the {self.config.max_items:,} items that it may; begin another one.",
                param="conversation",
            )

    def appending(
        self,
        owner: Owner,
        conversation_id: str,
        seen: Mapping[str, str],
        items: Sequence[NewItem],
        mine: Mapping[str, str],
        policy: str,
    ) -> Appending:
        """A turn as it is to be appended: its placeholders agree with those of turns that came meanwhile. `seen`: the
        vault as the turn found it; `mine`: its own; `policy`: the identity of the guard's."""

        def merge(sealed: bytes | None) -> Merged:
            stored = self._cipher.open(owner.tenant, conversation_id, sealed)
            union = united(stored, seen, mine)
            unchanged = union.vault == stored
            vault = sealed if unchanged else self._cipher.seal(owner.tenant, conversation_id, union.vault)
            return Merged(union.of(items), vault)

        return Appending(len(items), policy, merge, owner.end_user)

    async def _append(
        self,
        caller: Caller,
        conversation_id: str,
        seen: Mapping[str, str],
        items: Sequence[NewItem],
        mine: Mapping[str, str],
        policy: str,
    ) -> int:
        owner = Owner.of(caller)
        turn = self.appending(owner, conversation_id, seen, items, mine, policy)
        first = await self.records.append(owner, conversation_id, turn)
        if first is None:
            raise _missing(conversation_id)
        return first

    async def _masked(
        self, caller: Caller, vault: Mapping[str, str], messages: Sequence[Message]
    ) -> tuple[list[NewItem], Mapping[str, str], str]:
        """Messages as the guard leaves them, as items, with their vault and the policy's identity."""
        policy = self._guard.policy_of(caller.tenant)
        held = {"messages": [{**message} for message in messages]}
        found = list(places(held))
        spoken = [Spoken(text, place.by) for place in found for text in place.read()]
        screened = await self._guard.spoken(policy, spoken, vault)
        left = iter(screened.texts)
        for place in found:
            place.write([next(left) for _ in place.read()])
        return items_of(held["messages"]), screened.vault, self._guard.identity(policy)


def _missing(conversation_id: str) -> NotFound:
    """One sentence for what is not there, has expired, or is somebody else's."""
    return NotFound(f"There is no conversation {conversation_id[:100]!r}.", param="conversation")
