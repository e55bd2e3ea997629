"""Topics, told by how near a text's sentences are to examples."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.config.policy import TopicConfig, TopicSettings
from app.guard.policy_rails.spans import bounded, version_of, whole
from app.guard.policy_rails.views import View, plain
from app.guard.types import Hit

SENTENCE = 300  # characters; longer ones are cut
PASSAGE = 800  # about what the embedder reads of a text
SHORT = 30  # characters of a sentence that says too little alone, and goes with the next
_STOP = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])|\n+")
_LETTER = re.compile(r"[^\W\d_]")


class Embeds(Protocol):
    """`app.retrieval.embedder.Embedder`: unit vectors, float32, shape (len(texts), dimensions)."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class _Topic:
    """`examples`: unit vectors, float32, shape (examples, dimensions)."""

    name: str
    examples: NDArray[np.float32]
    similarity: float

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of each vector, shape (vectors,): 0.5 where its nearest example has exactly the topic's similarity, straight
        from there to 0 at a cosine of 0 and to 1 at a cosine of 1."""
        nearest = np.clip((vectors @ self.examples.T).max(axis=1).astype(np.float64), 0.0, 1.0)
        at = self.similarity
        scores: NDArray[np.float64] = np.where(nearest < at, 0.5 * nearest / at, 0.5 + 0.5 * (nearest - at) / (1 - at))
        return scores


class TopicRail:
    """Embeds every sentence, and every passage of some sentences, and compares them with every topic's examples.

    A denied topic counts as soon as one sentence is near enough. A text is off topic when none of its sentences and
    passages is near to any allowed topic: one that begins on topic and strays is told by `deny`, not by `allow`.
    """

    def __init__(self, settings: TopicSettings, embedder: Embeds) -> None:
        """Embeds the examples."""
        self._embedder = embedder
        self._most = settings.max_characters
        self._deny = self._topics(settings.deny, settings.similarity)
        self._allow = self._topics(settings.allow, settings.similarity)
        # Of the vectors themselves: another model finds something else.
        examples = b"".join(topic.examples.round(3).tobytes() for topic in (*self._deny, *self._allow))
        self.version = version_of(settings, 1, examples)

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        """Rules: a denied topic's name, with its nearest sentence as the span; `off_topic`, over all of the text, whose
        score is 1 less the best allowed topic's, so that it is over 0.5 exactly when no allowed topic has reached its
        similarity; `too_long` (1.0) over what is beyond `max_characters`. A text without letters has none of them."""
        views = [plain(text[: self._most]) for text in texts]
        parts = [[*_parts(view.text)] for view in views]
        said = [[view.text[a:b] for a, b in spans] for view, spans in zip(views, parts, strict=True)]
        rows = {one: row for row, one in enumerate(dict.fromkeys(one for of_text in said for one in of_text))}
        vectors = self._embedder.embed([*rows])
        return [
            bounded(self._judged(text, view, spans, vectors[[rows[one] for one in own]]), len(text))
            for text, view, spans, own in zip(texts, views, parts, said, strict=True)
        ]

    def _topics(self, topics: Mapping[str, TopicConfig], similarity: float) -> list[_Topic]:
        return [
            _Topic(name, self._embedder.embed([plain(e).text for e in topic.examples]), topic.similarity or similarity)
            for name, topic in topics.items()
        ]

    def _judged(
        self, text: str, view: View, spans: Sequence[tuple[int, int]], vectors: NDArray[np.float32]
    ) -> Iterator[Hit]:
        """`vectors`: float32, shape (len(spans), dimensions)."""
        if len(text) > self._most:
            yield Hit("too_long", 1.0, self._most, len(text))
        if not spans:
            return
        for topic in self._deny:
            scores = topic.scores(vectors)
            best = int(scores.argmax())
            yield Hit(topic.name, float(scores[best]), *view.span(*spans[best]))
        if self._allow:
            best_allowed = max(float(topic.scores(vectors).max()) for topic in self._allow)
            # Exactly at its similarity a text is on topic.
            score = 1.0 - best_allowed if best_allowed < 0.5 else min(1.0 - best_allowed, float(np.nextafter(0.5, 0.0)))
            yield whole("off_topic", score, text)


def _parts(text: str) -> Iterator[tuple[int, int]]:
    """Sentences, and passages of up to PASSAGE characters where they hold several; none without letters."""
    sentences = [span for span in _sentences(text) if _LETTER.search(text, *span)]
    yield from sentences
    start = first = 0
    for index, (begin, end) in enumerate(sentences):
        if index == first:
            start = begin
        following = sentences[index + 1][1] if index + 1 < len(sentences) else None
        if following is None or following - start > PASSAGE:
            if index > first:
                yield start, end
            first = index + 1


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for stop in _STOP.finditer(text):
        if stop.start() - start >= SHORT:
            yield from _cut(text, start, stop.start())
            start = stop.end()
    yield from _cut(text, start, len(text))


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > SENTENCE:
        space = text.rfind(" ", start + SENTENCE // 2, start + SENTENCE)
        middle = space if space > 0 else start + SENTENCE
        yield start, middle
        start = middle
    if start < end:
        yield start, end
