"""Greetings and politeness around a question, in English and the languages beside it."""

from collections.abc import Sequence

from app.cache.judge.literal.formed import MENTIONING
from app.cache.judge.vocabulary import COURTESIES, FILLERS


def _phrases(text: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(phrase.split()) for phrase in text.replace("\n", " ").split("|") if phrase.strip())


# Accents left out, an apostrophe is a space, ü is ue in German.
FOREIGN = _phrases(
    """bonjour|bonsoir|salut|bonjour a tous|bonjour a toutes et a tous|merci|merci beaucoup|merci d avance|
    merci par avance|d avance merci|merci pour votre aide|s il vous plait|s il te plait|svp|stp|
    pouvez vous me dire|pourriez vous me dire|veuillez me dire|je voudrais savoir|j aimerais savoir|
    excusez moi|pardon|desole de vous deranger mais|cordialement|
    hola|buenos dias|buenas tardes|buenas noches|buenas|gracias|muchas gracias|gracias de antemano|por favor|
    me puede decir|puede decirme|me podria decir|podria decirme|quisiera saber|me gustaria saber|disculpe|disculpa|
    perdon|un saludo|saludos|hola a todos|hola buenas|
    hallo|guten tag|guten morgen|guten abend|moin|servus|gruess gott|hallo zusammen|hallo liebes team|liebes team|
    danke|danke schoen|dankeschoen|vielen dank|besten dank|danke im voraus|vielen dank im voraus|danke vielmals|bitte|
    koennen sie mir sagen|koennten sie mir sagen|ich moechte wissen|ich wuerde gerne wissen|entschuldigung|
    entschuldigen sie|entschuldigen sie bitte|mit freundlichen gruessen|viele gruesse|lg|mfg|
    ciao|buongiorno|buonasera|buon giorno|buona sera|salve|grazie|grazie mille|molte grazie|grazie in anticipo|
    per favore|per piacere|per cortesia|puo dirmi|potrebbe dirmi|mi puo dire|vorrei sapere|scusi|mi scusi|
    ola|bom dia|boa tarde|boa noite|oi|obrigado|obrigada|muito obrigado|muito obrigada|obrigado desde ja|
    se faz favor|poderia me dizer|pode me dizer|gostaria de saber|com licenca|
    goedemorgen|goedemiddag|goedendag|goedenavond|hoi|dag|dank u|dank u wel|dank je|dank je wel|bedankt|alvast bedankt|
    hartelijk dank|alstublieft|alsjeblieft|aub|kunt u mij vertellen|kunt u me vertellen|ik wil graag weten"""
)
# Left to canon.py, which looks at what follows.
INTRODUCING = _phrases(
    """can you|could you|would you|can you please|could you please|can you tell me|could you tell me|tell me|
    could you please tell me|please tell me|do you know|i would like to know|i want to know|i wonder|i was wondering|
    i need to know|would like to know|wondering|anyone know|does anyone know|help me|for me|so"""
)
ENGLISH = (COURTESIES | FILLERS) - INTRODUCING
# These stand before a question or behind it without a comma; the others may be what is asked about.
UNMARKED = _phrases(
    """please|thanks|thank you|thanks in advance|thank you in advance|thank you very much|many thanks|kindly|
    s il vous plait|s il te plait|svp|por favor|bitte|per favore|danke|gracias|merci|grazie|alstublieft|aub"""
)
SAID = MENTIONING | frozenset(
    """dire dit dis signifie veut repondre chante decir dice dicen significa responder canta canto sagen sagt heisst
    bedeutet antwortet singt dicono significa cantato dizer diz zeggen zegt betekent escribe ecrire
    schreibt""".split()
)
SPOKEN = SAID | frozenset(
    """of wrote film movie book novel song band album about by named titled in from to with for""".split()
)
OPENING = frozenset(
    """how what when where who why which whose can could do does did is are am was were will would should must may i
    my the if in on at for explain write translate give list show
    comment quel quelle quels quelles quand ou pourquoi combien est que qui puis je ai dois peut
    como cuando donde cual cuales quien cuanto cuanta cuantos cuantas que puedo por hay tengo
    wie was wann wo warum wer welche welcher welches kann ist gibt ich koennen koennten muss wieviel
    come quando dove chi quanto quale quali perche posso devo onde quem qual hoe wat waar wanneer waarom wie
    kan""".split()
)
LONGEST = max(map(len, ENGLISH | FOREIGN))


def without_courtesies(words: Sequence[str], breaks: Sequence[bool], is_foreign: bool) -> tuple[int, int]:
    """Where the question itself begins and ends. `breaks`: whether punctuation stands before each word.

    "Who sang Hello" and "Hello Kitty" have none: what is no plain politeness must be set off, or stand before a
    question's first word.
    """
    phrases = ENGLISH | FOREIGN if is_foreign else ENGLISH
    start, end = 0, len(words)
    while start < end:
        length = _longest(phrases, words, start, end)
        if not length or start + length >= end:
            break
        follows = words[start + length]
        phrase = tuple(words[start : start + length])
        is_set_off = breaks[start + length] or follows in OPENING or phrase in UNMARKED
        if not is_set_off and not _longest(phrases, words, start + length, end):
            break
        start += length
    while end > start:
        at = next((at for at in range(max(start, end - LONGEST), end) if tuple(words[at:end]) in phrases), end)
        if at == end or at <= start or words[at - 1] in SPOKEN or SAID.intersection(words[at - 2 : at]):
            break
        if not breaks[at] and tuple(words[at:end]) not in UNMARKED:
            break
        end = at
    return (start, end) if start < end else (0, len(words))


def _longest(phrases: frozenset[tuple[str, ...]], words: Sequence[str], start: int, end: int) -> int:
    lengths = range(min(LONGEST, end - start), 0, -1)
    return next((length for length in lengths if tuple(words[start : start + length]) in phrases), 0)
