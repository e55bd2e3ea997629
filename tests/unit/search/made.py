"""Chunks, vectors and stores for the tests of the search."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from app.config import RetrievalConfig
from app.retrieval.points import weights_of
from app.retrieval.search.evidence import FEATURES
from app.retrieval.search.pool import Ranked
from app.retrieval.search.relevance import Relevance
from app.retrieval.search.rerank import Reranking
from app.retrieval.search.search import Search
from app.retrieval.search.types import SearchRequest
from app.retrieval.terms import document_terms
from app.retrieval.types import Candidate, Chunk, Reader, Vector
from tests.unit.search.exact_store import ExactStore

READER = Reader("acme")
SETTINGS = RetrievalConfig(neighbours=0)
# Weights of the tests' own: those that ship are trained anew now and then, and on vectors that mean more.
_WEIGHTS = {"coverage": 5.0, "cosine": 4.0, "bm25_share": 1.0, "fused": 0.5, "missing": -2.0}
PLAIN = Relevance(np.array([_WEIGHTS.get(name, 0.0) for name in FEATURES]), -4.5, 0.25)


def chunk(text: str, document: str = "a.md", ordinal: int = 0, **fields: object) -> Chunk:
    given: dict[str, object] = {"start": 0, "end": len(text), "content_hash": "h", "tenant": "acme", **fields}
    return Chunk(document=document, ordinal=ordinal, text=text, **given)  # type: ignore[arg-type] # by name


def bag(text: str, dimensions: int = 64) -> Vector:
    """A unit vector that is near to those of texts with the same words."""
    vector = np.zeros(dimensions)
    for word in text.lower().replace("?", " ").replace(".", " ").split():
        seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big")
        vector += np.random.default_rng(seed).normal(size=dimensions)
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)


def candidate(
    text: str,
    cosine: float | None = None,
    bm25: float | None = None,
    ranks: tuple[int | None, int | None] = (None, None),
    **fields: object,
) -> Candidate:
    made = chunk(text, **fields)  # type: ignore[arg-type] # passed on
    return Candidate(made, bag(text), weights_of(document_terms(made)), cosine, bm25, *ranks)


def ranked(*candidates: Candidate) -> list[Ranked]:
    return [
        Ranked(replace(each, dense_rank=rank, sparse_rank=rank), 1 / (61 + rank))
        for rank, each in enumerate(candidates)
    ]


def store_of(texts: Sequence[str | Chunk]) -> ExactStore:
    """A store of these texts, each a document of its own unless it is a chunk."""
    chunks = [each if isinstance(each, Chunk) else chunk(each, f"{at}.md") for at, each in enumerate(texts)]
    return ExactStore().add(chunks, [bag(each.text) for each in chunks])


def search_of(store: ExactStore, settings: RetrievalConfig = SETTINGS, reranking: Reranking | None = None) -> Search:
    return Search(store, settings, PLAIN, reranking)


def request(query: str, **fields: object) -> SearchRequest:
    given: dict[str, object] = {"reader": READER, "vector": bag(query), **fields}
    return SearchRequest(query=query, **given)  # type: ignore[arg-type] # by name
