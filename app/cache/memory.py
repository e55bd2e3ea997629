"""Entries in the process: least recently used go first, bounded by bytes."""

import time
from collections import OrderedDict
from collections.abc import KeysView

# What the process needs for a value beside the bytes of key and value: measured, CPython 3.11.
OVERHEAD_BYTES = 400


class MemoryTier:
    """Bytes by key, in groups that can be dropped as one. Not thread-safe: it belongs to one event loop."""

    def __init__(self, max_bytes: int) -> None:
        self._entries: OrderedDict[str, tuple[float, str, bytes]] = OrderedDict()
        self._groups: dict[str, set[str]] = {}
        self._max_bytes = max_bytes
        self.bytes = 0

    @property
    def groups(self) -> KeysView[str]:
        """The groups that hold anything."""
        return self._groups.keys()

    def get(self, key: str) -> bytes | None:
        """The value, unless it is gone or past its time."""
        found = self._entries.get(key)
        if found is None:
            return None
        expires, _, value = found
        if expires <= time.monotonic():
            self.drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, group: str, key: str, value: bytes, ttl_s: float) -> None:
        """Keep a value; one that is larger than a tenth of the tier is not kept."""
        self.drop(key)
        size = _size(key, value)
        if size * 10 > self._max_bytes or ttl_s <= 0:
            return
        self._entries[key] = (time.monotonic() + ttl_s, group, value)
        self._groups.setdefault(group, set()).add(key)
        self.bytes += size
        while self.bytes > self._max_bytes:
            self.drop(next(iter(self._entries)))

    def drop(self, key: str) -> None:
        """Forget a key."""
        found = self._entries.pop(key, None)
        if found is None:
            return
        _, group, value = found
        self.bytes -= _size(key, value)
        keys = self._groups[group]
        keys.remove(key)
        if not keys:
            del self._groups[group]

    def drop_group(self, group: str) -> None:
        """Forget all keys of a group."""
        for key in tuple(self._groups.get(group, ())):
            self.drop(key)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._groups.clear()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value) + OVERHEAD_BYTES
