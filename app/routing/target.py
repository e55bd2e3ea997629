"""A model that can answer."""

from dataclasses import dataclass
from typing import Literal

from app.config.money import PriceConfig


@dataclass(frozen=True, slots=True)
class Target:
    """A model that can answer. `engine_model` is the name that its port knows, adapter included."""

    id: str
    engine_model: str
    provider: str  # `local`, or a name from `providers`
    price: PriceConfig
    context_window: int | None = None  # tokens
    max_output_tokens: int | None = None
    has_priorities: bool = False  # its scheduler takes `priority`

    @property
    def kind(self) -> Literal["local", "hosted"]:
        return "local" if self.provider == "local" else "hosted"
