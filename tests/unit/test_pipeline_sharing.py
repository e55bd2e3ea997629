"""Identical requests under way share one generation; whoever leaves hands over."""

import asyncio
from typing import Any

import pytest

from app.cache.use import CacheUse
from app.errors import InvalidRequest, UpstreamFailed
from app.pipeline.flight import Flight
from app.pipeline.pipeline import Pipeline
from tests.unit.bench import Bench, text_of
from tests.unit.conftest import MakeBench
from tests.unit.fake_model import FakeModel


class GatedModel(FakeModel):
    """Gives `head` at once, and the rest when the gate opens."""

    def __init__(self, head: int = 0, **facts: Any) -> None:
        super().__init__(**facts)
        self.head = head
        self.gate = asyncio.Event()
        self.waits = asyncio.Event()

    async def _trouble(self, position: int) -> None:
        if position == self.head:
            self.waits.set()
            await self.gate.wait()
        await super()._trouble(position)


class Crowd:
    """Requests of one pipeline."""

    def __init__(self, bench: Bench, model: FakeModel) -> None:
        bench.model = model
        self.bench = bench
        self.pipeline: Pipeline = bench.pipeline

    def ask(self, *, stream: bool = False, tenant: str = "default", **fields: Any) -> "asyncio.Task[Any]":
        return asyncio.create_task(self._ask(self.bench.flight(tenant=tenant), stream=stream, **fields))

    async def _ask(self, flight: Flight, **fields: Any) -> Any:
        use = fields.pop("use", CacheUse())
        reply = await self.bench.send(fields, flight, use, pipeline=self.pipeline)
        return reply.body if reply.chunks is None else [chunk async for chunk in reply.chunks]

    @property
    def states(self) -> list[str]:
        return sorted(event.cache for event in self.bench.recorder.events)

    @property
    def costs(self) -> list[int]:
        return sorted(row.cost_nano for row in self.bench.ledger.rows)


async def turns(count: int = 50) -> None:
    """Let everything that can go on go on."""
    for _ in range(count):
        await asyncio.sleep(0)


PRICE = {
    "models": [
        {
            "id": "m",
            "source": "org/m",
            "engine": {"max_model_len": 2048},
            "price": {"input_usd_per_million": 1, "output_usd_per_million": 1},
        }
    ]
}


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench(**PRICE)


async def test_a_hundred_at_once_make_one_generation(bench: Bench) -> None:
    model = GatedModel()
    crowd = Crowd(bench, model)
    asking = [crowd.ask(stream=bool(number % 2)) for number in range(100)]
    await model.waits.wait()
    await turns()
    model.gate.set()
    answers = await asyncio.gather(*asking)

    assert {text_of(answer) for answer in answers} == {"Hello world."}
    assert len(model.bodies) == 1
    assert crowd.states == ["miss", *["shared"] * 99]
    assert [cost > 0 for cost in crowd.costs] == [*[False] * 99, True]  # one pays
    assert len({answer["id"] if isinstance(answer, dict) else answer[0]["id"] for answer in answers}) == 100


async def test_streams_that_follow_get_chunks_as_they_come(bench: Bench) -> None:
    model = GatedModel(head=2)
    crowd = Crowd(bench, model)
    leading = crowd.ask(stream=True)
    await model.waits.wait()
    reply = await bench.send({"stream": True}, bench.flight(), pipeline=crowd.pipeline)
    assert reply.chunks
    early = [await anext(reply.chunks), await anext(reply.chunks)]

    assert text_of(early) == "Hello"
    assert not leading.done()
    model.gate.set()
    assert text_of([*early, *[chunk async for chunk in reply.chunks]]) == "Hello world."
    assert text_of(await leading) == "Hello world."


@pytest.mark.parametrize("leader_streams", [False, True])
@pytest.mark.parametrize("follower_streams", [False, True])
async def test_a_leader_that_leaves_hands_over(bench: Bench, leader_streams: bool, follower_streams: bool) -> None:
    model = GatedModel(head=2 if leader_streams else 0)
    crowd = Crowd(bench, model)
    leading = crowd.ask(stream=leader_streams)
    await model.waits.wait()
    following = [crowd.ask(stream=follower_streams) for _ in range(3)]
    await turns()
    leading.cancel()
    await asyncio.wait([leading])
    assert not model.closed.is_set()
    model.gate.set()

    assert {text_of(answer) for answer in await asyncio.gather(*following)} == {"Hello world."}
    assert len(model.bodies) == 1
    assert len(bench.ledger.rows) == 4
    assert crowd.costs[-1] > 0  # who began it pays for it


async def test_the_generation_ends_with_the_last_who_leaves(bench: Bench) -> None:
    model = GatedModel(head=2)
    crowd = Crowd(bench, model)
    asking = [crowd.ask(stream=True)]
    await model.waits.wait()
    asking += [crowd.ask(stream=True) for _ in range(3)]
    await turns()
    for task in asking:
        assert not model.closed.is_set()
        task.cancel()
        await asyncio.wait([task])

    assert model.closed.is_set()
    # Who only followed has used nothing.
    assert [row.outcome for row in bench.ledger.rows] == ["cancelled"]
    assert [event.status for event in bench.recorder.events] == [499] * 4


