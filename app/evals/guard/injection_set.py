"""The labelled texts for prompt injection, and their halves.

A file has one JSON object a line: {"text", "label": "attack" or "benign", "category"}, and of a document that is an
attack it may have "order": the part of the text that makes it one.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.config.files import PROJECT
from app.evals.errors import DatasetError

INJECTION_SETS = PROJECT / "evals" / "guard" / "injection"
HALVED = ("direct", "indirect")  # what users write, and what documents and tools hold
FRESH = "fresh"  # by somebody who saw nothing of the classifier; never trained on


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text, whether it is an attack, and its writer's category."""

    text: str
    is_attack: bool
    category: str
    source: str  # the file's name
    order: str = ""

    @property
    def is_for_training(self) -> bool:
        """A hash of the text decides, so that a text keeps its half when others come or go."""
        return hashlib.sha256(self.text.encode(errors="surrogatepass")).digest()[0] % 2 == 0


def load_labelled(path: Path) -> list[Labelled]:
    """Raises DatasetError with the line that cannot be read."""
    if not path.is_file():
        raise DatasetError(f"no labelled texts in {path}")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = json.loads(line)
            if record["label"] not in ("attack", "benign") or not isinstance(record["text"], str):
                raise ValueError("label must be attack or benign, and text a text")
            label, order = record["label"] == "attack", str(record.get("order") or "")
            rows.append(Labelled(record["text"], label, str(record["category"]), path.stem, order))
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{path}, line {number}: {error}") from None
    return rows


def training_half(rows: Sequence[Labelled]) -> list[Labelled]:
    return [row for row in rows if row.is_for_training]


def held_back_half(rows: Sequence[Labelled]) -> list[Labelled]:
    """The half that trains nothing and tunes nothing."""
    return [row for row in rows if not row.is_for_training]
