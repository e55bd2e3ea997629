"""Graded answers of two models to the same prompts, and the file that keeps them.

The file has one JSON object a line, an answer each: {"id", "question", "model", "grade", "text",
"prompt_tokens", "completion_tokens"}. It only grows: a later line replaces an earlier one of the same
id and model, and a line cut off by a kill is dropped. `text` may be absent.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from app.evals.dataset import Dataset, Sample
from app.evals.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Reply:
    """One model's answer to one prompt. `grade` is 0 to 1; tokens are as the stack counted them."""

    id: str
    question: str
    model: str
    grade: float
    prompt_tokens: int
    completion_tokens: int
    text: str = ""

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
        if not all(isinstance(value, str) for value in (reply.id, reply.question, reply.model, reply.text)):
            raise ValueError("id, question, model and text must be texts")
        if not _is_number(reply.grade) or not 0 <= reply.grade <= 1:
            raise ValueError("grade must be from 0 to 1")
        if not all(_is_number(n) and n >= 0 for n in (reply.prompt_tokens, reply.completion_tokens)):
            raise ValueError("tokens must be numbers")
        return reply


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
    """The replies in a file."""

    def __init__(self, path: Path) -> None:
        """Read what is there. Raises DatasetError, with the line, when it holds something else."""
        self._path = path
        self._replies: dict[tuple[str, str], Reply] = {}
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        for number, line in enumerate(whole.decode().split("\n"), start=1):
            if line.strip():
                try:
                    self._take(Reply.parse(line))
                except ValueError as error:
                    raise DatasetError(f"{path}:{number}: {error}; correct or remove the line") from None
        if len(whole) < len(content):
            with path.open("r+b") as file:
                file.truncate(len(whole))

    def add(self, reply: Reply) -> None:
        """Keep it, in the file first."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(reply), ensure_ascii=False) + "\n")
        self._take(reply)

    def missing(self, dataset: Dataset, model: str) -> tuple[Sample, ...]:
        """The prompts that this model has not answered as they stand now."""
        return tuple(sample for sample in dataset.samples if self._find(sample, model) is None)

    def pairs(self, dataset: Dataset, small: str, large: str) -> tuple[Pair, ...]:
        """The prompts that both have answered, in the dataset's order."""
        found = ((s, self._find(s, small), self._find(s, large)) for s in dataset.samples)
        return tuple(
            Pair(sample.id, sample.question, sample.tags[0] if sample.tags else "", ours, theirs)
            for sample, ours, theirs in found
            if ours is not None and theirs is not None
        )

    def _find(self, sample: Sample, model: str) -> Reply | None:
        reply = self._replies.get((sample.id, model))
        return reply if reply is not None and reply.question == sample.question else None

    def _take(self, reply: Reply) -> None:
        self._replies[reply.id, reply.model] = reply


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
