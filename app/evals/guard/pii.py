"""Measuring what finds personal data against texts whose spans people have marked.

A line of a set is {"text": "Ask [[PERSON|Ada Byron]].", "category": "chat"}. A text belongs to the training half or to
the test half by its hash, and keeps its half when others come or go.

A marked span counts as found when one hit covers at least half of its characters; strictly, when that hit has its type
as well. A hit counts as right when at least half of it lies on marked spans of its type (adjacent marks of one type
count together: an address in two lines), and as wrong otherwise.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.config.files import PROJECT
from app.evals.errors import DatasetError

FOLDER = PROJECT / "evals" / "guard" / "pii"
TRAINING = "training"  # short texts written for the weights of names; nothing is measured on it
FRESH = "fresh"  # written by somebody who knew none of the recognizers; nothing is tuned on it

STRUCTURED = ("CREDIT_CARD", "IBAN_CODE", "EMAIL_ADDRESS", "PHONE_NUMBER", "US_SSN", "IP_ADDRESS")
GROUPS: Mapping[str, tuple[str, ...]] = {
    "structured": STRUCTURED,
    "names": ("PERSON",),
    "addresses": ("STREET_ADDRESS",),
    "documents": ("DATE_OF_BIRTH", "PASSPORT", "DRIVER_LICENSE"),
    "secrets": ("SECRET",),
}
# A person in the public eye is no personal data to everybody: marked or not, PERSON is neither right nor wrong there.
PUBLIC_FIGURE = "public_figure"

_MARK = re.compile(r"\[\[([A-Z_]+)\|(.*?)\]\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a text, in characters."""

    type: str
    start: int
    end: int

    def shared(self, other: "Span") -> int:
        """How many characters both have."""
        return max(0, min(self.end, other.end) - max(self.start, other.start))


@dataclass(frozen=True, slots=True)
class Marked:
    """A text without its marks, and where they were."""

    text: str
    spans: tuple[Span, ...]
    category: str
    source: str  # the set that it is from

    @classmethod
    def parse(cls, marked: str, category: str, source: str) -> "Marked":
        """Raises ValueError for marks that are not closed."""
        text, spans, at = "", [], 0
        for mark in _MARK.finditer(marked):
            text += marked[at : mark.start()]
            spans.append(Span(mark[1], len(text), len(text) + len(mark[2])))
            text += mark[2]
            at = mark.end()
        text += marked[at:]
        if re.search(r"\[\[[A-Z_]+\|", text):
            raise ValueError("a mark is not closed")
        return cls(text, tuple(spans), category, source)

    @property
    def is_for_training(self) -> bool:
        """Half of the texts; all of those written for training, none of the fresh set."""
        if self.source == TRAINING:
            return True
        return self.source != FRESH and hashlib.blake2b(self.text.encode(), digest_size=1).digest()[0] % 2 == 0


@dataclass(slots=True)
class Count:
    """Of one type: marked spans, those found (as anything), those found as what they are, and hits."""

    spans: int = 0
    found: int = 0
    strict: int = 0
    right: int = 0
    wrong: int = 0

    def add(self, other: "Count") -> None:
        """Sum up."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def recall(self) -> float:
        """Share of spans found as what they are."""
        return self.strict / self.spans if self.spans else float("nan")

    @property
    def covered(self) -> float:
        """Share of spans found as anything: what does not leak."""
        return self.found / self.spans if self.spans else float("nan")

    @property
    def precision(self) -> float:
        """Share of hits that are right."""
        hits = self.right + self.wrong
        return self.right / hits if hits else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


@dataclass(slots=True)
class Measured:
    """Counts by type, and what went wrong: (text, what) for missed spans and wrong hits."""

    types: dict[str, Count] = field(default_factory=dict)
    missed: list[tuple[Marked, Span]] = field(default_factory=list)
    wrong: list[tuple[Marked, Span]] = field(default_factory=list)

    def group(self, types: Iterable[str]) -> Count:
        """Micro average."""
        total = Count()
        for name in types:
            total.add(self.types.get(name, Count()))
        return total


def load_marked(folder: Path = FOLDER) -> tuple[Marked, ...]:
    """All texts of the folder's .jsonl files, each once. Raises DatasetError, with file and line."""
    found: dict[str, Marked] = {}
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise DatasetError(f"no .jsonl files in {folder}")
    for path in files:
        for number, line in enumerate(path.read_text().split("\n"), start=1):
            if line.strip():
                try:
                    record = json.loads(line)
                    marked = Marked.parse(record["text"], record.get("category", ""), path.stem)
                except (ValueError, KeyError, TypeError) as error:
                    raise DatasetError(f"{path}:{number}: {error}") from None
                found.setdefault(marked.text, marked)
    return tuple(found.values())


def measure(marked: Sequence[Marked], found: Sequence[Sequence[Span]]) -> Measured:
    """Compare the spans found in each text with those marked in it."""
    measured = Measured()
    counts = measured.types
    for text, hits in zip(marked, found, strict=True):
        for span in text.spans:
            count = counts.setdefault(span.type, Count())
            half = (span.end - span.start) / 2
            count.spans += 1
            count.found += any(hit.shared(span) >= half for hit in hits)
            if any(hit.shared(span) >= half and hit.type == span.type for hit in hits):
                count.strict += 1
            else:
                measured.missed.append((text, span))
        for hit in hits:
            if hit.type == "PERSON" and text.category == PUBLIC_FIGURE:
                continue
            same = sum(hit.shared(span) for span in text.spans if span.type == hit.type)
            count = counts.setdefault(hit.type, Count())
            if same * 2 >= hit.end - hit.start:
                count.right += 1
            else:
                count.wrong += 1
                measured.wrong.append((text, hit))
    return measured
