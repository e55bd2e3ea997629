"""A question as words in canonical form, each with its place in the text."""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache

from app.cache.judge.lexicon import load_lexicon
from app.cache.judge.vocabulary import (
    ABBREVIATIONS,
    CONTRACTIONS,
    COURTESIES,
    CURRENCIES,
    FILLERS,
    MONTHS,
    NEGATORS,
    NUMBERS,
    ORDINALS,
    SHORT_UNITS,
    SPELLINGS,
    STOP_WORDS,
    SYMBOLS,
    UNITS,
    WEEKDAYS,
)

_MEASURES = "km|m|cm|mm|kg|g|mg|l|ml|eur|euros?|met(?:er|re)s?|lit(?:er|re)s?|(?:kilo)?grams?|kilomet(?:er|re)s?|hours?"
TOKEN = re.compile(
    r"(?i:\b\d{1,2}(?:[:.]\d{2})?\s?(?:am|pm|a\.m\.?|p\.m\.?)(?![a-z0-9]))"  # 3:30 pm
    r"|(?i:°\s?[cf]\b)"
    r"|(?i:\b401\s?\(?k\b\)?)"  # a name, and no 401,000
    r"|(?i:\bno-one\b|\bno\.(?=\s*\d)|(?<=phone )no\.|(?<=order )no\.)"
    r"|(?<![\w.])\.\d+"
    r"|(?<![\w).])-\d+(?:[.,]\d+)*(?![\w-])"  # a negative number
    r"|\b(?:[A-Za-z]\.){2,}[A-Za-z]?(?![A-Za-z])"  # U.S.
    rf"|(?<![\w.,])(?:\d+,\d{{1,2}}|\d{{1,3}}(?: \d{{3}})+)(?=\s?(?:%|€|(?:{_MEASURES})\b))"  # 2,5 kg and 1 000 km
    r"|\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)"  # 3,000.5
    r"|[^\W_]+(?:[.'@:_&][^\W_]+|/[^\W\d_]+)*[+#]*"  # words, codes, versions, addresses
    r"|[%°$€£¥+<>=&]"
)
# Of one length each, so that places in the text stay what they are.
PLAIN = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201b": "'", "\u0060": "'", "\u00b4": "'", "\u2010": "-", "\u2011": "-",
     "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u00a0": " "}
)  # fmt: skip
TIME = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?\s?([ap])\.?m\.?")
CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
GROUPED = re.compile(r"\d{1,3}(?:[' ]\d{3})+|\d{1,3}\.\d{3}\.\d{3}")  # 1'000, 1 000 and 1.000.000
QUANTITY = re.compile(r"(\d+(?:[.,]\d+)*)(st|nd|rd|th|[a-z%°]+)?$")
SPEEDS = {"kph": "km/h", "kmh": "km/h", "kmph": "km/h", "mph": "mile/h"}
STATES = {("united", "states"): "unitedstates", ("united", "kingdom"): "uk", ("great", "uk"): "uk"}
AMERICAN = frozenset(
    "usd gallon cup pint citizen passport president visa tourist tax army government senate resident".split()
)
POWERS = {"square": "2", "sq": "2", "cubic": "3", "cu": "3"}
LONGEST_CHARACTERS = 4000
LONGEST_COURTESY = max(map(len, COURTESIES))


@dataclass(frozen=True, slots=True)
class Word:
    """One word. `kind`: stop, negation, number, ordinal, unit, month, weekday, code, name or content."""

    text: str
    lemma: str
    kind: str
    start: int
    end: int
    is_capital: bool = False

    @property
    def has_meaning(self) -> bool:
        """Whether it must have a counterpart in a question that asks the same."""
        return self.kind != "stop"


@dataclass(frozen=True, slots=True)
class Question:
    """A question's words, fillers and politeness left out."""

    text: str
    words: tuple[Word, ...]
    key: tuple[str, ...] = field(default=())  # what is compared for surface equality


