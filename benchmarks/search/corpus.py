"""A knowledge base out of a random generator: chunks of several tenants and groups, and questions to them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.retrieval.types import Chunk, Reader, Vector

DIMENSIONS = 384
CHUNKS_A_DOCUMENT = 20
# Shares of the chunks. What a tenant has is what its searches scan, so the largest one is the case to look at.
TENANTS = {"large": 0.7, "medium": 0.2, **{f"small{number}": 0.01 for number in range(10)}}
GROUPS = tuple(f"group{number}" for number in range(20))
OPEN_SHARE = 0.5  # of the documents, which all of a tenant may see; each other one is for two groups
READERS_GROUPS = 5
CLUSTERS = 2000
SPREAD = 0.9  # length of what is added to a cluster's unit vector: cosines within a cluster are about 0.55
NOISE = 0.5  # length of what is added to a stored vector to make a question
VOCABULARY = 30_000
# Words by Zipf's law without the most common ones, which are stop words in a text, and no terms: the most common word
# left is in one chunk in seven.
MOST_COMMON = 100
WORDS = 90  # of a chunk
QUESTION_WORDS = 8


@dataclass(frozen=True)
class Question:
    """A reader, and what is asked."""

    reader: Reader
    vector: Vector
    words: str


class Corpus:
    """The same seed gives the same chunks and questions.

    Vectors are gathered in clusters, as those of texts are.
    """

    def __init__(self, chunks: int, seed: int = 7) -> None:
        self._draw = np.random.default_rng(seed)
        documents = max(len(TENANTS), chunks // CHUNKS_A_DOCUMENT)
        shares = np.array(list(TENANTS.values()))
        owners = np.repeat(np.arange(len(TENANTS)), np.maximum(1, np.round(shares * documents).astype(int)))
        self.tenants = np.repeat(owners, CHUNKS_A_DOCUMENT)  # by chunk, places in TENANTS
        is_open = self._draw.random(len(owners)) < OPEN_SHARE
        pairs = np.argsort(self._draw.random((len(owners), len(GROUPS))), axis=1)[:, :2]
        self._groups = [() if open_ else tuple(pair.tolist()) for open_, pair in zip(is_open, pairs, strict=True)]
        self.vectors = self._clustered(len(self.tenants))
        self._words = np.array([_word(number) for number in range(VOCABULARY)])
        ranks = 1 / (np.arange(VOCABULARY) + MOST_COMMON)
        self._cumulated = np.cumsum(ranks / ranks.sum())

    def documents(self, tenant: str) -> Iterator[tuple[list[Chunk], Sequence[Vector]]]:
        """A tenant's documents, one after the other, with their vectors."""
        for first in self.of(tenant)[::CHUNKS_A_DOCUMENT].tolist():
            document = first // CHUNKS_A_DOCUMENT
            groups = tuple(GROUPS[number] for number in self._groups[document])
            made = [
                Chunk(
                    document=f"{document:06}.md",
                    tenant=tenant,
                    ordinal=ordinal,
                    text=self.text(WORDS),
                    start=0,
                    end=0,
                    title=f"Document {document}",
                    content_hash="v1",
                    groups=groups,
                    metadata={"year": 2000 + document % 25, "kind": ("report", "memo", "page")[document % 3]},
                )
                for ordinal in range(CHUNKS_A_DOCUMENT)
            ]
            yield made, list(self.vectors[first : first + CHUNKS_A_DOCUMENT])

    def question(self, tenant: str) -> Question:
        """What a reader with some groups asks: near to a stored chunk of the tenant, and words like those of chunks."""
        own = self.of(tenant)
        noise = self._draw.normal(size=DIMENSIONS)
        near = self.vectors[self._draw.choice(own)] + NOISE * noise / np.linalg.norm(noise)
        groups = self._draw.choice(GROUPS, READERS_GROUPS, replace=False).tolist()
        vector = (near / np.linalg.norm(near)).astype(np.float32)
        return Question(Reader(tenant, tuple(groups)), vector, self.text(QUESTION_WORDS))

    def of(self, tenant: str) -> NDArray[np.intp]:
        """The tenant's chunks."""
        return np.flatnonzero(self.tenants == list(TENANTS).index(tenant))

    def readable(self, reader: Reader) -> NDArray[np.bool_]:
        """Which of the tenant's chunks the reader may see."""
        theirs = {GROUPS.index(group) for group in reader.groups}
        own = self.of(reader.tenant)[::CHUNKS_A_DOCUMENT] // CHUNKS_A_DOCUMENT
        of_documents = (self._groups[document] for document in own)
        seen = np.array([not groups or not theirs.isdisjoint(groups) for groups in of_documents])
        return np.repeat(seen, CHUNKS_A_DOCUMENT)

    def nearest(self, question: Question, count: int) -> set[int]:
        """The exact answer: rows of `vectors`, of what the reader may see."""
        own = self.of(question.reader.tenant)
        cosines = np.where(self.readable(question.reader), self.vectors[own[0] : own[-1] + 1] @ question.vector, -2)
        best = np.argpartition(-cosines, min(count, len(own)) - 1)[:count]
        return {int(own[place]) for place in best if cosines[place] > -2}

    def place(self, chunk: Chunk) -> int:
        """A chunk's row in `vectors`."""
        return int(chunk.document.removesuffix(".md")) * CHUNKS_A_DOCUMENT + chunk.ordinal

    def text(self, words: int) -> str:
        """Random words."""
        return " ".join(self._words[np.searchsorted(self._cumulated, self._draw.random(words))])

    def _clustered(self, count: int) -> NDArray[np.float32]:
        centres = _unit(self._draw.standard_normal((CLUSTERS, DIMENSIONS), np.float32))
        vectors = _unit(self._draw.standard_normal((count, DIMENSIONS), np.float32)) * np.float32(SPREAD)
        vectors += centres[self._draw.integers(CLUSTERS, size=count)]
        return _unit(vectors)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= lengths
    return rows


def _word(number: int) -> str:
    """A word that no stemmer changes."""
    syllables = ("ba", "ko", "du", "mi", "ra", "to", "lu", "ni", "go", "pa", "su", "vi", "za", "mo", "fu", "ha")
    word = ""
    while number or not word:
        number, rest = divmod(number, len(syllables))
        word += syllables[rest]
    return f"{word}k"
