"""What people write, at a given length and never twice: sentences of our own evals, put together by chance."""

import json
import random
import re
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.evals.errors import DatasetError
from app.evals.guard.injection_set import HALVED, held_back_half, load_labelled
from benchmarks.errors import BenchmarkFailed

_MARK = re.compile(r"\[\[[A-Z_]+\|(.*?)\]\]", re.DOTALL)
_VALUE_SHARE = 0.3  # of the pieces hold personal data: in most texts there is something to mask, in no text is it all
_OFF = 0.05  # of the length


def read_pieces(evals: Path) -> tuple[list[str], list[str]]:
    """Texts without personal data (benign ones of the injection sets' test halves: what the classifier learnt it is
    quicker with) and with it, of `evals/guard`.

    Raises BenchmarkFailed.
    """
    try:
        plain = [
            row.text
            for name in HALVED
            for row in held_back_half(load_labelled(evals / "injection" / f"{name}.jsonl"))
            if not row.is_attack
        ]
        rows = map(json.loads, (evals / "pii" / "chat.jsonl").read_text().splitlines())
        marked = [row["text"] for row in rows if _MARK.search(row["text"])]
    except (OSError, KeyError, json.JSONDecodeError, DatasetError) as error:
        raise BenchmarkFailed(f"the evaluation sets in {evals} cannot be read: {error}") from error
    if not plain or not marked:
        raise BenchmarkFailed(f"the evaluation sets in {evals} hold no texts to measure with")
    return plain, [_MARK.sub(r"\1", text) for text in marked]


class Texts:
    """An endless supply. Every text is within `_OFF` of the length that it should have, and no two are the same: whole
    messages, in lines of their own. (Cut at a length they would begin and end in the middle of a sentence, which nobody
    writes, and which the classifier is slower with.)"""

    def __init__(self, plain: Sequence[str], personal: Sequence[str], seed: int) -> None:
        self._plain, self._personal = tuple(plain), tuple(personal)
        self._chance = random.Random(seed)  # noqa: S311 (texts, not secrets)
        self._half = statistics.mean(map(len, (*plain, *personal))) / 2  # what the last message is over on average
        self._known: set[str] = set()

    def take(self, length: int, count: int) -> list[str]:
        """So many texts of about so many characters."""
        return [self._next(length) for _ in range(count)]

    def stream(self, length: int) -> Iterator[str]:
        """Text after text."""
        while True:
            yield self._next(length)

    def _next(self, length: int) -> str:
        while (text := self._made(length)) in self._known or len(text) > length * (1 + _OFF):
            pass
        self._known.add(text)
        return text

    def _made(self, length: int) -> str:
        parts: list[str] = []
        held = -1
        while held < max(length * (1 - _OFF), length - self._half):
            pool = self._personal if self._chance.random() < _VALUE_SHARE else self._plain
            parts.append(self._chance.choice(pool))
            held += len(parts[-1]) + 1
        return "\n".join(parts)
