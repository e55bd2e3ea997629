"""Short texts are examined near, long ones far."""

from collections.abc import Sequence

from app.config import Policy
from app.config.policy import AnyRail
from app.errors import Unavailable
from app.guard.engine import Engine, Job
from app.guard.near import NearRails
from app.guard.types import Hit
from tests.unit.fakes import FakeGuard


class Near:
    version = "near"

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        return [[Hit("NEAR", 1.0, 0, len(text))] for text in texts]


def make(settings: AnyRail) -> Near:
    return Near()


def near_rails(far: FakeGuard) -> NearRails:
    return NearRails(Engine({"default": Policy()}, make), 10, far)


async def test_texts_are_measured_together() -> None:
    far = FakeGuard()
    rails = near_rails(far)

    (examined,) = await rails.examine("default", [Job("retrieved", ("12345", "67890"))])
    assert {each.version for each in examined} == {"near"}
    assert far.calls == []
    (examined,) = await rails.examine("default", [Job("retrieved", ("12345", "678901"))])
    assert {each.version for each in examined} == {"fake"}
    assert far.calls == [["12345", "678901"]]


async def test_the_far_one_decides_whether_the_guard_is_there() -> None:
    assert await near_rails(FakeGuard()).ping()
    assert not await near_rails(FakeGuard(error=Unavailable("no"))).ping()


async def test_a_text_that_rails_of_two_kinds_read_counts_once() -> None:
    far = FakeGuard()
    question = ("12345678",)

    await near_rails(far).examine("default", [Job("input", question, "masking"), Job("input", question, "others")])
    assert far.calls == []
