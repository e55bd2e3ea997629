"""The exact tier: the same request in the same circumstances is answered once."""

import asyncio
import logging
import time
from dataclasses import dataclass, field
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
    (empty when it was not), so that a replay keeps the chunking. `made_s` is seconds since the epoch.
    """

    answer: dict[str, Any]
    deltas: tuple[str, ...] = ()
    made_s: float = field(default_factory=time.time, compare=False)

    def to_bytes(self) -> bytes:
        return orjson.dumps({"answer": self.answer, "deltas": self.deltas, "made_s": self.made_s})

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Entry":
        """Raises ValueError when it is no entry."""
        content = orjson.loads(raw)
        match content:
            case {
                "answer": {"choices": [{}, *_]} as answer,
                "deltas": list(deltas),
                "made_s": int() | float() as made_s,
            }:
                if all(isinstance(delta, str) for delta in deltas):
                    return cls(answer, tuple(deltas), made_s)
        raise ValueError("not a cache entry")


class ExactCache:
    """Entries in the ingress process, over the shared store."""

    def __init__(self, config: CacheConfig, store: SharedStore) -> None:
        self._memory = MemoryTier(config.memory_mb * 1_000_000, config.ttl_s)
        self._store = store
        self._ttl_s = config.ttl_s
        self._putting: set[asyncio.Future[bool]] = set()

    async def look_up(self, key: str) -> Entry | None:
        """The entry, or None. An entry that cannot be read is dropped and is a miss."""
        raw = known = self._memory.get(key)
        if raw is None:
            raw = await self._store.get(_name(key))
        if raw is None:
            return None
        try:
            entry = Entry.from_bytes(raw)
        except ValueError:
            self._memory.drop(key)
            logger.warning("dropped an unreadable cache entry")
            return None
        if known is None:
            # For what is left of its time: otherwise it would live in this process past its end.
            self._memory.put(key, raw, self._ttl_s - (time.time() - entry.made_s))
        return entry

    def keep(self, key: str, entry: Entry) -> None:
        """Store an entry in both tiers: in this process at once, in the shared store without anybody waiting for it."""
        raw = entry.to_bytes()
        self._memory.put(key, raw)
        putting = asyncio.ensure_future(self._store.put(_name(key), raw, self._ttl_s))
        self._putting.add(putting)  # the loop itself keeps no task alive
        putting.add_done_callback(self._putting.discard)

    async def kept(self) -> None:
        """Return once everything that was kept is in the shared store, or will not get there."""
        await asyncio.gather(*self._putting)


def _name(key: str) -> str:
    return f"sextant:exact:{key}"