@lru_cache(maxsize=4096)
def read(text: str) -> Question:
    """Split and canonise; what stands behind the 4,000th character is not looked at."""
    plain = text[:LONGEST_CHARACTERS].translate(PLAIN)
    words: list[Word] = []
    for match in TOKEN.finditer(plain):
        words += _canonical(match.group(), match.start(), match.end(), is_first=_begins_sentence(plain, match.start()))
    words = _without_fillers(_quantities(words))
    return Question(text, tuple(words), tuple(word.lemma for word in words))


def _begins_sentence(text: str, at: int) -> bool:
    before = text[:at].rstrip(" \"'([{\n\t-*")
    return not before or before[-1] in ".!?:;\u2026" or "\n" in text[len(before) : at]


def _canonical(token: str, start: int, end: int, is_first: bool) -> list[Word]:
    """The words of one token: contractions and quantities with a unit come apart."""
    if not token.isascii():
        token = unicodedata.normalize("NFKC", token)
    lower = _bare(token.casefold())
    if re.fullmatch(r"401\s?\(?k\)?", lower):
        return [Word("401k", "401k", "code", start, end)]
    if lower.startswith("no") and lower.rstrip(".") in ("no", "no-one") and lower != "no":
        return [_word("nobody" if "one" in lower else "number", start, end, False)]
    if GROUPED.fullmatch(lower):
        value = re.sub("[' .]", "", lower)
        return [Word(value, value, "number", start, end)]
    if lower[0] == "-":
        return [Word(lower, lower, "number", start, end)]
    lower = SPEEDS.get(lower, lower)
    if lower.count("/") == 1:
        what, _, each = lower.partition("/")
        unit, each_unit = (SHORT_UNITS.get(part) or UNITS.get(part) for part in (what, each))
        if each_unit and (unit or (what.isalpha() and len(what) > 3)):  # km/h, tokens/s
            first = Word(unit, unit, "unit", start, end) if unit else _word(what, start, end, False)
            return [first, _word("per", start, end, False), Word(each_unit, each_unit, "unit", start, end)]
    time = TIME.fullmatch(lower)
    if time:
        hour = int(time[1]) % 12 + (12 if time[3] == "p" else 0)
        return [_time(hour, int(time[2] or 0), start, end)]
    clock = CLOCK.fullmatch(lower)
    if clock:
        return [_time(int(clock[1]), int(clock[2]), start, end)]
    if lower[0] == "°" and len(lower) > 1:
        unit = "celsius" if lower[-1] == "c" else "fahrenheit"
        return [Word(unit, unit, "unit", start, end)]
    if lower.count(".") > 1 and all(part.isalpha() and len(part) < 2 for part in lower.rstrip(".").split(".")):
        lower, token = lower.replace(".", ""), token.replace(".", "")
    if token == "US":  # noqa: S105 (a word of the question, no secret)
        lower = "unitedstates"
    if lower in CONTRACTIONS:
        return [_word(part, start, end, False) for part in CONTRACTIONS[lower].split()]
    if lower in SYMBOLS:
        return [_word(SYMBOLS[lower], start, end, False)]
    if lower.endswith("'s") and len(lower) > 2:
        lower, token = lower[:-2], token[:-2]
    elif lower.endswith("n't"):
        return [_word(lower[:-3], start, end, False), _word("not", start, end, False)]
    elif "'" in lower:
        head, _, tail = lower.partition("'")
        if tail in ("re", "ve", "ll", "d", "m"):
            lower, token = head, token[: len(head)]
    if lower[0] == ".":
        return [Word(lower, _value(lower), "number", start, end)]
    sides = re.fullmatch(r"(\d+)x(\d+)(?:x(\d+))?", lower)
    if sides:
        return [Word(side, _value(side), "number", start, end) for side in sides.groups() if side]
    quantity = QUANTITY.fullmatch(lower)
    if quantity and quantity[1]:
        value, suffix = _value(quantity[1]), quantity[2]
        if suffix is None:
            return [Word(value, value, "number", start, end)]
        if suffix in ("st", "nd", "rd", "th"):
            return [Word(f"#{value}", f"#{value}", "ordinal", start, end)]
        measure = UNITS.get(suffix) or SYMBOLS.get(suffix) or SHORT_UNITS.get(suffix)
        if measure:
            return [Word(value, value, "number", start, end), Word(measure, measure, "unit", start, end)]
        if suffix in ("k", "m", "bn") and value.count(".") < 2:  # no version or address
            value = _value(str(float(value) * {"k": 1e3, "m": 1e6, "bn": 1e9}[suffix]))
            return [Word(value, value, "number", start, end)]
    is_capital = token[:1].isupper() and (not is_first or (len(token) > 1 and not token[1:].islower()))
    return [_word(lower, start, end, is_capital)]


