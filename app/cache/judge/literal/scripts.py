"""Scripts and accents: signs that change a word in another language, and that an English reader drops."""

import re
import unicodedata
from functools import lru_cache

from app.cache.judge.lexicon import load_lexicon
from app.cache.judge.literal.languages import bare
from app.cache.judge.vocabulary import STOP_WORDS

FINAL = " \t\r\n?!.;\u2026\u3002\uff01\uff1f\uff0e\u0964\u0965\u061f\u06d4\u104b\u17d4\u037e"
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
OTHER_LETTERS = re.compile("[äöüåÄÖÜÅ]")  # in the languages that have them these are letters of their own
KEYS = str.maketrans("ñç", "nc")  # keys of their own, so that who leaves accents out still types them
SOUNDED = re.compile("gü(?=[eiéí])")  # Spanish: only a way to say gue
ENGLISH_SHARE = 0.7
ENGLISH = frozenset("the is are of to how what where when who why do does can my and for with it you".split())


@lru_cache(maxsize=4096)
def foreign(text: str) -> str:
    """The text without white space and final punctuation if most of its letters are not Latin, else ""."""
    if text.isascii() or max(text) < "\u0370":
        return ""
    letters = [character for character in text if character.isalpha()]
    others = sum(not _is_latin(character) for character in letters)
    if not letters or others * 2 <= len(letters):
        return ""
    plain = unicodedata.normalize("NFC", text.rstrip(FINAL)).casefold().replace("\u0451", "\u0435")
    return "".join(plain.split())


def _is_latin(character: str) -> bool:
    return character < "\u0370" or "\u1e00" <= character <= "\u1eff" or "\uff21" <= character <= "\uff5a"


def accents_differ(one: str, other: str) -> bool:
    """Whether a word of both has an accent in one alone, and the accent tells words apart there.

    English drops accents at will, and who types without them drops all; an umlaut makes another letter.
    """
    if one.isascii() and other.isascii():
        return False
    texts = [unicodedata.normalize("NFC", text).casefold() for text in (one, other)]
    words = [set(WORD.findall(text)) for text in texts]
    loose = [words[0] - words[1], words[1] - words[0]]
    plain = [{bare(word): word for word in side} for side in loose]
    pairs = [(plain[0][word], plain[1][word]) for word in plain[0].keys() & plain[1].keys()]
    if not pairs or _is_english(words[0] | words[1]):
        return False
    if any(_has_key(first) != _has_key(second) for first, second in pairs):
        return True
    if all(any(bare(word) != word.translate(KEYS) for word in side) for side in words):
        return True
    return any(OTHER_LETTERS.search(SOUNDED.sub("gu", word)) for pair in pairs for word in pair)


def _is_english(words: set[str]) -> bool:
    lexicon = load_lexicon()
    plain = [word for word in words if word.isascii() and len(word) > 1]
    known = [word for word in plain if word in STOP_WORDS or lexicon.lemma(word) in lexicon.senses]
    is_sure = not ENGLISH.isdisjoint(plain) or sum(len(word) > 4 for word in known) > 1
    return is_sure and len(known) >= ENGLISH_SHARE * len(plain)


def _has_key(word: str) -> bool:
    return word.translate(KEYS) != word
