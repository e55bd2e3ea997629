"""What the judge remembers of questions: whose, how long, and that it changes no verdict."""

from typing import cast

import numpy as np
import pytest

from app.cache.judge import PairJudge, load_judge
from app.cache.judge.features import Compared
from app.cache.judge.judge import SAME_SCORE
from app.cache.judge.model import JudgeModel
from app.cache.judge.recalled import RECENT_RUNS, Recalled
from app.cache.judge.verdict import Verdict
from tests.unit.cache_judge.fakes import WordEmbedder

QUESTION = "How tall is Everest?"
OTHER = "What is the height of Everest?"


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def judge(embedder: WordEmbedder) -> PairJudge:
    judge = load_judge(embedder)
    embedder.runs = 0
    return judge


class Counting:
    """A model that counts what it is asked."""

    def __init__(self, model: JudgeModel) -> None:
        self._model = model
        self.asked = 0
        self.min_score = model.min_score

    def probability(self, compared: Compared) -> float:
        self.asked += 1
        return self._model.probability(compared)


@pytest.fixture
def counting() -> tuple[PairJudge, Counting]:
    embedder = WordEmbedder()
    model = Counting(load_judge(embedder)._model)
    return PairJudge(embedder, cast("JudgeModel", model)), model


def test_one_run_of_the_model_gives_the_vector_and_is_read_by_the_judge(
    judge: PairJudge, embedder: WordEmbedder
) -> None:
    vector = judge.vector(QUESTION, "acme")
    np.testing.assert_array_equal(judge.look(QUESTION, "acme").pooled, vector)
    assert embedder.runs == 1


def test_a_question_in_other_courtesies_is_not_embedded_again(judge: PairJudge, embedder: WordEmbedder) -> None:
    vector = judge.vector(QUESTION, "acme")
    np.testing.assert_array_equal(judge.vector(f"Hi, {QUESTION} Thanks a lot!", "acme"), vector)
    assert embedder.runs == 1


def test_questions_that_differ_by_courtesies_are_the_same_whatever_they_ask(judge: PairJudge) -> None:
    assert judge.judge("Hello! Zyxwv qqq?", "Zyxwv qqq? Thank you.").score == SAME_SCORE


def test_each_tenant_has_its_own(judge: PairJudge, embedder: WordEmbedder) -> None:
    for tenant in ("acme", "globex", "acme", "globex"):
        judge.vector(QUESTION, tenant)
        judge.judge(QUESTION, OTHER, 0.9, tenant)
    assert embedder.runs == 4  # two questions, for each of the two


def test_a_pair_is_judged_once_by_tenant(counting: tuple[PairJudge, Counting]) -> None:
    judge, model = counting
    first = judge.judge(QUESTION, OTHER, 0.9, "acme")
    assert judge.judge(f"Hi, {QUESTION}", f"{OTHER} Thanks!", 0.9, "acme") == first
    assert model.asked == 1
    assert judge.judge(QUESTION, OTHER, 0.9, "globex") == first
    assert model.asked == 2


def test_another_similarity_is_another_question_to_the_judge(counting: tuple[PairJudge, Counting]) -> None:
    judge, model = counting
    judge.judge(QUESTION, OTHER, 0.9, "acme")
    judge.judge(QUESTION, OTHER, 0.8, "acme")
    assert model.asked == 2


def test_texts_that_are_cut_are_compared_whole_each_time(judge: PairJudge) -> None:
    long = " ".join(f"word{number}" for number in range(300))
    assert judge.judge(f"{long} a", f"{long} b", 0.99, "acme").is_refused
    assert judge.judge(f"{long} a", f"{long.upper()} A", 0.99, "acme").score == SAME_SCORE


def test_a_vector_outlives_the_analysis(embedder: WordEmbedder) -> None:
    recalled = Recalled(embedder, questions=2)
    for number in range(RECENT_RUNS + 2):
        recalled.seen("acme", f"question number {number}")
    assert embedder.runs == RECENT_RUNS + 2
    recalled.vector("acme", "question number 0")
    assert embedder.runs == RECENT_RUNS + 2
    recalled.seen("acme", "question number 0")  # forgotten in its turn
    assert embedder.runs == RECENT_RUNS + 3


def test_parts_do_not_run_into_each_other(embedder: WordEmbedder) -> None:
    recalled = Recalled(embedder)
    recalled.verdicts.put(recalled.pair("acme", "ab", "c", None), Verdict(0.5))

    def verdict(tenant: str, a: str, b: str, cosine: float | None) -> Verdict | None:
        return recalled.verdicts.get(recalled.pair(tenant, a, b, cosine))

    assert verdict("acme", "ab", "c", None) == Verdict(0.5)
    assert verdict("acme", "a", "bc", None) is None
    assert verdict("acmea", "b", "c", None) is None
    assert verdict("acme", "ab", "c", 0.0) is None
