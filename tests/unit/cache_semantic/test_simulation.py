"""The simulation counts what it says it counts."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from app.cache.semantic.types import Indexed
from app.evals.cache_judge.groups import Group, Trap
from app.evals.cache_simulation.compare import BOUNDS, Simulation, Trial, best
from app.evals.cache_simulation.opponents import FixedThreshold, PublishedVCache
from app.evals.cache_simulation.plots import stream_figure
from app.evals.cache_simulation.report import SimulationReport
from app.evals.cache_simulation.run import STEP_MS, TTL_STEPS, Outcome, run
from app.evals.cache_simulation.stream import Request, endless
from app.evals.cache_simulation.world import SCOPE, TENANT, World, WorldIndex, build_world
from app.evals.errors import DatasetError
from jobs.judge.unseen import check_unseen

GROUPS = [
    Group(
        f"group-{n}",
        f"what is the colour of thing {n}",
        (f"colour of thing {n}",),
        (f"thing {n} has which colour",),
        (
            Trap(f"what is the size of thing {n}", "attribute"),
            Trap(f"size of thing {n}", "attribute"),
            Trap(f"what is not the colour of thing {n}", "negation"),
        ),
    )
    for n in range(12)
]


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Bags of letters' pairs: near where the words are."""
    rows = np.zeros((len(texts), 26 * 27), dtype=np.float32)
    for row, text in enumerate(texts):
        for a, b in itertools.pairwise(f"{text} ".lower()):
            rows[row, (ord(a) * 27 + ord(b)) % rows.shape[1]] += 1
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def world(requests: Sequence[Request]) -> World:
    return build_world(requests, embed, 0.6)


class Scripted:
    """Serves what the script says, and notes what it was asked."""

    def __init__(self, served: Sequence[str | None]) -> None:
        self.served = list(served)
        self.asked: list[str] = []

    async def ask(self, request: Request, row: int, now_ms: int) -> str | None:
        self.asked.append(request.text)
        return self.served.pop(0)


def outcome(hits: int, wrong: int, requests: int = 100, name: str = "x") -> Outcome:
    return Outcome(name, [n < hits for n in range(requests)], [n < wrong for n in range(requests)])


def test_the_same_seed_gives_the_same_stream() -> None:
    one, other = (list(itertools.islice(endless(GROUPS, Random(3)), 500)) for _ in range(2))
    assert one == other
    assert one != list(itertools.islice(endless(GROUPS, Random(4)), 500))


def test_traps_have_intents_of_their_own_and_one_of_each_kind() -> None:
    stream = itertools.islice(endless(GROUPS, Random(3)), 5000)
    intents = {request.intent for request in stream if request.intent.startswith("group-0")}
    assert intents == {"group-0", "group-0/attribute", "group-0/negation"}


async def test_what_the_exact_tier_answers_is_left_out_until_it_expires() -> None:
    a, b = Request("a", "a"), Request("b", "b")
    filler = [Request("a", "a")] * TTL_STEPS
    cache = Scripted([None, None, None])
    found = await run(cache, [a, a, b, b, *filler], world([a, b]), 3, "scripted")
    assert cache.asked == ["a", "b", "a"]  # the last one when the first answer has expired
    assert found.requests == 3
    assert STEP_MS > 0


async def test_a_semantic_hit_leaves_no_exact_entry_and_counts_by_its_intent() -> None:
    a = Request("a", "right")
    found = await run(Scripted(["right", "other", None, "never"]), [a] * 10, world([a]), 4, "scripted")
    assert (found.hits, found.wrong) == ([True, True, False], [False, True, False])
    assert found.error_of_hits == 0.5
    assert found.error_of_requests == pytest.approx(1 / 3)


async def test_a_fixed_threshold_serves_the_nearest_from_it_on() -> None:
    near, far, asked = Request("near", "N"), Request("far", "F"), Request("asked", "A")
    angles = {"asked": 0.0, "near": 0.1, "far": 0.5}  # in radians; cos 0.1 is 0.995

    def at_angles(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[np.cos(angles[text]), np.sin(angles[text])] for text in texts], dtype=np.float32)

    made = build_world([near, far, asked], at_angles, 0.6)
    for threshold, served in ((0.8, "N"), (0.994, "N"), (0.996, None)):
        cache = FixedThreshold(made, threshold)
        for text in ("far", "near"):
            cache._entries.keep(made.rows[text], text[0].upper(), 0)
        assert await cache.ask(asked, made.rows["asked"], 1) == served


