"""The system prompt in an answer: its canary, or long stretches of its words.

A translated, paraphrased, or letter-by-letter leak shares no sequence of words with the prompt: of these only the
canary is found, where it was repeated as well.
"""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.config.policy import PromptLeakSettings
from app.guard.output.canary import canaries, find_canary
from app.guard.output.copied import MAX_SOURCE_WORDS, by_chance, shingles, split, stretches
from app.guard.types import Context, Hit
from app.recent import Recent

RECENT = 64  # prompts, and requests' questions with their passages; at most 1 MB each
LONG = 20_000  # characters from which a thread does it: about 10 ms
# What a prompt says in quotation marks is mostly what the model is told to say.
_QUOTED = re.compile(r"\"([^\"\n]{1,400})\"|“([^”\n]{1,400})”")


@dataclass(frozen=True, slots=True)
class _Index:
    """A prompt. `say`: what is in quotation marks."""

    words: int
    shingles: frozenset[int]
    say: frozenset[int] = frozenset()
    canaries: tuple[str, ...] = ()


class PromptLeakRail:
    """`canary` scores 1. `overlap` scores by the words copied in a row, 0 for what chance gives, 0.5 at `min_words`,
    and half of what is missing to 1 for as many more.

    What the user's question or a passage holds too, and what the prompt has in quotation marks, does not count.
    """

    # Characters of a stream that must be seen behind one before it is let go: `min_words` words and the frequent ones
    # between them take about as many.
    lookahead = 120

    def __init__(self, settings: PromptLeakSettings) -> None:
        self.version = f"prompt-leak-1-{settings.min_words}"
        self._min_words = settings.min_words
        self._prompts: Recent[_Index] = Recent(RECENT)
        self._sources: Recent[frozenset[int]] = Recent(RECENT)

    async def examine(self, texts: Sequence[str], context: Context) -> list[list[Hit]]:
        """The hits of each text. About 0.1 ms for 400 characters against a prompt that was seen lately."""
        if not context.system_prompt:
            return [[] for _ in texts]
        sizes = sum(map(len, texts)) + len(context.question) + sum(map(len, context.passages))
        if sizes + len(context.system_prompt) > LONG:
            return await asyncio.to_thread(self._examine, texts, context)
        return self._examine(texts, context)

    def _examine(self, texts: Sequence[str], context: Context) -> list[list[Hit]]:
        prompt = self._prompt(context.system_prompt)
        return [[*_canary_hits(text, prompt), *self._overlaps(text, prompt, context)] for text in texts]

    def _overlaps(self, text: str, prompt: _Index, context: Context) -> list[Hit]:
        if prompt.words < self._min_words:
            return []  # "You are a helpful assistant." is no secret
        words = split(text)
        if not any(shingle in prompt.shingles for shingle in shingles(words.words)):
            return []
        explained = (prompt.say, self._source((context.question, *context.passages)))
        chance = by_chance(len(words.words), prompt.words)
        found = stretches(words, prompt.shingles, explained)
        hits = (Hit("overlap", self._score(each.words, chance), each.start, each.end) for each in found)
        return [hit for hit in hits if hit.score > 0]

    def _score(self, words: float, chance: float) -> float:
        if words <= chance:
            return 0.0
        half = max(1.0, self._min_words - chance)
        return float(round(1 - 0.5 ** ((words - chance) / half), 3))

    def _prompt(self, text: str) -> _Index:
        key = _digest(text)
        index = self._prompts.get(key)
        if index is None:
            words = split(text, MAX_SOURCE_WORDS).words
            index = _Index(
                len(words),
                frozenset(shingles(words)),
                _shingles_of([a or b for a, b in _QUOTED.findall(text)]),
                tuple(canaries(text)[:4]),
            )
            self._prompts.put(key, index)
        return index

    def _source(self, texts: tuple[str, ...]) -> frozenset[int]:
        """Shingles of the question and the passages."""
        key = _digest("\0".join(texts))
        known = self._sources.get(key)
        if known is None:
            known = _shingles_of(texts)
            self._sources.put(key, known)
        return known


def _shingles_of(texts: Sequence[str]) -> frozenset[int]:
    return frozenset(shingle for each in texts for shingle in shingles(split(each, MAX_SOURCE_WORDS).words))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _canary_hits(text: str, prompt: _Index) -> list[Hit]:
    found = (find_canary(text, canary) for canary in prompt.canaries)
    return [Hit("canary", 1.0, *span) for span in found if span]
