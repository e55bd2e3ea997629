"""`POST /v1/rerank`, in Cohere's and Jina's shape."""

from typing import Any

import pytest

from app.errors import InvalidRequest
from app.wire.search import MAX_DOCUMENTS, RerankBody
from tests.unit.bench import Bench
from tests.unit.conftest import MakeBench
from tests.unit.wire import client_of, error_of

ROUTE = "/v1/rerank"
DOCUMENTS = ["short", {"text": "the longest of them all"}, "in between"]


async def rerank(bench: Bench, **fields: Any) -> dict[str, Any]:
    body = RerankBody.model_validate({"query": "q", "documents": DOCUMENTS, **fields})
    return await bench.pipelines.rerank.answer(body, bench.flight(operation="rerank"))


async def test_documents_come_best_first_by_their_index(bench: Bench) -> None:
    answer = await rerank(bench)
    assert [each["index"] for each in answer["results"]] == [1, 2, 0]
    assert answer["results"][0] == {"index": 1, "relevance_score": 0.23}
    assert answer["id"].startswith("rerank-")
    assert answer["usage"] == {"prompt_tokens": 9, "total_tokens": 9}


async def test_as_many_as_wanted_with_their_texts(bench: Bench) -> None:
    answer = await rerank(bench, top_n=2, return_documents=True, model="rerank-v3.5")
    assert [each["document"] for each in answer["results"]] == [
        {"text": "the longest of them all"},
        {"text": "in between"},
    ]
    assert len((await rerank(bench, top_n=50))["results"]) == 3


async def test_vectors_are_made_where_no_cross_encoder_is_configured(make_bench: MakeBench) -> None:
    bench = make_bench()
    await rerank(bench)
    assert bench.search.reranked == [("q", 4)]
    bench = make_bench(retrieval={"rerank": {"model": "some/model"}})
    await rerank(bench)
    assert (bench.search.reranked, bench.embed.texts) == ([("q", 0)], [])
    assert bench.ledger.row.prompt_tokens == 9


async def test_it_is_billed_by_its_tokens_and_leaves_no_text(make_bench: MakeBench) -> None:
    bench = make_bench(embedder={"price": {"input_usd_per_million": 1000.0}})
    await rerank(bench)
    row = bench.ledger.row
    assert (row.operation, row.requested_model, row.cost_nano) == ("rerank", "rerank", 9_000_000)
    assert "longest" not in repr((row, bench.recorder.only))


async def test_more_text_than_can_be_read_in_time_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidRequest) as raised:
        await rerank(bench, documents=["x" * 100_000] * 6)
    assert raised.value.param == "documents"
    assert bench.embed.texts == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"documents": ["x"]}, "query"),
        ({"query": "q"}, "documents"),
        ({"query": "q", "documents": []}, "documents"),
        ({"query": "q", "documents": ["x"] * (MAX_DOCUMENTS + 1)}, "documents"),
        ({"query": "q", "documents": [5]}, "documents[0]"),
        ({"query": "q", "documents": [{"title": "x"}]}, "documents[0].text"),
        ({"query": "q", "documents": ["x"], "top_n": 0}, "top_n"),
        ({"query": "q", "documents": ["x"], "top_k": 1}, "top_k"),
    ],
)
async def test_what_is_malformed_is_a_400_that_names_the_field(bench: Bench, body: dict[str, Any], param: str) -> None:
    async with client_of(bench) as client:
        error = error_of(await client.post(ROUTE, json=body), 400)
    assert error["param"] == param, error


async def test_the_route_answers_with_a_key_only(bench: Bench) -> None:
    async with client_of(bench) as client:
        answer = await client.post(ROUTE, json={"query": "q", "documents": DOCUMENTS})
        assert answer.status_code == 200
        assert answer.headers["x-sextant-model"] == "rerank"
        error_of(await client.post(ROUTE, json={}, headers={"authorization": "Bearer wrong"}), 401)