async def test_published_vcache_serves_nothing_before_it_has_labels() -> None:
    stream = list(itertools.islice(endless(GROUPS, Random(1)), 3000))
    made = world(stream)
    found = await run(PublishedVCache(made, 0.05, 1), stream, made, 5, "vcache")
    assert not any(found.hits)


def test_the_best_fixed_threshold_is_that_with_most_hits_of_those_that_keep_the_bound() -> None:
    outcomes = [outcome(80, 10), outcome(50, 1), outcome(40, 0), outcome(0, 0)]
    assert best(outcomes, 0.02) is outcomes[1]
    assert best(outcomes, 0.01) is outcomes[2]
    assert best(outcomes[:1], 0.05) is None


@pytest.mark.parametrize(
    ("verified", "fixed", "kept", "ahead"),
    [
        ((60, 1), (50, 1), True, True),
        ((60, 2), (50, 1), False, True),
        ((50, 1), (50, 1), True, False),
        ((0, 0), None, True, False),
    ],
)
def test_the_verdict_says_what_did_not_hold(
    verified: tuple[int, int], fixed: tuple[int, int] | None, kept: bool, ahead: bool
) -> None:
    opponent = outcome(*fixed) if fixed else None
    trial = Trial(1, 0.02, outcome(*verified), outcome(0, 0), outcome(0, 0), opponent, None)
    assert (trial.keeps_bound, trial.is_ahead) == (kept, ahead)
    verdict = SimulationReport([trial]).verdict
    assert ("does NOT hold" in verdict) is not (kept and ahead)


async def test_a_whole_simulation_reports_every_cache_for_every_bound() -> None:
    stream = list(itertools.islice(endless(GROUPS, Random(1)), 1000))

    class Certain:
        min_score = 0.9

        def judge(self, a: str, b: str, cosine: float | None = None, tenant: str = "") -> "Certain.Said":
            return Certain.Said()

        class Said:
            score, reason, is_refused = 0.5, "", False

    told: list[None] = []
    simulation = Simulation(stream, world(stream), Certain(), 60, 1, told=lambda: told.append(None))
    trials = await simulation.trials()
    assert [trial.bound for trial in trials] == list(BOUNDS)
    assert len(told) == Simulation.STEPS
    report = SimulationReport(trials)
    assert report.table().row_count == 5 * len(BOUNDS)
    assert {"verified_1pct_hit_rate", "best_fixed_threshold_judge_5pct_hit_rate"} <= set(report.metrics())
    assert len(report.rows()["cache"]) == 5 * len(BOUNDS)
    assert len(stream_figure(trials).axes) == 2 * len(BOUNDS)


@pytest.mark.parametrize(("card", "is_refused"), [({"groups": 353}, False), ({"groups": 690}, True), ({}, True)])
def test_a_judge_that_may_have_seen_the_test_half_is_not_tested_on_it(card: dict[str, int], is_refused: bool) -> None:
    @dataclass
    class Model:
        card: dict[str, int]

    if is_refused:
        with pytest.raises(DatasetError, match="may have seen"):
            check_unseen(Model(card), 353)  # type: ignore[arg-type]  # a card is all that is looked at
    else:
        check_unseen(Model(card), 353)  # type: ignore[arg-type]  # a card is all that is looked at


async def test_what_is_kept_is_found_however_many_lie_nearer() -> None:
    texts = [f"what is the colour of thing number {n:03}" for n in range(200)]
    stream = [Request(text, text) for text in texts]
    index = WorldIndex(world(stream))
    row_of = {text: row for row, text in enumerate(texts)}
    vectors = embed(texts)
    asked = vectors[0]
    farthest = int(np.argmin(vectors @ asked))

    await index.put(Indexed("id", TENANT, SCOPE, texts[farthest], "key", 0, 1000), vectors[farthest])

    ((point, cosine),) = await index.search(TENANT, SCOPE, asked, 4, 10)
    assert row_of[point.question] == farthest
    assert cosine == pytest.approx(float(vectors[farthest] @ asked), abs=1e-5)


@pytest.mark.parametrize("turn", [1, -1])
async def test_texts_with_one_vector_find_each_other(turn: int) -> None:
    small, big = ["who made Python", "WHO MADE PYTHON"][::turn]
    index = WorldIndex(world([Request("who made Python", "a"), Request("WHO MADE PYTHON", "a")]))

    await index.put(Indexed("id", TENANT, SCOPE, small, "key", 0, 1000), embed([small])[0])

    ((point, cosine),) = await index.search(TENANT, SCOPE, embed([big])[0], 4, 10)
    assert point.question == small
    assert cosine == pytest.approx(1.0, abs=1e-5)
