"""A transformer classifier in the place of the shipped one: Llama Prompt Guard 2, DeBERTa and their like."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.guard.injection.characters import clean
from app.guard.injection.classifier import View, views_of
from app.guard.rail import RailMissing
from app.guard.types import Hit

# What models call an attack. Llama Prompt Guard 2 has no names: LABEL_1 is malicious.
_ATTACK = frozenset(
    "malicious injection jailbreak attack unsafe prompt_injection prompt-injection label_1 1 true".split()
)
_HARMLESS = frozenset("benign safe legit legitimate label_0 0 false no_injection harmless".split())
_BATCH = 16
_MOST_TOKENS = 512


class TransformerRail:
    """Scores the views of a text (windows, what is encoded, what is hidden) by a sequence classifier.

    Its score is the model's: the probability of all labels that mean an attack. Thread-safe.
    """

    def __init__(self, model: str) -> None:
        """`model`: a directory or a hub id. Raises RailMissing, with what to do, when it cannot be loaded."""
        try:
            import torch
            from transformers import AutoModelForSequenceClassification, AutoTokenizer
        except ImportError:
            raise RailMissing(
                "the rail `injection` with `model` needs transformers and torch; install the extra `transformers`"
            ) from None
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(model)
            self._model: Any = AutoModelForSequenceClassification.from_pretrained(model).eval()
        except (OSError, ValueError) as error:
            raise RailMissing(
                f"no classifier could be loaded from {model!r} ({type(error).__name__}); give a directory or a "
                "hub id, and set HF_TOKEN for a gated model"
            ) from error
        self._torch = torch
        self._attacks = attack_labels(self._model.config.id2label, model)
        self._most = min(_MOST_TOKENS, int(getattr(self._model.config, "max_position_embeddings", _MOST_TOKENS)))
        self.version = _revision(model, self._model)

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        """For each text its hits, the surest first."""
        cleaned = [clean(text) for text in texts]
        views = [views_of(one) for one in cleaned]
        scores = iter(self._scores([view.text for some in views for view in some]))
        found = []
        for one, some in zip(cleaned, views, strict=True):
            hits = [Hit(_rule(view), next(scores), *one.span(view.start, view.end)) for view in some]
            found.append(sorted(hits, key=lambda hit: -hit.score)[:8])
        return found

    def _scores(self, texts: Sequence[str]) -> list[float]:
        scores: list[float] = []
        for at in range(0, len(texts), _BATCH):
            batch = [text.encode(errors="replace").decode() for text in texts[at : at + _BATCH]]
            inputs = self._tokenizer(batch, return_tensors="pt", padding=True, truncation=True, max_length=self._most)
            with self._torch.inference_mode():
                logits = self._model(**inputs).logits.float()
            if logits.shape[1] == 1:
                probability = logits.sigmoid()[:, 0]
            else:
                probability = logits.softmax(dim=-1)[:, self._attacks].sum(dim=-1)
            scores += [round(float(one), 4) for one in probability]
        return scores


def attack_labels(labels: dict[int, str], model: str) -> list[int]:
    """The labels that mean an attack: those that say so, else those that do not say they are harmless. Raises
    RailMissing when that is not to be told."""
    named = {int(number): name.lower().replace(" ", "_") for number, name in labels.items()}
    if len(named) == 1:
        return list(named)
    attacks = [number for number, name in named.items() if name in _ATTACK]
    if attacks:
        return attacks
    harmless = [number for number, name in named.items() if name in _HARMLESS]
    if harmless and len(harmless) < len(named):
        return [number for number in named if number not in harmless]
    raise RailMissing(f"the labels of {model!r} do not say which means an attack: {', '.join(labels.values())}")


def _rule(view: View) -> str:
    return {"plain": "classifier", "encoded": "encoded", "hidden": "hidden_instruction"}[view.kind]


def _revision(model: str, loaded: Any) -> str:
    """Of the weights where they are files here, else of the hub's commit."""
    digest = hashlib.blake2b(model.encode(), digest_size=8)
    directory = Path(model)
    if directory.is_dir():
        for path in sorted(directory.glob("*")):
            if path.suffix in (".safetensors", ".bin", ".json"):
                digest.update(f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}".encode())
    digest.update(str(getattr(loaded.config, "_commit_hash", "")).encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()
