"""The rail for personal data: what all recognizers find, without overlaps."""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import re2

from app.config.policy import PII_TYPES, PatternConfig, PiiSettings
from app.guard.pii import addresses, documents, emails, internet, numbers, phones
from app.guard.pii.context import encodable
from app.guard.pii.gazetteer import NAMES_FILE
from app.guard.pii.people import WEIGHTS_FILE, People
from app.guard.rail import RailMissing
from app.guard.spans import apart
from app.guard.types import Hit

REVISION = "3"  # raise it when the code would find something else
LEAST_SCORE = 0.3  # hits of less are nobody's business

SURE = 0.5
HOLDS_NAMES = ("STREET_ADDRESS", "EMAIL_ADDRESS", "IBAN_CODE", "PASSPORT", "DRIVER_LICENSE")

# None of these is written without a digit, of any script.
HAS_DIGITS = "PHONE_NUMBER CREDIT_CARD IBAN_CODE US_SSN STREET_ADDRESS DATE_OF_BIRTH PASSPORT DRIVER_LICENSE".split()
_DIGIT = re.compile(r"\d")

Finder = Callable[[str], Iterator[Hit]]

FINDERS: dict[str, Finder] = {
    "EMAIL_ADDRESS": emails.find_emails,
    "PHONE_NUMBER": phones.find_phones,
    "CREDIT_CARD": numbers.find_cards,
    "IBAN_CODE": numbers.find_ibans,
    "US_SSN": numbers.find_ssns,
    "IP_ADDRESS": internet.find_ips,
    "STREET_ADDRESS": addresses.find_addresses,
    "DATE_OF_BIRTH": documents.find_births,
    "PASSPORT": documents.find_passports,
    "DRIVER_LICENSE": documents.find_licenses,
}


class PiiRail:
    """Personal data in texts. Thread-safe."""

    def __init__(self, settings: PiiSettings, language_model: str) -> None:
        """`language_model`: a spaCy pipeline, as a package or a directory.

        Raises RailMissing when the pipeline is not there, and ValueError for a type that has no recognizer or a
        pattern that is none.
        """
        self._allowed = {text.casefold() for text in settings.allow}
        own = {recognizer.entity for recognizer in settings.recognizers}
        # And whether it is in vain where there is no digit.
        self._finders = [
            (FINDERS.get(entity) or _presidio(entity), entity in HAS_DIGITS)
            for entity in settings.entities
            if entity not in {*own, "PERSON"}
        ]
        self._finders += [(_custom(recognizer), False) for recognizer in settings.recognizers]
        self._people: People | None = None
        if "PERSON" in settings.entities:
            try:
                self._people = People.load(language_model)
            except ValueError as error:
                raise RailMissing(str(error)) from None
        self.version = _digest(settings, language_model)

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        """For each text its hits in reading order, none of which overlap: of two that do, the surer stays whole (then
        the longer), and of the other what lies outside. None has white space at its ends."""
        texts = [encodable(text) for text in texts]
        names = self._people.find(texts) if self._people else [[]] * len(texts)
        return [self._apart(text, people) for text, people in zip(texts, names, strict=True)]

    def _apart(self, text: str, people: Sequence[Hit]) -> list[Hit]:
        hits: list[Hit] = []
        has_digits = _DIGIT.search(text) is not None
        for find, needs_digits in self._finders:
            if has_digits or not needs_digits:
                hits += find(text)
        # Streets and mailboxes are called after people.
        held = apart(hit for hit in hits if hit.score >= SURE and hit.rule in HOLDS_NAMES)
        hits += [hit for hit in people if not _lies_in(hit, held)]
        found = (_trimmed(text, hit) for hit in hits if hit.score >= LEAST_SCORE)
        kept = apart(hit for hit in found if text[hit.start : hit.end].casefold() not in self._allowed)
        trimmed = (_trimmed(text, hit) for hit in kept)
        return [hit for hit in trimmed if hit.start < hit.end and any(map(str.isalnum, text[hit.start : hit.end]))]


def _lies_in(hit: Hit, held: Sequence[Hit]) -> bool:
    """Whether it begins in one of those, which are apart and in reading order."""
    at = bisect_right(held, hit.start, key=lambda other: other.start) - 1
    return at >= 0 and hit.start < held[at].end


def _presidio(entity: str) -> Finder:
    from app.guard.analyzer import presidio_finder

    find = presidio_finder(entity)
    if find is None:
        raise ValueError(
            f"entities: no recognizer for {entity}; known: {', '.join(PII_TYPES)}, and what Presidio has patterns for"
        )
    return find


def _custom(recognizer: PatternConfig) -> Finder:
    try:
        pattern = re2.compile(recognizer.pattern)
    except re2.error as error:
        raise ValueError(f"recognizers: {recognizer.entity}: {error}") from None

    def find(text: str) -> Iterator[Hit]:
        for match in pattern.finditer(text):
            yield Hit(recognizer.entity, recognizer.score, *match.span())

    return find


def _digest(settings: PiiSettings, language_model: str) -> str:
    """Of everything that decides what is found."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(f"{REVISION} {language_model} {NAMES_FILE.stat().st_size}".encode())
    digest.update(WEIGHTS_FILE.read_bytes())
    digest.update(settings.model_dump_json(include={"entities", "allow", "recognizers"}).encode())
    return digest.hexdigest()


def _trimmed(text: str, hit: Hit) -> Hit:
    """Without white space at its ends, nor the possessive 's of a name, nor the full stop behind an address."""
    value = text[hit.start : hit.end].rstrip()
    if hit.rule == "PERSON" and value.endswith(("'s", "’s")):  # noqa: RUF001 - typographic apostrophe
        value = value[:-2]
    if hit.rule == "STREET_ADDRESS":
        value = value.rstrip(".,;: \n")
    start = hit.start + len(value) - len(value.lstrip())
    end = max(start, hit.start + len(value))
    return hit if (start, end) == (hit.start, hit.end) else replace(hit, start=start, end=end)
