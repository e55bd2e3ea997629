"""A question in one spelling: words in lower case, contractions apart, politeness left out, phrases in one order."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from app.cache.judge.literal.courtesies import without_courtesies
from app.cache.judge.literal.languages import bare, is_german, is_other_language
from app.cache.judge.literal.shorthand import LONG_FORMS, LONGEST_FORM, ONE_NAME
from app.cache.judge.vocabulary import ABBREVIATIONS, CONTRACTIONS, SPELLINGS
from app.cache.judge.words import LONGEST_CHARACTERS, PLAIN

TOKEN = re.compile(
    r"(?:(?<![\w)\]])-)?(?:\d+(?:[.,:/]\d+)*|(?<!\d)\.\d+)|[^\W\d_]+(?:'[^\W\d_]+)*|[.,;:!?…¿¡\"“”«»\n]+|\S"
)
SILENT = frozenset("'`™®©-\u200d")
ATTACHED = frozenset("_~°*()[]")  # silent beside a word, and spoken of alone
OPENED = frozenset("([{<\"'“«„¿¡`$€£#@-+~*_°")  # signs that belong to the word behind them
PAUSES = frozenset('.,;:!?…¿¡"“”«»\n')
MATHS = re.compile(r"\d ?[-+*/^=\u00d7\u00f7<>] ?[\da-z(]|[a-z] ?[=^] ?\S|\\|\w\(", re.IGNORECASE)  # its signs count
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
AUXILIARIES = frozenset("is are am was were do does did has have had can could will would should must may".split())
PRONOUNS = frozenset("i you we he she it they one somebody".split())
DOING = frozenset("i you we they".split())
ASKING = frozenset("how what why when where who which".split())
SPEAKER = frozenset("i we one somebody you people".split())
POSSESSED = frozenset("my me mine our us your yours".split())
ANYBODYS = frozenset("say spell pronounce write make cook bake boil fry calculate convert solve".split())
PLACING = frozenset(
    "in on at for with under from during en au aux a dans pour avec chez im bei auf fuer mit nel nella nei "
    "con para em na no op voor met within inside".split()
)
INTRODUCING = (
    "could you tell me", "can you tell me", "would you tell me", "please tell me", "tell me", "do you know",
    "does anybody know", "i want to know", "i need to know", "i would like to know", "i like to know", "i wonder",
    "i was wondering", "could you explain", "can you explain", "could you please tell me", "can you please tell me",
    "could you please explain", "can you please explain", "could you let me know", "can you let me know",
    "please let me know", "let me know", "would you mind telling me", "any idea", "may i ask", "can i ask",
)  # fmt: skip
WRAPPERS = tuple(sorted((tuple(phrase.split()) for phrase in INTRODUCING), key=len, reverse=True))
CAN_I = tuple(tuple(phrase.split()) for phrase in ("comment puis je", "comment je peux", "como puedo", "como posso"))
LONGEST_PHRASE = 6


@dataclass(frozen=True, slots=True)
class Canon:
    """`names`: the words written with a capital inside of a sentence."""

    words: tuple[str, ...]
    names: frozenset[str]
    is_foreign: bool
    is_shortened: bool  # a long form was replaced by its abbreviation


@lru_cache(maxsize=4096)
def canon(text: str) -> Canon:
    """Read a text, of which 4,000 characters are looked at."""
    plain = unicodedata.normalize("NFKC", text[:LONGEST_CHARACTERS].translate(PLAIN))
    is_foreign = is_other_language(text)
    words, breaks, _, names = _split(plain, is_german(text), is_foreign)
    start, end = without_courtesies(words, breaks, is_foreign)
    words, breaks = words[start:end], breaks[start:end]
    if not words:
        return Canon((), frozenset(), is_foreign, False)
    words = _phrase_last(words, breaks)
    is_shortened = False
    if is_foreign:
        words = _without_can(words)
    else:
        words = [ONE_NAME.get(word, word) for word in words]
        shortened = _shortened(words)
        is_shortened, words = shortened != words, shortened
        words = _must(_not_first(_speaker(_unwrapped(_solved(words)))))
    return Canon(tuple(words), names, is_foreign, is_shortened)


@lru_cache(maxsize=4096)
def core_of(text: str) -> str:
    """What of a text is embedded: all but greetings and thanks around the question, which cost time, and move its
    vector away from that of the question alone. A text that is another one once it is normalised stays whole."""
    plain = text.translate(PLAIN)
    is_normal = len(plain) == len(text) and unicodedata.is_normalized("NFKC", plain)
    if not is_normal or len(text) > LONGEST_CHARACTERS:
        return text
    is_foreign = is_other_language(text)
    words, breaks, starts, _ = _split(plain, is_german(text), is_foreign)
    start, end = without_courtesies(words, breaks, is_foreign)
    if end - start == len(words):
        return text
    since, until = starts[start], starts[end] if end < len(words) else len(text)
    while since and text[since - 1] in OPENED:
        since -= 1
    return text[since:until].strip() if end == len(words) else text[since:until].strip().rstrip(",;:")


def _split(plain: str, is_in_german: bool, is_foreign: bool) -> tuple[list[str], list[bool], list[int], frozenset[str]]:
    """The words, whether punctuation stands before each, where each begins, and the names among them."""
    words: list[str] = []
    breaks: list[bool] = []
    starts: list[int] = []
    names: set[str] = set()
    is_sum = bool(MATHS.search(plain))
    is_broken = is_first = True
    for match in TOKEN.finditer(plain):
        token = match.group()
        if token[0] in PAUSES and not token[-1].isdigit():  # .5 is a number
            is_broken = True
            is_first = is_first or token[0] in ".:!?…¿¡\n"
            continue
        beside = plain[max(match.start() - 1, 0) : match.start()] + plain[match.end() : match.end() + 1]
        if not is_sum and _is_silent(token, beside, plain[match.end() : match.end() + 2]):
            continue
        lower = token.casefold()
        lower = bare(lower.translate(UMLAUTS)) if is_in_german else bare(lower)
        if token == "US" and not plain.isupper():  # noqa: S105 (a word of the question, no secret)
            lower = "usa"
        parts = lower.replace("'", " ").split() if is_foreign else _english(lower)
        if token[0].isupper() and not is_in_german and (not is_first or not token[1:].islower()) and len(token) > 1:
            names.update(parts)
        for part in parts:
            words.append(part)
            breaks.append(is_broken)
            starts.append(match.start())
            is_broken = is_first = False
    return words, breaks, starts, frozenset(names)


def _is_silent(sign: str, beside: str, following: str) -> bool:
    """A sign that only decorates: not that of -x, nor that in a_b."""
    if sign == "_" and len(beside) > 1 and beside.isalnum():
        return False
    if sign == "-" and not beside[:1].isalnum() and following[:1].isalpha() and not following[1:].isalpha():
        return False
    return sign in SILENT or (sign in ATTACHED and any(map(str.isalnum, beside)))


def _english(lower: str) -> list[str]:
    if lower in CONTRACTIONS:
        return CONTRACTIONS[lower].split()
    if lower.endswith("n't"):
        return [lower[:-3], "not"]
    head, _, tail = lower.partition("'")
    if tail in ("re", "ve", "ll"):
        return [head, {"re": "are", "ve": "have", "ll": "will"}[tail]]
    if tail in ("d", "m"):
        return [head, {"d": "would", "m": "am"}[tail]]
    lower = lower.replace("'", "")  # who writes "employers permission" means one
    lower = ABBREVIATIONS.get(lower, lower) if lower != "no" else lower
    return [SPELLINGS.get(lower, lower)]


def _phrase_last(words: list[str], breaks: list[bool]) -> list[str]:
    """In France, what is it: what is it in France."""
    if words[0] not in PLACING:
        return words
    for at in range(2, min(LONGEST_PHRASE, len(words) - 2) + 1):
        if breaks[at] or (words[at] in ASKING and words[at - 1] not in PLACING):
            is_one = not any(breaks[at + 1 :]) and "if" not in words[:at]
            return words[at:] + words[:at] if is_one and words[at] not in ("and", "or", "but") else words
    return words


def _without_can(words: list[str]) -> list[str]:
    """Comment puis-je faire: comment faire."""
    for phrase in CAN_I:
        if tuple(words[: len(phrase)]) == phrase:
            return [phrase[0], *words[len(phrase) :]]
    return words


def _shortened(words: list[str]) -> list[str]:
    """Virtual private network: VPN."""
    kept: list[str] = []
    at = 0
    while at < len(words):
        for length in range(LONGEST_FORM, 1, -1):
            short = LONG_FORMS.get(tuple(words[at : at + length]))
            if short:
                kept.append("unitedstates" if short == "usa" else short)
                at += length
                break
        else:
            kept.append(words[at])
            at += 1
    return kept


def _unwrapped(words: list[str]) -> list[str]:
    """Could you tell me whether I can: can I. Tell me what the time is: what is the time."""
    length = next((len(phrase) for phrase in WRAPPERS if tuple(words[: len(phrase)]) == phrase), 0)
    rest = words[length:]
    if len(rest) < 3:
        return words
    if rest[0] in ("whether", "if"):
        if rest[1] in PRONOUNS and rest[2] in AUXILIARIES:
            return [rest[2], rest[1], *rest[3:]] if length else words
        if length and rest[1] in DOING and rest[2] not in AUXILIARIES:
            return ["do", *rest[1:]]
        return words
    if not length or rest[0] not in ASKING:
        return rest if length and rest[0] in AUXILIARIES else words
    if rest[1] in PRONOUNS and rest[2] in AUXILIARIES and len(rest) > 3:
        return [rest[0], rest[2], rest[1], *rest[3:]]
    if rest[1] in DOING and rest[0] != "who":
        return [rest[0], "do", *rest[1:]]
    if rest[-1] in ("is", "are", "was", "were") and rest[1] not in AUXILIARIES and rest[0] != "which":
        return [rest[0], rest[-1], *rest[1:-1]]
    return rest


def _solved(words: list[str]) -> list[str]:
    """Solve for x: 3x + 5 = 20, where x is the only letter."""
    if words[:2] != ["solve", "for"] or len(words) < 5 or "=" not in words:
        return words
    letters = {word for word in words[3:] if word.isalpha()}
    return ["solve", *words[3:]] if letters == {words[2]} and len(words[2]) == 1 else words


def _speaker(words: list[str]) -> list[str]:
    """How can one do it: how do I do it. "How do you process refunds" is asked of you."""
    if words[0] != "how" or len(words) < 4:
        return words
    if words[1] == "to":
        return ["how", "do", "i", *words[2:]]
    if words[1] not in ("do", "does", "can", "could") or words[2] not in SPEAKER:
        return words
    speaker = words[2]
    if speaker in ("you", "people") and (words[3] not in ANYBODYS or POSSESSED & set(words)):
        return words
    return ["how", "do", "we" if speaker == "we" and POSSESSED & set(words) else "i", *words[3:]]


def _not_first(words: list[str]) -> list[str]:
    """Why does it not work: why does not it work, as of why doesn't it work."""
    if words.count("not") != 1 or words[0] != "why" or len(words) < 4 or words[1] not in AUXILIARIES:
        return words
    at = words.index("not")
    subject = words[2:at]
    if not 0 < len(subject) < 6 or (subject[0] in PRONOUNS and len(subject) > 1) or at + 1 == len(words):
        return words
    if words[at + 1] in ("to", "only", "just", "all", "every") or any(
        w in AUXILIARIES or w in PLACING for w in subject
    ):
        return words
    return [*words[:2], "not", *subject, *words[at + 1 :]]


def _must(words: list[str]) -> list[str]:
    """Do I have to pay, do I need to pay: must I pay. With "not" they part."""
    if "not" in words or "never" in words:
        return words
    for at, word in enumerate(words[:-4]):
        if word in ("do", "does"):
            for to in range(at + 3, min(at + 6, len(words))):
                if words[to] == "to" and words[to - 1] in ("have", "need"):
                    return [*words[:at], "must", *words[at + 1 : to - 1], *words[to + 1 :]]
            break
    return words
