"""What a request costs, and bounds of what it may cost before anybody knows.

Exact: prices become whole numbers over a common denominator once, and a cost is rounded up to a whole
nano-dollar once, at its end. The same usage never costs more by being counted in another order.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import orjson

from app.config.money import NANO_PER_USD, PriceConfig

# A template's own tokens: roles, separators, the start of the answer, a default system prompt or tool preamble.
TOKENS_PER_MESSAGE = 16
TOKENS_PER_REQUEST = 512
BYTES_PER_TOKEN = 4  # English prose; other scripts have more bytes to a character and fewer characters to a token
NS_PER_S = 1_000_000_000
ASCII = bytes(range(128))


@dataclass(frozen=True, slots=True)
class _Rates:
    """Nano-dollars for a token, or for a nanosecond of a replica, over `denominator`."""

    prompt: int
    cached: int
    completion: int
    replica_ns: int
    denominator: int


@lru_cache(maxsize=1024)
def _rates(price: PriceConfig) -> _Rates:
    cached_usd = price.cached_input_usd_per_million
    per_million = (
        price.input_usd_per_million,
        price.input_usd_per_million if cached_usd is None else cached_usd,
        price.output_usd_per_million,
    )
    # `str` gives the decimal that stands in the configuration: 0.1 is a tenth, not the nearest double.
    tokens = [Fraction(str(usd)) * NANO_PER_USD / 1_000_000 for usd in per_million]
    replica_ns = Fraction(str(price.replica_usd_per_hour)) * NANO_PER_USD / (3600 * NS_PER_S)
    denominator = math.lcm(*(rate.denominator for rate in (*tokens, replica_ns)))
    prompt, cached, completion, replica = (int(rate * denominator) for rate in (*tokens, replica_ns))
    return _Rates(prompt, cached, completion, replica, denominator)


def cost_nano(
    price: PriceConfig,
    prompt_tokens: int,
    cached_tokens: int,
    completion_tokens: int,
    replica_seconds: float = 0,
) -> int:
    """Nano-dollars, rounded up. `cached_tokens` are a part of `prompt_tokens`; seconds count to the nanosecond."""
    rates = _rates(price)
    cached_tokens = min(cached_tokens, prompt_tokens)
    total = (
        (prompt_tokens - cached_tokens) * rates.prompt
        + cached_tokens * rates.cached
        + completion_tokens * rates.completion
    )
    if rates.replica_ns:
        total += math.ceil(Fraction(replica_seconds) * NS_PER_S) * rates.replica_ns
    return -(-total // rates.denominator)


def worst_case(price: PriceConfig, prompt_bound: int, max_output: int, n: int, timeout_s: float) -> int:
    """The most that a request can cost: its whole prompt at the dearer price, `n` answers of `max_output` tokens,
    and a replica to itself until `timeout_s`."""
    cached_tokens = prompt_bound if _rates(price).cached > _rates(price).prompt else 0
    return cost_nano(price, prompt_bound, cached_tokens, max_output * n, timeout_s)


def prompt_bound(body: Mapping[str, Any]) -> int:
    """An upper bound of the prompt's tokens, for any tokenizer.

    A token stands for one byte of the text at least (byte-level BPE, or SentencePiece with byte fallback), so there
    are no more tokens than UTF-8 bytes. JSON holds each byte of the text, and more. Templates may write tools and
    schemas indented and in ASCII, so they are measured that way. What a template adds by itself is bounded by a
    constant for each message and for the request. Texts only: an image's tokens have nothing to do with its bytes.
    """
    messages = body.get("messages") or ()
    texts = [body[name] for name in ("messages", "prompt", "input", "system") if body.get(name) is not None]
    size = len(orjson.dumps(texts))
    for name in ("tools", "response_format", "tool_choice"):
        if body.get(name) is not None:
            size += _indented_bound(body[name])
    return size + TOKENS_PER_MESSAGE * len(messages) + TOKENS_PER_REQUEST


def _indented_bound(value: Any) -> int:
    """An upper bound of `len(json.dumps(value, indent=4))`, which itself would hold the event loop up for seconds.

    Doubling what an indent of 2 adds makes one of 4, and leaves a byte over for each line: a number is no more than
    that longer (`1e16`, `1e+16`). Where orjson writes a character of 2, 3 or 4 bytes, `json` writes 6, 6 or 12, no
    more than three times that; and DEL, one byte, becomes 6.
    """
    compact, indented = orjson.dumps(value), orjson.dumps(value, option=orjson.OPT_INDENT_2)
    escapes = 2 * len(compact.translate(None, ASCII)) + 5 * compact.count(b"\x7f")
    return 2 * len(indented) - len(compact) + escapes


def estimate_tokens(text: str) -> int:
    """About how many tokens a text is, for a stream that was cut off before its model counted them."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)
