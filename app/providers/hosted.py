"""What every hosted model has in common: it cannot tokenize, and a ping of it costs nothing."""

from dataclasses import dataclass
from typing import Any

from app.errors import NotForThisTarget

SAMPLING = frozenset({"temperature", "top_p", "top_k"})


@dataclass(slots=True)
class Health:
    """What is known of a provider without asking it."""

    is_up: bool = True
    """Whether the last request reached it and did not end in an error of its own."""


class HostedModel:
    """The half of a ModelPort that is the same for all."""

    def __init__(self, health: Health, max_output_tokens: int, *, sampling: bool = True) -> None:
        """`sampling`: whether it takes the fields of `SAMPLING`."""
        self._health = health
        self._max_output_tokens = max_output_tokens
        self._sampling = sampling

    async def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        """Raises NotForThisTarget: no provider tells tokens in vLLM's way."""
        raise NotForThisTarget("this model is hosted; it cannot tokenize here", param="model")

    async def ping(self) -> bool:
        """The last known state. Never a request: those are paid for."""
        return self._health.is_up

    def _accepted(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body without what this model refuses."""
        if self._sampling:
            return body
        return {name: value for name, value in body.items() if name not in SAMPLING}
