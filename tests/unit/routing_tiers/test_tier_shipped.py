"""The classifier that ships is the one that the shipped grades give, for the models that it names."""

import numpy as np

from app.config.files import PROJECT
from app.evals import Answer, load_dataset
from app.evals.tiers.graders import grade_answer
from app.evals.tiers.grades import GradeBook, Reply
from app.routing.tiers import TierClassifier

ROUTER = PROJECT / "evals" / "router"
SMALL, LARGE = "smollm2-135m", "qwen2.5-coder-0.5b"


def test_it_loads_for_the_models_and_the_embedder_that_it_was_made_for() -> None:
    classifier = TierClassifier.load(ROUTER / "tiers.npz")
    classifier.check("all-minilm-l6-v2", SMALL, LARGE)
    assert classifier.weights.shape == (384,)
    assert 0 < classifier.threshold_for(0.95) < 1
    assert 0 < classifier.probability(np.zeros(384)) < 1


def test_it_was_trained_on_the_prompts_that_ship() -> None:
    dataset = load_dataset(ROUTER / "prompts.jsonl")
    assert TierClassifier.load(ROUTER / "tiers.npz").provenance["dataset_sha256"] == dataset.sha256


def test_both_models_have_graded_answers_to_all_of_them() -> None:
    dataset, book = load_dataset(ROUTER / "prompts.jsonl"), GradeBook(ROUTER / "grades.jsonl")
    assert not book.missing(dataset, SMALL)
    assert not book.missing(dataset, LARGE)


def test_the_grades_are_those_that_the_rules_give_today() -> None:
    samples = {sample.id: sample for sample in load_dataset(ROUTER / "prompts.jsonl").samples}
    for reply in map(Reply.parse, (ROUTER / "grades.jsonl").read_text().strip().split("\n")):
        assert reply.text is not None
        assert grade_answer(samples[reply.id], Answer(reply.id, reply.text)) == reply.grade, (reply.id, reply.model)
