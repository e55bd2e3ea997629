"""Masking: what rails found is replaced by placeholders before anything else sees the text."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from app.guard.spans import apart
from app.guard.types import Finding, Hit
from app.guard.without_torch import without_torch

with without_torch():  # it imports the analyzer
    from presidio_anonymizer import AnonymizerEngine
    from presidio_anonymizer.entities import OperatorConfig, RecognizerResult

_anonymizer = AnonymizerEngine()
TOGETHER = 50  # spans


class Masking:
    """The placeholders of one request: `<PERSON_1>` for its first person.

    The same value gets the same placeholder in all texts of a request, numbered in reading order, so that the masked
    texts of equal requests are equal (caches depend on it), and a conversation that is sent again with one more turn
    keeps the numbers it had. `vault` undoes it: placeholder -> value.
    """

    def __init__(self, texts: Iterable[str], known: Mapping[str, str] | None = None) -> None:
        """`texts`: everything that the request holds, masked or not. `known`: the vault of the conversation that it
        goes on; its values keep their placeholders, and get into this vault where they come again."""
        self.vault: dict[str, str] = {}
        # A placeholder that the user typed must not be "restored" to somebody's data.
        self._typed = {name for text in texts if "_" in text for name in _typed_in(text)}
        self._known: dict[tuple[str, str], str] = {}
        self._next: dict[str, int] = {}
        for placeholder, value in (known or {}).items():
            entity, _, number = placeholder.strip("<>").rpartition("_")
            self._known[entity, value] = placeholder
            self._next[entity] = max(self._next.get(entity, 0), int(number))

    def mask(self, text: str, hits: Sequence[Hit], index: int = 0) -> tuple[str, list[Finding]]:
        """The text with a placeholder for each hit. Of overlapping hits the surer, then the longer, counts whole."""
        spans = apart(trimmed(hit, text) for hit in hits)
        if not spans:
            return text, []
        findings = [Finding(span.rule, round(span.score, 3), index, span.start, span.end) for span in spans]
        # The anonymizer's time grows with the square of what it is given.
        parts = [spans[start : start + TOGETHER] for start in range(0, len(spans), TOGETHER)]
        ends = [*(part[0].start for part in parts[1:]), len(text)]
        begin, masked = 0, []
        for part, end in zip(parts, ends, strict=True):
            masked.append(self._replaced(text[begin:end], [(span, begin) for span in part]))
            begin = end
        return "".join(masked), findings

    def _replaced(self, text: str, spans: Sequence[tuple[Hit, int]]) -> str:
        """`spans`: with the offset of `text` in the whole one."""
        results, operators = [], {}
        for number, (span, offset) in enumerate(spans):
            start, end = span.start - offset, span.end - offset
            placeholder = self._of(span.rule, text[start:end])
            # The anonymizer melts neighbours of one type into one; each span is a type of its own.
            results.append(RecognizerResult(str(number), start, end, span.score))
            operators[str(number)] = OperatorConfig("replace", {"new_value": placeholder})
        masked: str = _anonymizer.anonymize(text, results, operators).text
        return masked

    def _of(self, entity: str, value: str) -> str:
        """The placeholder of a value; a new one the first time."""
        entity = _NO_NAME.sub("_", entity.upper()).strip("_")[:40] or "MASKED"
        known = self._known.get((entity, value))
        if known:
            self.vault[known] = value
            return known
        while True:
            self._next[entity] = number = self._next.get(entity, 0) + 1
            name = f"{entity}_{number}"
            if name not in self._typed:
                placeholder = f"<{name}>"
                self._known[entity, value] = placeholder
                self.vault[placeholder] = value
                return placeholder


_NO_NAME = re.compile(r"[^A-Z0-9_]+")
_LOOKS_LIKE_ONE = re.compile(r"[A-Z][A-Z0-9_]{0,39}_[0-9]{1,9}")
_NUMBER = re.compile(r"_[0-9]+")


def _typed_in(text: str) -> Iterator[str]:
    """What looks like a placeholder's name, also where it goes on: PERSON_1_2 begins with PERSON_1."""
    for found in _LOOKS_LIKE_ONE.findall(text):
        for number in _NUMBER.finditer(found):
            yield found[: number.end()]


def trimmed(hit: Hit, text: str) -> Hit:
    """Without white space around it."""
    value = text[hit.start : hit.end].rstrip()
    start = hit.start + len(value) - len(value.lstrip())
    return replace(hit, start=start, end=max(start, hit.start + len(value)))