def _bare(text: str) -> str:
    """Without accents: São is Sao."""
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)) or text


def _time(hour: int, minute: int, start: int, end: int) -> Word:
    text = f"{hour}:{minute:02}"
    return Word(text, text, "number", start, end)


def _word(lower: str, start: int, end: int, is_capital: bool) -> Word:
    lower = ABBREVIATIONS.get(lower, lower)
    lower = SPELLINGS.get(lower, lower)
    if lower in NEGATORS:
        return Word(lower, NEGATORS[lower], "negation", start, end)
    if lower in NUMBERS:
        return Word(lower, NUMBERS[lower], "number", start, end)
    if lower in ("noon", "midday"):
        return Word(lower, "12:00", "number", start, end)
    if lower == "midnight":
        return Word(lower, "0:00", "number", start, end)
    if lower in ORDINALS:
        return Word(lower, ORDINALS[lower], "ordinal", start, end)
    if lower in MONTHS and (is_capital or lower not in ("may", "march", "mar", "jan", "sun")):
        return Word(lower, MONTHS[lower], "month", start, end)
    if lower in WEEKDAYS:
        return Word(lower, WEEKDAYS[lower], "weekday", start, end)
    if lower in UNITS:
        return Word(lower, UNITS[lower], "unit", start, end)
    if lower in STOP_WORDS:
        return Word(lower, lower, "stop", start, end)
    lexicon = load_lexicon()
    lemma = SPELLINGS.get(lexicon.lemma(lower), lexicon.lemma(lower))
    if any(character.isdigit() for character in lower):
        return Word(lower, lower, "code", start, end, is_capital)
    if is_capital or (lemma not in lexicon.senses and len(lower) > 1):
        return Word(lower, lemma, "name", start, end, is_capital)
    return Word(lower, lemma, "content", start, end, is_capital)


def _value(digits: str) -> str:
    """3,000 and 3000.0 are 3000; 3.10 stays a version's 3.10."""
    plain = re.sub(r",(?=\d{3}(\D|$))", "", digits).replace(",", ".")
    if re.fullmatch(r"0*\.\d+|\d+\.0+", plain):  # 0.80 is 0.8, 14.00 is 14, and 4.20 a price or 3.10 a version
        plain = plain.rstrip("0").rstrip(".")
    plain = plain.lstrip("0") or "0"
    return f"0{plain}" if plain.startswith(".") else plain


