"""Prices are exact, and bounds are bounds."""

import functools
import json
import math
import time
from decimal import Decimal, localcontext
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.config.money import PriceConfig
from app.ledger.pricing import cost_nano, estimate_tokens, prompt_bound, worst_case

usd = st.decimals(0, 1000, places=6).map(float)
count = st.integers(0, 10**9)
prices = st.builds(
    PriceConfig,
    input_usd_per_million=usd,
    cached_input_usd_per_million=st.none() | usd,
    cache_write_usd_per_million=st.none() | usd,
    cache_write_1h_usd_per_million=st.none() | usd,
    output_usd_per_million=usd,
    replica_usd_per_hour=usd,
)
seconds = st.integers(0, 10**7).map(lambda ms: ms / 1024)  # exact doubles


@given(prices, count, count, count, count, st.none() | count, seconds, st.integers(1, 8))
def test_no_write_into_a_cache_costs_more_than_the_worst_case(
    price: PriceConfig,
    prompt: int,
    cached: int,
    written: int,
    completion: int,
    hour: int | None,
    replica_seconds: float,
    n: int,
) -> None:
    bound = worst_case(price, prompt, completion, n, replica_seconds, for_an_hour=hour is not None)
    used = {"written_tokens": written, "written_1h_tokens": hour or 0}
    assert cost_nano(price, prompt, cached, completion * n, replica_seconds, **used) <= bound


def test_a_write_has_its_own_price_and_one_for_an_hour_another() -> None:
    price = PriceConfig(input_usd_per_million=4, cached_input_usd_per_million=0.4, cache_write_usd_per_million=5)
    assert cost_nano(price, 1000, 100, 0, written_tokens=300) == 600 * 4000 + 100 * 400 + 300 * 5000
    assert cost_nano(price, 1000, 100, 0, written_tokens=300, written_1h_tokens=300) == cost_nano(
        price, 1000, 100, 0, written_tokens=300
    )
    dearer = price.model_copy(update={"cache_write_1h_usd_per_million": 8.0})
    assert cost_nano(dearer, 300, 0, 0, written_tokens=300, written_1h_tokens=200) == 100 * 5000 + 200 * 8000


def test_without_prices_of_their_own_writes_cost_what_any_input_does() -> None:
    price = PriceConfig(input_usd_per_million=4)
    assert cost_nano(price, 1000, 0, 0, written_tokens=600, written_1h_tokens=300) == cost_nano(price, 1000, 0, 0)


