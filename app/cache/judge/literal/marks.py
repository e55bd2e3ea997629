"""Numbers, units and lone letters as they are written: words.py reads 1 for "a", kW for W, and "A" for an article."""

import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from app.cache.judge.literal.notation import canonical
from app.cache.judge.words import LONGEST_CHARACTERS

LABELLED = (
    "vitamin|part|plan|model|appendix|schedule|hepatitis|influenza|group|team|league|grade|class|type|option|section|exhibit"
    "|annex|column|drive|gate|terminal|building|block|point|omega|title|phase|stage|tier|level|chapter|volume|act|war"
    "|category|form|hemophilia|strep|language|company|person|player|school|factor|bank|zone|in"
)
# What cannot follow the article: "vitamin a for", and not "plan a trip".
_VERBS = "and|or|vs|versus|is|are|was|do|does|cover|covers|mean|for|in|of|on|to|from|than|good|bad"
NO_NOUN = rf"(?= ?(?:$|[?.!,;:)])| (?:{_VERBS})\b)"
LETTER = re.compile(r"(?<![\w'./&@])(?<!\d )([A-Za-z])(?![\w'&@/]|\.\w|-\w)")
SMALL_A = re.compile(rf"\b(?:{LABELLED}) (a)\b{NO_NOUN}", re.IGNORECASE)
AFTER_LABEL = re.compile(rf"\b(?:{LABELLED}) $", re.IGNORECASE)
SHORTHAND = frozenset("urnyksx")  # "how r u": a letter only behind a label, or as a capital
ROMAN = re.compile(
    r"\b(?:type|war|part|phase|class|stage|tier|level|chapter|section|title|volume|act|schedule|category|grade|book)"
    r" (I{1,3}|IV|VI{0,3}|IX)\b",
    re.IGNORECASE,
)
ROMANS = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8, "ix": 9}
FRACTION = re.compile(r"(?<![\d/.])(?:(\d+)[ -])?(\d{1,2}) ?/ ?(2|3|4|5|6|8|16|32)(?![\d/.])")

_SIZE = (
    r"(?P<size>(?:[KkMmGgTt]i?)?[Bb](?:ps|/s)?|[KkMmGgTt]bits?(?:/s)?"
    r"|(?:[Kk]ilo|[Mm]ega|[Gg]iga|[Tt]era)(?:byte|bit)s?)"
)
_POWER = r"(?P<power>[mkMKG]?[Ww]h?|(?:milli|kilo|mega|giga)?watts?(?:[ -]hours?)?)"
UNIT = re.compile(
    rf"(?:(?<=\d)|(?<=\d )|\b)(?:{_SIZE}|{_POWER}|(?P<weight>lbs?|GBP|gbp|pounds? sterling|quid))(?![\w']|-peak)"
    r"|£ ?(?=\d)|(?<=\d)£"
)
PREFIXES = {"kilo": "k", "mega": "M", "giga": "G", "tera": "T", "milli": "m"}
MIXED_CASE = re.compile(r"[a-z]")


@dataclass(frozen=True, slots=True)
class Marks:
    """`fractions` are those in digits, with the numbers that each is written with."""

    letters: frozenset[str] = frozenset()
    units: tuple[tuple[str, frozenset[str]], ...] = ()  # (family, units)
    fractions: tuple[tuple[Fraction, tuple[str, ...]], ...] = ()
    romans: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def marks(text: str) -> Marks:
    """Read them; what stands behind the 4,000th character is not looked at."""
    text = text[:LONGEST_CHARACTERS]
    plain = canonical(text)
    fractions = []
    for match in FRACTION.finditer(plain) if "/" in plain else ():
        value = Fraction(int(match[2]), int(match[3]))
        if value < 1 and value.denominator == int(match[3]):
            written = (*((match[1],) if match[1] else ()), match[2], match[3])
            fractions.append((value + int(match[1] or 0), written))
    romans = tuple(str(ROMANS[match[1].lower()]) for match in ROMAN.finditer(plain))
    return Marks(_letters(plain), _units(text), tuple(fractions), romans)


def _letters(plain: str) -> frozenset[str]:
    """Lone letters that name something: vitamin D, Model T, -d. An article, "I", and units behind numbers are none."""
    words = plain.split(" ")
    capitals = sum(word[:1].isupper() for word in words)
    is_title = capitals > 0.6 * len(words) and len(words) > 3
    found = {"a" for _ in SMALL_A.finditer(plain)}
    for match in LETTER.finditer(plain):
        letter = match[1]
        before = plain[max(match.start() - 20, 0) : match.start()]
        if letter in "iI":
            continue
        if letter == "a" or (letter == "A" and (is_title or not before.strip() or before.rstrip()[-1:] in ".?!:-(")):
            continue
        if letter in SHORTHAND and not AFTER_LABEL.search(before) and before[-1:] not in ("-", "\\"):
            continue
        found.add(letter.lower())
    return frozenset(found)


def _units(text: str) -> tuple[tuple[str, frozenset[str]], ...]:
    found: dict[str, set[str]] = {}
    is_cased = bool(MIXED_CASE.search(text))
    for match in UNIT.finditer(text):
        family = match.lastgroup or "weight"
        written = match.group()
        if family == "weight":
            unit = "lb" if written.startswith("lb") else "gbp"
        else:
            unit = _unit(family, written, is_cased, text[max(match.start() - 2, 0) : match.start()])
        if unit:
            found.setdefault(family, set()).add(unit)
    return tuple(sorted((family, frozenset(units)) for family, units in found.items()))


def _unit(family: str, written: str, is_cased: bool, before: str) -> str:
    """The unit in one spelling, "?" where the case does not tell, "" where it is none."""
    has_number = bool(before.strip()) and before.strip()[-1].isdigit()
    long = next((short for name, short in PREFIXES.items() if written.lower().startswith(name)), "")
    if family == "power":
        if "watt" in written.lower():
            return f"{long}W{'H' if 'hour' in written.lower() else ''}"
        if len(written) == 1:
            return "W" if has_number else ""
        if not has_number and written.lower() in ("wh", "mw", "gw"):
            return ""
        if written[0] in "mM" and (written.islower() or not is_cased):
            return "?"
        return (written[0] if written[0] in "mMG" else "k" if written[0] in "kK" else "") + written.lstrip(
            "mMkKG"
        ).upper()
    core = written.removesuffix("ps").removesuffix("/s")
    prefix = long or ("k" if core[0] in "kK" else core[0].upper())
    if long or "bit" in core.lower():
        return f"{prefix}{'B' if 'byte' in core.lower() else 'b'}"
    if len(core) == 1:
        return ""
    if core.islower() and written.endswith("ps"):
        return f"{prefix}b"  # mbps
    return "?" if core.islower() or not is_cased else f"{prefix}{core[1:]}"


def bag(numbers: tuple[str, ...], found: Marks) -> Counter[str]:
    """The numbers in digits, each fraction as one."""
    counted = Counter(numbers)
    counted.update(found.romans)
    for value, written in found.fractions:
        counted.subtract(part.lstrip("0") or "0" for part in written)
        counted[f"{value}"] += 1
    return +counted
