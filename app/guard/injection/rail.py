"""The rail for prompt injection and jailbreaks: rules, then a classifier, over what a text says once it is legible."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.config.policy import InjectionSettings
from app.guard.injection.characters import clean, smuggled
from app.guard.injection.classifier import Classifier, Reading, probability, read_on, together, views_of
from app.guard.injection.encoder import Encoder, Unfit
from app.guard.injection.model import MODEL_FILE, PROBE, InjectionModel
from app.guard.injection.rules import SCORE, Rules
from app.guard.rail import Examination, RailMissing, TextRail
from app.guard.types import Hit
from app.retrieval.embedder import Embedder

MOST_HITS = 8  # of one text
PROBE_COSINE = 0.97
_RULES = {"plain": "classifier", "encoded": "encoded", "hidden": "hidden_instruction"}


class InjectionRail:
    """The shipped rail. Thread-safe."""

    def __init__(self, embedder: Embedder, model: Path = MODEL_FILE) -> None:
        """`embedder`: the embedding model, whose files the tuned layers are put into. Raises RailMissing when the model
        is not there, or does not fit to the embedding model."""
        if not model.is_file():
            raise RailMissing(f"no injection classifier in {model}; train it with `python -m jobs.train_guard`")
        weights = InjectionModel.load(model)
        self._encoder = open_encoder(embedder.directory, weights)
        self._classifier = Classifier(weights)
        self._rules = Rules()
        self.version = _revision(model)

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        """For each text its hits, the surest first: at least one, whatever its score, where the text is not empty."""
        found = self.begin(texts)
        return found() if callable(found) else found

    def begin(self, texts: Sequence[str]) -> Examination:
        """As far as goes without the encoder, which holds no interpreter: the rest is for another thread."""
        reading = together([self._reading(text) for text in texts])
        try:
            asked = next(reading)
        except StopIteration as ended:
            found: list[list[Hit]] = ended.value
            return found
        return functools.partial(read_on, reading, asked, self._encoder.tokens_of)

    def _reading(self, text: str) -> Reading[list[Hit]]:
        cleaned = clean(text)
        views = views_of(cleaned)
        hits = [Hit("hidden_characters", SCORE, 0, len(text))] if smuggled(text) else []
        matches = {number: found for number, view in enumerate(views) if (found := self._rules.find(view.text))}
        scored = yield from self._classifier.score(views, matches)
        logits = {one.view: one.logit for one in scored}
        for number, found in matches.items():
            view = views[number]
            for match in found:
                start, end = (match.start, match.end) if view.is_literal else (0, view.end - view.start)
                known = number in logits
                score = round(probability(self._classifier.with_rule(logits[number])), 4) if known else SCORE
                hits.append(Hit(match.rule, score, *cleaned.span(view.start + start, view.start + end)))
        if not hits and self._rules.is_squeezed(cleaned.text):
            hits.append(Hit("override", SCORE, 0, len(text)))
        for one in scored[:MOST_HITS]:
            hits.append(Hit(_RULES[one.kind], round(probability(one.logit), 4), *cleaned.span(one.start, one.end)))
        return sorted(hits, key=lambda hit: -hit.score)[:MOST_HITS]


def open_encoder(directory: Path, model: InjectionModel) -> Encoder:
    """The embedding model with the tuned layers in it. Raises RailMissing, with what to do, where they do not fit."""
    todo = (
        "fetch all-MiniLM-L6-v2 anew with `make setup` (or `python -m jobs.fetch_models`) after its directory was "
        "removed, or train the classifier for this one with `python -m jobs.train_guard`"
    )
    try:
        encoder = Encoder(directory, model.layers)
    except FileNotFoundError as error:
        raise RailMissing(f"{error}; fetch the embedding model with `make setup`") from None
    except Unfit as error:
        raise RailMissing(f"the embedding model in {directory} is not the classifier's: {error}; {todo}") from None
    if not is_probe(model.probe, encoder):
        raise RailMissing(f"the embedding model in {directory} has other lower layers than the classifier's; {todo}")
    return encoder


def is_probe(expected: NDArray[np.float32], encoder: Encoder) -> bool:
    """Whether an encoder gives for `PROBE` what the trained one gave: processors differ a little, models a lot."""
    found = encoder.tokens(PROBE).vectors.mean(axis=0)
    length = float(np.linalg.norm(found) * np.linalg.norm(expected))
    return found.shape == expected.shape and float(found @ expected) >= PROBE_COSINE * length


def build(settings: InjectionSettings, embedder: Callable[[], Embedder]) -> TextRail:
    """The shipped rail, or a transformer where `settings.model` names one. Raises RailMissing."""
    if settings.model:
        from app.guard.injection.transformer import TransformerRail

        return TransformerRail(settings.model)
    try:
        return InjectionRail(embedder())
    except FileNotFoundError as error:
        raise RailMissing(str(error)) from None


def _revision(model: Path) -> str:
    digest = hashlib.blake2b(model.read_bytes(), digest_size=8)
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()
