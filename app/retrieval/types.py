"""The values that ingestion writes and a search returns."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""An embedding: float32, shape (dimensions,), unit length."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document, as it is stored.

    `start` and `end` are character offsets into the document's extracted text.
    """

    document: str  # name a person recognises: the path relative to the ingested folder
    tenant: str
    ordinal: int  # position in the document, from 0
    text: str
    start: int
    end: int
    title: str = ""
    heading: str = ""  # path of headings, " > " between them
    page: int | None = None  # from 1, in paged formats
    content_hash: str = ""  # digest of the whole document; a changed document is ingested anew


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that a search found, with its cosine similarity (0 to 1, higher is nearer)."""

    chunk: Chunk
    score: float


@dataclass(frozen=True, slots=True)
class KnowledgeBase:
    """What is stored for one tenant. `version` changes with any change of any document."""

    version: str
    documents: int
    chunks: int
    hashes: dict[str, str] = field(default_factory=dict)  # document -> content_hash


def digest(hashes: Mapping[str, str]) -> str:
    """The version of a knowledge base: a digest of its documents' names and content hashes."""
    lines = "\n".join(f"{document}\0{content_hash}" for document, content_hash in sorted(hashes.items()))
    return hashlib.blake2b(lines.encode(), digest_size=8).hexdigest()


class VectorStore(Protocol):
    """Where chunks lie. Implemented by Qdrant's engine in the process and by a Qdrant server.

    Every method sees one tenant only. Errors of the store surface as `app.errors.Unavailable`.
    """

    async def replace(self, tenant: str, document: str, chunks: list[Chunk], vectors: list[Vector]) -> None:
        """Store a document's chunks (one vector each) and remove what it had before."""
        ...

    async def delete(self, tenant: str, documents: list[str]) -> None:
        """Remove documents; unknown names are ignored."""
        ...

    async def search(self, tenant: str, vector: Vector, limit: int) -> list[Passage]:
        """The nearest chunks, best first."""
        ...

    async def describe(self, tenant: str) -> KnowledgeBase:
        """What is stored, from the store itself."""
        ...

    async def close(self) -> None:
        """Flush and release."""
        ...
