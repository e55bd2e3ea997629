"""The questions, and where their answers stand.

A line is {"id": "q001", "query": "...", "kind": "paraphrase", "split": "train", "answerable": true,
"gold": [{"document": "packages/h11.rst", "quote": "..."}]}. Each gold passage is a part of the answer: a question with
two needs both. A quote stands in the document's text as it is parsed, but for white space.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from app.config.files import PROJECT
from app.evals.errors import DatasetError
from app.ingest.document import ParsedDocument

QUESTIONS = PROJECT / "evals" / "retrieval" / "questions.jsonl"
Split = Literal["train", "test"]
KINDS = (
    "keyword",
    "question",
    "paraphrase",  # without the passage's words
    "identifier",  # of an option, a function, a file
    "error",  # what somebody pastes who has seen one
    "comparison",
    "multi-hop",
    "misspelt",
    "conversational",
    "unanswerable",  # near a topic of the corpus, which does not hold the answer
    "off-topic",  # of something else altogether
)
WITHOUT_ANSWER = ("unanswerable", "off-topic")
QUOTE_CHARACTERS = (15, 200)
_KEYS = {"id", "query", "kind", "split", "answerable", "gold"}


@dataclass(frozen=True, slots=True)
class Gold:
    """A passage that answers, or a part of it."""

    document: str
    quote: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `gold` is empty where the corpus does not answer it."""

    id: str
    query: str
    kind: str
    split: Split
    gold: tuple[Gold, ...]

    @property
    def is_answerable(self) -> bool:
        """Whether the corpus holds the answer."""
        return bool(self.gold)


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """The questions of a file, in its order. `sha256` is the hex digest of the file's bytes."""

    path: Path
    sha256: str
    questions: tuple[Question, ...]

    def of(self, split: Split) -> list[Question]:
        """One half."""
        return [question for question in self.questions if question.split == split]


def load_questions(path: Path = QUESTIONS) -> QuestionSet:
    """Raises DatasetError with the line and what is wrong with it."""
    try:
        content = path.read_bytes()
        lines = content.decode().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); give a JSONL file of questions") from None
    questions: list[Question] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            question = _parse(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{path}:{number}: {error}") from None
        if question.id in seen:
            raise DatasetError(f"{path}:{number}: id {question.id!r} is taken; rename one")
        seen.add(question.id)
        questions.append(question)
    if not questions:
        raise DatasetError(f"{path}: holds no questions")
    return QuestionSet(path, hashlib.sha256(content).hexdigest(), tuple(questions))


def _parse(record: Mapping[str, Any]) -> Question:
    if set(record) != _KEYS:
        raise ValueError(f"keys must be {', '.join(sorted(_KEYS))}")
    gold = tuple(Gold(str(one["document"]), str(one["quote"])) for one in record["gold"])
    question = Question(record["id"], record["query"], record["kind"], record["split"], gold)
    if not all(isinstance(text, str) and text.strip() for text in (question.id, question.query)):
        raise ValueError("id and query must be texts")
    if question.kind not in KINDS or question.split not in get_args(Split):
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, and split train or test")
    if not question.is_answerable == record["answerable"] == (question.kind not in WITHOUT_ANSWER):
        raise ValueError("answerable, gold and kind contradict each other")
    shortest, longest = QUOTE_CHARACTERS
    if any(not shortest <= len(one.quote) <= longest for one in gold):
        raise ValueError(f"a quote must have {shortest} to {longest} characters")
    return question


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gold passage stands in its document's text: every place of the quote, in characters."""

    document: str
    spans: tuple[tuple[int, int], ...]


def locate(gold: Gold, document: ParsedDocument) -> Place | None:
    """None where the text does not hold the quote. Any white space equals any other."""
    pattern = r"\s+".join(re.escape(word) for word in gold.quote.split())
    spans = tuple(match.span() for match in re.finditer(pattern, document.text))
    return Place(gold.document, spans) if spans else None


@dataclass(frozen=True, slots=True)
class Located:
    """A question whose gold passages have been found; the place of each, in order."""

    question: Question
    places: tuple[Place, ...]


def locate_all(
    questions: Iterable[Question], parsed: Mapping[str, ParsedDocument]
) -> tuple[list[Located], list[tuple[Question, Gold]]]:
    """The questions that can be asked of these documents, and the gold passages that are not in them."""
    located: list[Located] = []
    missing: list[tuple[Question, Gold]] = []
    for question in questions:
        places: Sequence[Place | None] = [
            locate(gold, parsed[gold.document]) if gold.document in parsed else None for gold in question.gold
        ]
        lost = [(question, gold) for gold, place in zip(question.gold, places, strict=True) if place is None]
        if lost:
            missing += lost
        else:
            located.append(Located(question, tuple(place for place in places if place is not None)))
    return located, missing
