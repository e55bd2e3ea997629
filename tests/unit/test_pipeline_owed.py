"""What is owed when a request ends while rails hold its answer, or while another attempt is only being prepared."""

import asyncio
from typing import Any

import pytest

from app.errors import BudgetExceeded, SextantError, UpstreamFailed
from app.pipeline.answer_parts import ending
from app.pipeline.ports import Task
from app.pipeline.schema import SchemaCheck
from app.pipeline.transcript import Transcript
from tests.unit.bench import Bench
from tests.unit.conftest import MakeBench
from tests.unit.fake_model import USAGE, FakeModel
from tests.unit.fakes import FakeReservation
from tests.unit.test_pipeline_billing import COST, PRICE
from tests.unit.test_pipeline_guard import MODEL, policy
from tests.unit.test_pipeline_schema import BAD, GOOD, WANTED, Answering

TIMED = {**PRICE, "replica_usd_per_hour": 3.6}  # a million nano-dollars a second


def priced(*ids: str) -> dict[str, Any]:
    return {"models": [{"id": i, "source": f"o/{i}", "price": TIMED, "engine": {"max_model_len": 2048}} for i in ids]}


class Counting(FakeModel):
    """Tells with each chunk what it has used, as vLLM does."""

    def _chunks(self, task: Task, body: dict[str, Any]) -> Any:
        for generated, chunk in enumerate(super()._chunks(task, body)):
            yield {
                **chunk,
                "usage": {**USAGE, "completion_tokens": min(generated, 3)},
                "replica_seconds": generated / 10,
            }


