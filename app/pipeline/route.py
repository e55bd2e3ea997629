"""Router: from the name in a request to the models that may answer it and what is done around them."""

from dataclasses import dataclass
from typing import Any

from app.accounts.types import Caller
from app.config import AliasConfig, StackConfig
from app.errors import PermissionDenied
from app.retrieval.search.types import Mode
from app.retrieval.types import Where
from app.routing.catalogue import Catalogue
from app.routing.target import Target
from app.wire.extension import RetrievalRequest


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Effective retrieval settings of one request."""

    top_k: int
    min_score: float
    mode: Mode = "hybrid"
    where: Where | None = None
    rerank: bool | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes. `reachable`: every model that may come to answer it, the usual one first."""

    requested: str
    alias: AliasConfig | None
    reachable: tuple[Target, ...]
    retrieval: Retrieval | None
    prompt: str | None

    @property
    def base(self) -> Target:
        """The model that answers when nothing speaks against it."""
        return self.reachable[0]

    @property
    def is_never_free(self) -> bool:
        """Whether each model that can be reached costs money."""
        return all(not target.price.is_free for target in self.reachable)


class Router:
    """Resolves models, aliases and adapters."""

    def __init__(self, config: StackConfig, catalogue: Catalogue) -> None:
        self._config = config
        self._catalogue = catalogue

    def route(self, name: str, wish: RetrievalRequest | None = None) -> Route:
        """Raises ModelNotFound."""
        alias = self._config.aliases.get(name)
        usual = [target.model for target in alias.candidates] if alias else [name]
        others = sorted(alias.mentioned.difference(usual)) if alias else []
        return Route(
            requested=name,
            alias=alias,
            reachable=tuple(self._catalogue.target(model) for model in (*usual, *others)),
            retrieval=self._retrieval(wish, bool(alias and alias.retrieval)),
            prompt=alias.prompt if alias else None,
        )

    def listing(self, caller: Caller) -> list[dict[str, Any]]:
        """`GET /v1/models`: what this caller can ask for, in OpenAI's form."""
        cards = [self._card(name, "model", name, retrieval=False) for name in self._config.model_ids]
        cards += [
            self._card(name, "alias", alias.candidates[0].model, retrieval=alias.retrieval)
            for name, alias in self._config.aliases.items()
        ]
        embedder = self._config.embedder.id
        cards.append(self._card(embedder, "embedder", embedder, retrieval=False))
        return [card for card in cards if may_use(caller, card["id"])]

    def _retrieval(self, wish: RetrievalRequest | None, default: bool) -> Retrieval | None:
        if not (wish.enabled if wish is not None else default):
            return None
        settings = self._config.retrieval
        return Retrieval(
            top_k=wish.top_k if wish and wish.top_k is not None else settings.top_k,
            min_score=wish.min_score if wish and wish.min_score is not None else settings.min_score,
            mode=wish.mode if wish else "hybrid",
            where=wish.filters.where if wish and wish.filters else None,
            rerank=wish.rerank if wish else None,
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


def may_use(caller: Caller, name: str) -> bool:
    """Whether the caller's key allows this name. A base model's adapters go with it."""
    return caller.models is None or name in caller.models or name.partition(":")[0] in caller.models


def check_allowed(caller: Caller, name: str) -> None:
    """Raises PermissionDenied."""
    if not may_use(caller, name):
        raise PermissionDenied(f"This key may not use {name!r}; GET /v1/models lists what it may.", param="model")
