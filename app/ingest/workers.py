"""Where documents are prepared and passages embedded: here, in threads of this process.

What runs elsewhere (Ray actors, a route that embeds) implements the same protocol.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.ingest.discover import Skipped
from app.ingest.prepare import Order, Prepared, Recipe, prepare
from app.ingest.split import TokenCounter

# Passages in one call: a sixth of a second on one core, so that the last call of a run keeps nobody waiting.
SLICE_CHUNKS = 16


class Workers(Protocol):
    """Calls may overlap. Errors are those of `app.errors`."""

    @property
    def slots(self) -> int:
        """Calls of `embed` that run at the same time; more wait."""
        ...

    @property
    def slice_chunks(self) -> int:
        """Texts that one call of `embed` should have."""
        ...

    @property
    def max_tokens(self) -> int:
        """Longest text that is embedded whole, special tokens included."""
        ...

    async def prepare(self, orders: Sequence[Order], recipe: Recipe) -> list[Prepared | Skipped]:
        """See `app.ingest.prepare.prepare`."""
        ...

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32, shape (len(texts), dimensions), rows of unit length. Texts come in the order of their length."""
        ...


class PassageEmbedder(TokenCounter, Protocol):
    """What is needed of `app.retrieval.embedder.Embedder`. Threads may share it."""

    @property
    def max_tokens(self) -> int:
        """Longest input, special tokens included."""
        ...

    def embed(self, texts: Sequence[str], batch_size: int = ...) -> NDArray[np.float32]:
        """float32, shape (len(texts), dimensions)."""
        ...


class LocalWorkers:
    """Threads that share one embedder, which runs each text on one core.

    One text at a time, and never a batch: on a CPU that is the fastest way (measured with all-MiniLM-L6-v2 in int8 on
    two cores: 201 passages a second; in batches of 8 and of 32, sorted by length, 166 and 140; in batches of 256 as
    they come, 84). The activations of one text fit the cache, and nothing is padded. A run that was cut off and
    repeated also ends with the same vectors: see `Embedder.embed`.
    """

    def __init__(self, embedder: PassageEmbedder, threads: int, batch: int = 1) -> None:
        """The embedder should have been made for one thread; `threads` of them are used here. `batch`: texts that the
        model gets at a time; more than one is for GPUs."""
        self._embedder = embedder
        self._batch = batch
        self.slots = threads
        self.slice_chunks = max(SLICE_CHUNKS, 4 * batch) if batch > 1 else SLICE_CHUNKS
        self.max_tokens = embedder.max_tokens
        self._embedding = ThreadPoolExecutor(threads, "embed")
        self._preparing = ThreadPoolExecutor(1, "prepare")

    async def prepare(self, orders: Sequence[Order], recipe: Recipe) -> list[Prepared | Skipped]:
        """See `Workers.prepare`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._preparing, prepare, orders, self._embedder, recipe)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Workers.embed`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._embedding, self._embedder.embed, texts, self._batch)

    def close(self) -> None:
        """Calls that wait are dropped; those under way end."""
        for pool in (self._preparing, self._embedding):
            pool.shutdown(wait=False, cancel_futures=True)
