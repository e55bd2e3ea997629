"""Between nano-dollars, in which money is counted, and dollars, in which it is told.

On the wire money is a JSON number of dollars, as OpenAI's costs and LiteLLM's budgets are. Sums are made of
whole nano-dollars before; up to 4 million dollars a double tells any two of them apart.
"""

from decimal import Decimal

from app.config.money import NANO_PER_USD

# The counters are doubles: exact up to 2**53 nano-dollars.
MAX_BUDGET_USD = 9_000_000


def usd(nano: int) -> float:
    """Dollars, for JSON."""
    return nano / NANO_PER_USD


def usd_text(nano: int) -> str:
    """Dollars, exactly and without an exponent."""
    return f"{Decimal(nano).scaleb(-9):.9f}"


def nano_of(dollars: float) -> int:
    """Nano-dollars, of the decimal number that was written."""
    return round(Decimal(repr(dollars)) * NANO_PER_USD)
