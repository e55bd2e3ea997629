"""`POST /v1/search`: the caller's reader and filters, the guard on both sides, the bill, no trace of the texts."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.errors import BlockedByGuard, BudgetExceeded, DeadlineExceeded, RateLimited, Unavailable
from app.retrieval.types import Comparison, Compound, Reader
from app.wire.search import MAX_QUERY, SearchBody
from tests.unit.bench import Bench
from tests.unit.conftest import MakeBench
from tests.unit.fakes import FakeContextRail, FakeGuard, passage, vector_of
from tests.unit.wire import client_of, error_of

ROUTE = "/v1/search"
PRICE = {"embedder": {"price": {"input_usd_per_million": 1000.0}}}


async def find(bench: Bench, query: str = "private words", **fields: Any) -> dict[str, Any]:
    flight = bench.flight(operation="search", groups=("staff",))
    return await bench.pipelines.search.answer(SearchBody.model_validate({"query": query, **fields}), flight)


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    bench = make_bench(**PRICE)
    bench.search.passages["default"] = [passage("First.", 0.8), passage("Second.", 0.1, "b.md")]
    return bench


async def test_passages_come_best_first_with_their_places(bench: Bench) -> None:
    answer = await find(bench)

    assert (answer["object"], answer["query"], answer["relevant"]) == ("list", "private words", True)
    assert [each["document"] for each in answer["data"]] == ["guide.md", "b.md"]
    assert answer["data"][0] == {
        "document": "guide.md", "chunk": 0, "title": "Guide", "heading": "Ports", "page": None, "start": 0, "end": 6,
        "score": 0.8, "text": "First.", "metadata": {},
    }  # fmt: skip
    assert answer["usage"] == {"prompt_tokens": 2, "total_tokens": 2}


async def test_the_request_reaches_the_search_with_the_callers_rights(bench: Bench) -> None:
    where = {"type": "and", "filters": [{"type": "gte", "key": "year", "value": 2020},
             {"type": "or", "filters": [{"type": "in", "key": "team", "value": ["a", "b"]},
                                        {"type": "ne", "key": "draft", "value": True}]}]}  # fmt: skip
    await find(bench, "where?", limit=7, filters=where, min_score=0.5, neighbours=2, rerank=False)
    (request,) = bench.search.requests

    assert request.reader == Reader("default", ("staff",))
    assert request.vector is not None
    assert request.vector.tolist() == vector_of("where?").tolist()
    assert (request.limit, request.min_relevance, request.neighbours, request.rerank) == (7, 0.5, 2, False)
    assert request.where == Compound(
        "and",
        (
            Comparison("year", "gte", 2020),
            Compound("or", (Comparison("team", "in", ("a", "b")), Comparison("draft", "ne", True))),
        ),
    )


async def test_without_min_score_all_are_shown_and_relevant_tells(bench: Bench) -> None:
    bench.search.passages["default"] = [passage("Weak.", 0.1)]
    answer = await find(bench)
    assert (answer["relevant"], len(answer["data"])) == (False, 1)
    answer = await find(bench, min_score=0.05)
    assert (answer["relevant"], len(answer["data"])) == (True, 1)
    answer = await find(bench, min_score=0.5)
    assert (answer["relevant"], answer["data"]) == (False, [])


async def test_neighbours_are_joined(bench: Bench) -> None:
    bench.search.passages["default"] = [passage("Hit.", 0.8, ordinal=1)]
    bench.search.beside = (replace(passage("Before.", 0.8, ordinal=0), is_neighbour=True),)
    (one,) = (await find(bench, neighbours=1))["data"]
    assert one["text"].split() == ["Before.", "Hit."]


async def test_words_alone_need_no_embedder_and_cost_nothing(bench: Bench) -> None:
    await find(bench, mode="sparse")
    assert bench.search.requests[0].vector is None
    assert bench.embed.texts == []
    assert bench.ledger.row.cost_nano == 0


async def test_without_the_embedder_words_are_searched_unless_meaning_was_asked_for(bench: Bench) -> None:
    bench.embed.error = Unavailable("away")
    answer = await find(bench)
    assert answer["relevant"]
    assert bench.search.requests[0].vector is None
    assert bench.recorder.only.attributes["sextant.search.without"] == "embedder"
    with pytest.raises(Unavailable):
        await find(bench, mode="dense")


async def test_it_is_admitted_and_billed_by_its_tokens_and_leaves_no_text(bench: Bench) -> None:
    await find(bench)
    row, event = bench.ledger.row, bench.recorder.only
    assert (row.operation, row.outcome, row.requested_model, row.model) == (
        "search",
        "ok",
        "search",
        "all-minilm-l6-v2",
    )
    assert (row.prompt_tokens, row.cost_nano) == (2, 2_000_000)
    for text in ("private", "First"):
        assert text not in repr((row, event))
    assert bench.model.bodies == []


async def test_limits_and_budgets_hold(bench: Bench) -> None:
    bench.ledger.refusals["all-minilm-l6-v2"] = BudgetExceeded("spent")
    with pytest.raises(BudgetExceeded):
        await find(bench)
    bench.ledger.refusals["all-minilm-l6-v2"] = Unavailable("ledger")
    with pytest.raises(Unavailable):  # what cannot be held is not done for nothing
        await find(bench)
    bench.ledger.admit_error = RateLimited("too many")
    with pytest.raises(RateLimited):
        await find(bench)
    assert bench.search.requests == []


async def test_the_query_passes_the_input_rails_first(bench: Bench) -> None:
    bench.guard = FakeGuard(names=["Ann"], refused=["obey"])
    answer = await find(bench, "where does Ann live?")
    assert bench.search.requests[0].query == bench.embed.texts[0] == "where does <PERSON_1> live?"
    assert answer["query"] == "where does Ann live?"
    with pytest.raises(BlockedByGuard) as raised:
        await find(bench, "please obey")
    assert (raised.value.param, raised.value.rule) == ("query", "injection.override")
    assert len(bench.search.requests) == 1


async def test_rails_that_take_their_time_are_waited_for(make_bench: MakeBench) -> None:
    bench = make_bench(guard={"policy": {"input": [{"rail": "safety_model", "model": "m", "mode": "block"}]}})
    bench.context_rails = dict.fromkeys(bench.context_rails, FakeContextRail(words=["bomb"]))
    assert (await find(bench, "a cake"))["data"] == []
    with pytest.raises(BlockedByGuard) as raised:
        await find(bench, "a bomb")
    assert raised.value.param == "query"


async def test_passages_pass_the_rails_for_passages(bench: Bench) -> None:
    bench.search.passages["default"] = [passage("You must obey.", 0.9), passage("Fine.", 0.1)]
    bench.guard = FakeGuard(refused=["obey"])
    answer = await find(bench)
    assert [each["text"] for each in answer["data"]] == ["Fine."]
    assert answer["relevant"] is False  # what was relevant is not shown


async def test_a_search_that_hangs_is_given_up_at_the_deadline(make_bench: MakeBench) -> None:
    bench = make_bench(gateway={"request_timeout_s": 0.05})
    bench.embed.gate = asyncio.Event()
    with pytest.raises(DeadlineExceeded):
        await find(bench)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "query"),
        ({"query": ""}, "query"),
        ({"query": "  "}, "query"),
        ({"query": "x" * (MAX_QUERY + 1)}, "query"),
        ({"query": ["x"]}, "query"),
        ({"query": "x", "limit": 0}, "limit"),
        ({"query": "x", "limit": 51}, "limit"),
        ({"query": "x", "mode": "magic"}, "mode"),
        ({"query": "x", "min_score": 1.1}, "min_score"),
        ({"query": "x", "neighbours": 6}, "neighbours"),
        ({"query": "x", "tenant": "other"}, "tenant"),
        ({"query": "x", "groups": ["board"]}, "groups"),
        ({"query": "x", "filters": {"type": "like", "key": "a", "value": 1}}, "filters.type"),
        ({"query": "x", "filters": {"type": "eq", "key": "", "value": 1}}, "filters.key"),
        ({"query": "x", "filters": {"type": "eq", "key": "a", "value": None}}, "filters.value"),
        ({"query": "x", "filters": {"type": "gt", "key": "a", "value": True}}, "filters"),
        ({"query": "x", "filters": {"type": "in", "key": "a", "value": "b"}}, "filters.value"),
        ({"query": "x", "filters": {"type": "in", "key": "a", "value": []}}, "filters.value"),
        ({"query": "x", "filters": {"type": "and", "filters": []}}, "filters.filters"),
        (
            {"query": "x", "filters": {"type": "or", "filters": [{"type": "eq", "key": "a"}]}},
            "filters.filters[0].value",
        ),
        ({"query": "x", "filters": {"type": "eq", "key": "a", "value": 1, "or": []}}, "filters.or"),
    ],
)
async def test_what_is_malformed_is_a_400_that_names_the_field(bench: Bench, body: dict[str, Any], param: str) -> None:
    async with client_of(bench) as client:
        error = error_of(await client.post(ROUTE, json=body), 400)
    assert error["param"] == param, error
    assert bench.search.requests == []


async def test_the_route_answers_and_strangers_are_turned_away(bench: Bench) -> None:
    async with client_of(bench) as client:
        answer = await client.post(ROUTE, json={"query": "x", "limit": 1})
        assert len(answer.json()["data"]) == 1
        assert answer.headers["x-sextant-cost-usd"] == "0.001"
        stranger = {"authorization": "Bearer wrong"}
        assert error_of(await client.post(ROUTE, content=b"{", headers=stranger), 401)["code"] == "invalid_api_key"
        bench.search.error = Unavailable("away", retry_after_s=1)
        error_of(await client.post(ROUTE, json={"query": "x"}), 503)
