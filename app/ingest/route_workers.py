"""Passages embedded by a route: the stack's own `/v1/embeddings`, or that of a server with a pooling model."""

import asyncio
import base64
import os
from collections.abc import Sequence

import httpx
import numpy as np
from numpy.typing import NDArray

from app.config.ingest import EmbeddingRouteConfig
from app.errors import SextantError, Unavailable, UpstreamFailed
from app.ingest.discover import Skipped
from app.ingest.prepare import Order, Prepared, Recipe
from app.ingest.workers import Workers

RETRY_AFTER_S = (1.0, 4.0, 15.0, 30.0)

# Least cosine between the route's vector of a text and the embedder's. The same weights in int8 and in float32 give
# 0.995 (jobs/export_embedder.py); another model's vectors have nothing to do with these, and mostly another length.
LEAST_COSINE = 0.98
_PROBES = ("Where do visitors park?", "def add(a, b): return a + b", "The contract ends on 30 November 2026.")


class RouteWorkers:
    """Implements `Workers`; documents are prepared by others."""

    def __init__(
        self, config: EmbeddingRouteConfig, model: str, preparing: Workers, client: httpx.AsyncClient | None = None
    ) -> None:
        self._config = config
        self._model = config.model or model
        self._preparing = preparing
        key = os.environ.get(config.key_env)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = client or httpx.AsyncClient(timeout=config.timeout_s, headers=headers)
        self._free = asyncio.Semaphore(config.concurrency)
        self.slots = config.concurrency
        self.slice_chunks = config.batch
        self.max_tokens = preparing.max_tokens

    async def check(self) -> None:
        """Raises UpstreamFailed when the route serves another model than the one that questions are embedded with."""
        own, theirs = await self._preparing.embed(_PROBES), await self.embed(_PROBES)
        if own.shape != theirs.shape or float((own * theirs).sum(axis=1).min()) < LEAST_COSINE:
            raise UpstreamFailed(
                f"The model behind {self._config.url} is not the one that questions are embedded with (`embedder`); "
                "nothing would be found."
            )

    async def prepare(self, orders: Sequence[Order], recipe: Recipe) -> list[Prepared | Skipped]:
        """See `Workers.prepare`."""
        return await self._preparing.prepare(orders, recipe)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Workers.embed`. What can pass (no answer, too many requests, an overload) is tried again."""
        async with self._free:
            for delay in RETRY_AFTER_S:
                try:
                    return await self._ask(texts)
                except Unavailable as error:
                    await asyncio.sleep(error.retry_after_s or delay)
            return await self._ask(texts)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, texts: Sequence[str]) -> NDArray[np.float32]:
        body = {"model": self._model, "input": list(texts), "encoding_format": "base64"}
        try:
            answer = await self._client.post(f"{self._config.url.rstrip('/')}/embeddings", json=body)
        except httpx.HTTPError as error:
            raise Unavailable(f"The embedding route does not answer: {type(error).__name__}.") from error
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.status_code >= 500:
            raise Unavailable(f"The embedding route answers with {answer.status_code}.", retry_after_s=_wait(answer))
        if answer.status_code != httpx.codes.OK:
            raise UpstreamFailed(f"The embedding route refuses with {answer.status_code}; are model and key right?")
        return _vectors(answer, len(texts))


def _wait(answer: httpx.Response) -> float | None:
    said = answer.headers.get("retry-after", "")
    return min(float(said), RETRY_AFTER_S[-1]) if said.isdigit() else None


def _vectors(answer: httpx.Response, count: int) -> NDArray[np.float32]:
    error: SextantError = UpstreamFailed("The embedding route's answer is not that of /v1/embeddings.")
    try:
        items = sorted(answer.json()["data"], key=lambda item: item["index"])
        rows = np.stack([_row(item["embedding"]) for item in items])
    except (ValueError, KeyError, TypeError) as cause:
        raise error from cause
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if len(rows) != count or not np.all(np.isfinite(rows)) or not np.all(lengths > 0):
        raise error
    unit: NDArray[np.float32] = (rows / lengths).astype(np.float32)
    return unit


def _row(embedding: str | list[float]) -> NDArray[np.float32]:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding), "<f4").astype(np.float32)
    return np.asarray(embedding, np.float32)
