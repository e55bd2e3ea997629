"""A knowledge base in memory, an embedder that needs no model, and a run with both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import Unavailable
from app.ingest.discover import Discovery, discover
from app.ingest.ingest import Options, Progress, Report, ingest
from app.ingest.signatures import SignatureMemory
from app.ingest.workers import LocalWorkers
from app.retrieval.types import Chunk, KnowledgeBase, StoredDocument, Vector, digest

Rows = tuple[list[Chunk], list[Vector]]


class MemoryTarget:
    """Stores with the promises of `VectorStore`: what is staged is seen by nobody before `commit`."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Rows]] = {}
        self.waiting: dict[str, dict[str, Rows | None]] = {}
        self.calls: list[str] = []
        self.staged_documents: list[str] = []  # in the order of their staging, over all runs
        self.fails_at = ""

    async def stage(self, tenant: str, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None:
        assert len(chunks) == len(vectors) > 0
        names = list(dict.fromkeys(chunk.document for chunk in chunks))
        if self.fails_at in names:
            raise Unavailable("The knowledge base is down.")
        self.calls.append("stage")
        for name in names:
            own = [at for at, chunk in enumerate(chunks) if chunk.document == name]
            assert own == list(range(own[0], own[-1] + 1)), "chunks of a document together"
            rows = ([chunks[at] for at in own], [vectors[at] for at in own])
            assert [chunk.ordinal for chunk in rows[0]] == list(range(len(own))), "whole documents"
            self.waiting.setdefault(tenant, {})[name] = rows
            self.staged_documents.append(name)

    async def stage_removal(self, tenant: str, documents: Sequence[str]) -> None:
        self.calls.append("stage_removal")
        for name in documents:
            self.waiting.setdefault(tenant, {})[name] = None

    async def staged(self, tenant: str) -> dict[str, str | None]:
        waiting = self.waiting.get(tenant, {})
        return {name: rows and rows[0][0].content_hash for name, rows in waiting.items()}

    async def commit(self, tenant: str) -> None:
        self.calls.append("commit")
        documents = self.stored.setdefault(tenant, {})
        for name, rows in self.waiting.pop(tenant, {}).items():
            documents.pop(name, None)
            if rows is not None:
                documents[name] = rows

    async def discard(self, tenant: str) -> None:
        if self.waiting.pop(tenant, None):
            self.calls.append("discard")

    async def documents(self, tenant: str) -> list[StoredDocument]:
        return [
            StoredDocument(
                name, chunks[0].content_hash, len(chunks), chunks[0].title, chunks[0].groups, chunks[0].metadata
            )
            for name, (chunks, _) in sorted(self.stored.get(tenant, {}).items())
        ]

    async def describe(self, tenant: str) -> KnowledgeBase:
        documents = self.stored.get(tenant, {})
        hashes = {name: chunks[0].content_hash for name, (chunks, _) in documents.items()}
        chunks = sum(len(chunks) for chunks, _ in documents.values())
        return KnowledgeBase(digest(hashes), len(documents), chunks, hashes)

    def chunks(self, name: str, tenant: str = "t") -> list[Chunk]:
        """Of a document that can be found."""
        return self.stored[tenant][name][0]

    def names(self, tenant: str = "t") -> list[str]:
        """Of what can be found."""
        return sorted(self.stored.get(tenant, {}))


class LengthEmbedder:
    """Gives each text a vector that tells it from others: its length and a checksum."""

    max_tokens = 256

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls = 0

    def embed(self, texts: Sequence[str], batch_size: int = 1) -> NDArray[np.float32]:
        self.calls += 1
        self.texts += texts
        return np.asarray([vector_of(text) for text in texts], dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


def vector_of(text: str) -> tuple[int, int]:
    """What `LengthEmbedder` makes of a text."""
    return len(text), sum(text.encode()) % 65_521


async def run(
    folder: Path,
    target: MemoryTarget,
    *inputs: str,
    embedder: LengthEmbedder | None = None,
    discovery: Discovery | None = None,
    memory: SignatureMemory | None = None,
    steps: list[Progress] | None = None,
    tenant: str = "t",
    model: str = "m",
    **options: Any,
) -> Report:
    """Ingest `inputs`, by default the folder's docs/, with two threads."""
    workers = LocalWorkers(embedder or LengthEmbedder(), 2)
    try:
        return await ingest(
            discovery or discover(inputs or ["docs"], folder),
            target,
            workers,
            Options(tenant, model, **options),
            memory=memory,
            on_progress=(steps if steps is not None else []).append,
        )
    finally:
        workers.close()
