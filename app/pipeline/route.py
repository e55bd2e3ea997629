"""Router: from the name in a request to a model and what is done around it."""

from dataclasses import dataclass
from typing import Any

from app.config import ModelConfig, StackConfig
from app.errors import ModelNotFound
from app.wire.extension import RetrievalRequest


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Effective retrieval settings of one request."""

    top_k: int
    min_score: float


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes."""

    requested: str
    model: ModelConfig
    adapter: str | None  # LoRA adapter
    retrieval: Retrieval | None
    prompt: str | None

    @property
    def engine_model(self) -> str:
        """The name the engine knows."""
        return f"{self.model.id}:{self.adapter}" if self.adapter else self.model.id


class Router:
    """Resolves models, aliases and adapters."""

    def __init__(self, config: StackConfig) -> None:
        self._config = config
        self._models = {model.id: model for model in config.models}

    def route(self, name: str, wish: RetrievalRequest | None = None) -> Route:
        """Raises ModelNotFound."""
        alias = self._config.aliases.get(name)
        base, colon, adapter = (alias.candidates[0].model if alias else name).partition(":")
        model = self._models.get(base)
        if model is None or (colon and (not adapter or model.lora is None)):
            raise ModelNotFound(
                f"The model {name!r} does not exist or does not generate text; GET /v1/models lists what does.",
                param="model",
            )
        return Route(
            requested=name,
            model=model,
            adapter=adapter or None,
            retrieval=self._retrieval(wish, bool(alias and alias.retrieval)),
            prompt=alias.prompt if alias else None,
        )

    def listing(self) -> list[dict[str, Any]]:
        """`GET /v1/models`: what can be asked for, in OpenAI's form."""
        cards = [self._card(model.id, "model", model.id, retrieval=False) for model in self._config.models]
        cards += [
            self._card(name, "alias", alias.candidates[0].model, retrieval=alias.retrieval)
            for name, alias in self._config.aliases.items()
        ]
        embedder = self._config.embedder.id
        return [*cards, self._card(embedder, "embedder", embedder, retrieval=False)]

    def _retrieval(self, wish: RetrievalRequest | None, default: bool) -> Retrieval | None:
        if not (wish.enabled if wish is not None else default):
            return None
        settings = self._config.retrieval
        return Retrieval(
            top_k=wish.top_k if wish and wish.top_k is not None else settings.top_k,
            min_score=wish.min_score if wish and wish.min_score is not None else settings.min_score,
        )

    @staticmethod
    def _card(name: str, kind: str, model: str, *, retrieval: bool) -> dict[str, Any]:
        return {
            "id": name,
            "object": "model",
            # OpenAI's clients expect a number; a configuration has no date.
            "created": 0,
            "owned_by": "sextant",
            "sextant": {"kind": kind, "model": model, "retrieval": retrieval},
        }
