"""`POST /v1/embeddings`: served by the embedder that retrieval uses."""

from typing import Any

import numpy as np

from app.config import EmbedderConfig
from app.errors import InvalidRequest, ModelNotFound
from app.ledger.pricing import cost_nano, estimate_tokens, prompt_bound, worst_case
from app.pipeline.billing import Bill
from app.pipeline.flight import Flight
from app.pipeline.ports import EmbedPort
from app.pipeline.route import check_allowed
from app.routing.target import Target
from app.telemetry.events import Usage
from app.wire.embeddings import EmbeddingRequest, embedding_answer


class EmbeddingPipeline:
    """Answers embedding requests. Nothing is kept, and the texts leave no trace."""

    def __init__(self, config: EmbedderConfig, embedder: EmbedPort) -> None:
        self._config = config
        self._embedder = embedder
        self._target = Target(config.id, config.id, "local", config.price)

    async def answer(self, request: EmbeddingRequest, flight: Flight) -> dict[str, Any]:
        """OpenAI's answer. Raises SextantError; settled in any case."""
        return await flight.settled_after(self._answer(request, flight))

    async def _answer(self, request: EmbeddingRequest, flight: Flight) -> dict[str, Any]:
        if request.model != self._config.id:
            raise ModelNotFound(
                f"The model {request.model!r} does not exist or does not embed; use {self._config.id!r}.",
                param="model",
            )
        check_allowed(flight.caller, request.model)
        # Not before: a name that is none may be any text, and the trace would keep it.
        flight.model = self._config.id
        await flight.admit(request.model)
        if len(request.inputs) > self._config.max_inputs:
            raise InvalidRequest(f"'input': at most {self._config.max_inputs} texts a request.", param="input")
        bound = prompt_bound({"prompt": request.inputs})
        estimated = sum(map(estimate_tokens, request.inputs))
        await flight.hold(self._target, estimated, worst_case(self._config.price, bound, 0, 0, 0))
        with flight.timeline.stage("embed"):
            vectors = np.stack(await self._embedder.embed(request.inputs))
            tokens = sum(await self._embedder.count_tokens(request.inputs))
        flight.transcript.usage = Usage(prompt_tokens=tokens)
        bill = Bill(flight.transcript.usage, cost_nano(self._config.price, tokens, 0, 0, 0.0), estimated=False)
        flight.billing = lambda: (self._target, bill)
        if request.dimensions is not None and request.dimensions != vectors.shape[1]:
            raise InvalidRequest(
                f"'dimensions': {self._config.id} has {vectors.shape[1]} and cannot be shortened.",
                param="dimensions",
            )
        return embedding_answer(vectors, tokens, self._config.id, request.encoding_format)
