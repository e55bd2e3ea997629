"""Graded answers of two models to the same prompts, and the file that keeps them.

The file has one JSON object a line, an answer each: {"id", "question", "model", "grade", "text",
"prompt_tokens", "completion_tokens", "max_tokens"}. It only grows: a later line replaces an earlier one of the same
id and model, and a line cut off by a kill does not count. `text` may be absent, and `max_tokens` null or absent.

A grade in the file is that of the day on which the answer came. Where the text is there it is graded again, so that a
corrected answer key counts.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from app.evals.answer import Answer
from app.evals.dataset import Dataset, Sample
from app.evals.errors import DatasetError
from app.evals.tiers.graders import grade_answer


@dataclass(frozen=True, slots=True)
class Reply:
    """One model's answer to one prompt. `grade` is 0 to 1; tokens are as the stack counted them.

    None: nobody has kept the text, or the most tokens that were asked for.
    """

    id: str
    question: str
    model: str
    grade: float
    prompt_tokens: int
    completion_tokens: int
    text: str | None = None
    max_tokens: int | None = None

    @classmethod
    def parse(cls, line: str) -> Self:
        """Raises ValueError with what is wrong."""
        record = json.loads(line)
        if not isinstance(record, dict) or set(record) - {field.name for field in fields(cls)}:
            raise ValueError("not an object with the keys of a graded answer")
        try:
            reply = cls(**record)
        except TypeError:
            raise ValueError("a key is missing") from None
        if not all(isinstance(value, str) for value in (reply.id, reply.question, reply.model, reply.text or "")):
            raise ValueError("id, question, model and text must be texts")
        if not _is_number(reply.grade) or not 0 <= reply.grade <= 1:
            raise ValueError("grade must be from 0 to 1")
        if not all(_is_number(n) and n >= 0 for n in (reply.prompt_tokens, reply.completion_tokens)):
            raise ValueError("tokens must be numbers")
        if reply.max_tokens is not None and not (type(reply.max_tokens) is int and reply.max_tokens > 0):
            raise ValueError("max_tokens must be a whole number above 0, or null")
        return reply

    def graded_anew(self, sample: Sample) -> Self:
        """By the answer key and the rule that the prompt has now; as it is where the text is not known.

        Raises DatasetError for a prompt without a rule.
        """
        grade = None if self.text is None else grade_answer(sample, Answer(sample.id, self.text))
        return self if grade is None else replace(self, grade=grade)


@dataclass(frozen=True, slots=True)
class Pair:
    """The answers of both models to one prompt. `category` is the prompt's first tag."""

    id: str
    question: str
    category: str
    small: Reply
    large: Reply

    @property
    def small_suffices(self) -> bool:
        """What the classifier learns. True also where both fail: the large model would be money for nothing."""
        return self.small.grade >= self.large.grade

    @property
    def is_for_training(self) -> bool:
        """Half of the prompts train, the others test; a prompt keeps its half when others come or go."""
        return hashlib.blake2b(self.id.encode(), digest_size=1).digest()[0] % 2 == 0


class GradeBook:
    """The replies in a file. It is not touched before the first `add`."""

    def __init__(self, path: Path) -> None:
        """Read what is there. Raises DatasetError, with the line, when it holds something else; OSError."""
        self._path = path
        self._replies: dict[tuple[str, str], Reply] = {}
        self._can_grow = False
        content = path.read_bytes() if path.exists() else b""
        *lines, rest = content.split(b"\n")
        for number, line in enumerate(lines if _is_cut_off(rest) else [*lines, rest], start=1):
            if line.strip():
                try:
                    self._take(Reply.parse(line.decode()))
                except ValueError as error:
                    raise DatasetError(f"{path}:{number}: {error}; correct or remove the line") from None
        if content.strip() and not self._replies:
            raise DatasetError(f"{path} holds no graded answer; name another file, or remove this one")

    def add(self, reply: Reply) -> None:
        """Keep it, in the file first. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if not self._can_grow:
            self._end_last_line()
            self._can_grow = True
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(reply), ensure_ascii=False) + "\n")
        self._take(reply)

    def missing(self, dataset: Dataset, model: str) -> tuple[Sample, ...]:
        """The prompts that this model has not answered as they stand now."""
        return tuple(sample for sample in dataset.samples if self._find(sample, model) is None)

    def pairs(self, dataset: Dataset, small: str, large: str) -> tuple[Pair, ...]:
        """The prompts that both have answered, in the dataset's order, graded anew. Raises DatasetError where a prompt
        has no rule."""
        found = ((s, self._find(s, small), self._find(s, large)) for s in dataset.samples)
        return tuple(
            Pair(sample.id, sample.question, category_of(sample), ours.graded_anew(sample), theirs.graded_anew(sample))
            for sample, ours, theirs in found
            if ours is not None and theirs is not None
        )

    def _find(self, sample: Sample, model: str) -> Reply | None:
        reply = self._replies.get((sample.id, model))
        return reply if reply is not None and reply.question == sample.question else None

    def _take(self, reply: Reply) -> None:
        self._replies[reply.id, reply.model] = reply

    def _end_last_line(self) -> None:
        """What a kill has cut off goes; a line that only lacks its end gets it."""
        if not self._path.exists():
            return
        with self._path.open("r+b") as file:  # as it is now: it may have grown since it was read
            content = file.read()
            rest = content[content.rfind(b"\n") + 1 :]
            if _is_cut_off(rest):
                file.truncate(len(content) - len(rest))
            else:
                file.write(b"\n")


def category_of(sample: Sample) -> str:
    """A prompt's first tag."""
    return sample.tags[0] if sample.tags else ""


def most_tokens(pairs: Iterable[Pair]) -> int | str | None:
    """The max_tokens that the answers were asked with: a number, several as a text, None where nothing is known."""
    asked = {reply.max_tokens for pair in pairs for reply in (pair.small, pair.large)}
    known = sorted(number for number in asked if number is not None)
    if not known or len(asked) == 1:
        return known[0] if known else None
    return ", ".join([*map(str, known), *(["unknown"] if None in asked else [])])


def _is_cut_off(rest: bytes) -> bool:
    """Whether what follows the last line's end is no line: an object that lacks its end is no JSON."""
    try:
        json.loads(rest)
    except (ValueError, RecursionError):
        return True
    return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
