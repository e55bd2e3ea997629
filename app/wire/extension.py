"""The `sextant` field of a request: what OpenAI's fields have no word for.

{"model": "chat", "messages": [...], "sextant": {"retrieval": {"top_k": 5}, "cache": {"read": false}}}
"""

from typing import Annotated, Literal

from pydantic import Field

from app.retrieval.search.types import Mode
from app.wire.base import Name, Wire
from app.wire.search import Filter


class RetrievalRequest(Wire):
    """Answer from the knowledge base. `{}` turns retrieval on with the configured values."""

    enabled: bool = True
    top_k: Annotated[int, Field(ge=1, le=50)] | None = None
    min_score: Annotated[float, Field(ge=0, le=1)] | None = None
    mode: Mode = "hybrid"
    filters: Filter | None = None  # on documents' metadata, in the form of OpenAI's vector-store filters
    rerank: bool | None = None  # absent: where a cross-encoder is configured


class CacheRequest(Wire):
    """Which way the cache may be used; the `cache-control` header says some of the same."""

    read: bool = True
    write: bool = True
    semantic: bool = True  # false: only what was asked in the same words
    max_age_s: Annotated[float, Field(ge=0)] | None = None  # older answers are a miss
    ttl_s: Annotated[float, Field(gt=0)] | None = None  # for a new entry; at most the configured one
    sampled: bool | None = None  # keep and find answers above temperature 0; absent, as configured
    tool_calls: bool | None = None  # keep and find answers that call tools; absent, as configured


class RoutingRequest(Wire):
    """A say in which of an alias's models answers."""

    model: Name | None = None  # this one, of those that the alias can reach
    tier: Literal["small", "large"] | None = None  # of a cost-tiered alias
    fallbacks: bool = True  # false: the first choice or an error
    splits: bool = True  # false: neither canary nor shadow


class Extension(Wire):
    """All of it. Unknown fields are errors."""

    retrieval: RetrievalRequest | None = None
    cache: CacheRequest = CacheRequest()
    routing: RoutingRequest = RoutingRequest()
    memory: bool = True  # false: no facts about the user, neither used nor learned
