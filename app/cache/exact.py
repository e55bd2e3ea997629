"""The exact tier: the same request in the same circumstances is answered once."""

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from app.cache.entry import Entry, Record, Seal
from app.cache.memory import MemoryTier
from app.cache.purges import Purges, new_token, token_name
from app.cache.store import SharedStore
from app.config import CacheConfig
from app.errors import Unavailable

logger = logging.getLogger(__name__)

PREFIX = "sextant:exact:entry:"
FOLLOW_S = 0.5  # so that a purge is known everywhere within a second
FOLLOW_AT_ONCE = 1000  # tokens in one question to the store

Tier = Literal["memory", "store"]


@dataclass(frozen=True, slots=True)
class Found:
    """A hit. `key` is the entry's own; `is_stale`: past its time, to be given while a new one is made.

    The entry is the caller's: nobody else has this copy.
    """

    entry: Entry
    tier: Tier
    age_s: float
    is_stale: bool
    key: str


@dataclass(frozen=True, slots=True)
class Counters:
    """Since this process began; `entries` and `bytes` are what its memory holds now.

    Hits and `misses` are of requests, each of which counts once: as a miss where it was not answered by an entry of its
    own key, but by the semantic tier, with others, by a model or not at all.
    `dropped`: records that could not be read or were not ours, and answers that cannot be kept.
    """

    memory_hits: int
    store_hits: int
    misses: int
    dropped: int
    stored: int
    store_failures: int
    entries: int
    bytes: int


