"""More pairs from the written ones: surface noise that changes nothing, and small edits that change the answer."""

import random
import re
from collections.abc import Callable, Iterator, Sequence

from app.cache.judge.lexicon import load_lexicon
from app.cache.judge.vocabulary import CONTRACTIONS, MONTHS, SPELLINGS, WEEKDAYS
from app.cache.judge.words import read
from app.evals.cache_judge.groups import NEAR_REPEAT, PARAPHRASE, Group, Pair

AMERICAN_TO_BRITISH = {american: british for british, american in SPELLINGS.items()}
DIGITS = {"2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven", "10": "ten", "12": "twelve"}
OPENERS = ("Hi, ", "hello, ", "Please ", "Hey - ", "quick question: ", "Can you tell me: ", "")
CLOSERS = (" please", ", thanks", " thx", "??", " please?", "...", "", "!", " Thank you.")
FAMILIES = (
    "km miles metres feet", "kilometres miles", "kg pounds grams", "kilograms pounds ounces", "litres gallons",
    "celsius fahrenheit", "°C °F", "euros dollars pounds", "EUR USD GBP", "MB GB TB", "minutes hours days",
    "seconds minutes hours", "days weeks months", "weeks months years", "metres feet yards", "cm inches", "ml cups",
    "daily weekly monthly", "percent euros", "bits bytes", "millimetres inches",
)  # fmt: skip
SWAPS = (
    ("how do i", "why should i"), ("how do i", "when should i"), ("how do i", "where can i"), ("how do i", "who can"),
    ("how do you", "why do you"), ("what is the", "who decides the"), ("what is", "why is"), ("what is", "where is"),
    ("how much", "when"), ("how much", "how often"), ("how long", "how often"), ("how long", "how many"),
    ("how many", "which"), ("who", "when"), ("who", "why"), ("when", "why"), ("when", "where"), ("where", "when"),
    ("where", "why"), ("why", "when"), ("why", "how often"), ("which", "how many"), ("can i", "why can't i"),
    ("can i", "how do i"), ("with", "without"), ("before", "after"), ("after", "before"), ("first", "last"),
    ("in", "outside"), ("to", "from"), ("from", "to"), ("all", "only some"), ("the", "the second"), ("only", "also"),
    ("is", "is not"), ("are", "are not"), ("should", "should not"), ("per month", "per year"), ("for", "except for"),
    ("most", "least"), ("more", "less"), ("maximum", "minimum"), ("at most", "at least"), ("new", "old"), ("my", "my neighbour's"),
    ("turn off", "turn on"), ("disable", "enable"), ("under", "over"), ("without", "with"), ("not", ""), ("if", "unless"),
)  # fmt: skip
TASKS = (
    "Write an email about this: {}", "Translate into French: {}", "Write a short poem about: {}", "Summarise why people ask: {}",
    "{} Answer in Spanish.", "{} Answer in one word.", "Rewrite this question more formally: {}", "{} And why?",
)  # fmt: skip
NAMES = (
    "Acme Marwen Toledo Brisk Kestrel Lumenta Osaka Denver Nairobi Corvex Tilda Hamburg Quillon Peru Finland Vexa Orion "
    "Rostock Zephyr Maren Turing Bolivia Oslo Kanto Verity Delphi Chile Lisbon Redis Kafka Swift Kotlin Norway Vienna"
).split()


def noisy(text: str, draw: random.Random) -> str:
    """The same question as another hand would type it."""
    for change in draw.sample(SURFACE, draw.choice((1, 1, 2, 2, 3))):
        text = change(text, draw)
    return text


def edited(text: str, draw: random.Random) -> tuple[str, str] | None:
    """The question with one thing changed that changes the answer, and the kind of it; None where nothing fits."""
    for kind, change in draw.sample(EDITS, len(EDITS)):
        found = change(text, draw)
        if found and read(found).key != read(text).key:
            return found, kind
    return None


def _typo(text: str, draw: random.Random) -> str:
    words = list(re.finditer(r"[a-zA-Z]{5,}", text))
    if not words:
        return text
    match = draw.choice(words)
    word, at = match.group(), draw.randrange(1, len(match.group()) - 1)
    wrong = draw.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        )
    )
    return text[: match.start()] + wrong + text[match.end() :]


def _wrap(text: str, draw: random.Random) -> str:
    opener, closer = draw.choice(OPENERS), draw.choice(CLOSERS)
    return opener + text.rstrip("?. ") + closer


def _contract(text: str, draw: random.Random) -> str:
    for short, long in draw.sample(sorted(CONTRACTIONS.items()), len(CONTRACTIONS)):
        found = re.search(rf"\b{long}\b", text, re.IGNORECASE)
        if found:
            return text[: found.start()] + short + text[found.end() :]
    return text


def _spell(text: str, draw: random.Random) -> str:
    def other(match: re.Match[str]) -> str:
        word = match.group()
        lower = word.lower()
        return SPELLINGS.get(lower) or AMERICAN_TO_BRITISH.get(lower) or word

    return re.sub(r"[A-Za-z]+", other, text)


def _number_words(text: str, draw: random.Random) -> str:
    return re.sub(r"(?<![\d.,:/-])\b(\d+)\b(?![\d.,:/-]|\w)", lambda m: DIGITS.get(m.group(1), m.group(1)), text)


def _drop_articles(text: str, draw: random.Random) -> str:
    return re.sub(r"\b(?:the|a) ", "", text, count=1)


SURFACE: list[Callable[[str, random.Random], str]] = [
    _typo, _typo, _wrap, _wrap, _contract, _spell, _number_words, _drop_articles,
    lambda text, draw: text.lower(), lambda text, draw: text.rstrip("?."), lambda text, draw: text.replace(",", ""),
    lambda text, draw: text.upper() if draw.random() < 0.3 else text.lower(),
    lambda text, draw: text.replace("-", " ") if draw.random() < 0.5 else text.replace("-", ""),
]  # fmt: skip


