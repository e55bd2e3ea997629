"""Counts of tokens in a stream: told at its end whoever sent them and when, and of all prompts while it goes on."""

from typing import Any

import pytest

from tests.unit.bench import Bench, text_of
from tests.unit.conftest import MakeBench
from tests.unit.fake_model import USAGE, FakeModel
from tests.unit.test_pipeline_billing import COST, PRICE
from tests.unit.test_pipeline_guard import BLOCKING, MASKING, policy

WITH_USAGE: dict[str, Any] = {"stream_options": {"include_usage": True}}
MODELS = [{"id": "m", "source": "org/m", "price": PRICE, "engine": {"max_model_len": 2048}}]


class Telling(FakeModel):
    """Tells its usage with its last words, not behind them."""

    def _chunks(self, task: Any, body: Any) -> Any:
        *chunks, counted = super()._chunks(task, body)
        yield from chunks[:-1]
        yield {**chunks[-1], "usage": counted["usage"]}


class Silent(FakeModel):
    """Never tells its usage."""

    def _chunks(self, task: Any, body: Any) -> Any:
        yield from (chunk for chunk in super()._chunks(task, body) if chunk["choices"])


class Counting(FakeModel):
    """Counts each choice by itself as it goes, as vLLM does, and sends no count behind them."""

    def _chunks(self, task: Any, body: Any) -> Any:
        n, prompts = body.get("n") or 1, body.get("prompt") or ["x"]
        head = {"id": "x", "object": "text_completion", "created": 1, "model": "m"}
        for tokens, finish in ((1, None), (2, "stop")):
            for index in range(n * len(prompts)):
                usage = {"prompt_tokens": 10 ** (index // n), "completion_tokens": tokens}
                usage["prompt_tokens_details"] = {"cached_tokens": 1 + index // n}
                choice = {"index": index, "text": "a", "logprobs": None, "finish_reason": finish}
                yield {**head, "choices": [choice], "usage": usage}


@pytest.mark.parametrize("output", [[], [MASKING]], ids=["without rails", "with rails"])
async def test_a_count_that_comes_with_the_last_words_is_told_and_kept(
    make_bench: MakeBench, output: list[Any]
) -> None:
    bench = make_bench(models=MODELS, guard=policy(output=output))
    bench.model = Telling()
    for cache in ("miss", "exact"):
        *chunks, last = await bench.chunks(**WITH_USAGE)

        assert (last["choices"], last["object"]) == ([], "chat.completion.chunk")
        told = {**last["usage"], "prompt_tokens_details": None}
        assert told == {**USAGE, "prompt_tokens_details": None}
        assert "cost_usd" in last["sextant"]
        assert chunks[0]["sextant"]["cache"] == cache
        assert not [chunk for chunk in chunks if "usage" in chunk]
    assert [row.cost_nano for row in bench.ledger.rows] == [COST, 0]


@pytest.mark.parametrize("model", [FakeModel, Telling])
async def test_a_count_is_told_once_and_to_nobody_who_did_not_ask(bench: Bench, model: type[FakeModel]) -> None:
    bench.model = model()
    assert len([chunk for chunk in await bench.chunks("One?", **WITH_USAGE) if not chunk["choices"]]) == 1
    assert [chunk for chunk in await bench.chunks("Two?") if not chunk["choices"]] == []


@pytest.mark.parametrize("model", [FakeModel, Silent])
async def test_an_answer_that_is_withheld_tells_what_it_is_billed(
    make_bench: MakeBench, model: type[FakeModel]
) -> None:
    bench = make_bench(models=MODELS, guard=policy(output=[BLOCKING]))
    assert bench.guard
    bench.guard.names = ["Alice"]
    bench.model = model(pieces=["All is well. " * 12, "Now Alice", " is named. ", "More. " * 50])
    last = (await bench.chunks("Who?", **WITH_USAGE))[-1]

    row = bench.ledger.row
    assert row.estimated
    assert row.completion_tokens > 0
    assert last["choices"] == []
    assert last["usage"]["prompt_tokens"] == row.prompt_tokens
    assert last["usage"]["completion_tokens"] == row.completion_tokens
    assert last["usage"]["total_tokens"] == row.prompt_tokens + row.completion_tokens
    assert last["sextant"]["cost_usd"] == row.cost_nano / 1e9


async def test_a_model_that_never_counts_has_no_count_made_up_for_the_client(bench: Bench) -> None:
    bench.model = Silent()
    chunks = await bench.chunks(**WITH_USAGE)

    assert text_of(chunks) == "Hello world."
    assert all(chunk["choices"] for chunk in chunks)


@pytest.mark.parametrize("n", [1, 2])
async def test_every_prompt_is_billed_when_the_client_leaves(bench: Bench, n: int) -> None:
    bench.model = Counting()
    reply = await bench.complete(["a", "b", "c"], stream=True, n=n)
    assert reply.chunks
    for _ in range(3 * n):
        await anext(reply.chunks)
    await reply.chunks.aclose()

    row = bench.ledger.row
    assert (row.outcome, row.estimated) == ("cancelled", False)
    assert (row.prompt_tokens, row.cached_tokens, row.completion_tokens) == (111, 6, 3 * n)


async def test_counts_of_several_choices_are_told_together(bench: Bench) -> None:
    bench.model = Counting()
    reply = await bench.complete(["a", "b"], stream=True, n=2, **WITH_USAGE)
    assert reply.chunks
    *_, last = [chunk async for chunk in reply.chunks]

    assert last["usage"] == {
        "prompt_tokens": 11,
        "completion_tokens": 8,
        "total_tokens": 19,
        "prompt_tokens_details": {"cached_tokens": 3},
    }
    assert (bench.ledger.row.prompt_tokens, bench.ledger.row.completion_tokens) == (11, 8)
