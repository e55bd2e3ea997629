"""The cache as one request uses it: its keys, its permission to read and write."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.cache.entry import Entry
from app.cache.exact import ExactCache, Found
from app.cache.key import Provenance, cache_key, evidence_of, question_of, scope_key
from app.cache.policy import may_keep
from app.cache.use import CacheUse
from app.retrieval.types import Passage


@dataclass(frozen=True)
class CacheDesk:
    """Looks up and keeps under the keys of one request.

    `body` is the request, as the keys see it; `cache` is None where there is none for it. `is_known` is false as long
    as nobody can tell what the answer would be drawn from: nothing can be found then, and what is kept is kept once
    the passages are known. `before` is the key that the request had until then; it leads to the same entry.
    `answering`: ids of the models that the keys name; another's answer does not belong under them.
    """

    cache: ExactCache | None
    provenance: Provenance
    hash_key: bytes
    use: CacheUse
    body: Mapping[str, Any]
    is_known: bool = True
    before: str | None = None
    answering: frozenset[str] = frozenset()

    @property
    def state(self) -> str:
        """`x-sextant-cache` as long as there is no hit."""
        return "miss" if self.cache is not None and self.use.read else "bypass"

    @property
    def is_readable(self) -> bool:
        """Whether anything could be found now."""
        return self.cache is not None and self.use.read and self.is_known

    @property
    def may_share(self) -> bool:
        """Whether a generation may serve others who ask the same at the same time."""
        return self.cache is not None and self.is_known and self.use.write

    @functools.cached_property
    def key(self) -> str:
        """The key of the entry for this body."""
        return cache_key(self.body, self.provenance, self.hash_key)

    def masked(self, body: Mapping[str, Any], *, is_comparable: bool) -> "CacheDesk":
        """The desk for a body that the guard has rewritten. Keys of the two never meet, so that an
        unmasked look-up cannot find what holds another person's placeholders. `is_comparable`: by meaning."""
        use = self.use if is_comparable else replace(self.use, semantic=False)
        return replace(self, provenance=replace(self.provenance, masked=True), use=use, body=body)

    def upon(self, passages: Sequence[Passage]) -> "CacheDesk":
        """The desk once the passages are known: a change to other documents changes nothing for it."""
        seen = replace(self.provenance, knowledge_base=None, groups=(), evidence=evidence_of(passages))
        return replace(self, provenance=seen, is_known=True, before=self.key if self.is_known else None)

    async def look_up(self) -> Found | None:
        """What is kept for this body, if reading is allowed."""
        return await self.fetch(self.key) if self.is_readable else None

    async def fetch(self, key: str) -> Found | None:
        """What is kept under a key of this tenant, unless the client wants it younger, or not of its kind."""
        if self.cache is None:
            return None
        found = await self.cache.look_up(self.provenance.tenant, key, self.use.max_age_s)
        if found is None or not self.would_keep(found.entry):
            return None
        is_too_old = self.use.max_age_s is not None and found.age_s > self.use.max_age_s
        return None if is_too_old else found

    def keep(self, entry: Entry) -> bool:
        """Keep the entry for this body, if it may be kept."""
        if self.cache is None or not self.use.write or not self.is_known or not self.would_keep(entry):
            return False
        self.cache.keep(self.provenance.tenant, self.key, entry, ttl_s=self.use.ttl_s, alias=self.before)
        return True

    def would_keep(self, entry: Entry) -> bool:
        """Whether it is an answer that may be given again."""
        return may_keep(entry.answer, self.use)

    def place(self, max_characters: int) -> "Place | None":
        """Where this body's question stands in the semantic tier; None for what is not compared by meaning."""
        if self.cache is None or not self.use.semantic or not (self.use.read or self.use.write) or not self.is_known:
            return None
        question = question_of(self.body)
        if question is None or len(question) > max_characters:
            return None
        scope = scope_key(self.body, self.provenance, self.hash_key)
        return Place(self.provenance.tenant, scope, question, self.key, self.use.read)


@dataclass(frozen=True, slots=True)
class Place:
    """A question in its context. `key` is the exact tier's for it; `is_read`: what is near may answer it."""

    tenant: str
    scope: str
    question: str
    key: str
    is_read: bool = True
