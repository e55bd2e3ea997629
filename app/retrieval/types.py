"""The values that ingestion writes and a search returns, and what a store of them can do."""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""An embedding: float32, shape (dimensions,), unit length."""

MetadataValue = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document, as it is stored.

    `start` and `end` are character offsets into the document's extracted text.
    """

    document: str  # its id: the path relative to the ingested folder, a URL, or the id that a JSONL line gives
    tenant: str
    ordinal: int  # position in the document, from 0
    text: str
    start: int
    end: int
    title: str = ""
    heading: str = ""  # path of headings, " > " between them
    page: int | None = None  # from 1, in paged formats
    content_hash: str = ""  # digest of the whole document with its metadata; a changed document is ingested anew
    groups: tuple[str, ...] = ()  # who of the tenant may see it; empty: everybody of the tenant
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that a search found. `score`: 0 to 1, higher is better; what it means, the search says."""

    chunk: Chunk
    score: float
    is_neighbour: bool = False  # it stands beside a hit, whose score it has, and is none itself


@dataclass(frozen=True, slots=True)
class Terms:
    """A sparse vector: hashed terms, each once, and their weights (term frequency saturated as in BM25; the store
    multiplies with the inverse document frequency)."""

    indices: tuple[int, ...]  # below 2**32
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class TermWeights:
    """The terms of a stored chunk, for reckoning: `indices` ascending, uint32; `values` likewise, float64."""

    indices: NDArray[np.uint32]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks. Sees of its tenant what names no groups, and what names one of `groups`."""

    tenant: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """A condition on a metadata field. `value` is a tuple for in and nin. A chunk without the field fails all but ne
    and nin. The operators and their names are those of OpenAI's vector-store filters."""

    key: str
    operator: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    value: MetadataValue | tuple[MetadataValue, ...]


@dataclass(frozen=True, slots=True)
class Compound:
    """Conditions of which all, or any, must hold."""

    operator: Literal["and", "or"]
    filters: "tuple[Where, ...]"


Where = Comparison | Compound


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that one of a store's two searches found, or both.

    `cosine`: of the dense search, None where only the sparse one found it; `bm25`: of the sparse search, None likewise.
    `dense_rank` and `sparse_rank`: its places among all that these searches found, from 0. `vector` and `terms` are the
    chunk's own.
    """

    chunk: Chunk
    vector: Vector
    terms: TermWeights
    cosine: float | None = None
    bm25: float | None = None
    dense_rank: int | None = None
    sparse_rank: int | None = None


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """What is known of a document without its text."""

    name: str
    content_hash: str
    chunks: int
    title: str = ""
    groups: tuple[str, ...] = ()
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KnowledgeBase:
    """What is stored for one tenant and can be found. `version` changes with any change of any document."""

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

    Changes are staged, and seen by nobody before `commit` switches to all of them at once. What was staged stays
    across a crash, so that a run can go on where the one before was killed. Every method sees one tenant only.
    Errors of the store surface as `app.errors.Unavailable`.
    """

    async def stage(self, tenant: str, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None:
        """Stage whole documents' chunks (one vector each, chunks of a document together): after the switch they stand
        in the place of what these documents had. Doing it again with the same chunks changes nothing."""
        ...

    async def stage_removal(self, tenant: str, documents: Sequence[str]) -> None:
        """Stage that documents go; unknown names are ignored."""
        ...

    async def staged(self, tenant: str) -> dict[str, str | None]:
        """What is staged: a document's content hash, None where it is to go."""
        ...

    async def commit(self, tenant: str) -> None:
        """Switch to what was staged, at once for every reader, and throw away what it replaced."""
        ...

    async def discard(self, tenant: str) -> None:
        """Throw away what was staged."""
        ...

    async def delete(self, tenant: str, documents: Sequence[str]) -> None:
        """Delete documents at once, without staging; unknown names are ignored. What is staged stays staged."""
        ...

    async def search(
        self,
        reader: Reader,
        vector: Vector | None,
        terms: Terms | None,
        limit: int,
        where: Where | None = None,
        keep: int | None = None,
    ) -> list[Candidate]:
        """The `limit` nearest by vector and the `limit` best by terms (of those that are given), each chunk once, in
        no order. The reader's rights and `where` are the store's own filter. `keep`: at most so many of them, the best
        by reciprocal rank fusion, with the ranks they had among all; the others need not be read."""
        ...

    async def around(self, reader: Reader, document: str, first: int, last: int) -> list[Chunk]:
        """The document's chunks with ordinals from `first` to `last`, in order; only what the reader may see."""
        ...

    async def documents(self, tenant: str) -> list[StoredDocument]:
        """All documents that can be found, by name."""
        ...

    async def describe(self, tenant: str) -> KnowledgeBase:
        """What is stored and can be found, from the store itself."""
        ...

    def export(self, tenant: str | None) -> "AsyncIterator[tuple[Chunk, Vector]]":
        """All chunks that can be found, of one tenant or of all, document by document."""
        ...

    async def close(self) -> None:
        """Flush and release."""
        ...
