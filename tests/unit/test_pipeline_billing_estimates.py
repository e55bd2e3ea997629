"""What is billed when a model does not count, or counts strangely, and when a request loses its lease."""

import asyncio
from typing import Any

import pytest

from app.cache.use import CacheUse
from app.config import PriceConfig
from app.errors import InvalidRequest, Unavailable, UpstreamFailed
from app.routing.target import Target
from tests.unit.bench import Bench
from tests.unit.conftest import MakeBench
from tests.unit.fake_model import FakeModel
from tests.unit.test_pipeline_billing import COST, PRICE


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    model = {"id": "m", "source": "org/m", "price": PRICE, "engine": {"max_model_len": 2048}}
    return make_bench(models=[model])


def target(**price: float) -> Target:
    return Target("m", "m", "local", PriceConfig(**price), context_window=2048)


def call(arguments: str) -> dict[str, Any]:
    return {"delta": {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": arguments}}]}}


class Talking(FakeModel):
    """Streams these choices without ever telling its usage."""

    def __init__(self, *choices: dict[str, Any]) -> None:
        super().__init__()
        self.choices = choices

    def _chunks(self, task: Any, body: Any) -> Any:
        for choice in self.choices:
            yield {
                "id": "x",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m",
                "choices": [{"index": 0, "finish_reason": None, **choice}],
            }


@pytest.mark.parametrize("field", ["content", "reasoning_content", "reasoning", "refusal"])
async def test_everything_that_is_generated_is_billed_when_nobody_counts(bench: Bench, field: str) -> None:
    bench.model = Talking(*({"delta": {field: "word"}} for _ in range(50)), {"delta": {}, "finish_reason": "stop"})
    await bench.chunks()

    assert bench.ledger.row.completion_tokens == 50
    assert bench.ledger.row.estimated


async def test_tool_calls_and_their_definitions_are_billed_when_nobody_counts(bench: Bench) -> None:
    bench.model = Talking(*(call('{"a": 1}') for _ in range(50)), {"delta": {}, "finish_reason": "tool_calls"})
    tool = {"type": "function", "function": {"name": "f", "description": "x" * 4000}}
    await bench.chunks(tools=[tool])

    assert bench.ledger.row.completion_tokens >= 100
    assert bench.ledger.row.prompt_tokens >= 1000


async def test_choices_that_are_counted_one_by_one_are_billed_together(bench: Bench) -> None:
    def counted(index: int, tokens: int) -> dict[str, Any]:
        usage = {"prompt_tokens": 5, "completion_tokens": tokens}
        choice = {"index": index, "delta": {"content": "a"}, "finish_reason": None}
        return {
            "id": "x",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [choice],
            "usage": usage,
        }

    class Both(FakeModel):
        def _chunks(self, task: Any, body: Any) -> Any:
            yield from (counted(index, tokens) for tokens in (1, 2, 3) for index in (0, 1))

    bench.model = Both()
    reply = await bench.ask(stream=True, n=2)
    assert reply.chunks
    for _ in range(6):
        await anext(reply.chunks)
    await reply.chunks.aclose()

    assert (bench.ledger.row.prompt_tokens, bench.ledger.row.completion_tokens) == (5, 6)


async def test_a_client_that_leaves_at_the_end_reason_is_billed_by_the_count_behind_it(bench: Bench) -> None:
    reply = await bench.ask(stream=True)
    assert reply.chunks
    async for chunk in reply.chunks:
        if any(choice.get("finish_reason") for choice in chunk["choices"]):
            break
    await reply.chunks.aclose()

    assert (bench.ledger.row.cost_nano, bench.ledger.row.estimated) == (COST, False)


@pytest.mark.parametrize("usage", [{"prompt_tokens": "12"}, {"prompt_tokens": -5}, {"completion_tokens": 2**63}, 5, []])
async def test_a_count_that_is_none_is_not_believed(bench: Bench, usage: Any) -> None:
    class Lying(FakeModel):
        async def complete(self, *asked: Any) -> dict[str, Any]:
            return {**await super().complete(*asked), "usage": usage}

    bench.model = Lying()
    await bench.answer()

    assert bench.ledger.row.estimated
    assert 0 < bench.ledger.row.cost_nano < 1_000_000


class CountingThePrompt(FakeModel):
    """Tells its prompt's counts with its first chunk, as Anthropic does."""

    def _chunks(self, task: Any, body: Any) -> Any:
        first, *rest = super()._chunks(task, body)
        details = {"cached_tokens": 150_000, "cache_write_tokens": 20}
        yield {**first, "usage": {"prompt_tokens": 150_120, "prompt_tokens_details": details}}
        yield from rest


@pytest.mark.parametrize("ending", ["left", "cut"])
async def test_a_prompt_that_was_counted_is_billed_by_its_count_though_the_answer_was_not(
    bench: Bench, ending: str
) -> None:
    bench.model = CountingThePrompt(fails_at=3 if ending == "cut" else None, error=UpstreamFailed("no"))
    reply = await bench.ask(stream=True)
    assert reply.chunks
    seen = [await anext(reply.chunks) for _ in range(3)]
    if ending == "left":
        await reply.chunks.aclose()
    else:
        with pytest.raises(UpstreamFailed):
            await anext(reply.chunks)

    row = bench.ledger.row
    assert (row.prompt_tokens, row.cached_tokens, row.estimated) == (150_120, 150_000, True)
    assert row.completion_tokens >= 2
    assert row.cost_nano == 120 * 1000 + 150_000 * 100 + row.completion_tokens * 10_000
    assert all("usage" not in chunk for chunk in seen)


async def test_a_stream_that_counts_its_prompt_first_is_billed_by_its_last_count(bench: Bench) -> None:
    bench.model = CountingThePrompt()
    await bench.chunks()

    assert (bench.ledger.row.cost_nano, bench.ledger.row.estimated) == (COST, False)


async def test_a_bill_that_cannot_be_made_is_what_was_held(bench: Bench) -> None:
    flight = bench.flight()
    await flight.admit("m")
    await flight.hold(target(output_usd_per_million=1), 10, 777)
    flight.billing = lambda: 1 // 0  # type: ignore[assignment,return-value]

    await flight.settle()

    assert (bench.ledger.row.cost_nano, bench.ledger.row.estimated) == (777, True)


async def test_a_request_whose_lease_is_lost_ends_at_once(bench: Bench) -> None:
    bench.model.hangs_at = 0
    asking = asyncio.ensure_future(bench.answer())
    assert await asyncio.to_thread(bench.model.hanging.wait, 5)
    bench.ledger.reservations[0].lost.set()

    with pytest.raises(Unavailable):
        await asyncio.wait_for(asking, 1)
    assert bench.model.closed.is_set()


async def test_a_forced_model_has_its_own_cached_answers(make_bench: MakeBench) -> None:
    hosted = [{"id": name, "provider": "p", "model": "same"} for name in ("big", "small")]
    bench = make_bench(
        providers={"p": {"base_url": "http://127.0.0.1:1/v1"}},
        hosted=hosted,
        aliases={"chat": {"targets": [{"model": "big"}, {"model": "small"}]}},
    )
    bench.identity.model_revisions.update({"big": "rev-big", "small": "rev-small"})  # type: ignore[attr-defined]
    for name in ("big", "small"):
        answer = await bench.answer(model="chat", sextant={"routing": {"model": name}})
        assert (answer["model"], answer["sextant"]["cache"]) == (name, "miss")
    with pytest.raises(InvalidRequest):
        await bench.answer(model="chat", sextant={"routing": {"model": "nonsense"}})


async def test_a_replicas_time_is_billed_when_the_client_leaves_a_whole_answer(make_bench: MakeBench) -> None:
    price = {"replica_usd_per_hour": 3600}  # a dollar a second
    bench = make_bench(models=[{"id": "m", "source": "o/m", "price": price, "engine": {"max_model_len": 2048}}])
    bench.model.hangs_at = 0
    asking = asyncio.ensure_future(bench.answer())
    assert await asyncio.to_thread(bench.model.hanging.wait, 5)
    asking.cancel()
    await asyncio.wait({asking})

    assert bench.ledger.row.cost_nano > 0


async def test_a_text_completion_cannot_carry_an_aliass_prompt(make_bench: MakeBench) -> None:
    from app.wire.completions import CompletionRequest

    bench = make_bench()
    request = CompletionRequest(model="chat", prompt="x")
    with pytest.raises(InvalidRequest, match="system prompt"):
        await bench.pipeline.answer(request, bench.flight(), CacheUse())
