"""Counting tokens: `/tokenize` by vLLM's name, `/v1/messages/count_tokens` by Anthropic's."""

from collections.abc import Mapping
from typing import Any

from app.pipeline.flight import Flight
from app.pipeline.ports import ModelPort
from app.pipeline.route import Router, check_allowed


class TokenizePipeline:
    """Asks a model's tokenizer. Limits on requests hold here too; it costs nothing."""

    def __init__(self, router: Router, models: Mapping[str, ModelPort]) -> None:
        self._router = router
        self._models = models

    async def answer(self, model: str, fields: dict[str, Any], flight: Flight) -> dict[str, Any]:
        """vLLM's tokenize answer. Raises SextantError; settled in any case."""
        return await flight.settled_after(self._answer(model, fields, flight))

    async def _answer(self, model: str, fields: dict[str, Any], flight: Flight) -> dict[str, Any]:
        target = self._router.route(model).base
        check_allowed(flight.caller, model)
        flight.model = target.id
        await flight.admit(model)
        with flight.timeline.stage("tokenize"):
            return await self._models[target.id].tokenize({**fields, "model": target.engine_model})
