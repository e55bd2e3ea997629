"""The second check of the semantic cache: does the stored answer to one question answer another?

Similar vectors are not enough: "with sugar" and "without sugar", Austria and Australia lie close together.
The judge reads both questions (words.py), finds what in one has no counterpart in the other (alignment.py),
and weighs that by a model trained on pairs that people wrote (model.py). It sees the two questions alone.
"""

from pathlib import Path

from app.cache.judge.contrasts import is_same_wording, why_not
from app.cache.judge.features import compare
from app.cache.judge.literal import told_apart
from app.cache.judge.literal.same import same_asked
from app.cache.judge.model import MODEL_FILE, JudgeModel
from app.cache.judge.recalled import RECENT_QUESTIONS, Recalled, TokenEmbedder
from app.cache.judge.seen import Seen
from app.cache.judge.verdict import Verdict
from app.cache.judge.words import LONGEST_CHARACTERS, read
from app.retrieval.types import Vector

SAME_SCORE = 0.999
REFUSED_SHARE = 0.5  # of min_score, at most: what a hard check leaves


class PairJudge:
    """Decides on pairs. Calls may come from several threads; none blocks but for its own work.

    `min_score` is the model's threshold: from it on, a chosen share of hits (the shipped one's: 2%) was wrong in
    group-wise cross-validation on pairs half of which were traps.
    """

    def __init__(self, embedder: TokenEmbedder, model: JudgeModel, recent_questions: int = RECENT_QUESTIONS) -> None:
        self._model = model
        self._recalled = Recalled(embedder, recent_questions)
        self.min_score = model.min_score

    def judge(self, a: str, b: str, cosine: float | None = None, tenant: str = "") -> Verdict:
        """Whether the stored answer to `a` answers `b`. Symmetric.

        `cosine` is the similarity of both texts' vectors, computed here when it is not given; `tenant`: who asks. About
        1 ms for questions up to 120 characters, 2.5 ms up to 200, and one run of the embedding model for each that was
        not seen lately; 0.01 ms where the tenant had the same pair before. Of questions that are longer than what is
        looked at (64 items, 256 tokens) only those match that are the same but for case, spaces and the signs at
        their end.
        """
        if a == b:
            return Verdict(1.0)
        if max(len(a), len(b)) > LONGEST_CHARACTERS:
            return Verdict(0.0, "wording")
        pair = self._recalled.pair(tenant, a, b, cosine)
        known = self._recalled.verdicts.get(pair)
        if known is not None:
            return known
        if not read(a).words or not read(b).words:
            return Verdict(0.0, "wording")
        one, other = self.look(a, tenant), self.look(b, tenant)
        if one.is_cut or other.is_cut:
            is_same = _written(a) == _written(b)
            return Verdict(SAME_SCORE) if is_same else Verdict(0.0, "wording", is_refused=True)
        verdict = self._said(one, other, cosine)
        self._recalled.verdicts.put(pair, verdict)
        return verdict

    def vector(self, text: str, tenant: str = "") -> Vector:
        """A question's vector; `judge` reads it from the same run of the model."""
        return self._recalled.vector(tenant, text)

    def similarity(self, a: str, b: str) -> float:
        """The cosine of both questions' vectors; 1 for the same text."""
        return 1.0 if a == b else float(self.look(a).pooled @ self.look(b).pooled)

    def look(self, text: str, tenant: str = "") -> Seen:
        """Analyse a question, or recall it."""
        return self._recalled.seen(tenant, text)

    def _said(self, one: Seen, other: Seen, cosine: float | None) -> Verdict:
        if one is other:  # they differ by courtesies alone
            return Verdict(SAME_SCORE)
        if same_asked(one, other) and not told_apart(one, other):
            return Verdict(SAME_SCORE)  # as below, a millisecond earlier
        if cosine is None:
            cosine = float(one.pooled @ other.pooled)
        compared = compare(one, other, cosine)
        if is_same_wording(compared.features):
            return Verdict(SAME_SCORE)
        score = self._model.probability(compared)
        refusal = why_not(compared.features)
        if refusal.is_certain:
            score = min(score, REFUSED_SHARE * self.min_score)
        return Verdict(score, "" if score >= self.min_score else refusal.reason, refusal.is_certain)


def _written(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(" .?!")


def load_judge(embedder: TokenEmbedder, path: Path | None = None) -> PairJudge:
    """The judge with the model in that file, or the shipped one. Raises OSError or ValueError when it is missing, or
    does not fit this code."""
    path = path or MODEL_FILE
    judge = PairJudge(embedder, JudgeModel.load(path))
    try:
        judge.judge("What is this?", "What was that?")
    except KeyError as error:
        raise ValueError(f"{path} was trained by another version of this code; train it again") from error
    return judge
