"""What the statistics say: each request counts once, by what it was served."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.cache.exact import ExactCache
from app.cache.use import CacheUse
from app.pipeline.pipeline import Pipeline
from tests.unit.bench import Bench
from tests.unit.conftest import MakeBench
from tests.unit.fakes import FakeSemantic, passage

ASKED, MEANT = "What is the port?", "Which port is it?"


class Counted:
    """A bench, and its counters."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.tier = bench.semantic = FakeSemantic()
        self.pipeline: Pipeline = bench.pipeline

    async def ask(self, content: str = ASKED, use: CacheUse | None = None, **fields: Any) -> str:
        """The request's x-sextant-cache."""
        flight = self.bench.flight()
        fields = {"messages": [{"role": "user", "content": content}], **fields}
        await self.bench.send(fields, flight, use, pipeline=self.pipeline)
        await self.pipeline.caching.background.done()
        return flight.cache

    @property
    def exact(self) -> ExactCache:
        assert self.pipeline.caching.exact
        return self.pipeline.caching.exact

    @property
    def counts(self) -> tuple[int, int, int]:
        """Hits and misses of the exact tier, and what was served by meaning."""
        counters = self.exact.counters
        return counters.memory_hits + counters.store_hits, counters.misses, self.exact.served_by_meaning


@pytest.fixture
def counted(make_bench: MakeBench) -> Counted:
    return Counted(make_bench(cache={"semantic": {"enabled": True}}))


async def test_a_generated_answer_is_one_miss_and_each_repetition_one_hit(counted: Counted) -> None:
    assert await counted.ask() == "miss"
    assert counted.counts == (0, 1, 0)

    assert [await counted.ask() for _ in range(2)] == ["exact"] * 2
    assert counted.counts == (2, 1, 0)


async def test_a_masked_request_counts_once(counted: Counted) -> None:
    assert counted.bench.guard
    counted.bench.guard.names = ["Anna", "Ben"]

    assert await counted.ask("Greet Anna.") == "miss"
    assert counted.counts == (0, 1, 0)
    assert await counted.ask("Greet Ben.") == "exact"  # with the masked text alone
    assert counted.counts == (1, 1, 0)


async def test_a_request_with_documents_counts_once(counted: Counted) -> None:
    counted.bench.search.passages["default"] = [passage("Port 8000.")]

    assert await counted.ask(model="docs") == "miss"
    assert counted.counts == (0, 1, 0)
    counted.bench.versions.version = "kb-2"  # other documents have changed
    assert await counted.ask(model="docs") == "exact"
    assert counted.counts == (1, 1, 0)
    counted.bench.versions.version = None  # nobody can tell, until the passages are there
    assert await counted.ask(model="docs") == "exact"
    assert counted.counts == (2, 1, 0)


async def test_what_is_served_by_meaning_is_no_exact_hit(counted: Counted) -> None:
    await counted.ask()
    counted.tier.propose(MEANT)

    assert await counted.ask(MEANT) == "semantic"
    assert counted.counts == (0, 2, 1)


async def test_a_proposal_whose_entry_is_gone_is_not_served(counted: Counted) -> None:
    await counted.ask()
    counted.tier.propose(MEANT)
    gone = replace(counted.tier.near[MEANT](), key="gone")
    counted.tier.near[MEANT] = lambda: gone

    assert await counted.ask(MEANT) == "miss"
    assert counted.counts == (0, 2, 0)


async def test_what_is_compared_in_the_background_is_nobodys_hit(counted: Counted) -> None:
    await counted.ask()
    counted.tier.propose(MEANT, "explore")

    assert await counted.ask(MEANT) == "miss"
    assert counted.tier.compared
    assert counted.counts == (0, 2, 0)


async def test_an_entry_that_the_client_does_not_take_is_a_miss(counted: Counted) -> None:
    await counted.ask()

    assert await counted.ask(use=CacheUse(max_age_s=0)) == "miss"
    assert counted.counts == (0, 2, 0)


async def test_who_does_not_ask_the_cache_is_not_counted_nor_proposed_to(counted: Counted) -> None:
    await counted.ask()
    counted.tier.propose(MEANT)

    assert await counted.ask(MEANT, CacheUse(read=False)) == "bypass"
    assert counted.counts == (0, 1, 0)
    assert [place.is_read for place in counted.tier.asked] == [True, False]


async def test_an_answer_that_was_finished_meanwhile_is_a_hit(counted: Counted) -> None:
    guard = counted.bench.guard
    assert guard
    guard.gate = asyncio.Event()
    guard.started.clear()
    slow = asyncio.create_task(counted.ask())
    await guard.started.wait()
    gate, guard.gate = guard.gate, None
    await counted.ask()
    gate.set()

    assert await slow == "shared"
    assert counted.counts == (1, 1, 0)
