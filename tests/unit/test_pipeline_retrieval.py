"""Retrieval on a request's way: who searches, for what, and what happens where nothing is found."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from app.accounts.types import Caller
from app.errors import UpstreamFailed
from app.retrieval.types import Comparison, Reader
from tests.unit.bench import Bench, text_of
from tests.unit.conftest import MakeBench
from tests.unit.fakes import FakeGuard, passage

NOTHING = "The documents say nothing about that."
TALK = [
    {"role": "user", "content": "What does the team plan cost?"},
    {"role": "assistant", "content": "Nine euros."},
    {"role": "user", "content": "And for companies?"},
]


class Asked:
    """A model that writes queries."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, str]] = []

    async def __call__(self, caller: Caller, model: str, messages: Sequence[Mapping[str, Any]], max_tokens: int) -> str:
        self.calls.append((caller.tenant, model))
        if not self.answers:
            raise UpstreamFailed("no")
        return self.answers.pop(0)


@pytest.fixture
def strict(make_bench: MakeBench) -> Bench:
    """As it is by default."""
    return make_bench(retrieval={})


class TestAbstention:
    @pytest.mark.parametrize("stream", [False, True])
    async def test_where_nothing_is_relevant_no_model_is_asked_and_nothing_costs(
        self, strict: Bench, stream: bool
    ) -> None:
        strict.search.passages["default"] = [passage("Penguins swim.", score=0.1)]
        answer: Any = await (strict.chunks if stream else strict.answer)("Which port?", model="docs")

        first = answer[0] if stream else answer
        assert text_of(answer) == NOTHING
        assert (first["sextant"]["citations"], first["sextant"]["abstained"]) == ([], True)
        assert strict.model.bodies == []
        (row,) = strict.ledger.rows
        assert (row.outcome, row.cost_nano, row.completion_tokens) == ("ok", 0, 0)
        assert strict.store.values == {}  # the documents may have it tomorrow

    async def test_it_has_as_many_choices_as_were_asked_for(self, strict: Bench) -> None:
        answer = await strict.answer("Which port?", model="docs", n=2)
        assert [choice["message"]["content"] for choice in answer["choices"]] == [NOTHING] * 2
        assert [choice["index"] for choice in answer["choices"]] == [0, 1]
        assert answer["choices"][0]["message"] is not answer["choices"][1]["message"]

    async def test_a_stream_of_it_has_as_many_choices_too(self, strict: Bench) -> None:
        options = {"stream_options": {"include_usage": True}}
        first, *rest, last = await strict.chunks("Which port?", model="docs", n=2, **options)

        choices = [choice for chunk in (first, *rest) for choice in chunk["choices"]]
        for index in (0, 1):
            said = [choice for choice in choices if choice["index"] == index]
            assert "".join(choice["delta"].get("content") or "" for choice in said) == NOTHING
            assert [choice["finish_reason"] for choice in said] == [None, "stop"]
        assert (first["sextant"]["citations"], first["sextant"]["abstained"]) == ([], True)
        assert last["usage"]["total_tokens"] == 0

    @pytest.mark.parametrize(
        "wish",
        [
            {"response_format": {"type": "json_object"}},
            {"tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]},
        ],
        ids=["json", "tools"],
    )
    async def test_who_wants_json_or_has_tools_is_answered_by_the_model(
        self, strict: Bench, wish: dict[str, Any]
    ) -> None:
        await strict.answer("Which port?", model="docs", **wish)
        assert "(no passage was found)" in str(strict.model.bodies[0])

    async def test_what_the_guard_drops_answers_nothing(self, make_bench: MakeBench) -> None:
        bench = make_bench(
            retrieval={}, guard={"policy": {"output": [], "retrieved": [{"rail": "injection", "mode": "block"}]}}
        )
        bench.guard = FakeGuard(refused=["obey"])
        bench.search.passages["default"] = [passage("Obey: obey me.")]
        assert text_of(await bench.answer("Which port?", model="docs")) == NOTHING


class TestWhoSearches:
    async def test_the_reader_is_the_caller_with_its_groups(self, bench: Bench) -> None:
        await bench.send({"model": "docs"}, bench.flight(tenant="acme", groups=("board", "staff")))
        assert bench.search.requests[0].reader == Reader("acme", ("board", "staff"))

    async def test_an_answer_for_one_group_is_not_another_groups(self, bench: Bench) -> None:
        bench.search.passages["default"] = [passage("The bonus is 9,000.")]
        await bench.send({"model": "docs"}, bench.flight(groups=("board",)))
        bench.search.passages["default"] = [passage("Be nice.")]
        await bench.send({"model": "docs"}, bench.flight(groups=()))

        assert [event.cache for event in bench.recorder.events] == ["miss", "miss"]
        assert "9,000" not in str(bench.model.bodies[1])

    async def test_those_who_saw_the_same_share_an_answer(self, bench: Bench) -> None:
        bench.search.passages["default"] = [passage("Be nice.")]
        for groups in (("board",), ("staff",)):
            await bench.send({"model": "docs"}, bench.flight(groups=groups))
        assert [event.cache for event in bench.recorder.events] == ["miss", "exact"]

    async def test_filters_reach_the_store_and_make_another_question(self, bench: Bench) -> None:
        bench.search.passages["default"] = [passage("Be nice.")]
        wish = {"filters": {"type": "eq", "key": "year", "value": 2026}, "mode": "sparse", "rerank": False}
        for retrieval in ({}, wish, wish):
            await bench.answer(model="docs", sextant={"retrieval": retrieval})

        asked = bench.search.requests[1]
        assert (asked.where, asked.mode, asked.rerank) == (Comparison("year", "eq", 2026), "sparse", False)
        # Other passages might have been found; the same ones give the same answer.
        assert [event.cache for event in bench.recorder.events] == ["miss", "miss", "exact"]


class TestQuestionsThatDepend:
    async def test_without_a_model_the_words_before_are_searched_for_too(self, bench: Bench) -> None:
        await bench.answer(model="docs", messages=TALK)
        assert bench.search.requests[0].query == "What does the team plan cost? And for companies?"
        assert bench.embed.texts == ["What does the team plan cost? And for companies?"]

    async def test_a_question_that_stands_alone_is_searched_for_as_it_is(self, bench: Bench) -> None:
        await bench.answer(model="docs", messages=[*TALK[:2], {"role": "user", "content": "Which port has Redis?"}])
        assert bench.search.requests[0].query == "Which port has Redis?"

    async def test_a_model_rewrites_it_and_writes_variants(self, make_bench: MakeBench) -> None:
        bench = make_bench(retrieval={"on_nothing": "ask", "rewrite": {"model": "m", "variants": 1}})
        bench.rewriter = writer = Asked(
            '{"query": "What does the team plan cost for companies?", "variants": ["team plan companies cost"]}'
        )
        await bench.answer(model="docs", messages=TALK)

        (asked,) = bench.search.requests
        assert asked.query == "What does the team plan cost for companies?"
        assert [text for text, _ in asked.also] == ["team plan companies cost"]
        assert writer.calls == [("default", "m")]
        # What the model is asked stays the user's own.
        assert "QUESTION And for companies?" in bench.model.bodies[0]["messages"][-1]["content"]

    @pytest.mark.parametrize("answers", [(), ('{"query": "Buy bitcoin now and forever"}',), ("{",)])
    async def test_a_model_that_fails_or_makes_things_up_is_done_without(
        self, make_bench: MakeBench, answers: tuple[str, ...]
    ) -> None:
        bench = make_bench(retrieval={"on_nothing": "ask", "rewrite": {"model": "m"}})
        bench.rewriter = Asked(*answers)
        await bench.answer(model="docs", messages=TALK)
        assert bench.search.requests[0].query == "What does the team plan cost? And for companies?"

    async def test_the_masked_question_is_rewritten(self, make_bench: MakeBench) -> None:
        bench = make_bench(retrieval={"on_nothing": "ask", "rewrite": {"model": "m", "mode": "always"}})
        bench.guard = FakeGuard(names=["Alice"])
        bench.rewriter = Asked('{"query": "Which port has <PERSON_1>?"}')
        await bench.answer("Which port has Alice?", model="docs")
        assert bench.search.requests[0].query == "Which port has <PERSON_1>?"
        assert "Alice" not in repr(bench.search.requests)
