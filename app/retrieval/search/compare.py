"""Relevance of texts that lie in no store."""

from collections.abc import Sequence

import numpy as np

from app.retrieval.fusion import ranks
from app.retrieval.points import weights_of
from app.retrieval.search.evidence import evidence, term_weights
from app.retrieval.search.pool import pool
from app.retrieval.search.question import Question
from app.retrieval.search.relevance import Relevance, probability
from app.retrieval.terms import document_terms
from app.retrieval.types import Candidate, Chunk, Vector


def compare(relevance: Relevance, query: str, texts: Sequence[str], vectors: Sequence[Vector]) -> list[float]:
    """A relevance from 0 to 1 for each text. `vectors`: the query's, then the texts'; empty: by words alone.

    With no collection to count in, words weigh what they do in general English.
    """
    if not texts:
        return []
    question = Question.of(query)
    chunks = [Chunk("", "", ordinal, text, 0, len(text)) for ordinal, text in enumerate(texts)]
    terms = [weights_of(document_terms(chunk)) for chunk in chunks]
    scores = [float(term_weights(question, own) @ question.prior) for own in terms]
    own, others = (vectors[0], vectors[1:]) if vectors else (None, [np.zeros(1, np.float32)] * len(texts))
    cosines = {} if own is None else {at: float(vector @ own) for at, vector in enumerate(others)}
    bm25s = {at: score for at, score in enumerate(scores) if score > 0}
    near, said = ranks(cosines), ranks(bm25s)
    candidates = [
        Candidate(chunk, others[at], terms[at], cosines.get(at), bm25s.get(at), near.get(at), said.get(at))
        for at, chunk in enumerate(chunks)
    ]
    (ranked,) = pool([candidates])
    logits = relevance.logits(evidence(question, own, ranked))
    judged = {
        each.candidate.chunk.ordinal: probability(float(logit)) for each, logit in zip(ranked, logits, strict=True)
    }
    # Without vectors, what shares no word with the query is in no ranking.
    return [judged.get(ordinal, 0.0) for ordinal in range(len(texts))]