@given(prices, count, count, count, seconds)
def test_a_cost_is_the_exact_sum_rounded_up_once(
    price: PriceConfig, prompt: int, cached: int, completion: int, replica_seconds: float
) -> None:
    cached = min(cached, prompt)
    with localcontext() as context:
        context.prec = 60
        cached_usd = price.cached_input_usd_per_million
        rates = [
            Decimal(str(rate))
            for rate in (
                price.input_usd_per_million,
                price.input_usd_per_million if cached_usd is None else cached_usd,
                price.output_usd_per_million,
                price.replica_usd_per_hour,
            )
        ]
        tokens = [prompt - cached, cached, completion]
        # In 1/3600 of a nano-dollar, so that no division is needed: a nanosecond is what seconds count to.
        total = sum((rate * number * 3_600_000 for rate, number in zip(rates, tokens, strict=False)), Decimal())
        total += rates[3] * math.ceil(Decimal(replica_seconds) * 10**9)
        expected = -(-int(total.scaleb(6)) // (3600 * 10**6))  # prices have six places
    assert cost_nano(price, prompt, cached, completion, replica_seconds) == expected


@given(prices, count, count, count, seconds, st.integers(1, 8))
def test_no_usage_within_its_bounds_costs_more_than_the_worst_case(
    price: PriceConfig, prompt: int, cached: int, completion: int, replica_seconds: float, n: int
) -> None:
    bound = worst_case(price, prompt + 1, completion, n, replica_seconds + 1)
    assert cost_nano(price, prompt, min(cached, prompt), completion * n, replica_seconds) <= bound


@given(prices, count, count)
def test_more_tokens_never_cost_less(price: PriceConfig, prompt: int, completion: int) -> None:
    assert cost_nano(price, prompt, 0, completion) <= cost_nano(price, prompt + 1, 0, completion)
    assert cost_nano(price, prompt, 0, completion) <= cost_nano(price, prompt, 0, completion + 1)


def test_prices_of_today_come_out_as_one_would_write_them_down() -> None:
    price = PriceConfig(input_usd_per_million=0.15, cached_input_usd_per_million=0.075, output_usd_per_million=0.6)
    assert cost_nano(price, 1000, 400, 200) == 600 * 150 + 400 * 75 + 200 * 600
    assert cost_nano(PriceConfig(replica_usd_per_hour=3.6), 1000, 0, 200, 0.25) == 250_000


def test_a_part_of_a_nano_dollar_is_a_whole_one() -> None:
    assert cost_nano(PriceConfig(input_usd_per_million=0.0000001), 1, 0, 0) == 1
    assert cost_nano(PriceConfig(), 10**9, 0, 10**9, 3600) == 0


@given(st.text(max_size=300), st.text(max_size=50))
def test_no_prompt_has_more_tokens_than_its_bound_even_with_a_token_for_each_byte(text: str, name: str) -> None:
    tool = {"type": "function", "function": {"name": name, "description": text, "parameters": {"type": "object"}}}
    body: dict[str, Any] = {"messages": [{"role": "user", "content": text}], "tools": [tool]}
    rendered = "<|im_start|>user\n" + text + "<|im_end|>\n" + json.dumps([tool], indent=4, ensure_ascii=False)
    assert len(rendered.encode()) <= prompt_bound(body)


def nested(inner: st.SearchStrategy[Any], depth: int) -> st.SearchStrategy[Any]:
    """Values that lie so deep."""
    return st.lists(st.booleans(), min_size=depth, max_size=depth).flatmap(
        lambda kinds: inner.map(
            lambda value: functools.reduce(lambda v, is_list: [v, 1] if is_list else {"k": v}, kinds, value)
        )
    )


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@settings(max_examples=400)
@given(values | st.integers(0, 31).flatmap(lambda depth: nested(leaves, depth)))
@example("\x7f" * 50)
@example([1e16, 1e-7, {"a": 1.5e300, "b": [-1e-300] * 9}])
@example("é" * 50)
@example("日" * 50)
@example("😀" * 50)
@example('\x00\n"\\' * 50)
def test_a_schema_written_with_an_indent_of_4_is_within_its_bound(value: Any) -> None:
    written = len(json.dumps(value, indent=4).encode())
    assert written <= prompt_bound({"tools": [value]}) - prompt_bound({})
    assert len(json.dumps(value, indent=4, ensure_ascii=False).encode()) <= prompt_bound(
        {"tools": [value]}
    ) - prompt_bound({})


def test_the_bound_of_a_nested_schema_of_a_megabyte_does_not_hold_the_loop_up() -> None:
    schema: Any = {"type": "string"}
    for _ in range(14):
        schema = {"a": schema, "b": schema}
    assert len(orjson.dumps(schema)) > 300_000
    began = time.process_time()
    prompt_bound({"tools": [schema]})
    bound_s = time.process_time() - began
    began = time.process_time()
    json.dumps(schema, indent=4)
    assert bound_s < (time.process_time() - began) / 5


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "x" * 5000},
        {"prompt": ["x" * 2500] * 2},
        {"input": ["x" * 5000]},
        {"messages": [{"role": "user", "content": "x"}], "tools": [{"description": "x" * 5000}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 5000}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": "x" * 5000}}]}]},
        {"messages": [], "response_format": {"schema": {"description": "x" * 5000}}},
    ],
)
def test_every_place_where_text_may_stand_is_in_the_bound(body: dict[str, Any]) -> None:
    assert 5000 <= prompt_bound(body) < 7000


HALF, DELETED, QUOTE = "\\ud800", "é\x7f", '"'


def called(arguments: str) -> dict[str, Any]:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}]
    return {"messages": [{"role": "assistant", "content": None, "tool_calls": calls}]}


@pytest.mark.parametrize("by_one", [False, True], ids=["tojson", "one by one"])
@given(st.dictionaries(st.text(), values, max_size=20).map(lambda value: json.dumps(value, separators=(",", ":"))))
@example(f'{{"a":[{",".join(["1"] * 2000)}]}}')
@example(f'{{"a":[{",".join(["1e15"] * 2000)}]}}')
@example(f'{{"a":[{",".join(["1e999"] * 2000)}]}}')
@example(f'{{"a":[{",".join([str(10**40)] * 2000)}]}}')
@example(f'{{"a":"{HALF * 500}"}}')
@example(f'{{"a":"{DELETED * 500}"}}')
@example(f"{{{','.join(f'{QUOTE}{n}{QUOTE}:1' for n in range(500))}}}")
def test_arguments_that_a_template_writes_anew_are_within_the_bound(by_one: bool, source: str) -> None:
    """As vLLM does: from their value, by `tojson` or each between tags, of which a few bytes are a token."""
    value = json.loads(source)
    written = json.dumps(value)
    if by_one:
        written = "".join(f"<arg>{name}\n{json.dumps(value[name])}</arg>\n" for name in value)
    assert len(written.encode("utf-8", "surrogatepass")) <= prompt_bound(called(source)) - prompt_bound(called("")) + 2


@pytest.mark.parametrize("source", ["{", "[1,1]", "7", "null", "{" * 100_000, f'{{"a":{"9" * 5000}}}', "{}"])
def test_arguments_without_a_value_count_as_they_are(source: str) -> None:
    assert prompt_bound(called(source)) == prompt_bound(called("")) + len(orjson.dumps(source)) - 2


def test_what_is_read_out_of_arguments_may_hold_half_a_character() -> None:
    assert estimate_tokens("\ud800" * 4) == 3


def test_a_cut_stream_is_estimated_by_its_bytes() -> None:
    assert [estimate_tokens(text) for text in ("", "a", "four", "fives", "日本語")] == [0, 1, 1, 2, 3]
