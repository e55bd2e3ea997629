"""A stream's beginning, held back: what counts as one, and what is none at all."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.errors import UpstreamFailed
from app.routing.held import HeldStream
from tests.unit.routing.trips import chunk


def held(*chunks: dict[str, Any]) -> HeldStream:
    async def stream() -> AsyncIterator[dict[str, Any]]:
        for each in chunks:
            yield each

    return HeldStream(stream())


async def test_chunks_are_held_up_to_the_first_that_says_something() -> None:
    stream = held(
        {"id": "x", "choices": None}, chunk({"role": "assistant"}), chunk({"content": "a"}), chunk({}, "stop")
    )
    await stream.hold()
    assert len(stream.held) == 3
    assert await stream.next() == chunk({}, "stop")
    assert await stream.next() is None


@pytest.mark.parametrize("delta", ["text", ["text"], 5])
async def test_a_delta_that_is_none_is_a_failure_of_the_model(delta: Any) -> None:
    with pytest.raises(UpstreamFailed, match="not in the form"):
        await held(chunk(delta)).hold()
