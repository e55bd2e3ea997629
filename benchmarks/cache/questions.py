"""The labelled questions as a cache meets them: streams of requests, and the right answer to each."""

import hashlib
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.evals.cache_judge import groups as labelled_groups
from app.evals.cache_judge.groups import load_groups
from app.retrieval.embedder import Embedder
from benchmarks.gateway.prompts import WORDS

Kind = Literal["question", "near repeat", "paraphrase", "trap"]
_ANSWER_WORDS = 9
_NEAR = 0.75  # cosine of two groups' questions
# Put around a paraphrase they leave its meaning alone: so a benchmark never asks in the same words twice.
_OPENINGS = ("", "Hi, ", "Hello! ", "Please: ", "Hey there, ", "Good morning. ", "Hi there: ", "Please tell me: ")
_CLOSINGS = ("", " Thanks!", " Thank you.", " Please.", " Thanks a lot!", " Cheers.", "  ", " Thank you very much.")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. Two with the same `intent` have the same right answer."""

    text: str
    kind: Kind
    group: str
    intent: str
    trap: str = ""  # what a trap changes: number, entity, negation ...


@dataclass(frozen=True, slots=True)
class Group:
    """A question, others that mean the same, and others that look the same."""

    name: str
    question: Ask
    repeats: tuple[Ask, ...]  # near repeats and paraphrases
    traps: tuple[Ask, ...]

    @property
    def paraphrases(self) -> tuple[Ask, ...]:
        return tuple(ask for ask in self.repeats if ask.kind == "paraphrase")

    @property
    def all(self) -> tuple[Ask, ...]:
        return (self.question, *self.repeats, *self.traps)


def read_groups(directory: Path) -> tuple[list[Group], list[Group]]:
    """The groups that trained nothing, and the others, of the files `*.jsonl` in a directory.

    The halves are those of the judge's training: a group that taught it says nothing about it. Raises DatasetError.
    """
    tested: list[Group] = []
    trained: list[Group] = []
    for group in load_groups(directory):
        (trained if group.is_for_training else tested).append(_group(group))
    return tested, trained


def _group(labelled: labelled_groups.Group) -> Group:
    name = labelled.name

    def same(texts: Sequence[str], kind: Kind) -> tuple[Ask, ...]:
        return tuple(Ask(text, kind, name, name) for text in texts)

    return Group(
        name,
        Ask(labelled.question, "question", name, name),
        same(labelled.near_repeats, "near repeat") + same(labelled.paraphrases, "paraphrase"),
        tuple(Ask(trap.text, "trap", name, f"{name}#{i}", trap.kind) for i, trap in enumerate(labelled.traps)),
    )


def apart(groups: Sequence[Group], embedder: Embedder) -> list[Group]:
    """Those whose question lies near no earlier one's. Several people wrote the groups, and some of them wrote of the
    same: labels would call an answer wrong that is right."""
    vectors = embedder.embed([group.question.text for group in groups])
    chosen: list[int] = []
    for at, vector in enumerate(vectors):
        if not chosen or float((vectors[chosen] @ vector).max()) < _NEAR:
            chosen.append(at)
    return [groups[at] for at in chosen]


def answer_to(intent: str) -> str:
    """The right answer: words that are another's with no intent that is met, and begin and end as all answers do."""
    chance = random.Random(hashlib.blake2b(intent.encode(), digest_size=8).digest())  # noqa: S311 (words, not secrets)
    return " ".join(["The", *chance.sample(WORDS, _ANSWER_WORDS), "answer"])


def stream(groups: Sequence[Group], seed: int) -> list[Ask]:
    """First each group's question, then all the rest of all groups, mixed."""
    rest = [ask for group in groups for ask in (*group.repeats, *group.traps)]
    random.Random(seed).shuffle(rest)  # noqa: S311 (an order, not a secret)
    return [group.question for group in groups] + rest


def variants(texts: Sequence[str], seed: int) -> Iterator[str]:
    """The texts in ever other frames, no wording twice: as many as texts x openings x closings."""
    framed = list(itertools.product(_OPENINGS, texts, _CLOSINGS))
    random.Random(seed).shuffle(framed)  # noqa: S311 (an order, not a secret)
    known = set(texts)
    for opening, text, closing in framed:
        if (wording := f"{opening}{text}{closing}") not in known:
            known.add(wording)
            yield wording