class Failing(FakeModel):
    """Fails, or is silent, as model `a`; answers as `b`."""

    def __init__(self, *, is_silent: bool = False) -> None:
        super().__init__(error=UpstreamFailed("no"))
        self._is_silent = is_silent

    def _note(self, body: dict[str, Any], request_id: str) -> None:
        super()._note(body, request_id)
        at = 0 if body["model"].endswith("a") else None
        self.fails_at, self.hangs_at = (None, at) if self._is_silent else (at, None)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set as soon as a request waits for its second reservation, which never comes."""
    reserve, is_waiting = FakeReservation.reserve, asyncio.Event()

    async def once(self: FakeReservation, model: str, tokens: int, cost_nano: int) -> None:
        if self.held:
            is_waiting.set()
            await asyncio.Event().wait()
        await reserve(self, model, tokens, cost_nano)

    monkeypatch.setattr(FakeReservation, "reserve", once)
    return is_waiting


async def leave(asking: "asyncio.Future[Any]", moment: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await moment.wait()
    asking.cancel()
    await asyncio.wait({asking})


async def test_a_stream_that_a_rail_holds_to_its_end_is_billed_as_far_as_it_came(make_bench: MakeBench) -> None:
    bench = make_bench(guard=policy(output=[{"rail": "length", "mode": "block"}]), **priced("m"))
    bench.model = Counting(hangs_at=4)
    reply = await bench.ask(stream=True)
    assert reply.chunks
    assert "role" in (await anext(reply.chunks))["choices"][0]["delta"]
    reading = asyncio.ensure_future(anext(reply.chunks))
    assert await asyncio.to_thread(bench.model.hanging.wait, 5)
    reading.cancel()
    await asyncio.wait({reading})
    await reply.chunks.aclose()

    row = bench.ledger.row
    assert (row.prompt_tokens, row.completion_tokens, row.estimated) == (11, 3, False)
    assert row.cost_nano == COST + 300_000


async def test_a_stream_through_rails_is_billed_once_as_one_without_them(make_bench: MakeBench) -> None:
    rows = []
    for output in ([], [{"rail": "length", "mode": "block"}]):
        bench = make_bench(guard=policy(output=output), **priced("m"))
        bench.model = Counting()
        chunks = await bench.chunks(stream_options={"include_usage": True})
        assert not [chunk for chunk in chunks if "replica_seconds" in chunk]
        assert chunks[-1]["usage"]["completion_tokens"] == 3
        rows.append((bench.ledger.row.completion_tokens, bench.ledger.row.cost_nano))

    assert rows[0] == rows[1] == (3, COST + 500_000)


def test_a_withheld_choice_does_not_take_the_place_of_anothers_count() -> None:
    transcript, made = Transcript(), dict[str, Any]()
    for index, tokens in ((0, 50), (1, 7)):
        made = {"choices": [{"index": index, "delta": {"content": "a"}}], "usage": {"completion_tokens": tokens}}
        transcript.generates(made)
    transcript.chunk(ending(made, [0, 1]))

    assert transcript.usage.completion_tokens == 57


async def test_a_whole_answer_that_a_rail_holds_is_billed_by_the_models_count(make_bench: MakeBench) -> None:
    bench = make_bench(guard=policy(output=[MODEL]), **priced("m"))
    bench.context_rail.gate, is_held = asyncio.Event(), asyncio.Event()
    examine = bench.context_rail.examine

    async def held(*asked: Any) -> Any:
        is_held.set()
        return await examine(*asked)

    bench.context_rail.examine = held  # type: ignore[method-assign,assignment]  # it waits
    await leave(asyncio.ensure_future(bench.answer()), is_held)

    assert (bench.ledger.row.cost_nano, bench.ledger.row.estimated) == (COST, False)


def mending(make_bench: MakeBench) -> Bench:
    bench = make_bench(guard={"policy": {"output": [{"rail": "json_schema"}]}}, **priced("m"))
    bench.model = Answering(answers=(BAD, GOOD))
    return bench


async def test_a_second_answer_that_has_arrived_is_billed_though_nobody_has_checked_it(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, check, is_checking = mending(make_bench), SchemaCheck._problem, asyncio.Event()

    async def stuck(self: SchemaCheck, text: str) -> Any:
        if text == GOOD:
            is_checking.set()
            await asyncio.Event().wait()
        return await check(self, text)

    monkeypatch.setattr(SchemaCheck, "_problem", stuck)
    await leave(asyncio.ensure_future(bench.answer(response_format=WANTED)), is_checking)

    row = bench.ledger.row
    assert (row.prompt_tokens, row.completion_tokens, row.cost_nano, row.estimated) == (22, 6, 2 * COST, False)


async def test_two_answers_that_nobody_counted_are_estimated_once_each(make_bench: MakeBench) -> None:
    bench = mending(make_bench)
    bench.model.usage = None  # type: ignore[assignment]  # it does not say
    await bench.answer(response_format=WANTED)

    assert (bench.ledger.row.completion_tokens, bench.ledger.row.estimated) == (len(BAD + GOOD) // 4, True)


async def test_a_second_answer_that_was_only_reserved_for_is_not_billed(
    make_bench: MakeBench, waiting: asyncio.Event
) -> None:
    bench = mending(make_bench)
    await leave(asyncio.ensure_future(bench.answer(response_format=WANTED)), waiting)

    assert len(bench.model.bodies) == 1
    assert (bench.ledger.row.cost_nano, bench.ledger.row.estimated) == (COST, False)


async def test_a_model_that_was_only_reserved_for_is_owed_nothing(
    make_bench: MakeBench, waiting: asyncio.Event
) -> None:
    bench = make_bench(aliases={"x": {"targets": [{"model": "a"}, {"model": "b"}]}}, **priced("a", "b"))
    bench.model = Failing()
    await leave(asyncio.ensure_future(bench.answer(model="x")), waiting)

    row = bench.ledger.row
    assert (row.outcome, row.model, row.cost_nano, row.attempts) == ("cancelled", "", 0, 2)


async def test_a_model_that_was_given_up_is_owed_its_prompt_though_a_budget_refused_the_next(
    make_bench: MakeBench,
) -> None:
    bench = make_bench(
        aliases={"x": {"targets": [{"model": "a"}, {"model": "b"}]}},
        routing={"first_token_timeout_s": 0.05},
        **priced("a", "b"),
    )
    bench.model, bench.ledger.refusals["b"] = Failing(is_silent=True), BudgetExceeded("spent")
    with pytest.raises(SextantError):
        await bench.chunks(model="x")

    row = bench.ledger.row
    assert (row.model, row.completion_tokens, row.estimated) == ("a", 0, True)
    assert row.cost_nano >= row.prompt_tokens * 1000 > 0
