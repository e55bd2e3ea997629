"""Answers of a cost-tiered alias in the cache: each under the key of the models that were asked for."""

from pathlib import Path
from typing import Any

import pytest

from app.errors import Unavailable
from app.pipeline.ports import ModelPort
from tests.unit.bench import Bench, stack_config, text_of
from tests.unit.fake_model import FakeModel
from tests.unit.test_pipeline_sharing import Crowd, GatedModel, turns

TIERS = {"policy": "cost-tiered", "tiers": {"small": "m", "large": "n"}}


class Tiered(Bench):
    """Small `m`, large `n`."""

    large = FakeModel(pieces=("Large",))

    @property
    def models(self) -> dict[str, ModelPort]:
        return {"m": self.model, "n": self.large}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    models = [{"id": "m", "source": "org/m"}, {"id": "n", "source": "org/n"}]
    bench = Tiered(stack_config(tmp_path, models=models, aliases={"auto": TIERS, "docs": TIERS}))
    bench.model = FakeModel(pieces=("Small",), error=Unavailable("down"))
    return bench


def asking(tier: str | None) -> dict[str, Any]:
    return {"model": "auto", "sextant": {"routing": {"tier": tier} if tier else {}}}


async def test_the_other_tiers_answer_is_not_kept_in_the_wanted_ones_place(bench: Bench) -> None:
    bench.model.fails_at = 0
    assert text_of(await bench.answer(**asking("small"))) == "Large"
    bench.model.fails_at = None

    assert text_of(await bench.answer(**asking("small"))) == "Small"
    assert text_of(await bench.answer(model="m")) == "Small"
    assert [event.cache for event in bench.recorder.events] == ["miss", "miss", "exact"]


async def test_the_wanted_tiers_answer_is_kept(bench: Bench) -> None:
    for _ in range(2):
        assert text_of(await bench.answer(**asking("large"))) == "Large"

    assert [event.cache for event in bench.recorder.events] == ["miss", "exact"]


async def test_who_leaves_the_tier_to_us_may_get_either_again(bench: Bench) -> None:
    for _ in range(2):
        assert text_of(await bench.answer(**asking(None))) == "Large"

    assert [event.cache for event in bench.recorder.events] == ["miss", "exact"]


async def test_who_asks_for_the_model_itself_does_not_follow_one_who_may_get_the_other_tiers(bench: Bench) -> None:
    model = GatedModel(pieces=("Small",), fails_at=0, error=Unavailable("down"))
    crowd = Crowd(bench, model)
    tiered = crowd.ask(**asking("small"))
    await model.waits.wait()
    direct = crowd.ask(model="m")
    await turns()
    model.gate.set()

    assert text_of(await tiered) == "Large"
    with pytest.raises(Unavailable):
        await direct
