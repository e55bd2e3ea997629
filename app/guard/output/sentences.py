"""An answer as sentences: which of them claim something that a passage could support."""

import re
from dataclasses import dataclass

from app.retrieval.marks import content_words

MAX_SENTENCES = 200  # of one text; what comes behind them is not looked at

_FENCE = re.compile(r"[ \t]*(```|~~~)")
_LINE = re.compile(r"[^\n]+")
_BULLET = re.compile(r"[ \t]*(?:>[ \t]*)*(?:[-*+•][ \t]+|\d{1,3}[.)][ \t]+|\|[ \t]*)?(?:\[[ xX]\][ \t]+)?")
_HEADING = re.compile(r"[ \t]*(?:#{1,6}[ \t]|[|\-: =*_]+$)")
_MARK = re.compile(r"\[\^?\d{1,3}(?:\s?[,;-]\s?\d{1,3})*\]")
# A full stop with what may stand behind it (quotes, emphasis, marks), then white space; or one of a script without it.
_END = re.compile(
    r"(?<![.!?…])[.!?…]+[\"'”’)*_]*(?:\s?\[\^?\d{1,3}(?:\s?[,;-]\s?\d{1,3})*\])*(?=\s|$)|[。！？]"  # noqa: RUF001 (full width)
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|dr|mr|mrs|ms|prof|st|no|nr|fig|sec|vol|inc|ltd|jr|sr|dept|est|min|max)"
    r"|\b(?:[a-z]\.)+[a-z])\.$",
    re.IGNORECASE,
)
_INITIAL = re.compile(r"(?:^|\b[A-Z][\w.]*\s)[A-Z]\.$")  # Ada B. Byron, but not: vitamin D. It is
_SOURCE = r"(?:documents?|passages?|sources?|context|texts?|articles?|information|materials?|excerpts?|knowledge base)"
_SAYS_NOT = (
    r"(?:do(?:es)? not|don't|doesn't|did not|didn't|cannot|can't|is not|are not|isn't|aren't|not)\s+(?:\w+\s+){0,2}"
    r"(?:say|mention|state|specif|contain|includ|provid|cover|explain|give|list|tell|describe|address|discuss)"
)
# What speaks of the answer, not of the matter.
_EMPTY = re.compile(
    r"^(?:(?:i(?:'m| am)? (?:do not|don't|am not|cannot|can't|could not|couldn't|not|afraid|sorry|hope|would be|"
    r"would need|can (?:only )?(?:help|assist))\b)"
    r"|(?:(?:unfortunately|sorry),? i\b)|(?:let me know|feel free|please (?:let|note that i)|hope this)\b"
    r"|(?:sure|of course|certainly|absolutely|great question|hello|hi|hey|thanks|thank you|you're welcome)\b"
    r"[^.:;]{0,60}$"
    r"|(?:there is|there's|i (?:have|found|see)) no (?:\w+ )?(?:information|mention|indication|answer)\b"
    rf"|(?:the |these |this |your |our |any |none of the )*(?:\w+ )?{_SOURCE}\b[^.]{{0,40}}?{_SAYS_NOT}"
    rf"|(?:based on|according to|from|in) (?:the |these |this |your |our )*(?:\w+ )?{_SOURCE},?"
    rf"(?:$| i (?:do not|don't|cannot|can't)\b| (?:it|that) {_SAYS_NOT}))",
    re.IGNORECASE,
)
_PLAIN_QUOTES = str.maketrans("’`", "''")  # noqa: RUF001 (the curly one)


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text` is without list bullet and citation marks; `start` to `end` is where it is in the answer."""

    start: int
    end: int
    text: str
    claims: bool


def sentences(answer: str) -> list[Sentence]:
    """The sentences of an answer, items of lists and rows of tables one by one. Code blocks and headings are none."""
    found: list[Sentence] = []
    fenced = False
    for line in _LINE.finditer(answer):
        text = line.group()
        if _FENCE.match(text):
            fenced = not fenced
        elif not fenced and not _HEADING.match(text):
            bullet = _BULLET.match(text)
            start = line.start() + (bullet.end() if bullet else 0)
            found += _split(answer, start, line.end(), MAX_SENTENCES - len(found))
        if len(found) == MAX_SENTENCES:
            break
    return found


def _split(answer: str, start: int, end: int, most: int) -> list[Sentence]:
    found: list[Sentence] = []
    stops = (match for match in _END.finditer(answer, start, end) if match.end() < end)
    for match in stops:
        if not _goes_on(answer, start, match.start(), match.end()):
            found += _sentence(answer, start, match.end())
            start = match.end()
        if len(found) == most:
            return found
    return [*found, *_sentence(answer, start, end)]


def _goes_on(answer: str, start: int, dot: int, stop: int) -> bool:
    if answer[dot] != "." or answer[dot : dot + 2] in ("..",):
        return False
    behind = answer[stop : stop + 40].lstrip()[:1]
    before = answer[max(start, dot - 12) : dot + 1]
    return behind.islower() or (stop == dot + 1 and bool(_ABBREVIATION.search(before) or _INITIAL.search(before)))


def _sentence(answer: str, start: int, end: int) -> list[Sentence]:
    """One, or none."""
    while start < end and answer[start].isspace():
        start += 1
    while end > start and answer[end - 1].isspace():
        end -= 1
    text = _MARK.sub("", answer[start:end]).strip(" *_|\t")
    if not any(character.isalnum() for character in text):
        return []
    return [Sentence(start, end, text, claims(text))]


def claims(text: str) -> bool:
    """Whether a sentence says something that passages could support: no question, greeting, lead-in, or statement about
    the answer itself."""
    plain = text.translate(_PLAIN_QUOTES).rstrip(" *_\"')")
    if plain.endswith(("?", ":", "？", "：")) or _EMPTY.match(plain[:400].rstrip(".!")):  # noqa: RUF001 (full width)
        return False
    return (
        bool(content_words(plain))
        or any(not c.isascii() and c.isalpha() for c in plain)
        or any(c.isdigit() for c in plain)
    )
