"""A knowledge base for a measurement: documents cut, embedded and stored as ingestion does it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from app.evals.retrieval.corpus import Document
from app.evals.retrieval.vectors import TextEmbedder, VectorCache
from app.ingest.chunk import chunk, embedding_text
from app.ingest.document import ParsedDocument, UnreadableDocument
from app.ingest.split import TokenCounter
from app.retrieval.types import Chunk, VectorStore

TENANT = "evals"
_STAGED_AT_ONCE = 2_000  # chunks


class PassageEmbedder(TextEmbedder, TokenCounter, Protocol):
    """What is needed of `app.retrieval.embedder.Embedder`."""

    @property
    def max_tokens(self) -> int:
        """Longest input, special tokens included."""
        ...


def parse_all(documents: Sequence[Document]) -> tuple[dict[str, ParsedDocument], list[str]]:
    """By name, and the names of those that cannot be read."""
    parsed: dict[str, ParsedDocument] = {}
    unreadable: list[str] = []
    for document in documents:
        try:
            parsed[document.name] = document.parsed()
        except UnreadableDocument:
            unreadable.append(document.name)
    return parsed, unreadable


def cut_all(parsed: Mapping[str, ParsedDocument], embedder: PassageEmbedder) -> list[Chunk]:
    """All passages, document by document, as `app.ingest` cuts them."""
    return [
        part
        for name, document in parsed.items()
        for part in chunk(
            document, embedder, name=name, tenant=TENANT, content_hash=name, max_tokens=embedder.max_tokens
        )
    ]


async def fill(
    store: VectorStore,
    chunks: Sequence[Chunk],
    embedder: PassageEmbedder,
    cache: VectorCache,
    on_progress: Callable[[int], object] = lambda _: None,
) -> None:
    """Embed and store. `on_progress` is told how many chunks are embedded."""
    vectors = cache.embed([embedding_text(part) for part in chunks], embedder, on_progress)
    begin = 0
    for end in _borders(chunks):
        await store.stage(TENANT, chunks[begin:end], vectors[begin:end])
        begin = end
    await store.commit(TENANT)


def _borders(chunks: Sequence[Chunk]) -> list[int]:
    """Where a part to stage ends: never within a document."""
    borders: list[int] = []
    begin = 0
    for at in range(1, len(chunks) + 1):
        ends = at == len(chunks) or chunks[at].document != chunks[at - 1].document
        if ends and (at - begin >= _STAGED_AT_ONCE or at == len(chunks)):
            borders.append(at)
            begin = at
    return borders
