"""What Presidio's analyzer finds, without what its `analyze` does around it.

`AnalyzerEngine.analyze` takes one text and makes tokens, lemmas, key words, explanations and deep copies for each.
Nothing of that can change a finding here: a context word raises a score only where the pipeline has lemmas, and
the guard's has none. So the engine's recognizers are called directly, all texts' names are looked up at once, and
a recognizer is asked only about texts that have what every one of its matches has.
`tests/unit/test_guard_finder.py` holds both against each other.
"""

from collections.abc import Callable, Sequence

import regex  # type: ignore[import-untyped]
from phonenumbers.phonenumberutil import _VALID_PUNCTUATION
from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerResult

from app.guard.names import Names

# Presidio's patterns are matched by `regex`, whose \d is of a newer Unicode than that of `re`.
_DIGIT = regex.compile(r"\d")
# libphonenumber refuses to parse what has fewer digits with only punctuation between them (is_viable_phone_number),
# and no valid number has two.
_PHONE = regex.compile(rf"\d(?:[{_VALID_PUNCTUATION}*]*\d){{2}}")
_IBAN = regex.compile(r"[A-Z]{2}[0-9]{2}")


def readable(text: str) -> str:
    """The text with a sign in place of each digit that is too new for Python: its recognizers would call `int` on
    what `regex` takes for a digit, and raise. Places stay as they are."""
    if text.isascii():
        return text
    digits: str = _DIGIT.sub(lambda digit: digit[0] if digit[0].isdecimal() else "\ufffd", text)
    return digits


def _may_hold_address(text: str) -> bool:
    """Every form has a `::`, or seven colons, or the three dots of an IPv4 address."""
    return "::" in text or text.count(".") >= 3 or text.count(":") >= 7


# What a text must have for a recognizer of this entity to find anything, read off its pattern.
NECESSARY: dict[str, Callable[[str], bool]] = {
    "EMAIL_ADDRESS": lambda text: "@" in text,
    "PHONE_NUMBER": lambda text: _PHONE.search(text) is not None,
    "CREDIT_CARD": lambda text: len(_DIGIT.findall(text)) >= 13,  # 4, 3, 3 and 3 at least
    "IBAN_CODE": lambda text: _IBAN.search(text) is not None,
    "US_SSN": lambda text: len(_DIGIT.findall(text)) >= 9,
    "IP_ADDRESS": _may_hold_address,
}


class Finder:
    """Finds what an analyzer made by `build_analyzer` finds."""

    def __init__(self, analyzer: AnalyzerEngine, entities: Sequence[str], threshold: float) -> None:
        """`threshold`: findings of a lower score are left out."""
        self._threshold = threshold
        self._name_score = analyzer.nlp_engine.ner_model_configuration.default_score
        self._names = Names(analyzer.nlp_engine.get_nlp("en")) if "PERSON" in entities else None
        self._recognizers: list[tuple[EntityRecognizer, list[str], Callable[[str], bool]]] = [
            (recognizer, recognizer.supported_entities, NECESSARY[entity])
            for recognizer in analyzer.registry.recognizers
            if (entity := recognizer.supported_entities[0]) in entities and entity != "PERSON"
        ]

    def find(self, texts: Sequence[str]) -> list[list[RecognizerResult]]:
        """For each text its findings, the surest first; those of one type may overlap those of another."""
        texts = [readable(text) for text in texts]
        names = self._names.find(texts) if self._names and self._name_score >= self._threshold else [[]] * len(texts)
        return [self._found(text, people) for text, people in zip(texts, names, strict=True)]

    def _found(self, text: str, people: Sequence[tuple[int, int]]) -> list[RecognizerResult]:
        results = [RecognizerResult("PERSON", start, end, self._name_score) for start, end in people]
        for recognizer, entities, possible in self._recognizers:
            if possible(text):
                found = recognizer.analyze(text, entities)
                results += [result for result in found if result.score >= self._threshold]
        return EntityRecognizer.remove_duplicates(results) if results else results