def _quantities(words: list[Word]) -> list[Word]:
    """Twenty five is 25, two million 2000000, "degrees Celsius" Celsius, "12 noon" noon."""
    kept: list[Word] = []
    for at, word in enumerate(words):
        last = kept[-1] if kept else None
        following = words[at + 1] if at + 1 < len(words) else None
        if word.kind == "ordinal" and any(beside and beside.kind == "month" for beside in (last, following)):
            word = Word(word.text, word.lemma[1:], "number", word.start, word.end)
        elif word.text == "second" and last and last.text in ("per", "every", "each"):
            word = Word(word.text, "s", "unit", word.start, word.end)
        elif (
            word.text == "minimum"
            and word.end - word.start == 3
            and last
            and (last.text in ("per", "available") or last.kind == "number")
        ):
            word = Word("minute", "minute", "unit", word.start, word.end)
        elif last and last.kind == "number" and word.text in SHORT_UNITS and word.kind != "unit":
            word = Word(word.text, SHORT_UNITS[word.text], "unit", word.start, word.end)
        elif last and last.kind == "number" and word.text == "in" and len(kept) > 1 and kept[-2].lemma == "foot":
            word = Word(word.text, "inch", "unit", word.start, word.end)  # 5 ft 9 in
        elif word.text == "may" and last and following and last.kind == following.kind == "number":
            word = Word(word.text, "may", "month", word.start, word.end)
        elif word.text == "us" and ((last and last.text == "the") or (following and following.lemma in AMERICAN)):
            word = Word("unitedstates", "unitedstates", "name", word.start, word.end)
        elif last and (last.text, word.text) in STATES:
            name = STATES[last.text, word.text]
            kept[-1] = Word(name, name, "name", last.start, word.end)
            continue
        elif word.text == "k" and last and last.lemma.isdigit():
            kept[-1] = Word(last.text, _value(str(float(last.lemma) * 1e3)), "number", last.start, word.end)
            continue
        if last and last.kind == word.kind == "number" and word.text.isalpha() and word.lemma.isdigit():
            value = _combined(last, word)
            if value:
                kept[-1] = Word(last.text + word.text, value, "number", last.start, word.end)
                continue
        if last and word.kind == "unit" and (last.text in POWERS or (last.text == "kilowatt" and word.lemma == "hour")):
            unit = f"{word.lemma}{POWERS[last.text]}" if last.text in POWERS else "kwh"
            kept[-1] = Word(unit, unit, "unit", last.start, word.end)
            continue
        if last and last.text == "per" and word.text == "cent":
            kept[-1] = Word("percent", "percent", "unit", last.start, word.end)
            continue
        if last and following and last.kind == "number" and word.text in ("x", "times") and following.kind == "number":
            continue
        tail = [one.text for one in kept[-2:]]
        if word.text == "half" and tail == ["and", "a"] and len(kept) > 2 and kept[-3].kind == "number":
            whole = kept[-3]
            kept[-3:] = [Word(whole.text, f"{whole.lemma}.5", "number", whole.start, word.end)]
            continue
        # June 3 is 3 June, and €49 is 49 euros.
        before = last and (last.kind == "month" or (last.kind == "unit" and last.lemma in CURRENCIES))
        if last and before and word.kind == "number":
            kept[-1:] = [word, last]
            continue
        if last and last.lemma == "degree" and word.lemma in ("celsius", "fahrenheit"):
            kept.pop()
        if last and last.lemma == "12" and word.lemma == "12:00":
            kept.pop()
        kept.append(word)
    return kept


def _combined(first: Word, second: Word) -> str:
    try:
        left, right = float(first.lemma), int(second.lemma)
    except ValueError:
        return ""
    if right in (100, 1000, 1_000_000, 1_000_000_000):
        return _value(f"{left * right:.0f}")
    fits = (left >= 20 and left % 10 == 0 and right < 10) or (left >= 100 and left % 100 == 0 and right < 100)
    return f"{left + right:.0f}" if first.text.isalpha() and fits else ""


def _without_courtesies(words: list[Word]) -> list[Word]:
    """Leave out "good afternoon" before the question and "thank you in advance" behind it."""
    texts = [word.text for word in words]
    start, end = 0, len(words)
    for length in range(LONGEST_COURTESY, 0, -1):
        if tuple(texts[:length]) in COURTESIES:
            start = length
            break
    for length in range(LONGEST_COURTESY, 0, -1):
        if end - length > start and tuple(texts[end - length : end]) in COURTESIES:
            end -= length
            break
    return words[start:end] or words


def _without_fillers(words: list[Word]) -> list[Word]:
    """Leave out "hi", "please", "could you tell me": what does not change the answer."""
    words = _without_courtesies(words)
    kept: list[Word] = []
    at = 0
    while at < len(words):
        for length in (5, 4, 3, 2, 1):
            phrase = tuple(word.text for word in words[at : at + length])
            if len(phrase) == length and phrase in FILLERS:
                at += length
                break
        else:
            kept.append(words[at])
            at += 1
    if len(kept) > 2 and [word.text for word in kept[-2:]] == ["or", "not"]:
        del kept[-2:]
    return kept or words