class ExactCache:
    """Entries in the ingress process, over the shared store.

    An entry is fresh for its time to live, and kept `stale_s` longer. Tenants never meet: a tenant's keyed digest
    stands in the names of its records, and each record is sealed for its name. Not thread-safe.
    """

    def __init__(self, config: CacheConfig, store: SharedStore, hash_key: bytes) -> None:
        self._memory = MemoryTier(config.memory_mb * 1_000_000)
        self._store = store
        self._seal = Seal(hash_key)
        self._purges = Purges()
        self._ttl_s = config.ttl_s
        self._stale_s = config.stale_s
        self._hits: dict[Tier, int] = {"memory": 0, "store": 0}
        self._misses = self._dropped = self._stored = 0
        self._served_by_meaning = 0
        self._in_background: set[asyncio.Task[None]] = set()

    @property
    def counters(self) -> Counters:
        """How it went so far."""
        return Counters(
            memory_hits=self._hits["memory"],
            store_hits=self._hits["store"],
            misses=self._misses,
            dropped=self._dropped,
            stored=self._stored,
            store_failures=self._store.failures,
            entries=len(self._memory),
            bytes=self._memory.bytes,
        )

    async def look_up(self, tenant: str, key: str, max_age_s: float | None = None) -> Found | None:
        """The entry under a key of the tenant, or under the key that this one leads to. Where this process has one
        that is stale, or older than `max_age_s`, the store is asked for a newer one. Counts nothing: see `count`.

        None, within the store's deadline, for everything else: a store in trouble, and records that cannot be read.
        """
        return await self._find(self._seal.owner(tenant), key, max_age_s)

    def count(self, found: Found | None, *, was_missed: bool = False) -> None:
        """Count a request by what it is answered with. `was_missed`: it counts as a miss already, which is taken back
        where it was found after all."""
        if found is None:
            self._misses += not was_missed
        else:
            self._hits[found.tier] += 1
            self._misses -= was_missed

    def count_by_meaning(self) -> None:
        """Count a request that is answered with the entry of a question that means the same."""
        self._served_by_meaning += 1

    @property
    def served_by_meaning(self) -> int:
        """How many there were, since this process began."""
        return self._served_by_meaning

    def keep(self, tenant: str, key: str, entry: Entry, ttl_s: float | None = None, alias: str | None = None) -> None:
        """Keep an entry: in this process at once, in the store without anybody waiting for it.

        `ttl_s`: how long it is fresh, at most as configured. `alias`: a second key that leads to it.
        """
        owner, ttl_s = self._seal.owner(tenant), min(ttl_s or self._ttl_s, self._ttl_s)
        contents: dict[str, Entry | str] = {key: entry}
        if alias is not None and alias != key:
            contents[alias] = key
        for at, content in contents.items():
            record = Record(content, entry.made_s, ttl_s, self._purges.epoch(owner))
            try:
                raw = record.to_json()
            except ValueError as error:
                self._drop(str(error))
                return
            self._memory.put(owner, _name(owner, at), raw, self._left_s(record))
            self._begin(self._put(_name(owner, at), raw, self._left_s(record)))

    async def purge(self, tenant: str | None) -> int:
        """Forget what is kept for a tenant (None: for all); how many records the store held, other keys included.

        It holds in this process and in the store at once, in other processes within a second; writes that are under
        way come too late. Raises Unavailable when the store cannot be told: then only this process has forgotten.
        """
        owner = None if tenant is None else self._seal.owner(tenant)
        name, token = token_name(owner), new_token()
        is_told = await self._store.insist(name, token)
        self._learn([(name, token)], self._purges.changes)
        removed = await self._store.remove_all(PREFIX if owner is None else _name(owner, "")) if is_told else None
        if removed is None:
            raise Unavailable("The cache's store does not answer; what it holds is not purged.", retry_after_s=1)
        return removed

    async def follow(self) -> None:
        """Learn of the purges of other processes, for ever."""
        while True:
            await asyncio.sleep(FOLLOW_S)
            names = [token_name(owner) for owner in (None, *self._memory.groups)]
            for start in range(0, len(names), FOLLOW_AT_ONCE):
                await self._read((), names[start : start + FOLLOW_AT_ONCE])

    async def kept(self) -> None:
        """Return once everything that was kept is in the store, or will not get there."""
        if self._in_background:
            await asyncio.wait(self._in_background)

    async def _find(self, owner: str, key: str, max_age_s: float | None) -> Found | None:
        fetched = await self._fetch(owner, key, max_age_s)
        if fetched and isinstance(fetched[0].content, str):
            key = fetched[0].content
            fetched = await self._fetch(owner, key, max_age_s)
        if fetched is None:
            return None
        record, tier = fetched
        if isinstance(record.content, str):
            return None  # one step, no chains
        return Found(record.content, tier, _age_s(record), _is_stale(record), key)

    async def _fetch(self, owner: str, key: str, max_age_s: float | None) -> tuple[Record, Tier] | None:
        name = _name(owner, key)
        raw = self._memory.get(name)
        if raw is None:
            return await self._fetch_shared(owner, name)
        record = Record.from_json(raw)
        is_too_old = _is_stale(record) or (max_age_s is not None and _age_s(record) > max_age_s)
        if is_too_old and (shared := await self._fetch_shared(owner, name)):
            return shared  # another process may have made it anew
        return record, "memory"

    async def _fetch_shared(self, owner: str, name: str) -> tuple[Record, Tier] | None:
        sealed = await self._read((name,), [token_name(None), token_name(owner)])
        if sealed is None or sealed[0] is None:
            return None
        try:
            raw = self._seal.open(name, sealed[0])
        except ValueError as error:
            self._drop(str(error))
            self._begin(self._remove(name))
            return None
        record = Record.from_json(raw)
        left_s = self._left_s(record)
        if record.epoch != self._purges.epoch(owner) or left_s <= 0:
            return None
        self._memory.put(owner, name, raw, left_s)
        return record, "store"

    async def _read(self, names: Sequence[str], tokens: Sequence[str]) -> list[bytes | None] | None:
        """The values of `names`; on the way, learn what has been purged."""
        since = self._purges.changes
        values = await self._store.get_many([*names, *tokens])
        if values is None:
            return None
        self._learn(list(zip(tokens, values[len(names) :], strict=True)), since)
        return values[: len(names)]

    def _learn(self, tokens: list[tuple[str, bytes | None]], since: int) -> None:
        for owner in self._purges.learn(tokens, since):
            if owner is None:
                self._memory.clear()
            else:
                self._memory.drop_group(owner)

    def _left_s(self, record: Record) -> float:
        """How long the record is still kept."""
        return record.ttl_s + self._stale_s - _age_s(record)

    def _drop(self, reason: str) -> None:
        self._dropped += 1
        logger.warning("dropped a cache entry: %s", reason)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._in_background.add(task)  # the loop itself keeps no task alive
        task.add_done_callback(self._in_background.discard)

    async def _put(self, name: str, raw: bytes, left_s: float) -> None:
        if left_s > 0 and await self._store.put(name, self._seal.close(name, raw), left_s):
            self._stored += 1

    async def _remove(self, name: str) -> None:
        await self._store.remove(name)


def _name(owner: str, key: str) -> str:
    return f"{PREFIX}{owner}:{key}"


def _is_stale(record: Record) -> bool:
    return _age_s(record) >= record.ttl_s


def _age_s(record: Record) -> float:
    """Seconds. Clocks of two machines differ: what seems to come from the future is new."""
    return max(0.0, time.time() - record.made_s)
