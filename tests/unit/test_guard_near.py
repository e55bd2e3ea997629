"""Short texts are screened near, long ones far, and both fail the same way."""

from collections.abc import Sequence

import pytest

from app.errors import Unavailable
from app.guard.near import NearGuard
from app.guard.types import Screened
from tests.unit.fakes import FakeGuard


def near(texts: Sequence[str]) -> Screened:
    return Screened(tuple(f"near {text}" for text in texts))


async def test_texts_are_measured_together() -> None:
    far = FakeGuard()
    guard = NearGuard(near, 10, far)

    assert (await guard.screen(["12345", "67890"])).texts == ("near 12345", "near 67890")
    assert far.calls == []
    assert (await guard.screen(["12345", "678901"])).texts == ("12345", "678901")
    assert far.calls == [["12345", "678901"]]


async def test_a_failure_near_by_is_a_guard_that_failed() -> None:
    def broken(texts: Sequence[str]) -> Screened:
        raise RuntimeError("private words")

    with pytest.raises(Unavailable) as raised:
        await NearGuard(broken, 10, FakeGuard()).screen(["short"])
    assert "private" not in str(raised.value)


async def test_the_far_one_decides_whether_the_guard_is_there() -> None:
    assert await NearGuard(near, 10, FakeGuard()).ping()
    assert not await NearGuard(near, 10, FakeGuard(error=Unavailable("no"))).ping()
