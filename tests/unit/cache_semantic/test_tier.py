"""The semantic tier over the engine: what is found, served, learned and forgotten."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from valkey.asyncio import Valkey

from app.cache.embedded import EmbeddedValkey, socket_path
from app.cache.semantic.edge_index import EdgeIndex
from app.cache.semantic.labels import Label, LabelLog
from app.cache.semantic.tally import Tally
from app.cache.semantic.tier import FALLEN_BACK, MOST_BEHIND, NOT_RECALLED, SILENT_MS, UNSURE, SemanticTier
from app.cache.semantic.types import Proposal
from app.clock import now_ms
from app.config.cache import SemanticConfig
from app.retrieval.types import Vector

DIMENSIONS = 16


@dataclass(frozen=True)
class Said:
    score: float
    reason: str = ""
    is_refused: bool = False


class WordJudge:
    """Refuses where one question has "not" and the other has not."""

    min_score = 0.8

    def judge(self, a: str, b: str, cosine: float | None = None, tenant: str = "") -> Said:
        if ("not" in a.split()) != ("not" in b.split()):
            return Said(0.01, "negation")
        return Said(0.999)


class Clock:
    def __init__(self) -> None:
        self.ms = now_ms()

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[EdgeIndex]:
    made = EdgeIndex(tmp_path / "index", DIMENSIONS, 1000)
    yield made
    await made.close()


def build(index: EdgeIndex, clock: Clock | None = None, client: Valkey | None = None, **of: Any) -> SemanticTier:
    settings = {"enabled": True, "decision": "fixed", "threshold": 0.9, "audit_share": 0, **of}
    config = SemanticConfig.model_validate(settings)
    clock = clock or Clock()
    tally = Tally(
        client,
        max_error_rate=config.max_error_rate,
        min_judged=config.min_judged,
        window_h=config.window_h,
        timeout_s=1,
        clock=clock,
    )
    return SemanticTier(config, index, WordJudge(), tally, random=Random(1), clock=clock)


def near(cosine: float) -> Vector:
    made = np.zeros(DIMENSIONS, dtype=np.float32)
    made[0], made[1] = cosine, (1 - cosine**2) ** 0.5
    return made


async def remember(tier: SemanticTier, question: str = "does it work", tenant: str = "acme", scope: str = "s") -> None:
    await tier.remember(tenant, scope, question, near(1), f"key of {question}", 3600)


async def ask(
    tier: SemanticTier, question: str, cosine: float = 0.95, tenant: str = "acme", scope: str = "s"
) -> Proposal | None:
    return await tier.find(tenant, scope, question, near(cosine))


async def test_a_near_question_is_served_the_entry(index: EdgeIndex) -> None:
    tier = build(index)
    await remember(tier)
    proposal = await ask(tier, "is it working")
    assert proposal is not None
    assert (proposal.decision, proposal.key, proposal.reason) == ("serve", "key of does it work", "")
    assert proposal.similarity == pytest.approx(0.95, abs=0.01)


async def test_nothing_near_is_no_proposal(index: EdgeIndex) -> None:
    tier = build(index)
    await remember(tier)
    assert await ask(tier, "is it working", cosine=0.4) is None


@pytest.mark.parametrize("other", [{"tenant": "rival"}, {"scope": "t"}])
async def test_another_tenant_or_context_sees_nothing(index: EdgeIndex, other: dict[str, str]) -> None:
    tier = build(index)
    await remember(tier)
    assert await ask(tier, "does it work", cosine=1, **other) is None


async def test_what_the_judge_refuses_is_explored_and_says_why(index: EdgeIndex) -> None:
    tier = build(index)
    await remember(tier)
    proposal = await ask(tier, "does it not work", cosine=0.99)
    assert proposal is not None
    assert (proposal.decision, proposal.reason) == ("explore", "negation")


async def test_what_lies_far_behind_the_nearest_is_not_judged(index: EdgeIndex) -> None:
    asked: list[str] = []

    class Noting(WordJudge):
        def judge(self, a: str, b: str, cosine: float | None = None, tenant: str = "") -> Said:
            asked.append(a)
            return Said(0.01, "wording")

    tier = build(index)
    tier._judge = Noting()
    for question, cosine in (("behind", 0.9 - MOST_BEHIND + 0.02), ("nearest", 0.9), ("far", 0.9 - MOST_BEHIND - 0.02)):
        await tier.remember("acme", "s", question, near(cosine), f"key of {question}", 3600)
    assert await ask(tier, "which", cosine=1) is not None
    assert asked == ["nearest", "behind"]


async def test_without_the_second_check_the_cosine_decides(index: EdgeIndex) -> None:
    tier = build(index, second_check=False)
    await remember(tier)
    proposal = await ask(tier, "does it not work", cosine=0.99)
    assert proposal is not None
    assert proposal.decision == "serve"
    below = await ask(tier, "does it not work", cosine=0.85)
    assert below is not None
    assert (below.decision, below.reason) == ("explore", UNSURE)


async def test_a_refused_neighbour_does_not_hide_the_right_one(index: EdgeIndex) -> None:
    tier = build(index)
    await tier.remember("acme", "s", "does it not work", near(1), "the wrong key", 3600)
    await tier.remember("acme", "s", "does it work", near(0.97), "the right key", 3600)
    proposal = await ask(tier, "is it working", cosine=0.999)
    assert proposal is not None
    assert (proposal.decision, proposal.key) == ("serve", "the right key")


async def test_what_has_expired_is_not_served(index: EdgeIndex) -> None:
    clock = Clock()
    tier = build(index, clock)
    await remember(tier)
    clock.ms += 3_600_000
    assert await ask(tier, "is it working") is None


async def test_forgotten_and_purged_entries_are_gone(index: EdgeIndex) -> None:
    tier = build(index)
    await remember(tier)
    proposal = await ask(tier, "is it working")
    assert proposal is not None
    await tier.forget(proposal.entry_id)
    assert await ask(tier, "is it working") is None
    await remember(tier)
    await remember(tier, tenant="rival")
    assert await tier.purge("acme") == 1
    assert await ask(tier, "is it working") is None
    assert await ask(tier, "is it working", tenant="rival") is not None


async def test_hits_are_audited_in_the_configured_share(index: EdgeIndex) -> None:
    for share, least, most in ((0.0, 0, 0), (1.0, 200, 200), (0.2, 20, 60)):
        tier = build(index, audit_share=share)
        await remember(tier)
        proposals = [await ask(tier, f"is it working {n}") for n in range(200)]
        assert least <= sum(p is not None and p.is_audited for p in proposals) <= most


async def test_verified_serves_once_labels_speak_for_it(index: EdgeIndex) -> None:
    tier = build(index, decision="verified", max_error_rate=0.05)
    await remember(tier)
    served = 0
    for n in range(60):
        proposal = await ask(tier, f"is it working {n}")
        assert proposal is not None
        served += proposal.decision == "serve"
        if proposal.decision == "explore":
            await tier.observe("acme", proposal, True)
    assert served > 20


async def test_verified_stops_serving_an_entry_that_was_wrong(index: EdgeIndex) -> None:
    tier = build(index, decision="verified", max_error_rate=0.05)
    await remember(tier)
    for n in range(60):
        proposal = await ask(tier, f"is it working {n}")
        assert proposal is not None
        await tier.observe("acme", proposal, False)
    last = await ask(tier, "is it working")
    assert last is not None
    assert last.decision == "explore"


async def test_nobody_labels_anothers_entry(index: EdgeIndex) -> None:
    tier = build(index)
    await remember(tier)
    proposal = await ask(tier, "is it working")
    assert proposal is not None
    await tier.observe("rival", proposal, False)
    entry = await index.get(proposal.entry_id)
    assert entry is not None
    assert entry.observations == ()
    assert (await tier.stats()).judged == 0


async def test_labels_at_the_same_time_are_all_kept_up_to_the_bound(index: EdgeIndex) -> None:
    tier = build(index)
    await remember(tier)
    proposal = await ask(tier, "is it working")
    assert proposal is not None
    await asyncio.gather(*(tier.observe("acme", replace(proposal, score=n / 100), n % 2 == 0) for n in range(70)))
    entry = await index.get(proposal.entry_id)
    assert entry is not None
    assert [o.score for o in entry.observations] == [n / 100 for n in range(6, 70)]


async def test_a_tenant_past_its_bound_falls_back_and_comes_back(index: EdgeIndex) -> None:
    clock = Clock()
    tier = build(index, clock, min_judged=20, max_error_rate=0.05, window_h=2)
    for tenant in ("acme", "rival"):
        await remember(tier, tenant=tenant)
    proposal = await ask(tier, "is it working")
    assert proposal is not None
    for _ in range(20):
        await tier.observe("acme", proposal, False)
    fallen = await ask(tier, "is it working")
    assert fallen is not None
    assert (fallen.decision, fallen.reason) == ("explore", FALLEN_BACK)
    other = await ask(tier, "is it working", tenant="rival")
    assert other is not None
    assert other.decision == "serve"
    # What would have been served is explored meanwhile, and speaks for the tenant.
    for _ in range(400):
        again = await ask(tier, "is it working")
        assert again is not None
        if again.decision == "serve":
            break
        await tier.observe("acme", again, True)
    else:
        pytest.fail("it never came back")


async def test_a_restart_keeps_what_was_learned(index: EdgeIndex, tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path, max_memory_mb=16)
    server.start()
    client = Valkey(unix_socket_path=str(socket_path(tmp_path)))
    try:
        tier = build(index, client=client, decision="verified", max_error_rate=0.05)
        for n in range(40):
            await remember(tier, f"does it work {n}")
            proposal = await ask(tier, f"is it working {n}", cosine=0.99)
            assert proposal is not None
            await tier.observe("acme", proposal, True)
        restarted = build(index, client=client, decision="verified", max_error_rate=0.05)
        await restarted.remember("acme", "new", "does it work", near(1), "k", 3600)
        served = [await ask(restarted, f"is it working {n}", scope="new") for n in range(20)]
        assert sum(p is not None and p.decision == "serve" for p in served) >= 10
    finally:
        await client.aclose()
        server.stop()


async def test_counts_what_it_did(index: EdgeIndex) -> None:
    tier = build(index)
    await remember(tier)
    await ask(tier, "is it working")
    await ask(tier, "does it not work")
    await ask(tier, "far away", cosine=0.1)
    stats = await tier.stats()
    assert (stats.entries, stats.proposed, stats.explored, stats.without_candidate) == (1, 1, 1, 1)


async def test_as_long_as_labels_cannot_be_read_nothing_is_served(
    index: EdgeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    answer: list[Label] | None = None

    async def read(self: LabelLog, tenant: str) -> list[Label] | None:
        nonlocal asked
        asked += 1
        return answer

    monkeypatch.setattr(LabelLog, "read", read)
    clock = Clock()
    tier = build(index, clock, decision="verified", max_error_rate=0.05)
    await remember(tier)

    async def reason() -> str:
        proposal = await ask(tier, "is it working", cosine=0.99)
        assert proposal is not None
        await tier.observe("acme", proposal, True)  # teaches nothing yet
        return proposal.reason

    assert [await reason() for _ in range(3)] == [NOT_RECALLED] * 3
    assert asked == 1  # the store is left alone for a while
    clock.ms += SILENT_MS
    assert await reason() == NOT_RECALLED
    assert asked == 2
    answer = [Label(f"e{n}", 0.999, False, 0.01) for n in range(200)]
    clock.ms += SILENT_MS
    assert [await reason() for _ in range(3)] == [UNSURE] * 3  # what is known now speaks against it
    assert asked == 3
