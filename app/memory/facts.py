"""Long-term facts about end users: learned after a turn, found for later ones, kept as the guard left them.

A fact has a vault of its own: placeholders are numbered within a conversation, and mean somebody else in the next one.
When it is used, its values are put in, and masked again under the request's own vault.
"""

import logging
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.accounts.types import Caller
from app.clock import now_ms
from app.config.memory import FactsConfig
from app.guard.screening import Spoken
from app.memory import extract
from app.memory.fact_records import FactRecords
from app.memory.guard import MemoryGuard, restored
from app.memory.ports import Ask, Embeds
from app.memory.tags import Tags
from app.memory.types import Fact, Owner
from app.memory.vault import VaultCipher
from app.memory.vectors import nearest, similarities, to_bytes
from app.retrieval.types import Vector

logger = logging.getLogger(__name__)

_PLACEHOLDER = re.compile(r"<([A-Z][A-Z0-9_]{0,39}_[0-9]{1,10})>")


@dataclass(frozen=True, slots=True)
class Said:
    """A turn that facts are looked for in. Texts are masked; `vault` undoes it. `since_ms`: when it began."""

    caller: Caller
    owner: Owner  # its end user is set
    model: str
    user: str
    assistant: str
    vault: Mapping[str, str]
    policy: str
    since_ms: int
    conversation: str | None = None


@dataclass(frozen=True, slots=True)
class Recalled:
    """Facts for a prompt, masked under the request's vault, and what that is to know besides."""

    texts: tuple[str, ...] = ()
    vault: Mapping[str, str] | None = None


class Facts:
    """For all users."""

    def __init__(
        self,
        config: FactsConfig,
        records: FactRecords,
        guard: MemoryGuard,
        embeds: Embeds,
        ask: Ask,
        cipher: VaultCipher,
        tags: Tags,
    ) -> None:
        self.config = config
        self.records = records
        self._guard = guard
        self._embeds = embeds
        self._ask = ask
        self._cipher = cipher
        self._tags = tags

    async def recall(self, owner: Owner, question: Vector, policy: str, known: Mapping[str, str]) -> Recalled:
        """The facts about the user that have to do with a question. `known`: the request's vault so far."""
        stored = await self.records.of_user(owner)
        found = nearest(question, [fact.vector for fact in stored], self.config.top_k, self.config.threshold)
        if not found:
            return Recalled()
        plain = [Spoken(self.plain(stored[index]), by="other") for index in found]
        masked = await self._guard.spoken(policy, plain, known)
        texts = await self._guard.notes(policy, masked.texts)
        return Recalled(tuple(text for text in texts if text is not None), masked.vault)

    async def learn(self, said: Said) -> int:
        """Look for facts in a turn and keep them; how many are new. Raises SextantError."""
        answer = await self._ask(
            said.caller,
            self.config.model or said.model,
            extract.request(said.user, said.assistant),
            self.config.max_tokens,
        )
        candidates = extract.facts_in(answer, self.config.max_per_turn)
        # A placeholder of the model's own making would never be given back.
        candidates = [text for text in candidates if _names(text) <= said.vault.keys()]
        kept = [text for text in await self._guard.notes(said.policy, candidates) if text is not None]
        if not kept:
            return 0
        vectors = await self._embeds.embed(kept)
        facts = [
            self._fact(said.owner, text, vector, said.vault, said.policy, said.conversation)
            for text, vector in zip(kept, vectors, strict=True)
        ]
        fresh, again = self._apart(facts, vectors, await self.records.of_user(said.owner))
        edited = [replace(fact, id=known, vault=self._vault_for(fact, known)) for known, fact in again]
        customer_user = self._tags.customer_user(said.owner.tenant, said.owner.customer, said.owner.end_user or "")
        return len(fresh) if await self.records.add(fresh, customer_user, said.since_ms, edited) else 0

    async def write(self, owner: Owner, text: str, policy: str) -> Fact:
        """A fact that somebody has written, ready to be kept. Raises BlockedByGuard, Unavailable."""
        masked = await self._guard.spoken(policy, [Spoken(text)], {})
        vector = (await self._embeds.embed(masked.texts))[0]
        return self._fact(owner, masked.texts[0], vector, masked.vault, policy, None)

    async def keep(self, fact: Fact) -> None:
        """Insert it."""
        owner = Owner(fact.tenant, fact.customer, fact.end_user)
        await self.records.add([fact], self._tags.customer_user(owner.tenant, owner.customer, fact.end_user), now_ms())

    def changes(self, fact: Fact, fact_id: str) -> dict[str, object]:
        """The columns by which the fact of that id comes to say what somebody has written; where it was learned
        stays."""
        same = {name: getattr(fact, name) for name in ("text", "vector", "policy", "updated_ms")}
        return {**same, "vault": self._vault_for(fact, fact_id)}

    def plain(self, fact: Fact) -> str:
        """A fact's text with its values."""
        return restored(fact.text, self._cipher.open(fact.tenant, fact.id, fact.vault))

    def _vault_for(self, fact: Fact, fact_id: str) -> bytes | None:
        """A fact's vault, sealed for another id."""
        return self._cipher.seal(fact.tenant, fact_id, self._cipher.open(fact.tenant, fact.id, fact.vault))

    def _fact(
        self,
        owner: Owner,
        text: str,
        vector: Vector,
        vault: Mapping[str, str],
        policy: str,
        conversation: str | None,
    ) -> Fact:
        fact_id, now = f"mem_{uuid.uuid4().hex}", now_ms()
        own = {name: vault[name] for name in _names(text) if name in vault}
        return Fact(
            tenant=owner.tenant,
            id=fact_id,
            customer=owner.customer,
            end_user=owner.end_user or "",
            text=text,
            vector=to_bytes(vector),
            policy=self._guard.identity(policy),
            created_ms=now,
            updated_ms=now,
            conversation=conversation,
            vault=self._cipher.seal(owner.tenant, fact_id, own),
        )

    def _apart(
        self, facts: Sequence[Fact], vectors: Sequence[Vector], stored: Sequence[Fact]
    ) -> tuple[list[Fact], list[tuple[str, Fact]]]:
        """What is new; and what says anew what is known, with the known one's id: near in meaning, and about the same
        values. (Vectors are of masked texts: two names look alike to them.) The latest wording holds."""
        fresh: list[Fact] = []
        again: list[tuple[str, Fact]] = []
        for fact, vector in zip(facts, vectors, strict=True):
            others = [*stored, *fresh]
            cosines = similarities(vector, [other.vector for other in others])
            alike = (
                other
                for other, cosine in zip(others, cosines, strict=True)
                if cosine >= self.config.same and self._values(other) == self._values(fact)
            )
            known = next(alike, None)
            if known is None:
                fresh.append(fact)
            elif known not in fresh:
                again.append((known.id, fact))
        return fresh, again

    def _values(self, fact: Fact) -> list[str]:
        return sorted(self._cipher.open(fact.tenant, fact.id, fact.vault).values())


def _names(text: str) -> set[str]:
    return {found[0] for found in _PLACEHOLDER.finditer(text)}
