"""The labelled questions: groups of what asks the same, with traps, and the pairs that follow from them.

A file has one JSON object a line: {"group", "question", "near_repeats": [...], "paraphrases": [...],
"traps": [{"text", "kind"}]}.
"""

import hashlib
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from app.config.files import PROJECT
from app.evals.errors import DatasetError

DEFAULT_GROUPS = Path("evals/cache/parts")  # in the project
HALF_MODEL = PROJECT / "evals" / "cache" / "half.npz"  # the judge that the training half alone has trained

NEAR_REPEAT, PARAPHRASE, UNRELATED = "near repeat", "paraphrase", "unrelated"
TRAPS = frozenset(
    "negation entity number date unit scope direction attribute condition antonym task".split()
)  # fmt: skip

Source = Literal["written", "within", "made"]


@dataclass(frozen=True, slots=True)
class Trap:
    """A question that looks like the group's and needs another answer."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Group:
    """One question, what asks the same, and what only seems to."""

    name: str
    question: str
    near_repeats: tuple[str, ...]
    paraphrases: tuple[str, ...]
    traps: tuple[Trap, ...]

    @classmethod
    def parse(cls, record: Any) -> Self:
        """Raises ValueError with what is wrong."""
        if not isinstance(record, dict):
            raise ValueError("not an object")
        try:
            group = cls(
                record["group"],
                record["question"],
                tuple(record["near_repeats"]),
                tuple(record["paraphrases"]),
                tuple(Trap(trap["text"], trap["kind"]) for trap in record["traps"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"a field is missing or of another type: {error}") from None
        texts = [group.name, group.question, *group.same, *(trap.text for trap in group.traps)]
        if not all(isinstance(text, str) and text.strip() for text in texts):
            raise ValueError("every question must be a text")
        unknown = {trap.kind for trap in group.traps} - TRAPS
        if unknown:
            raise ValueError(f"unknown kinds of traps: {', '.join(sorted(unknown))}")
        return group

    @property
    def same(self) -> tuple[str, ...]:
        """All that asks the same as the question."""
        return (*self.near_repeats, *self.paraphrases)

    @property
    def is_for_training(self) -> bool:
        """Half of the groups train, the others test; a group keeps its half when others come or go.

        Groups named seed-... were written while the judge was built, and are never tested on.
        """
        if self.name.startswith("seed-"):
            return True
        return hashlib.blake2b(self.name.encode(), digest_size=1).digest()[0] % 2 == 0

    def fold(self, folds: int) -> int:
        """The fold of cross-validation that leaves this group out."""
        return int.from_bytes(hashlib.blake2b(b"fold " + self.name.encode(), digest_size=4).digest()) % folds


@dataclass(frozen=True, slots=True)
class Pair:
    """Two questions. `kind` says how b was made from a; `source` how sure and how typical the pair is.

    written: a group's question with what somebody wrote to it. within: two other texts of a group.
    made: by a program (augment.py), or of two groups.
    """

    group: Group
    a: str
    b: str
    is_same: bool
    kind: str
    source: Source


def load_groups(folder: Path) -> tuple[Group, ...]:
    """All groups of the folder's .jsonl files, by name. Raises DatasetError, with file and line."""
    found: dict[str, Group] = {}
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise DatasetError(f"no .jsonl files in {folder}")
    for path in files:
        for number, line in enumerate(path.read_text().split("\n"), start=1):
            if not line.strip():
                continue
            try:
                group = Group.parse(json.loads(line))
            except ValueError as error:
                raise DatasetError(f"{path}:{number}: {error}") from None
            if group.name in found:
                raise DatasetError(f"{path}:{number}: group {group.name} is there twice")
            found[group.name] = group
    return tuple(found[name] for name in sorted(found))


def written_pairs(groups: Sequence[Group]) -> Iterator[Pair]:
    """What is measured: each question with its near repeats, paraphrases and traps."""
    for group in groups:
        for kind, texts in ((NEAR_REPEAT, group.near_repeats), (PARAPHRASE, group.paraphrases)):
            for text in texts:
                yield Pair(group, group.question, text, True, kind, "written")
        for trap in group.traps:
            yield Pair(group, group.question, trap.text, False, trap.kind, "written")


def pairs_within(groups: Sequence[Group]) -> Iterator[Pair]:
    """All others within a group, two traps left out: those may well ask the same."""
    for group in groups:
        for one, other in itertools.combinations(group.same, 2):
            if not {one, other} <= set(group.near_repeats):
                yield Pair(group, one, other, True, PARAPHRASE, "within")
        for text, trap in itertools.product(group.same, group.traps):
            yield Pair(group, text, trap.text, False, trap.kind, "within")


def unrelated_pairs(groups: Sequence[Group], seed: int) -> Iterator[Pair]:
    """One for each group: its question, and a paraphrase of another's."""
    draw = random.Random(seed)  # noqa: S311 - chance, not a secret
    for group in groups:
        other = draw.choice(groups)
        if other is not group and other.paraphrases:
            yield Pair(group, group.question, draw.choice(other.paraphrases), False, UNRELATED, "made")
