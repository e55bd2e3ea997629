"""Entries in the process: least recently used go first, bounded by bytes."""

import time
from collections import OrderedDict


class MemoryTier:
    """Bytes by key. Not thread-safe: it belongs to one event loop."""

    def __init__(self, max_bytes: int, ttl_s: float) -> None:
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self.bytes = 0

    def get(self, key: str) -> bytes | None:
        """The value, unless it is gone or past its time."""
        found = self._entries.get(key)
        if found is None:
            return None
        expires, value = found
        if expires < time.monotonic():
            self.drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: str, value: bytes, ttl_s: float | None = None) -> None:
        """Keep a value; one that is larger than a tenth of the tier is not kept."""
        self.drop(key)
        if len(value) * 10 > self._max_bytes:
            return
        self._entries[key] = (time.monotonic() + (self._ttl_s if ttl_s is None else ttl_s), value)
        self.bytes += len(key) + len(value)
        while self.bytes > self._max_bytes:
            self.drop(next(iter(self._entries)))

    def drop(self, key: str) -> None:
        """Forget a key."""
        found = self._entries.pop(key, None)
        if found is not None:
            self.bytes -= len(key) + len(found[1])

    def __len__(self) -> int:
        return len(self._entries)
