"""Prices. Money is counted in whole nano-dollars (1e-9 USD) everywhere: integers add up exactly."""

from decimal import Decimal

from pydantic import Field

from app.config.settings import Settings

NANO_PER_USD = 1_000_000_000


def usd_text(nano: int) -> str:
    """Nano-dollars as dollars, exactly and without an exponent: `0.0000375`."""
    return f"{(Decimal(nano) / NANO_PER_USD).normalize():f}"


class PriceConfig(Settings):
    """What a model costs. Without any price it is free, and no budget ever holds its requests."""

    input_usd_per_million: float = Field(0, ge=0, le=1e6, description="USD for a million prompt tokens.")
    cached_input_usd_per_million: float | None = Field(
        None, ge=0, le=1e6, description="USD for a million prompt tokens found in a prefix cache; absent, as any other."
    )
    cache_write_usd_per_million: float | None = Field(
        None,
        ge=0,
        le=1e6,
        description="USD for a million prompt tokens written into a provider's prompt cache (Anthropic: 1.25 times the "
        "input); absent, as any other.",
    )
    cache_write_1h_usd_per_million: float | None = Field(
        None,
        ge=0,
        le=1e6,
        description="The same for those kept for an hour (Anthropic: twice the input); absent, as the other writes.",
    )
    output_usd_per_million: float = Field(0, ge=0, le=1e6, description="USD for a million generated tokens.")
    replica_usd_per_hour: float = Field(
        0,
        ge=0,
        le=1e6,
        description="USD for an hour of one replica (self-hosted), split over the requests that it works on.",
    )

    @property
    def is_free(self) -> bool:
        """Whether nothing costs anything."""
        return not (
            self.input_usd_per_million
            or self.cached_input_usd_per_million
            or self.cache_write_usd_per_million
            or self.cache_write_1h_usd_per_million
            or self.output_usd_per_million
            or self.replica_usd_per_hour
        )
