"""Many who ask the same while its generation fails, its leader leaves, or its reader stops reading."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from app.cache import single_flight
from app.cache.exact import PREFIX
from app.cache.lease import Leases
from app.errors import (
    BudgetExceeded,
    DeadlineExceeded,
    RateLimited,
    SextantError,
    Unavailable,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamTimeout,
)
from app.pipeline.pipeline import Pipeline
from tests.unit.bench import Bench, text_of
from tests.unit.conftest import MakeBench
from tests.unit.fake_model import FakeModel
from tests.unit.test_pipeline_guard import MODEL, asked, policy
from tests.unit.test_pipeline_sharing import PRICE, Crowd, GatedModel, turns

ONCE: dict[str, Any] = {**PRICE, "routing": {"retries_per_target": 0}}


class FailingModel(FakeModel):
    """Fails `failures` times, then answers; tells how many were at work at once."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        super().__init__(error=error or UpstreamFailed("no"))
        self.failures = failures
        self.at_work = self.most_at_work = 0

    async def _trouble(self, position: int) -> None:
        if position:
            return
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await turns()
            if self.failures:
                self.failures -= 1
                raise self.error
        finally:
            self.at_work -= 1


@pytest.fixture(params=[False, True])
def bench(make_bench: MakeBench, request: pytest.FixtureRequest) -> Bench:
    """With leases, and without."""
    bench = make_bench(**ONCE)
    if request.param:
        bench.leases = Leases(bench.store)
    return bench


async def answers_of(crowd: Crowd, count: int = 100) -> Counter[Any]:
    """What becomes of so many at once, every other one a stream: texts and types of errors, counted."""
    asking = [crowd.ask(stream=bool(number % 2)) for number in range(count)]
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    return Counter(type(each) if isinstance(each, BaseException) else text_of(each) for each in outcomes)


async def test_after_one_failure_one_of_those_who_waited_makes_the_next_for_all(bench: Bench) -> None:
    model = FailingModel(1)
    crowd = Crowd(bench, model)

    assert await answers_of(crowd) == {UpstreamFailed: 1, "Hello world.": 99}
    assert (len(set(model.request_ids)), model.most_at_work) == (2, 1)
    assert [cost > 0 for cost in crowd.costs] == [*[False] * 99, True]  # one pays


async def test_of_a_model_that_is_down_a_crowd_asks_twice_and_all_are_told(bench: Bench) -> None:
    model = FailingModel(1000)
    crowd = Crowd(bench, model)

    assert await answers_of(crowd) == {UpstreamFailed: 100}
    assert (len(set(model.request_ids)), model.most_at_work) == (2, 1)


@pytest.mark.parametrize("kind", [BudgetExceeded, RateLimited, DeadlineExceeded])
async def test_what_befell_the_leaders_alone_fails_nobody_else(bench: Bench, kind: type[SextantError]) -> None:
    model = FailingModel(3, kind("its own"))
    crowd = Crowd(bench, model)

    assert await answers_of(crowd) == {kind: 3, "Hello world.": 97}
    assert (len(set(model.request_ids)), model.most_at_work) == (4, 1)


@pytest.mark.parametrize("kind", [UpstreamRateLimited, UpstreamTimeout, Unavailable])
async def test_what_befell_the_model_would_befall_the_next_one_too(bench: Bench, kind: type[SextantError]) -> None:
    model = FailingModel(1000, kind("the model's"))
    crowd = Crowd(bench, model)

    assert await answers_of(crowd, 10) == {kind: 10}
    assert len(set(model.request_ids)) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_a_leader_that_leaves_before_its_verdict_hands_over(make_bench: MakeBench, stream: bool) -> None:
    bench = make_bench(**PRICE, guard=policy(input=[MODEL]))
    gate = bench.context_rail.gate = asyncio.Event()
    crowd = Crowd(bench, FakeModel())
    leading = crowd.ask()
    await asked(bench)
    bench.context_rail.gate = None  # their own verdicts are there at once
    following = [crowd.ask(stream=stream) for _ in range(3)]
    await turns()
    leading.cancel()
    await asyncio.wait([leading])
    await turns()
    gate.set()

    assert {text_of(answer) for answer in await asyncio.gather(*following)} == {"Hello world."}
    assert len(bench.model.bodies) == 1


async def test_a_leader_that_leaves_alone_leaves_no_rail_at_work(make_bench: MakeBench) -> None:
    bench = make_bench(**PRICE, guard=policy(input=[MODEL]))
    bench.context_rail.gate = asyncio.Event()
    before = asyncio.all_tasks()
    leading = Crowd(bench, GatedModel()).ask()
    await asked(bench)
    leading.cancel()
    await asyncio.wait([leading])
    await turns()

    assert asyncio.all_tasks() == before
    assert [row.outcome for row in bench.ledger.rows] == ["cancelled"]


def replica(bench: Bench) -> Pipeline:
    """Another process, with memory of its own."""
    bench.leases = Leases(bench.store)
    bench.forget()
    return bench.pipeline


async def test_a_client_that_stops_reading_holds_up_no_other_replica(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_flight, "STALL_S", 0.05)
    bench = make_bench(**PRICE)
    here, there = replica(bench), replica(bench)
    reply = await bench.send({"stream": True}, bench.flight(), pipeline=here)
    assert reply.chunks
    begun = [await anext(reply.chunks)]
    async with asyncio.timeout(5):
        other = await bench.send({}, bench.flight(), pipeline=there)
    assert text_of(other.body or {}) == "Hello world."

    # It reads on in its own time, and leaves nothing behind.
    assert text_of([*begun, *[chunk async for chunk in reply.chunks]]) == "Hello world."
    await turns()
    assert len(bench.model.bodies) == 2
    assert not [key for key in bench.store.values if key.startswith("sextant:making:")]


async def test_a_model_that_takes_its_time_is_no_stall(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single_flight, "STALL_S", 0.02)
    bench = make_bench(**PRICE)
    bench.model = model = GatedModel()
    here, there = replica(bench), replica(bench)
    leading = asyncio.create_task(bench.send({}, bench.flight(), pipeline=here))
    await model.waits.wait()
    waiting = asyncio.create_task(bench.send({}, bench.flight(), pipeline=there))
    await asyncio.sleep(0.2)
    model.gate.set()
    for reply in await asyncio.gather(leading, waiting):
        assert text_of(reply.body or {}) == "Hello world."

    assert len(model.bodies) == 1


async def test_of_those_who_wait_for_another_replica_one_looks_for_all(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench(**PRICE)
    bench.model = model = GatedModel()
    here, there = replica(bench), replica(bench)
    leading = asyncio.create_task(bench.send({}, bench.flight(), pipeline=here))
    await model.waits.wait()
    waiting = [asyncio.create_task(bench.send({}, bench.flight(), pipeline=there)) for _ in range(50)]
    await turns()
    looks = 0
    get_many = bench.store.get_many

    async def counted(keys: Sequence[str]) -> list[bytes | None] | None:
        nonlocal looks
        looks += any(key.startswith(PREFIX) for key in keys)
        return await get_many(keys)

    monkeypatch.setattr(bench.store, "get_many", counted)
    model.gate.set()
    replies = await asyncio.gather(leading, *waiting)

    assert {text_of(reply.body or {}) for reply in replies} == {"Hello world."}
    assert (len(model.bodies), looks) == (1, 1)
