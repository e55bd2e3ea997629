"""Datasets: a JSONL file with one question a line.

    {"id": "ports", "question": "Which port ...?", "documents": ["docs/quickstart.md"], "answers": ["8000"]}

`id` and `question` are needed. Empty lines are skipped.
"""

import hashlib
import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from app.evals.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Sample:
    """One question and what a right answer looks like."""

    id: str
    question: str
    documents: tuple[str, ...] = ()  # gold documents; empty: the documents do not answer it
    answers: tuple[str, ...] = ()  # key phrases, one of which a right answer contains
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """The samples of a file, in its order. `sha256` is the hex digest of the file's bytes."""

    name: str
    path: Path
    sha256: str
    samples: tuple[Sample, ...]

    def first(self, limit: int | None) -> Self:
        """The first `limit` samples; all of them when None. The digest stays that of the file."""
        return self if limit is None else replace(self, samples=self.samples[:limit])


KEYS = tuple(field.name for field in fields(Sample))
LISTS = ("documents", "answers", "tags")


def load_dataset(path: Path) -> Dataset:
    """Read and check a dataset. Raises DatasetError with file:line and the remedy."""
    try:
        content = path.read_bytes()
        text = content.decode()
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file; give the path of a JSONL dataset") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as UTF-8 text ({error}); give a JSONL file") from None
    samples: list[Sample] = []
    lines: dict[str, int] = {}
    # Not splitlines(): a question may hold a line separator such as U+2028.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        sample = _parse(line, f"{path}:{number}")
        if sample.id in lines:
            raise DatasetError(f"{path}:{number}: id {sample.id!r} is taken by line {lines[sample.id]}; rename one")
        lines[sample.id] = number
        samples.append(sample)
    if not samples:
        raise DatasetError(
            f'{path}: holds no samples; write one object a line, such as {{"id": "q1", "question": "..."}}'
        )
    return Dataset(path.stem, path, hashlib.sha256(content).hexdigest(), tuple(samples))


def _parse(line: str, where: str) -> Sample:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{where}: not JSON ({error.msg} at column {error.colno}); write one JSON object on one line"
        ) from None
    if not isinstance(record, dict):
        raise DatasetError(f'{where}: not an object; write {{"id": ..., "question": ...}}')
    unknown = sorted(set(record) - set(KEYS))
    if unknown:
        raise DatasetError(f"{where}: unknown key {unknown[0]!r}; known keys: {', '.join(KEYS)}")
    return Sample(
        id=_text(record, "id", where),
        question=_text(record, "question", where),
        **{key: _texts(record.get(key, []), key, where) for key in LISTS},
    )


def _text(record: dict[str, Any], key: str, where: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        raise DatasetError(f"{where}: {key!r} is missing or empty; give it some text")
    return value


def _texts(value: Any, key: str, where: str) -> tuple[str, ...]:
    # A bare string would pass as a sequence of its letters.
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise DatasetError(f'{where}: {key!r} is not a list of texts; write ["..."], or [] for none')
    return tuple(value)
