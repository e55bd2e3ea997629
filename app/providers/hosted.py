"""What every hosted model has in common: it cannot tokenize, and a ping of it costs nothing."""

from dataclasses import dataclass
from typing import Any

from app.errors import InvalidRequest


@dataclass(slots=True)
class Health:
    """What is known of a provider without asking it."""

    is_up: bool = True
    """Whether the last request reached it and did not end in an error of its own."""


class HostedModel:
    """The half of a ModelPort that is the same for all."""

    def __init__(self, health: Health, max_output_tokens: int) -> None:
        self._health = health
        self._max_output_tokens = max_output_tokens

    async def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        """Raises InvalidRequest: no provider tells tokens in vLLM's way."""
        raise InvalidRequest("this model is hosted; it cannot tokenize here", param="model")

    async def ping(self) -> bool:
        """The last known state. Never a request: those are paid for."""
        return self._health.is_up
