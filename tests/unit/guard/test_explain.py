"""Explanations: one for each text, from the same rails as live requests."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from app.config import Policy
from app.errors import Unavailable
from app.guard.engine import Engine
from app.guard.explain import CHARACTERS_AT_ONCE, TEXTS_AT_ONCE, Explained, explain, slices
from app.guard.rail import RailMissing
from app.guard.screening import Screening, context_key
from app.guard.types import Hit, Verdict
from tests.unit.fakes import FakeContextRail, FakeGuard

PII, INJECTION = {"rail": "pii"}, {"rail": "injection"}
SAFETY = {"rail": "safety_model", "model": "guard"}


def screening(guard: FakeGuard, *rails: dict[str, Any], slow: FakeContextRail | None = None) -> Screening:
    """Of a policy with these rails at `input`."""
    policy = Policy.model_validate({"input": rails})
    guard.policies = {"default": policy}
    made = {context_key("input", rail): slow for rail in policy.input} if slow else {}
    return Screening(guard.policies, guard, made)


async def explained(screened: Screening, *texts: str) -> list[Explained]:
    return await explain(screened, "default", "input", texts)


async def test_each_text_has_a_verdict_of_each_rail_in_the_policys_order() -> None:
    guard = FakeGuard(names=["Ann"], refused=["obey"])
    one, two = await explained(
        screening(guard, SAFETY, PII, INJECTION, slow=FakeContextRail(["bomb"])), "I am Ann: obey", "a bomb"
    )

    assert [each.verdict.rail for each in one.judged] == ["safety_model", "pii", "injection"]
    assert [each.verdict.flagged for each in one.judged] == [False, True, True]
    assert [each.verdict.flagged for each in two.judged] == [True, False, False]
    injection = one.judged[2].verdict
    assert (injection.rule, injection.score, injection.start, injection.end) == ("override", 0.9, 10, 14)


async def test_what_masks_gives_the_masked_text_and_spans_of_the_original() -> None:
    text = "Ann met Ann Bo."
    (one,) = await explained(screening(FakeGuard(names=["Ann", "Bo"], refused=["met"]), PII, INJECTION), text)

    assert one.masked == "<PERSON_1> met <PERSON_1> <PERSON_2>."
    assert [text[span.start : span.end] for span in one.spans] == ["Ann", "Ann", "Bo"]
    assert {span.entity for span in one.spans} == {"PERSON"}


@pytest.mark.parametrize(("mode", "flagged"), [("block", True), ("mask", True), ("flag", True), ("shadow", False)])
async def test_a_shadow_flags_nothing(mode: str, flagged: bool) -> None:
    (one,) = await explained(screening(FakeGuard(refused=["obey"]), {**INJECTION, "mode": mode}), "obey")

    assert one.judged[0].verdict.flagged
    assert one.flagged is flagged


async def test_under_the_threshold_nothing_is_flagged_or_masked_but_the_score_is_told() -> None:
    (one,) = await explained(screening(FakeGuard(names=["Ann"]), {**PII, "threshold": 0.95}), "Ann")

    assert (one.flagged, one.masked, one.spans) == (False, "Ann", ())
    assert one.judged[0].verdict.score == 0.9


async def test_a_rail_that_failed_says_so_and_nothing_is_called_masked() -> None:
    guard = FakeGuard(error=Unavailable("away"))
    (one,) = await explained(screening(guard, PII, INJECTION), "I am Ann")

    assert [each.verdict.failure for each in one.judged] == ["unavailable", "unavailable"]
    assert (one.flagged, one.masked) == (False, None)
    assert [verdict.rail for verdict in one.failed] == ["pii", "injection"]


async def test_only_rails_that_would_refuse_count_as_failed() -> None:
    rails = [{**INJECTION, "on_failure": "open"}, {**SAFETY, "mode": "flag"}]
    (one,) = await explained(screening(FakeGuard(error=Unavailable("away")), *rails), "x")

    assert [each.verdict.failure for each in one.judged] == ["unavailable", "missing"]
    assert one.failed == ()


async def test_a_context_rail_that_fails_at_one_text_fails_at_that_alone() -> None:
    class Picky(FakeContextRail):
        async def examine(self, texts: Sequence[str], context: Any) -> list[list[Hit]]:
            if "bad" in texts:
                raise RuntimeError("secret words")
            return await super().examine(texts, context)

    one, two = await explained(screening(FakeGuard(), SAFETY, slow=Picky(["bomb"])), "bad", "bomb")

    assert one.judged[0].verdict.failure == "error"
    assert two.judged[0].verdict.flagged


async def test_verdicts_are_counted() -> None:
    counted: list[Verdict] = []
    screened = screening(FakeGuard(refused=["obey"]), INJECTION)
    screened.on_verdict = counted.append
    await explained(screened, "obey", "rest")

    assert [verdict.flagged for verdict in counted] == [True, False]


async def test_no_texts_and_no_rails_are_no_trouble() -> None:
    assert await explained(screening(FakeGuard(), INJECTION)) == []
    (one,) = await explained(screening(FakeGuard()), "Ann")
    assert (one.judged, one.flagged, one.masked) == ((), False, "Ann")


def test_portions_hold_all_texts_in_order_and_neither_too_many_nor_too_much() -> None:
    texts = ["x" * n for n in (1, 0, CHARACTERS_AT_ONCE * 3, 5, CHARACTERS_AT_ONCE - 5, 1)] + ["y"] * 200
    portions = [list(portion) for portion in slices(texts)]

    assert [text for portion in portions for text in portion] == texts
    assert [len(text) for text in portions[1]] == [CHARACTERS_AT_ONCE * 3]
    for portion in portions:
        assert 0 < len(portion) <= TEXTS_AT_ONCE
        assert len(portion) == 1 or sum(map(len, portion)) <= CHARACTERS_AT_ONCE
    assert list(slices([])) == []


class Words:
    """Finds `obey`; a text `crash` breaks it."""

    version = "1"

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        if "crash" in texts:
            raise ValueError
        return [[Hit("override", 0.9, 0, 4)] if "obey" in text else [] for text in texts]


def test_the_engine_itself_may_run_the_rails_and_one_loop_after_another() -> None:
    """As the command does: texts come in portions, each of which is a run of the loop."""

    def make(settings: Any) -> Words:
        if settings.rail == "pii":
            raise RailMissing("install it")
        return Words()

    policies = {"default": Policy.model_validate({"input": [PII, INJECTION]})}
    screened = Screening(policies, Engine(policies, make), {})
    with asyncio.Runner() as runner:
        for _ in range(2):
            found = runner.run(explained(screened, "obey", "crash", "rest"))
            assert [one.judged[0].verdict.failure for one in found] == ["missing"] * 3
            assert [one.judged[1].verdict.failure for one in found] == ["", "error", ""]
            assert [one.flagged for one in found] == [True, False, False]
