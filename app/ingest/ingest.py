"""Bring a knowledge base up to date with documents on disk."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.ingest.chunk import chunk, embedding_text
from app.ingest.discover import Discovery, Skipped, Source
from app.ingest.document import DEFAULT_LIMITS, Limits, UnreadableDocument
from app.ingest.parse import parse_bytes, read_bytes
from app.ingest.plan import content_hash, make_plan
from app.ingest.split import TokenCounter
from app.retrieval.types import Chunk, KnowledgeBase, Vector

# Documents are embedded together until this many passages are at hand: most are short, and a batch
# of one passage costs as much as one of several.
BATCH_CHUNKS = 256

# Passages between two signs of life: about a second on two cores.
_SLICE_CHUNKS = 64


class Target(Protocol):
    """The part of `app.retrieval.types.VectorStore` that ingestion uses, or a handle to it."""

    async def replace(self, tenant: str, document: str, chunks: list[Chunk], vectors: list[Vector]) -> None: ...

    async def delete(self, tenant: str, documents: list[str]) -> None: ...

    async def describe(self, tenant: str) -> KnowledgeBase: ...


class PassageEmbedder(TokenCounter, Protocol):
    """What ingestion needs of `app.retrieval.embedder.Embedder`."""

    @property
    def max_tokens(self) -> int:
        """Longest input, special tokens included."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32, shape (len(texts), dimensions). May be called from a thread."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    documents: int  # done: stored, or found unreadable
    total: int  # new and changed documents
    chunks: int  # embedded
    document: str = ""  # what has just been done; "" between documents


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did. `new` and `changed` name the documents that are stored now."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    deleted: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    chunks: int  # stored by this run
    seconds: float
    knowledge_base: KnowledgeBase  # after it


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A document that waits for its vectors."""

    name: str
    chunks: list[Chunk]


async def ingest(
    discovery: Discovery,
    tenant: str,
    target: Target,
    embedder: PassageEmbedder,
    *,
    model: str,
    prune: bool = True,
    limits: Limits = DEFAULT_LIMITS,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Report:
    """Store what is new or changed, delete what is gone (see `make_plan`), leave the rest alone.

    `model` names the embedding model: another name means that all is embedded anew. Each document is
    replaced in one call, so a reader sees its old passages or its new ones. Running it again does
    nothing; running it again after a failure goes on where it stopped.

    A document that cannot be read is reported in `skipped`; what is stored of it stays. An error of
    the target or the embedder ends the run.
    """
    began = time.perf_counter()
    stored = (await target.describe(tenant)).hashes
    found, unreadable = await asyncio.to_thread(_hash_all, discovery.sources, model, limits)
    plan = make_plan(found, stored, discovery.roots, prune=prune)
    due = {*plan.new, *plan.changed}
    run = _Run(tenant, target, embedder, model, limits, on_progress)
    await run.store([source for source in discovery.sources if source.name in due])
    if plan.deleted:
        await target.delete(tenant, list(plan.deleted))
    skipped = [*discovery.skipped, *unreadable, *run.skipped]
    left_out = {file.name for file in skipped}
    return Report(
        new=tuple(name for name in plan.new if name not in left_out),
        changed=tuple(name for name in plan.changed if name not in left_out),
        unchanged=plan.unchanged,
        deleted=plan.deleted,
        skipped=tuple(sorted(skipped, key=lambda file: file.name)),
        chunks=run.chunks,
        seconds=time.perf_counter() - began,
        knowledge_base=await target.describe(tenant),
    )


def _hash_all(sources: Iterable[Source], model: str, limits: Limits) -> tuple[dict[str, str], list[Skipped]]:
    found: dict[str, str] = {}
    unreadable: list[Skipped] = []
    for source in sources:
        try:
            found[source.name] = content_hash(read_bytes(source.path, limits), model)
        except UnreadableDocument as error:
            unreadable.append(Skipped(source.name, error.reason))
    return found, unreadable


class _Run:
    """The documents of one run on their way: read and chunk, embed, store."""

    def __init__(
        self,
        tenant: str,
        target: Target,
        embedder: PassageEmbedder,
        model: str,
        limits: Limits,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._tenant = tenant
        self._target = target
        self._embedder = embedder
        self._model = model
        self._limits = limits
        self._on_progress = on_progress
        self._total = 0
        self._documents = 0
        self.chunks = 0
        self.skipped: list[Skipped] = []

    async def store(self, sources: Sequence[Source]) -> None:
        """Ingest the sources; those that cannot be read end up in `skipped`."""
        self._total = len(sources)
        self._tell()
        batches = self._batches(sources)
        # The next batch is read while this one is embedded: ONNX lets other threads run meanwhile.
        upcoming = asyncio.create_task(asyncio.to_thread(next, batches, None))
        try:
            while (batch := await upcoming) is not None:
                upcoming = asyncio.create_task(asyncio.to_thread(next, batches, None))
                await self._store_batch(batch)
        finally:
            upcoming.cancel()

    def _batches(self, sources: Iterable[Source]) -> Iterator[list[_Prepared | Skipped]]:
        batch: list[_Prepared | Skipped] = []
        waiting = 0
        for source in sources:
            item = self._prepare(source)
            batch.append(item)
            waiting += len(item.chunks) if isinstance(item, _Prepared) else 0
            if waiting >= BATCH_CHUNKS:
                yield batch
                batch, waiting = [], 0
        if batch:
            yield batch

    def _prepare(self, source: Source) -> _Prepared | Skipped:
        try:
            data = read_bytes(source.path, self._limits)
            chunks = chunk(
                parse_bytes(data, source.path.name, self._limits),
                self._embedder,
                name=source.name,
                tenant=self._tenant,
                # Of the bytes at hand, not those of the plan: the file may have changed since.
                content_hash=content_hash(data, self._model),
                max_tokens=self._embedder.max_tokens,
            )
        except UnreadableDocument as error:
            return Skipped(source.name, error.reason)
        if len(chunks) > self._limits.max_chunks:
            return Skipped(
                source.name,
                f"{len(chunks):,} passages; at most {self._limits.max_chunks:,} a document, so split it",
            )
        return _Prepared(source.name, chunks)

    async def _store_batch(self, batch: Sequence[_Prepared | Skipped]) -> None:
        prepared = [item for item in batch if isinstance(item, _Prepared)]
        vectors = iter(await self._embed([part for item in prepared for part in item.chunks]))
        for item in batch:
            if isinstance(item, Skipped):
                self.skipped.append(item)
            else:
                own = [next(vectors) for _ in item.chunks]
                await self._target.replace(self._tenant, item.name, item.chunks, own)
            self._documents += 1
            self._tell(item.name)

    async def _embed(self, chunks: Sequence[Chunk]) -> list[Vector]:
        """One vector for each passage, in order."""
        texts = [embedding_text(part) for part in chunks]
        # Neighbours of like length: a batch is padded to its longest text, and padding costs as much.
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        vectors: dict[int, Vector] = {}
        for begin in range(0, len(order), _SLICE_CHUNKS):
            some = order[begin : begin + _SLICE_CHUNKS]
            rows = await asyncio.to_thread(self._embedder.embed, [texts[at] for at in some])
            vectors.update(zip(some, rows, strict=True))
            self.chunks += len(some)
            self._tell()
        return [vectors[at] for at in range(len(texts))]

    def _tell(self, document: str = "") -> None:
        self._on_progress(Progress(self._documents, self._total, self.chunks, document))
