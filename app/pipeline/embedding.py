"""Texts that a request has embedded on its way: held, made, counted and billed as on `/v1/embeddings`."""

import asyncio
from collections.abc import Sequence

from app.config import EmbedderConfig
from app.ledger.pricing import cost_nano, estimate_tokens, prompt_bound, worst_case
from app.pipeline.billing import Bill
from app.pipeline.flight import Flight
from app.pipeline.ports import EmbedPort
from app.retrieval.types import Vector
from app.routing.target import Target
from app.telemetry.events import Usage


class BilledEmbedder:
    """The embedder, for requests whose only cost it is."""

    def __init__(self, config: EmbedderConfig, embedder: EmbedPort) -> None:
        self._config = config
        self._embedder = embedder
        self._target = Target(config.id, config.id, "local", config.price)

    async def embed(self, texts: Sequence[str], flight: Flight, *, with_vectors: bool = True) -> list[Vector]:
        """A unit vector for each text; without `with_vectors` the texts are only counted and billed.

        Raises BudgetExceeded, RateLimited, Unavailable.
        """
        bound = prompt_bound({"prompt": list(texts)})
        estimated = sum(map(estimate_tokens, texts))
        await flight.hold(self._target, estimated, worst_case(self._config.price, bound, 0, 0, 0))
        with flight.timeline.stage("embed"):
            counted, vectors = await asyncio.gather(
                self._embedder.count_tokens(texts), self._embedder.embed(texts) if with_vectors else _none()
            )
        tokens = sum(counted)
        flight.transcript.usage = Usage(prompt_tokens=tokens)
        bill = Bill(flight.transcript.usage, cost_nano(self._config.price, tokens, 0, 0, 0.0), estimated=False)
        flight.billing = lambda: (self._target, bill)
        return vectors


async def _none() -> list[Vector]:
    return []