def _number(text: str, draw: random.Random) -> str | None:
    found = list(re.finditer(r"\d+", text))
    if not found:
        return None
    match = draw.choice(found)
    value = int(match.group()[:9])
    other = draw.choice((value + 1, value + 2, value * 10, max(value - 1, 0), value + 5, value * 2))
    return text[: match.start()] + str(other) + text[match.end() :] if other != value else None


def _one_of(text: str, group: Sequence[str], draw: random.Random) -> str | None:
    for word in draw.sample(list(group), len(group)):
        found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)
        if found:
            other = draw.choice([name for name in group if name != word])
            return text[: found.start()] + other + text[found.end() :]
    return None


def _unit(text: str, draw: random.Random) -> str | None:
    for family in draw.sample(FAMILIES, len(FAMILIES)):
        found = _one_of(text, family.split(), draw)
        if found:
            return found
    return None


def _date(text: str, draw: random.Random) -> str | None:
    months = [name.capitalize() for name in set(MONTHS.values())]
    return _one_of(text, months, draw) or _one_of(text, [name.capitalize() for name in set(WEEKDAYS.values())], draw)


def _name(text: str, draw: random.Random) -> str | None:
    words = [word for word in read(text).words if word.kind == "name" and word.end - word.start > 2]
    if not words:
        return None
    word = draw.choice(words)
    other = draw.choice(NAMES)
    return text[: word.start] + (other if word.is_capital else other.lower()) + text[word.end :]


def _swap(text: str, draw: random.Random) -> str | None:
    for old, new in draw.sample(SWAPS, len(SWAPS)):
        found = re.search(rf"\b{old}\b", text, re.IGNORECASE)
        if found:
            return text[: found.start()] + new + text[found.end() :]
    return None


def _relative(text: str, draw: random.Random) -> str | None:
    """A content word becomes its opposite, or another thing of its kind."""
    lexicon = load_lexicon()
    words = [word for word in read(text).words if word.kind == "content" and word.lemma == word.text]
    draw.shuffle(words)
    for word in words:
        opposites = sorted(lexicon.opposites.get(word.lemma, ()))
        kinds = {lexicon.parents[sense] for sense in lexicon.senses.get(word.lemma, ())[:1]} - {-1}
        siblings = [
            other
            for other in draw.sample(sorted(lexicon.senses), 3000)
            if kinds
            and other != word.lemma
            and lexicon.parents[lexicon.senses[other][0]] in kinds
            and not lexicon.are_synonyms(other, word.lemma)
        ]
        choice = opposites if opposites and draw.random() < 0.6 else siblings
        if choice:
            return text[: word.start] + draw.choice(choice) + text[word.end :]
    return None


def _task(text: str, draw: random.Random) -> str | None:
    return draw.choice(TASKS).format(text)


def _exchange(text: str, draw: random.Random) -> str | None:
    """Two names or numbers change places."""
    words = [word for word in read(text).words if word.kind in ("name", "number", "unit", "code")]
    if len({word.lemma for word in words}) < 2:
        return None
    first, second = sorted(draw.sample(words, 2), key=lambda word: word.start)
    if first.lemma == second.lemma or first.kind != second.kind or first.end > second.start:
        return None
    one, other = text[first.start : first.end], text[second.start : second.end]
    between = text[first.end : second.start]
    if re.fullmatch(r"\s*(?:,|and|or|&|vs\.?|versus|with)?\s*", between):
        return None
    return text[: first.start] + other + between + one + text[second.end :]


EDITS: list[tuple[str, Callable[[str, random.Random], str | None]]] = [
    ("number", _number), ("unit", _unit), ("date", _date), ("entity", _name), ("swap", _swap), ("swap", _swap),
    ("relative", _relative), ("relative", _relative), ("task", _task), ("direction", _exchange),
]  # fmt: skip


def made_pairs(groups: Sequence[Group], seed: int, rounds: int) -> Iterator[Pair]:
    """For each group and round up to nine pairs that no person wrote; for training alone.

    A group without paraphrases, near repeats or traps has fewer: those that need none.
    """
    for group in groups:
        draw = random.Random(f"{group.name} {seed}")  # noqa: S311 - chance, not a secret
        for _ in range(rounds):
            paraphrase = draw.choice(group.paraphrases) if group.paraphrases else None
            trap = draw.choice(group.traps) if group.traps else None
            for text in (group.question, paraphrase, None if trap is None else trap.text):
                if text is not None:
                    yield Pair(group, text, noisy(text, draw), True, NEAR_REPEAT, "made")
            if paraphrase is not None:
                yield Pair(group, group.question, noisy(paraphrase, draw), True, PARAPHRASE, "made")
            if trap is not None:
                yield Pair(group, group.question, noisy(trap.text, draw), False, trap.kind, "made")
            yield from _edited_pairs(group, paraphrase, draw)


def _edited_pairs(group: Group, paraphrase: str | None, draw: random.Random) -> Iterator[Pair]:
    """The question, and what asks the same, with one thing changed."""
    sources = [(group.question, group.question)]  # what is changed, and what it is put beside
    if group.same:
        sources.append((draw.choice(group.same), group.question))
    if paraphrase is not None:
        sources += [(draw.choice(group.paraphrases), group.question), (paraphrase, paraphrase)]
    for text, beside in sources:
        made = edited(text, draw)
        if made:
            changed, kind = made
            yield Pair(group, beside, noisy(changed, draw) if draw.random() < 0.4 else changed, False, kind, "made")
