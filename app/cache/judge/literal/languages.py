"""Text in Latin letters that is not English, in which neither the word lists nor the vectors can be trusted."""

import re
import unicodedata
from functools import lru_cache

from app.cache.judge.lexicon import load_lexicon
from app.cache.judge.vocabulary import STOP_WORDS
from app.cache.judge.words import LONGEST_CHARACTERS, PLAIN

WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
SPLIT = re.compile(r"['-]")
# Typical small words, accents left out; none of them is an English word.
GERMAN = frozenset(
    """der das den dem des ein eine einen einem einer eines ich mir mich mein meine meinen meinem meiner ihr ihre sie
    wir uns unser und oder aber nicht kein keine keinen ist sind wird werden wurde hat haben kann kannst koennen konnen
    muss mussen muessen soll wie wo wann warum wieso welche welcher welches wer wem wen viel mit ohne von vom zu zum zur
    bei beim fur fuer auf aus im ins nach vor uber ueber unter zwischen gibt es auch noch nur mehr wenn dass bitte danke
    hallo guten""".split()
)
ROMANCE = frozenset(
    """ma ta notre votre leur leurs nos vos le la les du une je tu il elle nous vous ils elles mes ses ces cette
    est sont suis puis peut peux dois doit quel quelle quels quelles quand pourquoi combien ou que qui quoi
    ne pas avec sans dans et au aux sur chez entre bonjour bonsoir merci svp el los las una unos unas mi mis
    su sus tu es son esta estan puedo puede debo hay tengo tiene como cuando donde cuanto cuanta cuantos
    cuantas cual cuales quien quienes porque para por con sin del al lo se hola gracias usted gli della delle
    dello degli dei nel nella nelle sono sei posso devo ho hai che chi dove perche quanto quanta quanti
    quante quale quali senza tra fra di da il mio mia miei mie tuo ciao grazie buongiorno buonasera si uma os
    dos das meu minha meus minhas seu sua voce nao nos na em no pelo pela sem com onde quanto quais qual
    posso preciso ola obrigado obrigada tem sao isso esse essa""".split()
)
DUTCH = frozenset(
    """het een ik jij je mijn jouw uw wij zij onze niet geen zijn wordt heb heeft kan moet wat waar waarom hoe
    hoeveel welke wie met zonder van naar bij voor tussen ook nog maar goedemorgen goedemiddag dank bedankt hallo deze
    dit""".split()
)
# English words as well: they count where nothing else is English.
AMBIGUOUS = frozenset(
    """comment was die man son con sin come a me on in an no per pour est la le il ou de do so se at as or den mes
    wie kan van om um dos das plus hat hay dove hoe chi mi su es el em ho hai tu ai dit ton pas mit dag dank dis
    wat al lo ces met bei di da un uns je ik uw lui""".split()
)  # fmt: skip
SURE = (GERMAN | ROMANCE | DUTCH) - AMBIGUOUS - STOP_WORDS
ENGLISH = (
    frozenset(
        """the is are of to how what where when who why which does did can could should would will my your and for
    with it you i we they this that these from by not there their our have has be if about into than between""".split()
    )
    - SURE
)
ACCENTED = "\u00bf"  # the letters from À on, and not µ or ª
FEW = 0.5  # share of words that are unknown


@lru_cache(maxsize=4096)
def is_other_language(text: str) -> bool:
    """Whether it is German, French, Spanish, Italian, Portuguese, Dutch or the like; false where that is not sure."""
    plain = text[:LONGEST_CHARACTERS].translate(PLAIN)
    small: set[str] = set()
    others = known = english = count = accents = 0
    lexicon = load_lexicon()
    tokens = WORD.findall(plain)
    for at, token in enumerate(tokens):
        # At the beginning only "Los Angeles", and what is all capitals.
        following = tokens[at + 1] if at + 1 < len(tokens) else "-"
        is_named = (len(token) > 1 and token.isupper()) or following[0].isupper()
        is_name = token[0].isupper() and (count > 0 or is_named)
        for part in SPLIT.split(bare(token.casefold())):
            if not part:
                continue
            count += 1
            if is_name:
                others += 1  # neither for nor against
                continue
            english += part in ENGLISH
            if part in SURE or part in AMBIGUOUS:
                small.add(part)
            elif part in STOP_WORDS or lexicon.lemma(part) in lexicon.senses:
                known += 1
        accents += not is_name and max(token) > ACCENTED and _has_accent(token)
    plainly = len(small & SURE) + accents + ("¿" in text)
    found = plainly + (len(small & AMBIGUOUS) if not english else 0)
    if not count or not plainly or found <= english:
        return False
    unknown = 1 - (known + english) / max(count - others, 1)
    return found > 1 or unknown >= FEW


@lru_cache(maxsize=4096)
def is_german(text: str) -> bool:
    """Whether ö may be written oe in it."""
    words = {bare(word.casefold()) for word in WORD.findall(text[:LONGEST_CHARACTERS])}
    return is_other_language(text) and len(words & GERMAN) > len(words & ROMANCE)


def _has_accent(token: str) -> bool:
    return any(character.isalpha() and character > ACCENTED for character in token)


def bare(text: str) -> str:
    """Without accents."""
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
