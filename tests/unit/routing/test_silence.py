"""Silence: each wait is bounded, by one timer, and nobody else's cancellation is mistaken for it."""

import asyncio

import pytest

from app.errors import DeadlineExceeded, UpstreamTimeout
from app.routing.silence import Silence
from tests.unit.routing.virtual_time import in_virtual_time, now


@in_virtual_time
async def test_each_wait_may_take_the_limit_and_none_may_take_more() -> None:
    with Silence(5, now() + 300) as silence:
        for _ in range(4):
            assert await silence.bound(asyncio.sleep(4.9, "chunk")) == "chunk"
        started = now()
        with pytest.raises(UpstreamTimeout):
            await silence.bound(asyncio.sleep(60))
        assert now() - started == pytest.approx(5)


@in_virtual_time
async def test_time_that_the_reader_takes_is_not_the_models() -> None:
    with Silence(5, now() + 300) as silence:
        for _ in range(4):
            await silence.bound(asyncio.sleep(3))
            await asyncio.sleep(7)
        with pytest.raises(UpstreamTimeout):
            await silence.bound(asyncio.sleep(60))


@in_virtual_time
async def test_the_deadline_ends_a_wait_and_says_so() -> None:
    started = now()
    with Silence(5, started + 7) as silence:
        await silence.bound(asyncio.sleep(4))
        with pytest.raises(DeadlineExceeded) as raised:
            await silence.bound(asyncio.sleep(60))
    assert type(raised.value) is DeadlineExceeded
    assert now() - started == pytest.approx(7)


@in_virtual_time
async def test_it_leaves_neither_timer_nor_cancellation_behind() -> None:
    task = asyncio.current_task()
    assert task
    with Silence(5, now() + 300) as silence:
        with pytest.raises(UpstreamTimeout):
            await silence.bound(asyncio.sleep(60))
        assert task.cancelling() == 0
    with Silence(5, now() + 300) as silence:
        await silence.bound(asyncio.sleep(1))
    await asyncio.sleep(60)
    assert task.cancelling() == 0


@in_virtual_time
async def test_past_the_deadline_only_what_is_there_already_is_had() -> None:
    async def ready() -> str:
        return "ready"

    with Silence(5, now() - 1) as silence:
        assert await silence.bound(ready()) == "ready"
        await asyncio.sleep(1)  # raises, had a cancellation stayed behind
        with pytest.raises(DeadlineExceeded):
            await silence.bound(asyncio.sleep(60))


@pytest.mark.parametrize("after_s", [4.0, 5.0, 6.0])
@in_virtual_time
async def test_a_cancellation_from_outside_stays_one_even_in_the_same_moment(after_s: float) -> None:
    async def wait() -> None:
        with Silence(5, now() + 300) as silence:
            await silence.bound(asyncio.sleep(60))

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(after_s, waiting.cancel)
    await asyncio.wait([waiting])
    if after_s <= 5:
        assert waiting.cancelled()
    else:
        assert isinstance(waiting.exception(), UpstreamTimeout)


@in_virtual_time
async def test_an_outer_timeout_at_the_same_moment_is_the_outer_ones() -> None:
    async def wait(outer_s: float) -> None:
        async with asyncio.timeout(outer_s):
            with Silence(5, now() + 300) as silence:
                await silence.bound(asyncio.sleep(60))

    for outer_s in (4.0, 5.0):
        with pytest.raises(TimeoutError) as raised:
            await wait(outer_s)
        assert type(raised.value) is TimeoutError


@in_virtual_time
async def test_work_that_answers_although_it_was_cancelled_is_believed() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "late"
        return "never"

    with Silence(5, now() + 300) as silence:
        assert await silence.bound(stubborn()) == "late"
        assert await silence.bound(asyncio.sleep(1, "next")) == "next"
        with pytest.raises(UpstreamTimeout):
            await silence.bound(asyncio.sleep(60))
    task = asyncio.current_task()
    assert task
    assert task.cancelling() == 0
