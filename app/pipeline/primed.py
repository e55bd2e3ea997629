"""A stream whose first chunk has been awaited: only then is it known that there is a stream."""

from typing import Any

from app.pipeline.flight import Flight
from app.pipeline.generate import Chunks


class Primed:
    """Chunks, the first of them awaited under the request's deadline."""

    def __init__(self, flight: Flight, chunks: Chunks) -> None:
        self._flight = flight
        self._chunks = chunks
        self._first: dict[str, Any] | None = None

    async def prime(self) -> None:
        """Await the first chunk. Raises what the stream raises."""
        with self._flight.timeline.stage("first_token"):
            self._first = await anext(self._chunks, None)

    def __aiter__(self) -> "Primed":
        return self

    async def __anext__(self) -> dict[str, Any]:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return await anext(self._chunks)

    async def aclose(self) -> None:
        """End the stream, if it has not ended."""
        await self._chunks.aclose()
