"""What the pipeline needs from outside. Serve handles stand behind these in production."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, Protocol

from app.cache.desk import Place
from app.cache.semantic.types import Proposal
from app.retrieval.search.types import Found, SearchRequest
from app.retrieval.types import Vector

Task = Literal["chat", "completions"]


class Pingable(Protocol):
    async def ping(self) -> bool:
        """Whether it answers. Raises SextantError when it cannot be reached."""
        ...


class EmbedPort(Pingable, Protocol):
    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One unit vector for each text."""
        ...

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, by the embedding model's tokenizer."""
        ...


class SemanticPort(Protocol):
    """The semantic tier. All raise Unavailable when it does not answer in time."""

    async def find(self, place: Place, vector: Vector | None) -> tuple[Vector, Proposal | None]:
        """The question's vector, made unless it is given, and the best candidate."""
        ...

    async def remember(self, place: Place, vector: Vector | None, ttl_s: float) -> None:
        """The question has an answer in the exact tier now."""
        ...

    async def compare(self, place: Place, proposal: Proposal, old: str, new: str) -> bool | None:
        """Whether a new answer says what the proposed one said; the entry learns from it. None: cannot be told."""
        ...

    async def forget(self, entry_id: str) -> None:
        """The entry's answer is gone."""
        ...


class SearchPort(Pingable, Protocol):
    async def find(self, request: SearchRequest) -> Found:
        """What the reader may see, best first. Raises Unavailable when it does not answer in time."""
        ...


class VersionPort(Protocol):
    async def knowledge_base(self, tenant: str) -> str | None:
        """Version of the tenant's knowledge base; None when it cannot be told right now."""
        ...


class ModelPort(Pingable, Protocol):
    def stream(self, task: Task, body: dict[str, Any], request_id: str) -> AsyncIterator[dict[str, Any]]:
        """Chunks of a streamed answer. Closing the iterator ends the generation."""
        ...

    async def complete(self, task: Task, body: dict[str, Any], request_id: str) -> dict[str, Any]:
        """A whole answer. Cancelling the call ends the generation."""
        ...

    async def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        """vLLM's tokenize answer: count, max_model_len, tokens."""
        ...
