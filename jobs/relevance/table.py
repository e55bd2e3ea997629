"""What the relevance is fitted to: the evidence of each candidate of each question, and which of them answer."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.evals.retrieval.metrics import Hit, covers
from app.evals.retrieval.questions import Located
from app.retrieval.search.evidence import evidence
from app.retrieval.search.pool import pool
from app.retrieval.search.question import Question
from app.retrieval.search.search import JUDGED, Searchable
from app.retrieval.search.types import Mode
from app.retrieval.terms import query_terms
from app.retrieval.types import Candidate, Reader, Vector

DEPTH = 40  # `retrieval.candidates`
# Most searches have both; the others are there so that the weights hold for them, too.
MODES: tuple[tuple[Mode, float], ...] = (("hybrid", 1.0), ("dense", 0.2), ("sparse", 0.3))
# Knowledge bases of a handful of documents, or passages: the answer has little beside it to be compared with.
# Shares of the documents that stay beside those with the answer, and of the passages of all of them.
FEW: tuple[tuple[float, float], ...] = ((0.1, 1.0), (0.03, 0.3))
FEW_WEIGHT = 0.15


@dataclass(frozen=True, slots=True)
class Asked:
    """One search: `rows` is its candidates' evidence in the order of fusion, `answers` which of them hold an answer."""

    question: Located
    mode: Mode
    weight: float
    is_few: bool  # most other documents were taken away
    withheld: bool  # the documents with the answer were taken away: nothing answers
    rows: NDArray[np.float64]
    answers: NDArray[np.bool_]
    hits: tuple[Hit, ...]

    @property
    def is_usual(self) -> bool:
        """Whether it is the search that ships, over all documents or those that do not answer."""
        return self.mode == "hybrid" and not self.is_few

    @property
    def is_answerable(self) -> bool:
        """Whether the documents that were searched hold the answer."""
        return self.question.question.is_answerable and not self.withheld


async def tabulate(
    store: Searchable,
    reader: Reader,
    questions: Sequence[Located],
    vectors: Sequence[Vector],
    advance: Callable[[], object] = lambda: None,
) -> list[Asked]:
    """Every question in every mode, and once more without the documents that answer it.

    What is near a question and does not answer it is what abstention is about; questions that the documents cannot
    answer are dear to write, and this makes one of each that they can.
    """
    asked: list[Asked] = []
    for question, vector in zip(questions, vectors, strict=True):
        gold = {place.document for place in question.places}
        terms = query_terms(question.question.query)
        found = await store.search(reader, vector, terms if terms.indices else None, 3 * DEPTH)
        rest = [each for each in found if each.chunk.document not in gold]
        for mode, weight in MODES:
            asked.append(_asked(question, vector, _best(found, mode), mode, weight))
            if gold:
                asked.append(_asked(question, vector, _best(rest, mode), mode, weight, withheld=True))
        for documents, passages in FEW:
            few = _few(found, question, documents, passages)
            asked.append(_asked(question, vector, _best(few, "hybrid"), "hybrid", FEW_WEIGHT, is_few=True))
            if gold:
                few = _best([each for each in few if each.chunk.document not in gold], "hybrid")
                asked.append(_asked(question, vector, few, "hybrid", FEW_WEIGHT, withheld=True, is_few=True))
        advance()
    return [each for each in asked if len(each.rows)]


def _few(found: Sequence[Candidate], question: Located, documents: float, passages: float) -> list[Candidate]:
    """What is left of a knowledge base with a share of its documents, and of its passages: by lot, the same each time.
    What answers is left."""
    gold = {place.document for place in question.places}
    return [
        each
        for each in found
        if any(covers(_hit(each), place) for place in question.places)
        or (
            (each.chunk.document in gold or _lot(question, each.chunk.document) < documents)
            and _lot(question, f"{each.chunk.document} {each.chunk.ordinal}") < passages
        )
    ]


def _lot(question: Located, what: str) -> float:
    """From 0 to 1."""
    lot = hashlib.blake2b(f"{question.question.id}\0{what}".encode(), digest_size=4).digest()
    return int.from_bytes(lot, "big") / 2**32


def _best(found: Sequence[Candidate], mode: Mode) -> list[Candidate]:
    """What a search of `DEPTH` would have found."""
    near = sorted((each for each in found if each.cosine is not None), key=lambda each: -(each.cosine or 0.0))
    worded = sorted((each for each in found if each.bm25 is not None), key=lambda each: -(each.bm25 or 0.0))
    by_meaning = {id(each) for each in near[:DEPTH] if mode != "sparse"}
    by_words = {id(each) for each in worded[:DEPTH] if mode != "dense"}
    return [
        replace(
            each,
            cosine=each.cosine if id(each) in by_meaning else None,
            bm25=each.bm25 if id(each) in by_words else None,
        )
        for each in found
        if id(each) in by_meaning or id(each) in by_words
    ]


def _asked(
    located: Located,
    vector: Vector,
    found: Sequence[Candidate],
    mode: Mode,
    weight: float,
    *,
    withheld: bool = False,
    is_few: bool = False,
) -> Asked:
    ranked = pool([found])[0][:JUDGED]
    rows = evidence(Question.of(located.question.query), None if mode == "sparse" else vector, ranked)
    hits = tuple(_hit(each.candidate) for each in ranked)
    answers = np.array([not withheld and any(covers(hit, place) for place in located.places) for hit in hits], bool)
    return Asked(located, mode, weight, is_few, withheld, rows, answers, hits)


def _hit(candidate: Candidate) -> Hit:
    chunk = candidate.chunk
    return Hit(chunk.document, chunk.start, chunk.end)
