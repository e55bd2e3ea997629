"""A store in memory that compares with everything: what the search needs of `VectorStore`, to the letter."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from app.retrieval.fusion import ranks, reciprocal_rank_fusion
from app.retrieval.points import weights_of
from app.retrieval.terms import document_terms
from app.retrieval.types import Candidate, Chunk, Reader, Terms, Vector, Where


@dataclass
class ExactStore:
    """Chunks and their vectors. `asked` and `looked` keep what was asked for."""

    chunks: list[Chunk] = field(default_factory=list)
    vectors: list[Vector] = field(default_factory=list)
    asked: list[tuple[Reader, bool, bool, int, Where | None]] = field(default_factory=list)
    looked: list[tuple[str, int, int]] = field(default_factory=list)
    error: Exception | None = None

    def add(self, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> "ExactStore":
        self.chunks += chunks
        self.vectors += vectors
        terms = [document_terms(each) for each in self.chunks]
        self._terms = [dict(zip(t.indices, t.values, strict=True)) for t in terms]
        self._weights = [weights_of(t) for t in terms]
        self._matrix = np.stack(self.vectors)
        return self

    async def search(
        self,
        reader: Reader,
        vector: Vector | None,
        terms: Terms | None,
        limit: int,
        where: Where | None = None,
        keep: int | None = None,
    ) -> list[Candidate]:
        self.asked.append((reader, vector is not None, terms is not None, limit, where))
        if self.error:
            raise self.error
        seen = [i for i, chunk in enumerate(self.chunks) if self._may_see(reader, chunk)]
        cosines = dict[int, float]()
        if vector is not None and seen:
            values = self._matrix[seen] @ vector
            best = np.argsort(-values, kind="stable")[:limit]
            cosines = {seen[int(i)]: float(values[int(i)]) for i in best}
        scores = dict[int, float]()
        if terms is not None:
            idf = [self._idf(term) for term in terms.indices]
            sums = {
                i: sum(w * self._terms[i].get(t, 0.0) for t, w in zip(terms.indices, idf, strict=True)) for i in seen
            }
            ranked = sorted((i for i in seen if sums[i] > 0), key=lambda i: -sums[i])[:limit]
            scores = {i: sums[i] for i in ranked}
        kept = list(reciprocal_rank_fusion([list(cosines), list(scores)]))[:keep]
        near, said = ranks(cosines), ranks(scores)
        return [
            Candidate(
                self.chunks[i],
                self.vectors[i],
                self._weights[i],
                cosines.get(i),
                scores.get(i),
                near.get(i),
                said.get(i),
            )
            for i in kept
        ]

    async def around(self, reader: Reader, document: str, first: int, last: int) -> list[Chunk]:
        self.looked.append((document, first, last))
        found = [c for c in self.chunks if c.document == document and first <= c.ordinal <= last]
        return sorted((c for c in found if self._may_see(reader, c)), key=lambda c: c.ordinal)

    def _idf(self, term: int) -> float:
        n = sum(term in terms for terms in self._terms)
        return math.log((len(self._terms) - n + 0.5) / (n + 0.5) + 1)

    @staticmethod
    def _may_see(reader: Reader, chunk: Chunk) -> bool:
        return chunk.tenant == reader.tenant and (not chunk.groups or bool(set(chunk.groups) & set(reader.groups)))
