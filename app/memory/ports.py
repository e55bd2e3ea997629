"""What memory needs from outside."""

from collections.abc import Sequence
from typing import Protocol

from app.accounts.types import Caller
from app.memory.types import Message
from app.retrieval.types import Vector
from app.routing.target import Target


class Ask(Protocol):
    async def __call__(self, caller: Caller, model: str, messages: Sequence[Message], max_tokens: int) -> str:
        """Ask a model or an alias, in the caller's name and at its cost, after everybody who waits.

        Raises SextantError."""
        ...


class Counter(Protocol):
    async def __call__(self, target: Target, text: str) -> int | None:
        """A text's tokens; None: this model does not tell. Raises SextantError."""
        ...


class Embeds(Protocol):
    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One unit vector for each text. Raises SextantError."""
        ...
