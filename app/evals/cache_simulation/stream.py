"""A stream of questions with known intents, drawn from groups of near repeats, paraphrases and traps."""

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from app.evals.cache_judge.groups import Group

ZIPF = 0.9  # popularity of the rank-th group: rank^-ZIPF
TRAPS = 0.35  # share of requests that ask a neighbour of the group's question
SINGLES = 0.05  # share of requests that nobody asks again
SURFACE = 0.5  # share of the others whose surface is changed once more
OPENINGS = ("hi, ", "hello! ", "hey ", "please: ", "quick question: ", "so ", "um, ")
CLOSINGS = (" please", " thanks", "??", " thank you!", " - any idea?", "...", " :)")
SINGLE = (
    "What does error {code} on my {thing} mean?",
    "Where is order {code} of the {thing}?",
    "{thing} {code} manual",
)
THINGS = "printer router dishwasher bicycle camera drone kettle laptop monitor scanner sewing machine".split()


@dataclass(frozen=True, slots=True)
class Request:
    text: str
    intent: str


def endless(groups: Sequence[Group], random: Random) -> Iterator[Request]:
    """Requests without end; the same `random` gives the same ones."""
    ranked = random.sample(groups, len(groups))
    weights = [rank**-ZIPF for rank in range(1, len(ranked) + 1)]
    while True:
        if random.random() < SINGLES:
            text = random.choice(SINGLE).format(code=_code(random), thing=random.choice(THINGS))
            yield Request(text, text)
            continue
        group = random.choices(ranked, weights)[0]
        traps = _traps(group)
        if traps and random.random() < TRAPS:
            kind = random.choice(list(traps))
            text, intent = traps[kind], f"{group.name}/{kind}"
        else:
            text, intent = random.choice((group.question, *group.same)), group.name
        yield Request(_surface(text, random) if random.random() < SURFACE else text, intent)


def _traps(group: Group) -> dict[str, str]:
    """One of each kind: two of the same kind may ask the same."""
    return {trap.kind: trap.text for trap in reversed(group.traps)}


def _code(random: Random) -> str:
    return random.choice(string.ascii_uppercase) + str(random.randrange(1000, 100_000))


def _surface(text: str, random: Random) -> str:
    """A change that no answer depends on."""
    match random.randrange(4):
        case 0:
            return text.lower().rstrip("?.! ")
        case 1:
            return random.choice(OPENINGS) + text
        case 2:
            return text.rstrip("?.! ") + random.choice(CLOSINGS)
        case _:
            return _typo(text, random)


def _typo(text: str, random: Random) -> str:
    """Two letters inside a long word change places."""
    words = text.split(" ")
    long = [at for at, word in enumerate(words) if len(word) > 5 and word.isalpha() and word.islower()]
    if long:
        at = random.choice(long)
        word, i = words[at], random.randrange(1, len(words[at]) - 2)
        words[at] = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    return " ".join(words)
