"""Grading short answers without a judge: which of four rules a prompt wants is one of its tags.

phrase   one of `answers` stands in the text, as whole words
choice   of the options, the one named first is right; the wrong ones are tags `not:<option>`
exact    the text is one of `answers`, but for quotes around it and a full stop at its end
json     the text, or the code block in it, is JSON of the same value as `answers[0]`
"""

import json
import re
from collections.abc import Callable
from typing import Any

from app.evals.answer import Answer
from app.evals.dataset import Sample
from app.evals.errors import DatasetError

NOT = "not:"
QUOTES = "\"'`\u2018\u2019\u201c\u201d"
CODE_BLOCK = re.compile(r"```(?:json)?\s*\n(.*?)\n?\s*```", re.DOTALL | re.IGNORECASE)


def grade_answer(sample: Sample, answer: Answer) -> float | None:
    """1 right, 0 wrong, None for an answer that failed. Raises DatasetError for a prompt without a rule."""
    rule = next((GRADERS[tag] for tag in sample.tags if tag in GRADERS), None)
    if rule is None or not sample.answers:
        raise DatasetError(f"{sample.id}: needs answers, and one of the tags {', '.join(GRADERS)}")
    return None if answer.error is not None else float(rule(sample, answer.text))


def has_phrase(sample: Sample, text: str) -> bool:
    """Whether a right answer stands in the text."""
    return any(_place(phrase, text) is not None for phrase in sample.answers)


def chooses(sample: Sample, text: str) -> bool:
    """Whether the first option named is the right one: a text that names several has not refused to choose."""
    right = _place(sample.answers[0], text)
    wrong = (_place(tag.removeprefix(NOT), text) for tag in sample.tags if tag.startswith(NOT))
    return right is not None and all(place is None or right < place for place in wrong)


def is_exactly(sample: Sample, text: str) -> bool:
    """Whether the text is an answer and nothing else. Case counts."""
    return text.strip().strip(QUOTES).removesuffix(".").strip(QUOTES) in sample.answers


def is_json(sample: Sample, text: str) -> bool:
    """Whether the text is JSON of the wanted value. Words around a code block are passed over."""
    block = CODE_BLOCK.search(text)
    try:
        return _typed(json.loads(block[1] if block else text)) == _typed(json.loads(sample.answers[0]))
    except (ValueError, RecursionError):
        return False


GRADERS: dict[str, Callable[[Sample, str], bool]] = {
    "phrase": has_phrase,
    "choice": chooses,
    "exact": is_exactly,
    "json": is_json,
}


def _place(phrase: str, text: str) -> int | None:
    """Where the phrase first stands as whole words, whatever its case; 30 is not within 300, 1.30 or 3,000."""
    digits_before = r"(?<!\d[.,])" if phrase[0].isdigit() else ""
    digits_after = r"(?![.,]\d)" if phrase[-1].isdigit() else ""
    words = r"\s+".join(re.escape(word) for word in phrase.split())
    found = re.search(rf"(?<!\w){digits_before}{words}(?!\w){digits_after}", text, re.IGNORECASE)
    return found.start() if found else None


def _typed(value: Any) -> str:
    """Canonical JSON. Python's own comparison would take true for 1."""
    return json.dumps(value, sort_keys=True)
