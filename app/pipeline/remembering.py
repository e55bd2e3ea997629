"""Memory on a request's way: its conversation is loaded, woven into the prompt, and goes on when the answer is settled.

open (after admission) ─> known values keep their placeholders ─> gather: by similarity ─> weave: what fits
answer settled ─> append, before the client has its end ─> in the background: count, digest, learn facts
"""

import copy
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.accounts.types import Caller
from app.attentive import attentive
from app.cache.entry import Entry
from app.cache.use import CacheUse
from app.clock import now_ms
from app.config import StackConfig
from app.errors import InvalidRequest, NotFound, SextantError
from app.guard.screening import Spoken
from app.memory.digest import Aged
from app.memory.facts import Said
from app.memory.fit import Window
from app.memory.items import INSTRUCTING, items_of, texts_of, turns_of, with_texts
from app.memory.memory import Memory
from app.memory.recall import Recall
from app.memory.tags import CONVERSATION, CUSTOMER_USER, USER
from app.memory.tokens import estimate
from app.memory.types import Conversation, Item, Message, NewItem, Owner, Turn
from app.memory.vectors import nearest
from app.pipeline.draft import Draft
from app.pipeline.journey import Journey, Request
from app.pipeline.screen import Guarding
from app.pipeline.texts import SPEAKERS
from app.retrieval.types import Vector
from app.wire.chat import ChatRequest

logger = logging.getLogger(__name__)

ENDED = ("stop", "length", "tool_calls")
QUOTED = 2  # a passage is quoted with its source, and may be marked between its words


