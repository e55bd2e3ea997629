"""What a request is held for, and what it is billed: each way that it can end."""

import asyncio
from typing import Any

import pytest

from app.config import PriceConfig
from app.config.money import usd_text
from app.errors import BudgetExceeded, PermissionDenied, RateLimited, Unavailable, UpstreamFailed
from app.pipeline.billing import bound_of
from app.routing.target import Target
from tests.unit.bench import Bench
from tests.unit.conftest import MakeBench
from tests.unit.fake_model import USAGE, FakeModel

# Nano-dollars: 1000 for a prompt token, 100 for a cached one, 10,000 for a generated one.
PRICE = {"input_usd_per_million": 1, "cached_input_usd_per_million": 0.1, "output_usd_per_million": 10}
COST = 7 * 1000 + 4 * 100 + 3 * 10_000  # of USAGE: 11 prompt tokens, 4 of them cached, 3 generated


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    model = {"id": "m", "source": "org/m", "price": PRICE, "engine": {"max_model_len": 2048}}
    return make_bench(models=[model])


def target(**price: float) -> Target:
    return Target("m", "m", "local", PriceConfig(**price), context_window=2048)


async def test_a_whole_answer_is_billed_by_the_models_count(bench: Bench) -> None:
    answer = await bench.answer()

    row = bench.ledger.row
    assert (row.prompt_tokens, row.cached_tokens, row.completion_tokens) == (11, 4, 3)
    assert (row.cost_nano, row.outcome, row.model, row.provider, row.estimated) == (COST, "ok", "m", "local", False)
    assert answer["sextant"]["cost_usd"] == COST / 1e9
    assert bench.recorder.only.cost_nano == COST


async def test_a_stream_is_billed_before_its_last_chunk_is_over(bench: Bench) -> None:
    reply = await bench.ask(stream=True, stream_options={"include_usage": True})
    assert reply.chunks
    chunks = []
    async for chunk in reply.chunks:
        assert bench.ledger.rows == []  # not before its end
        chunks.append(chunk)

    assert bench.ledger.row.cost_nano == COST
    assert chunks[-1]["sextant"]["cost_usd"] == COST / 1e9


async def test_a_streams_end_waits_until_its_row_is_durable(bench: Bench) -> None:
    bench.ledger.settling = asyncio.Event()
    reply = await bench.ask(stream=True)
    assert reply.chunks
    reading = asyncio.ensure_future(_read(reply.chunks))
    done, _ = await asyncio.wait({reading}, timeout=0.05)
    assert not done

    bench.ledger.settling.set()
    assert await reading == 5  # role, three pieces, the end


async def test_a_row_that_cannot_be_kept_ends_the_answer_with_an_error(bench: Bench) -> None:
    bench.ledger.settle_error = Unavailable("no database, no disk")

    with pytest.raises(Unavailable):
        await bench.answer()
    with pytest.raises(Unavailable):
        await bench.chunks(temperature=1)
    assert [event.status for event in bench.recorder.events] == [503, 503]


async def test_a_client_that_leaves_is_billed_for_what_was_generated(bench: Bench) -> None:
    reply = await bench.ask(stream=True)
    assert reply.chunks
    await anext(reply.chunks)
    await anext(reply.chunks)
    await reply.chunks.aclose()

    row = bench.ledger.row
    assert (row.outcome, row.estimated) == ("cancelled", True)
    assert row.completion_tokens >= 1
    assert 0 < row.cost_nano < COST + 11_000


async def test_a_model_that_counts_as_it_goes_is_billed_exactly_when_the_client_leaves(bench: Bench) -> None:
    class Counting(FakeModel):
        def _chunks(self, task: Any, body: Any) -> Any:
            for generated, chunk in enumerate(super()._chunks(task, body)):
                yield {**chunk, "usage": {**USAGE, "completion_tokens": generated}}

    bench.model = Counting()
    reply = await bench.ask(stream=True)
    assert reply.chunks
    seen = [await anext(reply.chunks) for _ in range(3)]
    await reply.chunks.aclose()

    row = bench.ledger.row
    assert (row.completion_tokens, row.estimated) == (2, False)
    assert all("usage" not in chunk for chunk in seen), "clients get the count once, at the end"


async def test_a_client_that_leaves_before_the_first_token_owes_the_prompt(bench: Bench) -> None:
    bench.model.hangs_at = 0
    asking = asyncio.ensure_future(bench.ask(stream=True))
    assert await asyncio.to_thread(bench.model.hanging.wait, 5)
    asking.cancel()
    await asyncio.wait({asking})

    row = bench.ledger.row
    assert (row.outcome, row.completion_tokens, row.estimated) == ("cancelled", 0, True)
    assert row.cost_nano == row.prompt_tokens * 1000


async def test_a_model_that_fails_is_owed_nothing_and_leaves_a_row(bench: Bench) -> None:
    bench.model.fails_at, bench.model.error = 0, UpstreamFailed("no")

    with pytest.raises(UpstreamFailed):
        await bench.answer()
    row = bench.ledger.row
    assert (row.outcome, row.error, row.cost_nano, row.model) == ("error", "upstream_failed", 0, "")


async def test_a_model_that_fails_in_the_middle_is_owed_what_it_said(bench: Bench) -> None:
    bench.model.fails_at, bench.model.error = 3, UpstreamFailed("no")

    with pytest.raises(UpstreamFailed):
        await bench.chunks()
    assert bench.ledger.row.outcome == "error"
    assert bench.ledger.row.cost_nano > 0


