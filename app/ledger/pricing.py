"""What a request costs, and bounds of what it may cost before anybody knows.

Exact: prices become whole numbers over a common denominator once, and a cost is rounded up to a whole
nano-dollar once, at its end. The same usage never costs more by being counted in another order.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import orjson

from app.config.money import NANO_PER_USD, PriceConfig

# A template's own tokens: roles, separators, the start of the answer, a default system prompt or tool preamble.
TOKENS_PER_MESSAGE = 16
TOKENS_PER_ARGUMENT = 16  # tags around the name and the value, where a template writes arguments one by one
TOKENS_PER_REQUEST = 512
BYTES_PER_TOKEN = 4  # English prose; other scripts have more bytes to a character and fewer characters to a token
NS_PER_S = 1_000_000_000
ASCII = bytes(range(128))


@dataclass(frozen=True, slots=True)
class _Rates:
    """Nano-dollars for a token, or for a nanosecond of a replica, over `denominator`."""

    prompt: int
    cached: int
    written: int
    written_1h: int
    completion: int
    replica_ns: int
    denominator: int


@lru_cache(maxsize=1024)
def _rates(price: PriceConfig) -> _Rates:
    input_usd, cached_usd = price.input_usd_per_million, price.cached_input_usd_per_million
    written_usd, written_1h_usd = price.cache_write_usd_per_million, price.cache_write_1h_usd_per_million
    written_usd = input_usd if written_usd is None else written_usd
    per_million = (
        input_usd,
        input_usd if cached_usd is None else cached_usd,
        written_usd,
        written_usd if written_1h_usd is None else written_1h_usd,
        price.output_usd_per_million,
    )
    # `str` gives the decimal that stands in the configuration: 0.1 is a tenth, not the nearest double.
    tokens = [Fraction(str(usd)) * NANO_PER_USD / 1_000_000 for usd in per_million]
    replica_ns = Fraction(str(price.replica_usd_per_hour)) * NANO_PER_USD / (3600 * NS_PER_S)
    denominator = math.lcm(*(rate.denominator for rate in (*tokens, replica_ns)))
    prompt, cached, written, written_1h, completion, replica = (
        int(rate * denominator) for rate in (*tokens, replica_ns)
    )
    return _Rates(prompt, cached, written, written_1h, completion, replica, denominator)


def cost_nano(
    price: PriceConfig,
    prompt_tokens: int,
    cached_tokens: int,
    completion_tokens: int,
    replica_seconds: float = 0,
    *,
    written_tokens: int = 0,
    written_1h_tokens: int = 0,
) -> int:
    """Nano-dollars, rounded up; seconds count to the nanosecond.

    `cached_tokens` and `written_tokens` are two parts of `prompt_tokens`, `written_1h_tokens` one of the latter.
    """
    rates = _rates(price)
    cached_tokens = min(cached_tokens, prompt_tokens)
    written_tokens = min(written_tokens, prompt_tokens - cached_tokens)
    written_1h_tokens = min(written_1h_tokens, written_tokens)
    total = (
        (prompt_tokens - cached_tokens - written_tokens) * rates.prompt
        + cached_tokens * rates.cached
        + (written_tokens - written_1h_tokens) * rates.written
        + written_1h_tokens * rates.written_1h
        + completion_tokens * rates.completion
    )
    if rates.replica_ns:
        total += math.ceil(Fraction(replica_seconds) * NS_PER_S) * rates.replica_ns
    return -(-total // rates.denominator)


def worst_case(
    price: PriceConfig, prompt_bound: int, max_output: int, n: int, timeout_s: float, *, for_an_hour: bool = False
) -> int:
    """The most that a request can cost: its whole prompt at the dearest price, `n` answers of `max_output` tokens,
    and a replica to itself until `timeout_s`.

    A provider may write any prompt into its cache, unasked; for an hour only one that asks for it.
    """
    rates = _rates(price)
    dearest = max(rates.prompt, rates.cached, rates.written, rates.written_1h if for_an_hour else 0)
    hour = for_an_hour and rates.written_1h == dearest
    return cost_nano(
        price,
        prompt_bound,
        prompt_bound if rates.cached == dearest and not hour else 0,
        max_output * n,
        timeout_s,
        written_tokens=prompt_bound if hour or rates.written == dearest else 0,
        written_1h_tokens=prompt_bound if hour else 0,
    )


def prompt_bound(body: Mapping[str, Any]) -> int:
    """An upper bound of the prompt's tokens, for any tokenizer.

    A token stands for one byte of the text at least (byte-level BPE, or SentencePiece with byte fallback), so there
    are no more tokens than UTF-8 bytes. JSON holds each byte of the text, and more. Templates may write tools and
    schemas indented and in ASCII, so they are measured that way. Arguments of tool calls are either given as they are
    or written anew from their value (vLLM), whichever is longer. What a template adds by itself is bounded by a
    constant for each message and for the request. Texts only: an image's tokens have nothing to do with its bytes.
    """
    messages = body.get("messages") or ()
    texts = [body[name] for name in ("messages", "prompt", "input", "system") if body.get(name) is not None]
    size = len(orjson.dumps(texts))
    for name in ("tools", "response_format", "tool_choice"):
        if body.get(name) is not None:
            size += _indented_bound(body[name])
    for source in _arguments(messages):
        size += max(0, _rewritten_bound(source) - len(orjson.dumps(source)))
    return size + TOKENS_PER_MESSAGE * len(messages) + TOKENS_PER_REQUEST


def _arguments(messages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for message in messages:
        for call in message.get("tool_calls") or ():
            if source := (call.get("function") or {}).get("arguments"):
                yield source


def _rewritten_bound(source: str) -> int:
    """An upper bound of a tool call's arguments as a template writes them from their value: `1e15,1` becomes
    `1000000000000000.0, 1`. In ASCII, the longest way. 0 for what has no value: vLLM takes it for `{}`.
    """
    try:
        value = json.loads(source)
        return len(json.dumps(value)) + TOKENS_PER_ARGUMENT * len(value) if isinstance(value, dict) else 0
    except (ValueError, RecursionError):
        return 0


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
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)
