"""The weights' file, and what ships in it."""

import json
from pathlib import Path

import numpy as np
import pytest

from app.config import RetrievalConfig
from app.retrieval.search.compare import compare
from app.retrieval.search.evidence import FEATURES
from app.retrieval.search.relevance import MODEL_FILE, Relevance, probability
from tests.unit.search.made import bag


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    made = Relevance(np.arange(len(FEATURES)) / 10, -1.5, 0.3, {"made": "here"})
    made.save(tmp_path / "r.json")
    again = Relevance.load(tmp_path / "r.json")

    assert again.weights.tolist() == pytest.approx(made.weights.tolist())
    assert (again.bias, again.threshold, again.card) == (-1.5, 0.3, {"made": "here"})
    rows = np.ones((1, len(FEATURES)))
    assert again.logits(rows)[0] == pytest.approx(min(30.0, made.weights.sum() - 1.5), abs=0.01)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 0},
        {"weights": {"cosine": 1.0}},
        {"bias": float("nan")},
        {"threshold": 3},
        {"weights": [1]},
        {"bias": None},
    ],
)
def test_a_file_that_cannot_be_right_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    content = json.loads(MODEL_FILE.read_text()) | change
    (tmp_path / "r.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="json"):
        Relevance.load(tmp_path / "r.json")


def test_the_shipped_threshold_is_the_configured_one() -> None:
    assert Relevance.load().threshold == pytest.approx(RetrievalConfig().min_score, abs=0.005)


def test_the_shipped_card_says_what_trained_it() -> None:
    assert Relevance.load().card["made"]


def test_probabilities_lie_between_0_and_1() -> None:
    assert probability(0) == 0.5
    assert 0 < probability(-30) < 1e-9 < 1 - 1e-9 < probability(30) < 1


def test_texts_of_no_store_are_compared() -> None:
    query = "How long do refunds take?"
    texts = ["Our office is in Oslo.", "Refunds take five days.", "", "A refund is money."]
    scores = compare(Relevance.load(), query, texts, [bag(query), *map(bag, texts)])
    assert int(np.argmax(scores)) == 1
    assert all(0 <= score <= 1 for score in scores)

    by_words = compare(Relevance.load(), query, texts, [])
    assert int(np.argmax(by_words)) == 1
    assert by_words[0] == by_words[2] == 0
    assert compare(Relevance.load(), query, [], []) == []
