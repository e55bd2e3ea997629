"""A shared store in a dict."""

import asyncio
from collections.abc import Sequence

from valkey.asyncio import Valkey

from app.cache.store import SharedStore


class DictStore(SharedStore):
    """Keeps what it is given in `values`, for ever: times to live are the server's business."""

    def __init__(self) -> None:
        super().__init__(Valkey(), timeout_ms=50)
        self.values: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        return self.values.get(key)

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None] | None:
        values = [self.values.get(key) for key in keys]
        await asyncio.sleep(0)  # an answer takes its time, and others go on meanwhile
        return values

    async def put(self, key: str, value: bytes, ttl_s: float | None) -> bool:
        self.values[key] = value
        return True

    async def insist(self, key: str, value: bytes) -> bool:
        return await self.put(key, value, None)

    async def claim(self, key: str, owner: bytes, ttl_s: float) -> bytes | None:
        holder = self.values.get(key)
        if holder is None:
            self.values[key] = owner
        return holder

    async def release(self, key: str, owner: bytes) -> bool:
        if self.values.get(key) == owner:
            del self.values[key]
        return True

    async def remove(self, key: str) -> bool:
        self.values.pop(key, None)
        return True

    async def remove_all(self, prefix: str) -> int | None:
        gone = [key for key in self.values if key.startswith(prefix)]
        for key in gone:
            del self.values[key]
        return len(gone)

    async def ping(self) -> bool:
        return True

    @property
    def text(self) -> str:
        """All keys and values."""
        return "\n".join(f"{key} {value.decode()}" for key, value in self.values.items())