async def test_a_leader_that_fails_before_its_first_token_fails_alone(bench: Bench) -> None:
    model = GatedModel(fails_at=0, error=UpstreamFailed("no"))
    crowd = Crowd(bench, model)
    leading = crowd.ask()
    await model.waits.wait()
    following = [crowd.ask() for _ in range(3)]
    await turns()
    model.gate.set()
    with pytest.raises(UpstreamFailed):
        await leading
    model.fails_at = None

    assert {text_of(answer) for answer in await asyncio.gather(*following)} == {"Hello world."}
    assert len(set(model.request_ids)) == 2  # one of those who waited became the leader


async def test_a_stream_that_breaks_in_the_middle_breaks_for_all_who_had_part_of_it(bench: Bench) -> None:
    model = GatedModel(head=2, fails_at=2, error=UpstreamFailed("no"))
    crowd = Crowd(bench, model)
    asking = [crowd.ask(stream=True)]
    await model.waits.wait()
    asking += [crowd.ask(stream=True) for _ in range(2)]
    await turns()
    model.gate.set()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [UpstreamFailed] * 3
    assert len(model.bodies) == 1


async def test_truncated_answers_are_shared_but_not_kept(bench: Bench) -> None:
    model = GatedModel(finish_reason="length")
    crowd = Crowd(bench, model)
    asking = [crowd.ask() for _ in range(3)]
    await model.waits.wait()
    await turns()
    model.gate.set()
    await asyncio.gather(*asking)
    assert len(model.bodies) == 1

    await crowd.ask()
    assert len(model.bodies) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"tenant": "other"},
        {"max_tokens": 7},
        {"use": CacheUse(write=False)},
        {"use": CacheUse(read=False)},
        {"temperature": 0.5},
        {"sextant": {"routing": {"fallbacks": False}}},
    ],
)
async def test_what_differs_or_must_not_be_shared_is_made_for_itself(bench: Bench, other: dict[str, Any]) -> None:
    model = GatedModel()
    crowd = Crowd(bench, model)
    asking = [crowd.ask()]
    await model.waits.wait()
    asking.append(crowd.ask(**other))
    await turns()
    model.gate.set()
    await asyncio.gather(*asking)

    assert len(model.bodies) == 2


async def test_it_can_be_turned_off(make_bench: MakeBench) -> None:
    model = GatedModel()
    crowd = Crowd(make_bench(**PRICE, cache={"single_flight": False}), model)
    asking = [crowd.ask() for _ in range(3)]
    await model.waits.wait()
    await turns()
    model.gate.set()
    await asyncio.gather(*asking)

    assert len(model.bodies) == 3


@pytest.mark.parametrize("end", ["!", ""])
async def test_masked_requests_share_the_generation_and_restore_their_own_values(bench: Bench, end: str) -> None:
    # The last piece is held back until the end is known.
    model = GatedModel(pieces=("Dear ", "<PERSON_1>", end) if end else ("Dear ", "PERSON_1"))
    assert bench.guard
    bench.guard.names = ["Anna", "Ben"]
    crowd = Crowd(bench, model)
    asking = [
        crowd.ask(messages=[{"role": "user", "content": f"Greet {name}."}], stream=streams)
        for name in ("Anna", "Ben")
        for streams in (True, False)
    ]
    await model.waits.wait()
    await turns()
    model.gate.set()

    assert [text_of(answer) for answer in await asyncio.gather(*asking)] == [f"Dear Anna{end}"] * 2 + [
        f"Dear Ben{end}"
    ] * 2
    assert len(model.bodies) == 1


async def test_what_is_wrong_with_a_request_is_wrong_for_all_at_once(bench: Bench) -> None:
    model = GatedModel(fails_at=0, error=InvalidRequest("too long"))
    crowd = Crowd(bench, model)
    asking = [crowd.ask(stream=bool(number % 2)) for number in range(20)]
    await model.waits.wait()
    await turns()
    model.gate.set()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {InvalidRequest}
    assert len(model.bodies) == 1


async def test_who_comes_while_a_generation_dies_makes_its_own(bench: Bench) -> None:
    model = GatedModel(head=2)
    crowd = Crowd(bench, model)
    leading = crowd.ask(stream=True)
    await model.waits.wait()
    leading.cancel()
    await asyncio.sleep(0)  # it is being ended
    late = crowd.ask(stream=True)
    model.gate.set()

    assert text_of(await late) == "Hello world."
    assert leading.cancelled() or leading.done()


async def test_a_request_that_was_answered_while_another_was_screened_is_not_made_again(bench: Bench) -> None:
    assert bench.guard
    crowd = Crowd(bench, FakeModel())
    bench.guard.gate = asyncio.Event()
    bench.guard.started.clear()
    slow = crowd.ask()
    await bench.guard.started.wait()
    gate, bench.guard.gate = bench.guard.gate, None
    await crowd.ask()
    gate.set()

    assert text_of(await slow) == "Hello world."
    assert len(bench.model.bodies) == 1
    assert crowd.states == ["miss", "shared"]
