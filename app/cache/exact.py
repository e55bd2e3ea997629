"""The exact tier: the same request in the same circumstances is answered once."""

import logging
from dataclasses import dataclass
from typing import Any

import orjson

from app.cache.memory import MemoryTier
from app.cache.store import SharedStore
from app.config import CacheConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished answer.

    `answer` is the body of the non-streamed answer; `deltas` the pieces its text was streamed in
    (empty when it was not), so that a replay keeps the chunking.
    """

    answer: dict[str, Any]
    deltas: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        return orjson.dumps({"answer": self.answer, "deltas": self.deltas})

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Entry":
        """Raises ValueError when it is no entry."""
        content = orjson.loads(raw)
        if not isinstance(content, dict) or not isinstance(content.get("answer"), dict):
            raise ValueError("not a cache entry")
        if not content["answer"].get("choices"):
            raise ValueError("an entry without choices")
        return cls(answer=content["answer"], deltas=tuple(content.get("deltas", ())))


class ExactCache:
    """Entries in the ingress process, over the shared store."""

    def __init__(self, config: CacheConfig, store: SharedStore) -> None:
        self._memory = MemoryTier(config.memory_mb * 1_000_000, config.ttl_s)
        self._store = store
        self._ttl_s = config.ttl_s

    async def look_up(self, key: str) -> Entry | None:
        """The entry, or None. An entry that cannot be read is dropped and is a miss."""
        raw = self._memory.get(key)
        if raw is None:
            raw = await self._store.get(_name(key))
            if raw is None:
                return None
            self._memory.put(key, raw)
        try:
            return Entry.from_bytes(raw)
        except ValueError:
            self._memory.drop(key)
            logger.warning("dropped an unreadable cache entry")
            return None

    async def keep(self, key: str, entry: Entry) -> None:
        """Store an entry in both tiers."""
        raw = entry.to_bytes()
        self._memory.put(key, raw)
        await self._store.put(_name(key), raw, self._ttl_s)


def _name(key: str) -> str:
    return f"sextant:exact:{key}"