async def test_a_cache_hit_costs_nothing_and_has_a_row(bench: Bench) -> None:
    await bench.answer()
    answer = await bench.answer()

    first, second = bench.ledger.rows
    assert (second.cache, second.cost_nano, second.prompt_tokens, second.outcome) == ("exact", 0, 0, "ok")
    assert first.id != second.id, "a client's own request id is no key"
    assert answer["sextant"]["cost_usd"] == 0


async def test_what_is_refused_before_a_model_is_asked_leaves_no_row(bench: Bench) -> None:
    bench.ledger.refusals["m"] = BudgetExceeded("spent")
    with pytest.raises(BudgetExceeded):
        await bench.answer()

    assert bench.ledger.rows == []
    assert bench.ledger.released == [bench.ledger.reservations[0].id]
    assert bench.model.bodies == []


async def test_a_budget_that_is_used_up_refuses_before_any_work_is_done(bench: Bench) -> None:
    bench.ledger.exhausted = BudgetExceeded("spent")

    with pytest.raises(BudgetExceeded):
        await bench.answer()
    assert bench.guard
    assert bench.guard.calls == []


async def test_a_cached_answer_is_given_whatever_the_budget_says(bench: Bench) -> None:
    await bench.answer()
    bench.ledger.exhausted = BudgetExceeded("spent")

    assert (await bench.answer())["sextant"]["cache"] == "exact"


async def test_a_used_up_budget_falls_back_to_the_cheaper_model(make_bench: MakeBench) -> None:
    models = [
        {"id": "dear", "source": "o/d", "price": PRICE, "engine": {"max_model_len": 2048}},
        {"id": "cheap", "source": "o/c"},
    ]
    bench = make_bench(models=models, aliases={"chat": {"model": "dear", "budget_fallback": "cheap"}})
    bench.ledger.exhausted = bench.ledger.refusals["dear"] = BudgetExceeded("spent")

    answer = await bench.answer(model="chat")

    assert answer["model"] == "cheap"
    assert bench.ledger.row.model == "cheap"
    bench.ledger.exhausted, bench.ledger.refusals = None, {}
    assert (await bench.answer(model="chat"))["model"] == "dear", "a fallback's answer is not kept for others"


async def test_limits_refuse_before_anything_else_and_leave_no_row(bench: Bench) -> None:
    bench.ledger.admit_error = RateLimited("slow down", retry_after_s=3)

    with pytest.raises(RateLimited):
        await bench.answer()
    assert bench.ledger.rows == []
    assert bench.recorder.only.status == 429


async def test_a_key_may_only_use_its_models(bench: Bench) -> None:
    flight = bench.flight(models=frozenset({"docs"}))
    with pytest.raises(PermissionDenied):
        await bench.send({"model": "chat"}, flight)
    assert bench.ledger.reservations == []


async def test_embeddings_are_billed(make_bench: MakeBench) -> None:
    from app.wire.embeddings import EmbeddingRequest

    bench = make_bench(embedder={"price": {"input_usd_per_million": 2}})
    request = EmbeddingRequest(model="all-minilm-l6-v2", input="one two three")
    await bench.pipelines.embeddings.answer(request, bench.flight("embeddings"))

    row = bench.ledger.row
    assert (row.operation, row.prompt_tokens, row.cost_nano) == ("embeddings", 3, 6000)


async def test_replica_seconds_are_billed_where_a_replica_has_a_price(make_bench: MakeBench) -> None:
    class Timed(FakeModel):
        async def complete(self, *asked: Any) -> dict[str, Any]:
            return {**await super().complete(*asked), "replica_seconds": 0.5}

    price = {"replica_usd_per_hour": 3.6}
    bench = make_bench(models=[{"id": "m", "source": "o/m", "price": price, "engine": {"max_model_len": 2048}}])
    bench.model = Timed()
    answer = await bench.answer()

    assert bench.ledger.row.cost_nano == 500_000
    assert "replica_seconds" not in answer


def test_the_worst_case_is_held_for_all_choices_and_prompts() -> None:
    body = {"prompt": ["a", "b"], "n": 3, "max_tokens": 10}

    bound = bound_of(body, target(output_usd_per_million=1), 60)

    assert bound.cost_nano == 2 * 3 * 10 * 1000
    assert bound.tokens == 2 + 2 * 3 * 10


@pytest.mark.parametrize(
    ("wanted", "most", "held"), [(None, 100, 100), (10, 100, 10), (500, 100, 100), (10, None, 10), (None, None, 2048)]
)
def test_an_answer_without_a_limit_is_held_at_the_most_that_it_can_be(
    wanted: int | None, most: int | None, held: int
) -> None:
    body: dict[str, Any] = {"prompt": ""} | ({"max_tokens": wanted} if wanted else {})
    model = Target("m", "m", "p", PriceConfig(output_usd_per_million=1), 2048, most)

    assert bound_of(body, model, 60).cost_nano == held * 1000


@pytest.mark.parametrize("length", [-1, "auto"])
async def test_a_context_that_the_engine_chooses_bounds_no_answer(make_bench: MakeBench, length: Any) -> None:
    bench = make_bench(models=[{"id": "m", "source": "o/m", "engine": {"max_model_len": length}}])
    await bench.answer("", max_tokens=10_000)
    await bench.answer("", temperature=1)

    asked, unsaid = [reservation.held[0][1] for reservation in bench.ledger.reservations]
    assert asked >= 10_000
    assert 0 < unsaid < 10_000


@pytest.mark.parametrize(
    ("nano", "told"),
    [(0, "0"), (1, "0.000000001"), (1_500_000_000, "1.5"), (1234, "0.000001234"), (10**18, "1000000000")],
)
def test_money_is_told_without_an_exponent(nano: int, told: str) -> None:
    assert usd_text(nano) == told


async def _read(chunks: Any) -> int:
    return len([chunk async for chunk in chunks])
