"""Embedding requests: counted, settled once, and without a trace of their texts."""

import asyncio
from typing import Any

import numpy as np
import pytest

from app.errors import DeadlineExceeded, InvalidRequest, ModelNotFound, Unavailable
from app.wire.embeddings import EmbeddingRequest
from app.wire.search import RerankBody
from tests.unit.bench import Bench
from tests.unit.conftest import MakeBench
from tests.unit.fakes import vector_of

MODEL = "all-minilm-l6-v2"


async def embed(bench: Bench, **fields: Any) -> dict[str, Any]:
    request = EmbeddingRequest.model_validate({"model": MODEL, "input": "private words", **fields})
    return await bench.pipelines.embeddings.answer(request, bench.flight(operation="embeddings"))


async def test_texts_are_embedded_in_their_order_and_counted(bench: Bench) -> None:
    answer = await embed(bench, input=["one two", "three"])

    for text, item in zip(["one two", "three"], answer["data"], strict=True):
        np.testing.assert_array_equal(np.array(item["embedding"], dtype=np.float32), vector_of(text))
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    event = bench.recorder.only
    assert (event.status, event.usage.prompt_tokens, event.model) == (200, 3, MODEL)


async def test_their_texts_leave_no_trace(bench: Bench) -> None:
    await embed(bench)

    assert "private" not in repr(bench.recorder.events)
    assert bench.store.values == {}


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({"model": "m"}, ModelNotFound, "model"),
        ({"input": ["x"] * 257}, InvalidRequest, "input"),
        ({"dimensions": 4}, InvalidRequest, "dimensions"),
    ],
)
async def test_what_cannot_be_embedded_is_refused(
    bench: Bench, fields: dict[str, Any], kind: type[InvalidRequest], param: str
) -> None:
    with pytest.raises(kind) as raised:
        await embed(bench, **fields)

    assert raised.value.param == param
    assert bench.recorder.only.status == kind.status


async def test_limits_take_an_estimate_and_budgets_the_worst_case(make_bench: MakeBench) -> None:
    bench = make_bench(embedder={"price": {"input_usd_per_million": 1}})
    texts = ["x" * 1000] * 64
    await embed(bench, input=texts)
    rerank = RerankBody.model_validate({"query": "x" * 1000, "documents": texts[1:]})
    await bench.pipelines.rerank.answer(rerank, bench.flight("rerank"))

    for reservation in bench.ledger.reservations:
        ((model, tokens, cost_nano),) = reservation.held
        assert (model, tokens) == (MODEL, 64 * 250)
        assert cost_nano >= 64_000 * 1000


async def test_the_models_own_dimensions_may_be_asked_for(bench: Bench) -> None:
    assert len((await embed(bench, dimensions=8))["data"][0]["embedding"]) == 8


async def test_an_embedder_that_fails_or_hangs_is_settled_once(make_bench: MakeBench) -> None:
    bench = make_bench(gateway={"request_timeout_s": 0.05})
    bench.embed.error = Unavailable("no embedder")
    with pytest.raises(Unavailable):
        await embed(bench)
    bench.embed.gate = asyncio.Event()
    with pytest.raises(DeadlineExceeded):
        await embed(bench)

    assert [event.status for event in bench.recorder.events] == [503, 504]
