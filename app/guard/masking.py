"""Masking: personal data is replaced by placeholders before anything else sees the text."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from presidio_analyzer import AnalyzerEngine
from presidio_analyzer import RecognizerResult as Result
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import OperatorConfig, RecognizerResult

from app.config import GuardConfig
from app.guard.analyzer import build_analyzer
from app.guard.finder import Finder
from app.guard.types import Finding, Screened


class Masker:
    """Finds personal data with Presidio and replaces it by `<PERSON_1>`-style placeholders.

    The same value gets the same placeholder in all texts of one call, numbered in reading order, so
    that the masked texts of equal requests are equal: caches depend on it.
    """

    def __init__(self, config: GuardConfig, analyzer: AnalyzerEngine | None = None) -> None:
        self._entities = list(config.entities)
        self._allowed = {text.casefold() for text in config.allow}
        self._analyzer = analyzer or build_analyzer(config.language_model, config.entities)
        self._finder = Finder(self._analyzer, self._entities, config.threshold)
        self._anonymizer = AnonymizerEngine()

    def screen(self, texts: Sequence[str]) -> Screened:
        """Mask all texts. CPU-bound: see `screen_all`."""
        return self.screen_all([texts])[0]

    def screen_all(self, calls: Sequence[Sequence[str]]) -> list[Screened]:
        """Mask the texts of several calls at once, each call as `screen` would.

        CPU-bound, and thread-safe.
        """
        spoken = [text for texts in calls for text in texts if text.strip()]
        results = iter(self._finder.find(spoken))
        return [self._screened(texts, [next(results) if text.strip() else [] for text in texts]) for texts in calls]

    def _screened(self, texts: Sequence[str], results: Sequence[Sequence[Result]]) -> Screened:
        placeholders = _Placeholders(texts, self._entities)
        findings: list[Finding] = []
        masked = [
            self._mask(text, index, self._spans(text, found), placeholders, findings) if found else text
            for index, (text, found) in enumerate(zip(texts, results, strict=True))
        ]
        return Screened(texts=tuple(masked), vault=placeholders.vault, findings=tuple(findings))

    def _mask(
        self,
        text: str,
        index: int,
        spans: Sequence["_Span"],
        placeholders: "_Placeholders",
        findings: list[Finding],
    ) -> str:
        if not spans:
            return text
        results, operators = [], {}
        for number, span in enumerate(spans):
            placeholder = placeholders.of(span.entity, text[span.start : span.end])
            findings.append(Finding(span.entity, round(span.score, 3), index))
            # The anonymizer melts neighbours of one type into one; each span is a type of its own.
            results.append(RecognizerResult(str(number), span.start, span.end, span.score))
            operators[str(number)] = OperatorConfig("replace", {"new_value": placeholder})
        masked: str = self._anonymizer.anonymize(text, results, operators).text
        return masked

    def _spans(self, text: str, results: Sequence[Result]) -> list["_Span"]:
        """What to mask, in reading order, apart from each other."""
        found = [_Span(result.entity_type, result.start, result.end, result.score).trimmed(text) for result in results]
        apart = _apart(span for span in found if text[span.start : span.end].casefold() not in self._allowed)
        return [span for part in apart if (span := part.trimmed(text)).start < span.end]


@dataclass(frozen=True, slots=True)
class _Span:
    entity: str
    start: int
    end: int
    score: float

    def trimmed(self, text: str) -> "_Span":
        """Without white space around it, and without the 's that spaCy sometimes takes for a part of a name."""
        value = text[self.start : self.end].rstrip()
        if self.entity == "PERSON" and value.endswith(("'s", "’s")):  # noqa: RUF001
            value = value[:-2]
        start = self.start + len(value) - len(value.lstrip())
        return replace(self, start=start, end=max(start, self.start + len(value)))


def _apart(spans: Iterable[_Span]) -> list[_Span]:
    """Spans without overlaps: of two that do, the surer (then the longer) stays whole, and of the
    other what lies outside. A text with overlapping placeholders could not be restored."""
    kept: list[_Span] = []  # in reading order, apart from each other
    for span in sorted(spans, key=lambda s: (-s.score, s.start - s.end, s.start)):
        first = bisect_right(kept, span.start, key=lambda s: s.end)
        last = bisect_left(kept, span.end, key=lambda s: s.start)
        free, start = [], span.start
        for other in kept[first:last]:
            free.append(replace(span, start=start, end=other.start))
            start = other.end
        free.append(replace(span, start=start))
        kept[first:last] = sorted(
            [*kept[first:last], *(part for part in free if part.start < part.end)], key=lambda s: s.start
        )
    return kept


class _Placeholders:
    """Hands out placeholders and keeps what they stand for."""

    def __init__(self, texts: Sequence[str], entities: Sequence[str]) -> None:
        self.vault: dict[str, str] = {}
        looks_like_one = re.compile(f"(?:{'|'.join(map(re.escape, entities))})_[0-9]+")
        self._typed = {found for text in texts for found in looks_like_one.findall(text)}
        self._known: dict[tuple[str, str], str] = {}
        self._next: dict[str, int] = {}

    def of(self, entity: str, value: str) -> str:
        """The placeholder of a value; a new one the first time."""
        known = self._known.get((entity, value))
        if known:
            return known
        while True:
            self._next[entity] = number = self._next.get(entity, 0) + 1
            name = f"{entity}_{number}"
            # A placeholder that the user typed must not be "restored" to somebody's data.
            if name not in self._typed:
                placeholder = f"<{name}>"
                self._known[entity, value] = placeholder
                self.vault[placeholder] = value
                return placeholder
