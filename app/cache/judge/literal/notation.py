"""A text's signs as they follow: operators, brackets, flags and emoji. What only decorates is left out."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from app.cache.judge.words import LONGEST_CHARACTERS

SUPERSCRIPT = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+")
FRACTION = re.compile("[\u00bc-\u00be\u2150-\u215e]")
# Dashes, quotes and signs that have an ASCII form; joiners, skin tones and trade marks say nothing.
ASCII = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys('"`\u201c\u201d\u201e\u00ab\u00bb', " "),
        **dict.fromkeys("\u2018\u2019\u201b\u00b4\u2032", "'"),
        **dict.fromkeys("\u00d7\u2715\u2716\u00b7\u22c5\u2217", "*"),
        **dict.fromkeys("\u200d\ufe0e\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff", None),
        **dict.fromkeys("™®©°№¿¡", " "), "÷": "/", "\u2044": "/", "≤": "<=", "≥": ">=", "≠": "!=", "→": "->", "←": "<-",
    }
)  # fmt: skip
BULLET = re.compile(r"^[ \t]*[*+>#-]+\s", re.MULTILINE)
SMILEYS = re.compile(r"(?: ?(?:[:;=]-?[()DPp]|<3|xD))+$")
QUOTED = re.compile(r"(?<!\w)'([^']{1,80})'(?!\w)")
EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3}|_{1,3})([A-Za-z][^*_]*[A-Za-z?.!])\1(?![\w*])")
TAG = re.compile(r"</?([A-Za-z][\w-]*) ?/?>")
URL = re.compile(r"\b(?:https?://|www\.)\S+")
ESCAPE = re.compile(r"\\[A-Za-z]|(?<![\d%])%[A-Za-z](?![A-Za-z])")  # \d and \D, %m and %M
DATE = re.compile(r"\b(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})\b|\b24[/-]7\b|\b50[/-]50\b")
UNIT_POWER = re.compile(
    r"\b((?:k|c|m|d)?m|ft|in|mi|yd|(?:kilo|centi|milli)?met(?:er|re)s?|feet|foot|inch(?:es)?|miles?|yards?|s)"
    r" ?(?:\^ ?[23]|squared|cubed)\b"
)
NEAR = 8  # tokens between an emoji and the word that asks about it, at most
WORD_POWER = re.compile(r"(?<=[A-Za-z]{2})\^(?=\d)")  # mc² is mc2
FACTORIAL = "\ue000"
SPELLED = tuple(
    (re.compile(pattern, re.IGNORECASE), sign)
    for pattern, sign in (
        (r"(?<=[\d)]),? ?(?:times|x|multiplied by) ?(?=[\d(-])", " * "),
        (r"(?<=[\d)]),? (?:divided by|over) (?=[\d(-])", " / "),
        (r"(?<=[\d)]),? plus (?=[\d(-])", " + "),
        (r"(?<=[\d)]),? minus (?=[\d(-])", " - "),
        (r"(?<=[\w)]) (?:raised )?to the power(?: of)? (?=[\w(-])", " ^ "),
        (r"(?<=[\d)]) mod(?:ulo)? (?=[\d(-])", " % "),
        (r"\b(?:the )?(?:square root of|sqrt(?: of)?)(?![a-z])", " √ "),
        (r"(?<=\b[a-z\d]) squared\b", "^2"),
        (r"(?<=\b[a-z\d]) cubed\b", "^3"),
        (r"\b(?:the )?factorial of (\d+)", rf" \1{FACTORIAL} "),
        (r"(?<=\d) factorial\b", FACTORIAL),
        (r"(?<=\b[a-z]) prime\b(?= ?\()", "'"),
    )
)  # fmt: skip
CALL = re.compile(r"\( ?([\w.-]*) ?\)")  # round one operand, or none: log(100) is log 100, and malloc() malloc
_PROSE = r"(?:[^()=+*/^<>!|\\]|!(?=[ )])|(?<=[A-Za-z]{2})/|/(?=[A-Za-z]{2}))"
ASIDE = re.compile(rf"\((?=[^()]*[A-Za-z]{{2}})({_PROSE}*)\)")
WHOLE = re.compile(
    r"(^|\b(?:is|solve|calculate|compute|evaluate|simplify) )\(([^()]*)\)(?= ?(?:[?.!,]|$))", re.IGNORECASE
)
TOKEN = re.compile(
    r"[^\W_](?:[\w.,'@]*\w)?|===|!==|==|!=|<=|>=|=>|->|<-|<<|>>|\+\+|--|\+=|-=|\*=|/=|\*\*|//|&&|\|\||\?\?|::|:=|\?\."
    r"|[^\w\s.,;\"]"
)
BEFORE = frozenset(
    "does is the this that of between and or versus vs use using emoji symbol sign flag operator called a an".split()
)
AFTER = frozenset("do does mean means emoji symbol sign operator character stand stands represent called".split())
COMPARED = frozenset("< > <= >= == === != !== = [ ] { } | ~".split())  # these can be said in words as well
OPERAND = re.compile(r"\d[\d.,']*[A-Za-z]?|[^\W\d_]")  # 3, 3x or a lone letter
ALWAYS = frozenset("=> -> <- << >> += -= *= /= && || :: := ?. ^ \\ √ ( )".split())
SUMS = re.compile(r"(?:\bis|'s|\bof|calculate|compute|evaluate|simplify|solve|^) \d+!$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Notation:
    """`strong` signs have no usual spelling in words; `every` has all of them, in order."""

    every: tuple[str, ...] = ()
    strong: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()  # of a command: -am is a, m
    asked: tuple[str, ...] = ()  # emoji that the question is about
    inside: tuple[str, ...] = ()  # other emoji, those at the end left out
    urls: tuple[str, ...] = ()
    escapes: tuple[str, ...] = ()  # of patterns and formats: their case counts


def canonical(text: str) -> str:
    """One spelling for what is written in several: x² is x^2, 7 times 8 is 7 * 8, malloc() is malloc."""
    if not text.isascii():
        text = SUPERSCRIPT.sub(lambda match: "^" + unicodedata.normalize("NFKC", match.group()), text)
        text = FRACTION.sub(lambda match: " " + unicodedata.normalize("NFKC", match.group()), text).translate(ASCII)
    else:
        text = text.replace('"', " ").replace("`", " ")
    text = " ".join(BULLET.sub(" ", text).split())
    for pattern, sign in SPELLED:
        text = pattern.sub(sign, text)
    text = WORD_POWER.sub("", UNIT_POWER.sub(r"\1", text))
    return " ".join(text.split())


@lru_cache(maxsize=4096)
def notation(text: str) -> Notation:
    """Read the signs; what stands behind the 4,000th character is not looked at."""
    plain = canonical(text[:LONGEST_CHARACTERS])
    plain = plain[:-40] + SMILEYS.sub("", plain[-40:])
    urls = tuple(sorted(match.group().rstrip("?.,!)/") for match in URL.finditer(plain)))
    plain = URL.sub(" url ", plain) if urls else plain
    for pattern, kept in ((QUOTED, r"\1"), (EMPHASIS, r"\2"), (TAG, r" \1 "), (DATE, " date "), (WHOLE, r"\1\2")):
        plain = pattern.sub(kept, plain)
    for _ in range(3):  # brackets in brackets
        shorter = ASIDE.sub(r" \1 ", CALL.sub(r" \1 ", plain))
        if shorter == plain:
            break
        plain = shorter
    return _Reader(plain).read(urls)


class _Reader:
    """Goes over the tokens once; each sign counts by what stands beside it."""

    def __init__(self, plain: str) -> None:
        self.plain = plain
        self.tokens = [(match.group(), match.start(), match.end()) for match in TOKEN.finditer(plain)]

    def read(self, urls: tuple[str, ...]) -> Notation:
        found: list[tuple[str, bool]] = []
        flags: list[str] = []
        asked: list[str] = []
        inside: list[str] = []
        for at, (piece, _, _) in enumerate(self.tokens):
            if piece[0].isalnum():
                continue
            if ord(piece[0]) > 0x7F and piece != FACTORIAL:
                self._symbol(at, piece, found, asked, inside)
            elif piece in ("-", "--") and (flag := self._flag(at)):
                flags += [flag] if piece == "--" else list(flag)
            else:
                sign = self._sign(at, piece)
                if sign:
                    found.append(sign)
        return Notation(
            tuple(sign for sign, _ in found),
            tuple(sign for sign, is_strong in found if is_strong),
            tuple(sorted(flags)),
            tuple(asked),
            tuple(inside),
            urls,
            tuple(sorted(set(ESCAPE.findall(self.plain)))),
        )

    def _symbol(self, at: int, piece: str, found: list[tuple[str, bool]], asked: list[str], inside: list[str]) -> None:
        category = unicodedata.category(piece)
        if category == "Sm" or piece in "‰∞":
            found.append((piece, True))
        elif category == "Sc":
            if piece not in "$€£¥":
                found.append((piece, False))  # those that words.py does not know
        elif category in ("So", "Sk"):
            if self._is_asked_about(at):
                asked.append(piece)
            elif any(after[0].isalnum() for after, _, _ in self.tokens[at + 1 : at + 12]):
                inside.append(piece)

    def _flag(self, at: int) -> str:
        """The letters of -d or --force, "" when the dash is another."""
        _, start, end = self.tokens[at]
        follows = self.tokens[at + 1] if at + 1 < len(self.tokens) else None
        if follows is None or follows[1] != end or not follows[0][0].isalpha():
            return ""
        return follows[0] if start == 0 or self.plain[start - 1] == " " else ""

    def _word(self, at: int) -> str:
        return self.tokens[at][0] if 0 <= at < len(self.tokens) else ""

    def _is_asked_about(self, at: int) -> bool:
        first = last = at
        while at - first < NEAR and first and not self._word(first - 1)[0].isalnum():
            first -= 1
        while last - at < NEAR and last + 1 < len(self.tokens) and not self._word(last + 1)[0].isalnum():
            last += 1
        return self._word(first - 1).lower() in BEFORE or self._word(last + 1).lower() in AFTER

    def _is_operand(self, at: int, opens: str) -> bool:
        """A number, 3x, a lone letter, or a bracket on that side."""
        word = self._word(at)
        return bool(word) and (OPERAND.fullmatch(word) is not None or word in opens or word == FACTORIAL)

    def _sign(self, at: int, piece: str) -> tuple[str, bool] | None:
        if piece == FACTORIAL:
            return "!", True
        if piece in ALWAYS:
            is_path = piece == "->" and len(self._word(at - 1)) > 1 and len(self._word(at + 1)) > 1
            return (">", False) if is_path else (piece, True)
        if piece in COMPARED:
            return piece, False
        _, start, end = self.tokens[at]
        tight_left = at > 0 and self.tokens[at - 1][2] == start
        tight_right = at + 1 < len(self.tokens) and self.tokens[at + 1][1] == end and self._word(at + 1) not in "?!:"
        left, right = self._word(at - 1), self._word(at + 1)
        is_between = self._is_operand(at - 1, ")]}!") and self._is_operand(at + 1, "([{√-'")
        is_asked = (
            bool(right) and not (tight_left or tight_right) and (left.lower() in BEFORE or right.lower() in AFTER)
        )
        is_letter = len(left) == 1 and left.isalpha() and tight_left
        if piece in ("!", "?", ":", "'"):
            return self._punctuation(at, piece, tight_left, tight_right, is_asked)
        if piece in ("++", "--"):
            is_step = (is_letter and left not in "cC") or (tight_right and len(right) == 1 and not tight_left)
            is_prefix = not (is_letter or is_asked)  # ++i is not i++
            return (f"{piece}x" if is_prefix else piece, True) if is_step or is_asked else None
        if piece in ("+", "-") and is_letter and not (tight_right or (is_between and right[0] not in "-'")):
            return piece, True  # the grade B-
        if piece in ("+", "-") and tight_right and not tight_left:
            return None  # the sign of a number
        if is_between and piece in ("+", "*", "**", "//", "??"):
            return piece, True
        if is_between and piece in ("-", "/") and not (is_letter and tight_right):  # but for a/b and B-12
            return piece, False
        if piece == "%" and is_between and tight_left == tight_right:
            return piece, True
        if is_asked and not (piece in ("(", ")") or left[-1:].isdigit()):
            return piece, True
        is_prefix = piece in ("*", "**", "&") and tight_right and not tight_left
        return (piece, False) if is_prefix else None

    def _punctuation(
        self, at: int, piece: str, tight_left: bool, tight_right: bool, is_asked: bool
    ) -> tuple[str, bool] | None:
        left, right = self._word(at - 1), self._word(at + 1)
        if piece == "'":
            start = self.tokens[at - 1][1] if at else 0
            is_prime = len(left) == 1 and left.isalpha() and tight_left and self.plain[max(start - 1, 0)] != "'"
            return ("'", True) if is_prime else None
        if is_asked:
            return piece, True
        if piece == "?":
            is_ternary = self._word(at + 2) == ":" and self._word(at + 3) and tight_left == tight_right
            return ("?:", True) if is_ternary and right[0].isalnum() and left else None
        if piece == "!" and tight_right and not tight_left and (right[0].isalnum() or right == "("):
            return "!", True
        if piece == "!" and tight_left and (left[0].isdigit() or left == ")"):
            if not any(after[0].isalnum() for after, _, _ in self.tokens[at + 1 : at + 4]):
                is_sum = right == "?" or SUMS.search(self.plain[: self.tokens[at][2]])
                return ("!", True) if is_sum and right in ("", "?") else None
            return None if right[:1].isupper() else ("!", True)
        return None
