"""The `sextant` field of a request: what OpenAI's fields have no word for.

{"model": "chat", "messages": [...], "sextant": {"retrieval": {"top_k": 5}, "cache": {"read": false}}}
"""

from typing import Annotated

from pydantic import Field

from app.wire.base import Wire


class RetrievalRequest(Wire):
    """Answer from the knowledge base. `{}` turns retrieval on with the configured values."""

    enabled: bool = True
    top_k: Annotated[int, Field(ge=1, le=50)] | None = None
    min_score: Annotated[float, Field(ge=0, le=1)] | None = None


class CacheRequest(Wire):
    """Which way the cache may be used; the `cache-control` header says the same."""

    read: bool = True
    write: bool = True


class Extension(Wire):
    """All of it. Unknown fields are errors."""

    retrieval: RetrievalRequest | None = None
    cache: CacheRequest = CacheRequest()
