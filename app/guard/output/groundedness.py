"""Sentences of an answer that the passages of its request do not bear out."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.config.policy import GroundednessSettings
from app.guard.output.sentences import sentences
from app.guard.output.support import BIAS, WEIGHTS, Held, ground, hold, support
from app.guard.types import Context, Hit
from app.retrieval.types import Vector

Embed = Callable[[Sequence[str]], Awaitable[list[Vector]]]
"""Unit vectors of texts, one each."""

RULE = "unsupported"
MAX_EMBEDDED = 256  # texts of one answer; sentences past that are judged by their words alone
TELLING = 0.2  # scores under this are no hits


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence that claims something: in which text and where. `meaning`: its highest cosine with a passage's."""

    text: int
    start: int
    end: int
    held: Held
    meaning: float = 0.0


class GroundednessRail:
    """One hit for each sentence that may lack support, scored 1 - support. Without passages there are none.

    It says how well words and meaning of a sentence are covered, not whether it follows: see docs/guard-output.md for
    what it misses.
    """

    def __init__(self, settings: GroundednessSettings, embed: Embed) -> None:
        self.version = f"groundedness-1-{zlib.crc32(repr((BIAS, WEIGHTS)).encode()):x}"
        self._embed = embed

    async def examine(self, texts: Sequence[str], context: Context) -> list[list[Hit]]:
        """The hits of each text, in its order. About 10 ms a sentence, nearly all of it for embedding."""
        if not any(context.passages):
            return [[] for _ in texts]
        hits: list[list[Hit]] = [[] for _ in texts]
        for claim in await examine_claims(texts, context, self._embed):
            score = round(1 - support(claim.held.found, claim.meaning), 3)
            if score >= TELLING:
                hits[claim.text].append(Hit(RULE, score, claim.start, claim.end))
        return hits


def groundedness(text: str, hits: Sequence[Hit], threshold: float = 0.5) -> float | None:
    """The share of an answer's claims that the passages support, 0 to 1; None for an answer that claims nothing.

    `hits`: the rail's of this text. `threshold`: the score from which a sentence counts as unsupported.
    """
    claimed = sum(sentence.claims for sentence in sentences(text))
    unsupported = sum(hit.rule == RULE and hit.score >= threshold for hit in hits)
    return round(1 - min(unsupported, claimed) / claimed, 3) if claimed else None


async def examine_claims(texts: Sequence[str], context: Context, embed: Embed) -> list[Claim]:
    """The claims of the texts, each held against the passages."""
    claims = await asyncio.to_thread(_claims, texts, context)
    waiting = [claim.held for claim in claims if not claim.held.is_decided]
    wanted = dict.fromkeys(part.text for held in waiting for part in (held.sentence, *held.nearest))
    asked = list(wanted)[:MAX_EMBEDDED]
    # Lone surrogates are no text to a tokenizer.
    plain = [text.encode(errors="replace").decode() for text in asked]
    vectors = dict(zip(asked, await embed(plain), strict=True)) if asked else {}
    return [replace(claim, meaning=_meaning(claim.held, vectors)) for claim in claims]


def _claims(texts: Sequence[str], context: Context) -> list[Claim]:
    against = ground(context.passages, context.question)
    return [
        Claim(index, each.start, each.end, hold(each.text, against))
        for index, text in enumerate(texts)
        for each in sentences(text)
        if each.claims
    ]


def _meaning(held: Held, vectors: dict[str, Vector]) -> float:
    own = vectors.get(held.sentence.text)
    if own is None:
        return held.found["words"]
    near = [float(np.dot(own, vectors[each.text])) for each in held.nearest if each.text in vectors]
    return max(near, default=0.0)
