"""The cache as one request uses it: its key, its permission to read and write, its trace."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.cache.exact import Entry, ExactCache
from app.cache.key import Provenance, cache_key
from app.cache.policy import may_keep


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What the client allows."""

    read: bool = True
    write: bool = True

    @classmethod
    def of(cls, header: str | None, read: bool, write: bool) -> "CacheUse":
        """From the `cache-control` request header and the body's `sextant.cache`; both must allow.

        `no-cache` asks for a new answer, which may be kept; `no-store` keeps out of the cache altogether.
        """
        directives = {part.strip().lower() for part in (header or "").split(",")}
        no_store = "no-store" in directives
        return cls(read and not no_store and "no-cache" not in directives, write and not no_store)


class CacheDesk:
    """Looks up and keeps under the key of one request; closed when there is no cache for it."""

    def __init__(self, cache: ExactCache | None, provenance: Provenance, hash_key: bytes, use: CacheUse) -> None:
        self._cache = cache
        self._provenance = provenance
        self._hash_key = hash_key
        self._use = use

    @property
    def state(self) -> str:
        """`x-sextant-cache` as long as there is no hit."""
        return "miss" if self._cache is not None and self._use.read else "bypass"

    def masked(self) -> "CacheDesk":
        """The desk for texts that the guard has rewritten. Keys of the two never meet, so that an
        unmasked look-up cannot find what holds another person's placeholders."""
        return CacheDesk(self._cache, replace(self._provenance, masked=True), self._hash_key, self._use)

    async def look_up(self, body: Mapping[str, Any]) -> Entry | None:
        """The entry for this body, if reading is allowed."""
        if self._cache is None or not self._use.read:
            return None
        return await self._cache.look_up(self._key(body))

    def keep(self, body: Mapping[str, Any], entry: Entry | None) -> None:
        """Keep the entry for this body, if it may be kept."""
        if self._cache is not None and self._use.write and entry is not None and may_keep(entry.answer):
            self._cache.keep(self._key(body), entry)

    def _key(self, body: Mapping[str, Any]) -> str:
        return cache_key(dict(body), self._provenance, self._hash_key)
