"""A stream whose beginning is held back until it says something: so long another target may take over."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, cast

from app.errors import UpstreamFailed

logger = logging.getLogger(__name__)

Chunk = dict[str, Any]


class HeldStream:
    """A port's chunks, watched for their end. Close it in any case: that ends the generation.

    Many a provider sends the role before its model has begun; a client that has seen nothing but that
    has seen nothing.
    """

    def __init__(self, chunks: AsyncIterator[Chunk]) -> None:
        self._chunks = cast(AsyncGenerator[Chunk, None], chunks)
        self._open: set[int] = set()  # choices that have begun and not finished
        self._has_finished = False
        self.held: list[Chunk] = []

    async def hold(self) -> None:
        """Take chunks up to the first that says something into `held`. Raises UpstreamFailed if none does."""
        while (chunk := await self.next()) is not None:
            self.held.append(chunk)
            if any(map(_says_something, chunk.get("choices") or ())):
                return

    async def next(self) -> Chunk | None:
        """The next chunk; None at the proper end. Raises UpstreamFailed where the stream just stops."""
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            if self._open or not self._has_finished:
                raise UpstreamFailed("The model's answer was cut off.") from None
            return None
        for choice in chunk.get("choices") or ():
            index = choice.get("index", 0)
            if choice.get("finish_reason"):
                self._has_finished = True
                self._open.discard(index)
            elif _says_something(choice):
                self._open.add(index)
        return chunk

    async def aclose(self) -> None:
        """End the generation. What goes wrong there changes nothing for this request."""
        try:
            await self._chunks.aclose()
        except Exception as error:
            logger.warning("a stream failed to close: %s", type(error).__name__)


def _says_something(choice: Chunk) -> bool:
    """Whether a choice has text, reasoning, a tool call, a refusal or its end in it."""
    if choice.get("finish_reason") or choice.get("text"):
        return True
    delta = choice.get("delta") or {}
    if not isinstance(delta, dict):
        raise UpstreamFailed("The model's answer is not in the form that its API promises.")
    return any(value for name, value in delta.items() if name != "role")