class Remembering:
    """For all requests. `memory` is None where it is turned off."""

    def __init__(self, config: StackConfig, memory: Memory | None, guarding: Guarding) -> None:
        self._config = config
        self._memory = memory
        self._guarding = guarding
        self._digesting: set[str] = set()  # conversations

    def use_of(self, request: Request, caller: Caller, use: CacheUse) -> CacheUse:
        """What memory may change is neither looked up nor kept: nothing of it has to be erased there."""
        takes_part = _reference(request) is not None or self._wants_facts(request, caller)
        return replace(use, read=False, write=False) if takes_part else use

    async def open(self, journey: Journey) -> None:
        """Load the conversation. Raises NotFound for what is not the caller's, InvalidRequest for several answers."""
        request, flight, memory = journey.request, journey.flight, self._memory
        reference = _reference(request)
        if memory is None:
            if reference is not None:
                raise NotFound("Conversations are turned off (memory.enabled).", param="conversation")
            return
        user = _user(request, flight.caller)
        tag = None if user is None else memory.tags.user(flight.caller.tenant, user)
        owner = Owner.of(flight.caller, tag)
        if tag is not None:
            flight.attributes[USER] = tag
            flight.attributes[CUSTOMER_USER] = memory.tags.customer_user(owner.tenant, owner.customer, tag)
        with_facts = self._wants_facts(request, flight.caller)
        if reference is None and not with_facts:
            return
        window = Window.of(journey.route.reachable, journey.draft.body, self._config.memory)
        # Who its key's customer is, says the customer.
        reach = owner if request.user is not None else replace(owner, end_user=None)
        model = journey.route.base.engine_model
        recall = Recall(owner, reach, window, model, since_ms=now_ms(), with_facts=with_facts)
        if reference is not None:
            if (request.n or 1) > 1:
                raise InvalidRequest("A conversation goes on with one answer; leave 'n' out.", param="n")
            with flight.timeline.stage("memory") as attributes:
                await self._load(journey, recall, reference)
                attributes["sextant.memory.turns"] = len(recall.turns)
        journey.recall = recall
        flight.keeps = lambda: self._keep(journey, recall)

    def screened(self, journey: Journey) -> None:
        """The guard has masked the request: that is what will be kept of it."""
        recall = journey.recall
        if recall is None:
            return
        messages = journey.draft.body["messages"]
        recall.asked = messages[_leading(messages) :]
        journey.screened = replace(journey.screened, vault={**recall.vault, **journey.screened.vault})

    async def gather(self, journey: Journey) -> None:
        """Look for facts and for older turns that have to do with the question. Without them, if that fails."""
        recall, vector = journey.recall, journey.near.vector
        if recall is None or self._memory is None or vector is None or not recall.wants_vector:
            return
        with journey.flight.timeline.stage("recall") as attributes:
            try:
                async with attentive(self._config.memory.recall_timeout_ms / 1000):
                    await self._gather(self._memory, journey, recall, vector)
            except (SextantError, TimeoutError) as error:
                attributes["sextant.memory.failure"] = getattr(error, "code", "timeout")
            attributes["sextant.memory.facts"] = len(recall.facts)
            attributes["sextant.memory.earlier"] = len(recall.earlier)

    def weave(self, journey: Journey, draft: Draft) -> Draft:
        """The draft with what is remembered: notes in its system message, earlier turns behind that."""
        recall = journey.recall
        if recall is None:
            return draft
        style, guard = self._guarding.style, self._config.guard
        room = recall.window.left(draft.body)
        notes, earlier = recall.woven(room, style, guard.spotlight_tools)
        journey.flight.attributes["sextant.memory.messages"] = len(earlier)
        return draft.remembering(_leading(draft.body["messages"]), notes, earlier)

    def told(self, journey: Journey) -> Callable[[Entry | None], None]:
        """What notes an answer down before delivery puts values into it."""

        def note(entry: Entry | None) -> None:
            recall = journey.recall
            if recall is None or entry is None or journey.flight.failed_open:
                return  # what no guard has seen is not kept
            choice = entry.answer["choices"][0]
            if choice.get("finish_reason") in ENDED:
                said = choice["message"]
                kept = {name: said[name] for name in ("content", "refusal", "tool_calls") if said.get(name) is not None}
                recall.answer = copy.deepcopy({"role": "assistant", **kept})

        return note

    async def _load(self, journey: Journey, recall: Recall, reference: str) -> None:
        assert self._memory is not None
        service, owner = self._memory.conversations, recall.reach
        loaded = await service.load(owner, reference, recall.window.prompt)
        conversation = recall.conversation = loaded.conversation
        journey.flight.attributes[CONVERSATION] = conversation.id
        service.check_room(conversation, 1)
        recall.found = recall.vault = service.vault(conversation)
        identity = self._memory.guard.identity(journey.policy)
        turns = turns_of(await self._passed(loaded.items, identity, journey, recall))
        recall.pinned = await self._passed(loaded.pinned, identity, journey, recall)
        if turns and turns[0].start > 0 and turns[0].items[0].role != "user":
            turns = turns[1:]  # its beginning was not read
        recall.turns = turns
        if conversation.summary and conversation.summary_policy != identity:
            summary = await self._again([Spoken(conversation.summary, by="other")], journey, recall)
            recall.conversation = replace(conversation, summary=summary[0])

    async def _passed(self, items: Sequence[Item], identity: str, journey: Journey, recall: Recall) -> list[Item]:
        """Items as the policy in force leaves them; it has seen most of them already."""
        others = [item for item in items if item.policy != identity]
        spoken = [Spoken(text, SPEAKERS.get(item.role, "other")) for item in others for text in texts_of(item.content)]
        texts = iter(await self._again(spoken, journey, recall) if spoken else ())
        passed = []
        for item in items:
            if item.policy != identity:
                by_text = dict(zip(texts_of(item.content), texts, strict=False))
                changed = with_texts(item.content, by_text.__getitem__, by_text.__getitem__)
                item = replace(item, content=changed)
            passed.append(item)
        return passed

    async def _again(self, spoken: Sequence[Spoken], journey: Journey, recall: Recall) -> Sequence[str]:
        assert self._memory is not None
        screened = await self._memory.guard.spoken(journey.policy, spoken, recall.vault)
        recall.vault = {**recall.vault, **screened.vault}
        return screened.texts

    async def _gather(self, memory: Memory, journey: Journey, recall: Recall, vector: Vector) -> None:
        settings, conversation = self._config.memory, recall.conversation
        if conversation is not None and settings.earlier_turns and conversation.summary_upto > 0:
            quoted = sum(estimate(passage.chunk.text) for passage in journey.passages or ()) * QUOTED
            shown = recall.kept(recall.window.left(journey.draft.body) - quoted)
            before = shown[0].start if shown else conversation.next_position
            recall.earlier = await self._like(memory, conversation, vector, before, journey, recall)
        if recall.with_facts:
            vault = journey.screened.vault
            found = await memory.facts.recall(recall.owner, vector, journey.policy, vault)
            recall.facts = found.texts
            journey.screened = replace(journey.screened, vault={**vault, **(found.vault or {})})

    async def _like(
        self, memory: Memory, conversation: Conversation, vector: Vector, before: int, journey: Journey, recall: Recall
    ) -> list[Turn]:
        """Older turns that are like the question, in order."""
        settings, tenant = self._config.memory, conversation.tenant
        known = await memory.summaries.vectors(tenant, conversation.id, before)
        found = nearest(vector, [each for _, each in known], settings.earlier_turns, settings.earlier_threshold)
        starts = [known[index][0] for index in found]
        if not starts:
            return []
        spans = [(start, min(start + 8, before)) for start in starts]
        items = await memory.conversations.records.at(tenant, conversation.id, spans)
        identity = memory.guard.identity(journey.policy)
        items = [item for item in await self._passed(items, identity, journey, recall) if item.role not in INSTRUCTING]
        return [turn for turn in turns_of(items) if turn.start in starts]

    async def _keep(self, journey: Journey, recall: Recall) -> None:
        """Append the turn, and leave the rest to the background."""
        memory, flight, answer = self._memory, journey.flight, recall.answer
        flight.attributes["sextant.memory.kept"] = answer is not None
        if memory is None or answer is None:
            return
        identity, conversation = memory.guard.identity(journey.policy), recall.conversation
        vault: Mapping[str, str] = journey.screened.vault
        if conversation is not None:
            items = [*items_of(recall.asked), *items_of([answer], flight.answer_id)]
            mine = _used(vault, items)
            turn = memory.conversations.appending(recall.reach, conversation.id, recall.found, items, mine, identity)
            first = await memory.conversations.records.append(recall.reach, conversation.id, turn)
            if first is None:
                logger.info("memory: a conversation was erased while it was answered")
                return
            self._digest(memory, journey, recall, conversation.id)
        if recall.with_facts and recall.owner.end_user is not None:
            user = "\n".join(m["content"] for m in recall.asked if m["role"] == "user" and m.get("content"))
            said = Said(
                caller=flight.caller,
                owner=recall.owner,
                model=journey.route.requested,
                user=user,
                assistant=answer.get("content") or "",
                vault=vault,
                policy=journey.policy,
                since_ms=recall.since_ms,
                conversation=conversation.id if conversation else None,
            )
            memory.background.start(_learning(memory, said))

    def _digest(self, memory: Memory, journey: Journey, recall: Recall, conversation_id: str) -> None:
        trip = journey.flight.trip
        target = trip.answered_by if trip is not None else None
        if target is None or conversation_id in self._digesting:
            return
        aged = Aged(
            journey.flight.caller, conversation_id, journey.route.requested, target, journey.policy, recall.room
        )

        async def work() -> None:
            try:
                await memory.digest.after(aged)
            finally:
                self._digesting.discard(conversation_id)

        self._digesting.add(conversation_id)
        if not memory.background.start(work()):
            self._digesting.discard(conversation_id)

    def _wants_facts(self, request: Request, caller: Caller) -> bool:
        if self._memory is None or not self._config.memory.facts.enabled or not isinstance(request, ChatRequest):
            return False
        return request.sextant.memory and _user(request, caller) is not None


def _learning(memory: Memory, said: Said) -> Coroutine[Any, Any, int]:
    return memory.facts.learn(said)


def _reference(request: Request) -> str | None:
    """The id of the conversation that a request goes on."""
    given = request.conversation if isinstance(request, ChatRequest) else None
    return given if given is None or isinstance(given, str) else given.id


def _user(request: Request, caller: Caller) -> str | None:
    """The end user: as the request names it, else the key's customer."""
    return request.user or caller.customer


def _leading(messages: Sequence[Message]) -> int:
    """How many instructions stand in front."""
    return next((i for i, m in enumerate(messages) if m["role"] not in INSTRUCTING), len(messages))


def _used(vault: Mapping[str, str], items: Sequence[NewItem]) -> dict[str, str]:
    """What of a vault stands in these items, whole or without its brackets."""
    said = "\n".join(text for item in items for text in texts_of(item.content))
    return {name: value for name, value in vault.items() if name.strip("<>") in said}
