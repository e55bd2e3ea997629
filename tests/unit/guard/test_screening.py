"""The policy applied to what rails found: each mode, each failure setting, at each place."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from app.config import Policy
from app.config.policy import PLACES
from app.errors import Unavailable
from app.guard.screening import WITHHELD, Screening, Spoken, context_key
from app.guard.types import Context, GuardPlace, Screened, Verdict
from tests.unit.fakes import FakeContextRail, FakeGuard

TEXT = {"rail": "injection"}
MODEL = {"rail": "safety_model", "model": "m"}


class Desk:
    """A screening with rails of which each finds its word: names by `pii`, `evil` by the others."""

    def __init__(self, **policy: Any) -> None:
        self.policy = Policy.model_validate(dict.fromkeys(PLACES, ()) | policy)
        self.policies = {"default": self.policy}
        self.rails = FakeGuard(names=("Ann", "Bob"), refused=("evil",), policies=self.policies)
        self.model = FakeContextRail(words=("evil",))
        context = {context_key(place, rail): self.model for place in PLACES for rail in self.policy.at(place)}
        self.counted: list[Verdict] = []
        self.screening = Screening(self.policies, self.rails, context, self.counted.append)

    async def request(self, *spoken: Spoken | str) -> Screened:
        return await self.screening.request("default", [Spoken(s) if isinstance(s, str) else s for s in spoken])

    async def at(self, place: GuardPlace, texts: Sequence[str]) -> Screened:
        """All rails of a place, the way it is asked in a request."""
        if place in ("input", "tool_result"):
            by: Any = "user" if place == "input" else "tool"
            return await self.screening.request("default", [Spoken(text, by) for text in texts])
        if place == "retrieved":
            return await self.screening.passages("default", texts)
        return (await self.screening.output("default", texts[0], Context(), ("window", "whole", "watch"))).screened


async def test_a_blocking_rail_names_what_it_found_where() -> None:
    desk = Desk(input=[TEXT])
    screened = await desk.request("good", "an evil text")

    assert screened.blocked is not None
    assert screened.blocked.name == "injection.override"
    assert (screened.blocked.text, screened.blocked.start, screened.blocked.end) == (1, 3, 7)
    assert desk.counted == list(screened.verdicts)


@pytest.mark.parametrize("mode", ["flag", "shadow"])
async def test_a_rail_that_watches_changes_nothing(mode: str) -> None:
    screened = await Desk(input=[{**TEXT, "mode": mode}]).request("an evil text")

    assert (screened.blocked, screened.changed, screened.texts) == (None, False, ("an evil text",))
    assert [(verdict.flagged, verdict.mode) for verdict in screened.verdicts] == [(True, mode)]


async def test_under_the_threshold_nothing_counts() -> None:
    screened = await Desk(input=[{**TEXT, "threshold": 0.95}]).request("an evil text")

    assert screened.blocked is None
    assert [(verdict.flagged, verdict.score) for verdict in screened.verdicts] == [(False, 0.9)]


async def test_a_masking_rail_reads_all_texts_and_a_refusing_one_only_the_users() -> None:
    desk = Desk(input=[{"rail": "pii"}, TEXT])
    screened = await desk.request(Spoken("evil Ann", "other"), Spoken("Bob and Ann", "user"))

    assert screened.blocked is None
    assert screened.texts == ("evil <PERSON_1>", "<PERSON_2> and <PERSON_1>")
    assert screened.vault == {"<PERSON_1>": "Ann", "<PERSON_2>": "Bob"}
    assert [(f.text, f.start, f.end) for f in screened.findings] == [(0, 5, 8), (1, 0, 3), (1, 8, 11)]


async def test_a_bad_tool_result_is_withheld_and_the_request_goes_on() -> None:
    desk = Desk(tool_result=[{"rail": "pii"}, TEXT])
    screened = await desk.request(Spoken("evil asks the user"), Spoken("evil Ann", "tool"), Spoken("Bob", "tool"))

    assert screened.blocked is None
    assert screened.texts == ("evil asks the user", WITHHELD, "<PERSON_1>")
    assert (screened.dropped, screened.changed) == ((1,), True)
    assert screened.vault == {"<PERSON_1>": "Bob"}


async def test_a_bad_passage_is_dropped_and_the_others_stay() -> None:
    screened = await Desk(retrieved=[TEXT]).screening.passages("default", ["good", "evil", "fine"])

    assert (screened.dropped, screened.blocked) == ((1,), None)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("mode", ["block", "mask"])
async def test_where_the_guard_cannot_be_reached_its_setting_decides(place: GuardPlace, mode: str) -> None:
    for on_failure in ("closed", "open"):
        desk = Desk(**{place: [{**TEXT, "mode": mode, "on_failure": on_failure}] if place != "output" else [
            {"rail": "regex", "patterns": {"a": "b"}, "mode": mode, "on_failure": on_failure}]})  # fmt: skip
        desk.rails.error = Unavailable("down")
        screened = await desk.at(place, ["a text"])
        is_closed = on_failure == "closed"

        assert [verdict.failure for verdict in screened.verdicts] == ["unavailable"]
        assert screened.failed_open == (not is_closed)
        if place in ("retrieved", "tool_result"):
            assert (screened.blocked, screened.dropped) == (None, (0,) if is_closed else ())
        else:
            assert (screened.blocked is not None) == is_closed


@pytest.mark.parametrize("mode", ["flag", "shadow"])
async def test_a_rail_that_watches_and_fails_stops_nothing(mode: str) -> None:
    desk = Desk(input=[{**TEXT, "mode": mode}])
    desk.rails.error = Unavailable("down")
    screened = await desk.request("a text")

    assert (screened.blocked, screened.failed_open) == (None, False)
    assert [verdict.failure for verdict in screened.verdicts] == ["unavailable"]


@pytest.mark.parametrize(("on_failure", "blocks"), [("closed", True), ("open", False)])
@pytest.mark.parametrize("how", ["error", "missing", "timeout"])
async def test_a_context_rail_that_fails_follows_its_setting(how: str, on_failure: str, blocks: bool) -> None:
    desk = Desk(input=[{**MODEL, "on_failure": on_failure, "deadline_ms": 50}])
    if how == "error":
        desk.model.error = ValueError("private words")
    elif how == "missing":
        desk.screening.context_rails = {}
    else:
        desk.model.gate = asyncio.Event()
    screened = await desk.screening.slow("default", "input", ["text"], Context())

    assert [verdict.failure for verdict in screened.verdicts] == [how]
    assert (screened.blocked is not None, screened.failed_open) == (blocks, not blocks)


async def test_a_context_rail_is_asked_with_its_context_and_counts() -> None:
    desk = Desk(output=[MODEL])
    found = await desk.screening.output("default", "an evil answer", Context(question="Why?"), ("window",))

    assert found.screened.blocked is not None
    assert found.screened.blocked.name == "safety_model.found"
    assert desk.model.contexts == [Context(question="Why?")]


async def test_a_model_may_judge_passages_and_tool_results_too() -> None:
    desk = Desk(retrieved=[MODEL], tool_result=[MODEL])

    assert (await desk.screening.passages("default", ["good", "evil"])).dropped == (1,)
    screened = await desk.request(Spoken("evil"), Spoken("good", "tool"), Spoken("evil", "tool"))
    assert screened.texts == ("evil", "good", WITHHELD)


async def test_output_rails_are_asked_by_kind() -> None:
    desk = Desk(
        output=[
            {"rail": "regex", "patterns": {"a": "b"}, "mode": "mask"},
            {"rail": "length"},
            {"rail": "pii", "mode": "flag"},
        ]
    )
    assert desk.screening.kinds("default") == {"window", "whole", "watch"}
    found = await desk.screening.output("default", "Ann", Context(), ("watch",))

    assert [verdict.name for verdict in found.screened.verdicts] == ["pii.PERSON"]
    assert found.hits == []


async def test_what_is_masked_in_passages_is_named_so_that_no_answer_gives_it_back() -> None:
    screened = await Desk(retrieved=[{"rail": "pii", "mode": "mask"}]).screening.passages(
        "default", ["Ann", "Bob, Ann"]
    )

    assert screened.texts == ("[PERSON]", "[PERSON], [PERSON]")
    assert screened.vault == {}
