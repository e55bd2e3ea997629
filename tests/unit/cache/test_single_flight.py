"""A shared generation by itself: who comes to follow it too late asks anew."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from app.cache.entry import Entry
from app.cache.single_flight import Lost, Shared, SingleFlight
from app.errors import SextantError, UpstreamFailed


class Source:
    """Gives two parts, then waits until it may go on, and ends or fails."""

    def __init__(self, error: SextantError | None = None) -> None:
        self.error = error
        self.gate = asyncio.Event()

    async def parts(self) -> AsyncGenerator[dict[str, Any], None]:
        for number in range(2):
            yield {"id": number}
        await self.gate.wait()
        if self.error:
            raise self.error

    def shared(self) -> Shared:
        return SingleFlight().begin(
            "key",
            self.parts(),
            streams=True,
            entry=lambda: Entry({"choices": []}),
            on_end=lambda: None,
            on_stall=lambda: None,
            deadline=asyncio.get_running_loop().time() + 60,
        )


async def ids(parts: AsyncGenerator[dict[str, Any], None]) -> list[int]:
    return [part["id"] async for part in parts]


async def test_who_begins_to_follow_when_all_have_left_asks_anew() -> None:
    shared = Source().shared()
    leading = shared.lead()
    assert [await anext(leading), await anext(leading)] == [{"id": 0}, {"id": 1}]
    assert shared.is_open
    following = shared.follow()  # looked up, and something is waited for before the first part is wanted
    await leading.aclose()

    with pytest.raises(Lost) as lost:
        await anext(following)
    assert lost.value.error is None


async def test_so_does_who_begins_while_it_is_being_ended() -> None:
    source = Source()
    shared = source.shared()
    leading = shared.lead()
    await anext(leading)
    leaving = asyncio.ensure_future(leading.aclose())
    await asyncio.sleep(0)

    with pytest.raises(Lost):
        await anext(shared.follow())
    await leaving


async def test_one_that_failed_is_not_replayed_to_who_comes_after() -> None:
    source = Source(UpstreamFailed("no"))
    shared = source.shared()
    source.gate.set()
    with pytest.raises(UpstreamFailed):
        await ids(shared.lead())

    with pytest.raises(Lost) as lost:
        await anext(shared.follow())
    assert lost.value.error is source.error


async def test_one_that_ended_well_is() -> None:
    source = Source()
    shared = source.shared()
    source.gate.set()
    assert await ids(shared.lead()) == [0, 1]

    assert await ids(shared.follow()) == [0, 1]


async def test_who_follows_already_keeps_it_alive() -> None:
    source = Source()
    shared = source.shared()
    async with aclosing(shared.lead()) as leading:
        await anext(leading)
        following = shared.follow()
        assert await anext(following) == {"id": 0}
    source.gate.set()

    assert await ids(following) == [1]
