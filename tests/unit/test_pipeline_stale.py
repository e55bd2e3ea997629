"""Stale-while-revalidate: an old answer at once, a new one for the next."""

import asyncio
from typing import Any

import pytest

from app.cache.lease import Leases
from app.cache.use import CacheUse
from app.pipeline.pipeline import Pipeline
from tests.unit.bench import Bench, text_of
from tests.unit.conftest import MakeBench
from tests.unit.fake_model import FakeModel


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench(cache={"ttl_s": 10, "stale_s": 3600})


async def ask(bench: Bench, pipeline: Pipeline, **fields: Any) -> Any:
    use = fields.pop("use", CacheUse())
    reply = await bench.send(fields, bench.flight(), use, pipeline=pipeline)
    return reply.body if reply.chunks is None else [chunk async for chunk in reply.chunks]


@pytest.mark.parametrize("streams", [False, True])
async def test_a_stale_answer_is_given_and_a_new_one_made(bench: Bench, streams: bool) -> None:
    # Kept so that it is stale at once.
    await ask(bench, bench.pipeline, use=CacheUse(ttl_s=1e-6))
    bench.model = FakeModel(pieces=("New",))
    pipeline = bench.pipeline
    stale = await ask(bench, pipeline, stream=streams)
    await pipeline.caching.background.done()
    fresh = await ask(bench, pipeline)

    assert (text_of(stale), text_of(fresh)) == ("Hello world.", "New")
    assert len(bench.model.bodies) == 1
    assert "stream" not in bench.model.bodies[0] or bench.model.bodies[0]["stream"] is False
    assert sorted(event.cache for event in bench.recorder.events) == ["bypass", "exact", "exact", "miss"]
    assert len({row.id for row in bench.ledger.rows}) == 4  # the new one is somebody's, and paid for


async def test_of_several_replicas_one_makes_it_anew(bench: Bench) -> None:
    await ask(bench, bench.pipeline, use=CacheUse(ttl_s=1e-6))
    bench.model = FakeModel(hangs_at=0)
    mine, theirs = (replica(bench) for _ in range(2))
    await ask(bench, mine)
    await asyncio.to_thread(bench.model.hanging.wait)
    await ask(bench, theirs)
    await theirs.caching.background.done()
    assert len(bench.model.bodies) == 1
    await mine.caching.background.aclose()

    bench.model = FakeModel(pieces=("New",))
    after = replica(bench)
    await ask(bench, after)
    await after.caching.background.done()
    assert text_of(await ask(bench, after)) == "New"


def replica(bench: Bench) -> Pipeline:
    """Another process, with memory of its own."""
    bench.leases = Leases(bench.store)
    bench.forget()
    return bench.pipeline


async def test_without_a_stale_time_an_old_answer_is_a_miss(make_bench: MakeBench) -> None:
    bench = make_bench(cache={"ttl_s": 10})
    await ask(bench, bench.pipeline, use=CacheUse(ttl_s=1e-6))
    await ask(bench, bench.pipeline)

    assert [event.cache for event in bench.recorder.events] == ["miss", "miss"]


async def test_a_client_that_wants_it_younger_gets_a_new_one(bench: Bench) -> None:
    await ask(bench, bench.pipeline, use=CacheUse(ttl_s=1e-6))
    await ask(bench, bench.pipeline, use=CacheUse(max_age_s=0))

    assert [event.cache for event in bench.recorder.events] == ["miss", "miss"]


async def test_a_client_that_may_not_write_is_not_billed_for_an_answer_that_nobody_keeps(bench: Bench) -> None:
    await ask(bench, bench.pipeline, use=CacheUse(ttl_s=1e-6))
    pipeline = bench.pipeline
    await ask(bench, pipeline, use=CacheUse(write=False))
    await pipeline.caching.background.done()

    assert [event.cache for event in bench.recorder.events] == ["miss", "exact"]
    assert len(bench.model.bodies) == 1
