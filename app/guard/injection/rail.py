"""The rail for prompt injection and jailbreaks: rules, then a classifier, over what a text says once it is legible."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from app.config.policy import InjectionSettings
from app.guard.injection.characters import clean, smuggled
from app.guard.injection.classifier import Classifier, probability, views_of
from app.guard.injection.model import MODEL_FILE, InjectionModel
from app.guard.injection.rules import SCORE, Rules
from app.guard.rail import RailMissing, TextRail
from app.guard.types import Hit
from app.retrieval.embedder import Embedder

MOST_HITS = 8  # of one text
_RULES = {"plain": "classifier", "encoded": "encoded", "hidden": "hidden_instruction"}


class InjectionRail:
    """The shipped rail. Thread-safe."""

    def __init__(self, embedder: Embedder, model: Path = MODEL_FILE) -> None:
        """Raises RailMissing when the model is not there."""
        try:
            self._classifier = Classifier(InjectionModel.load(model), embedder)
        except FileNotFoundError:
            raise RailMissing(
                f"no injection classifier in {model}; train it with `python -m jobs.train_guard`"
            ) from None
        self._rules = Rules()
        self.version = _revision(model)

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        """For each text its hits, the surest first: at least one, whatever its score, where the text is not empty."""
        return [self._found(text) for text in texts]

    def _found(self, text: str) -> list[Hit]:
        cleaned = clean(text)
        views = views_of(cleaned)
        hits = [Hit("hidden_characters", SCORE, 0, len(text))] if smuggled(text) else []
        for view in views:
            for match in self._rules.find(view.text):
                start, end = (match.start, match.end) if view.is_literal else (0, view.end - view.start)
                hits.append(Hit(match.rule, SCORE, *cleaned.span(view.start + start, view.start + end)))
        if not hits and self._rules.is_squeezed(cleaned.text):
            hits.append(Hit("override", SCORE, 0, len(text)))
        for one in self._classifier.score(views)[:MOST_HITS]:
            hits.append(Hit(_RULES[one.kind], round(probability(one.logit), 4), *cleaned.span(one.start, one.end)))
        return sorted(hits, key=lambda hit: -hit.score)[:MOST_HITS]


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
