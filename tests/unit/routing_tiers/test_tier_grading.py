"""The graders, and the prompts that ship."""

from collections import Counter

import pytest

from app.config.files import PROJECT
from app.evals import Answer, DatasetError, Sample, load_dataset
from app.evals.tiers.graders import GRADERS, NOT, grade_answer
from app.evals.tiers.grades import Pair, Reply

PROMPTS = PROJECT / "evals" / "router" / "prompts.jsonl"


def grade(text: str, answers: tuple[str, ...], *tags: str) -> float | None:
    return grade_answer(Sample("q", "?", answers=answers, tags=tags), Answer("q", text))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("It is Paris.", 1),
        ("PARIS", 1),
        ("Parisian life", 0),
        ("London", 0),
        ("", 0),
    ],
)
def test_a_phrase_stands_as_a_whole_word(text: str, right: float) -> None:
    assert grade(text, ("Paris",), "phrase") == right


@pytest.mark.parametrize(
    ("text", "right"), [("= 30.", 1), ("30, then", 1), ("$30", 1), ("300", 0), ("1.30", 0), ("30.5", 0), ("30,000", 0)]
)
def test_a_number_is_not_found_within_another(text: str, right: float) -> None:
    assert grade(text, ("30",), "phrase") == right


def test_any_of_several_phrases_will_do_across_line_breaks() -> None:
    assert grade("say thank\nyou", ("merci", "thank you"), "phrase") == 1


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Positive", 1),
        ("It is positive, not negative.", 1),
        ("It is negative rather than positive", 0),
        ("Neither", 0),
    ],
)
def test_of_the_options_the_one_named_first_counts(text: str, right: float) -> None:
    assert grade(text, ("positive",), "choice", "not:negative") == right


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("red-17", 1),
        (' "red-17." \n', 1),
        ("`red-17`", 1),
        ("\u201cred-17\u201d", 1),
        ("Red-17", 0),
        ("red-17 it is", 0),
    ],
)
def test_exact_allows_quotes_and_a_full_stop_and_no_more(text: str, right: float) -> None:
    assert grade(text, ("red-17",), "exact") == right


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ('{"b": [1], "a": true}', 1),
        ('Here:\n```json\n{"a": true,\n "b": [1]}\n```\nDone.', 1),
        ('{"a": 1, "b": [1]}', 0),
        ('{"a": true}', 0),
        ("{'a': true, 'b': [1]}", 0),
        ("", 0),
        ("[" * 100_000, 0),
    ],
)
def test_json_is_compared_by_value_and_type(text: str, right: float) -> None:
    assert grade(text, ('{"a": true, "b": [1]}',), "json") == right


def test_a_failed_answer_is_unscored() -> None:
    assert grade_answer(Sample("q", "?", answers=("x",), tags=("exact",)), Answer("q", "x", error="503")) is None


@pytest.mark.parametrize("sample", [Sample("q", "?", answers=("x",)), Sample("q", "?", tags=("exact",))])
def test_a_prompt_without_rule_or_answer_is_refused(sample: Sample) -> None:
    with pytest.raises(DatasetError, match="q: needs answers"):
        grade_answer(sample, Answer("q", "x"))


def test_every_prompt_that_ships_can_be_graded_and_a_right_answer_is_right() -> None:
    for sample in load_dataset(PROMPTS).samples:
        assert grade_answer(sample, Answer(sample.id, sample.answers[0])) == 1, sample.id
        for wrong in (tag.removeprefix(NOT) for tag in sample.tags if tag.startswith(NOT)):
            assert grade_answer(sample, Answer(sample.id, wrong)) == 0, sample.id


def test_the_prompts_that_ship_are_many_distinct_and_in_two_halves() -> None:
    samples = load_dataset(PROMPTS).samples
    assert len(samples) >= 240
    assert len({sample.question for sample in samples}) == len(samples)
    assert all(sum(tag in GRADERS for tag in sample.tags) == 1 for sample in samples)
    reply = Reply("q", "?", "m", 1, 1, 1)
    training = [Pair(s.id, s.question, s.tags[0], reply, reply).is_for_training for s in samples]
    assert 0.4 < sum(training) / len(training) < 0.6
    halves = Counter((s.tags[0], half) for s, half in zip(samples, training, strict=True))
    assert all(halves[category, half] >= 3 for category, _ in halves for half in (True, False))
