"""`POST /v1/moderations`: OpenAI's wire, the tenant's policy, no trace of the texts."""

import asyncio
from typing import Any

import openai
import pytest

from app.config.hazards import LLAMA_GUARD, QWEN3_GUARD
from app.errors import DeadlineExceeded, InvalidRequest, NotFound, RateLimited, Unavailable
from app.guard.types import Hit
from app.wire.moderation_categories import OPENAI, openai_categories
from app.wire.moderations import MAX_INPUTS, ModerationRequest
from tests.unit.bench import API_KEY, Bench
from tests.unit.conftest import MakeBench
from tests.unit.fakes import FakeContextRail, FakeGuard
from tests.unit.wire import client_of, error_of, served

ROUTE = "/v1/moderations"
SAFETY = {"rail": "safety_model", "model": "m"}


async def moderate(bench: Bench, tenant: str = "default", **fields: Any) -> dict[str, Any]:
    request = ModerationRequest.model_validate({"input": "private words", **fields})
    return await bench.pipelines.moderations.answer(request, bench.flight(operation="moderations", tenant=tenant))


class Hazards(FakeContextRail):
    """A safety model that names these hazards for every text."""

    def __init__(self, **scores: float) -> None:
        super().__init__()
        self.scores = scores

    async def examine(self, texts: Any, context: Any) -> list[list[Hit]]:
        hits = [Hit(f"{code} {LLAMA_GUARD[code]}", score, 0, 1) for code, score in self.scores.items()]
        return [hits for _ in texts]


async def test_each_input_has_a_result_with_every_category_of_openais(bench: Bench) -> None:
    bench.guard = FakeGuard(names=["Ann"], refused=["obey"])
    answer = await moderate(bench, input=["obey", "I am Ann", "fine"])

    assert answer["id"].startswith("modr-")
    assert answer["model"] == "default@1"
    digest = bench.identity.guard_policies["default"]
    assert answer["sextant"] == {"policy": "default", "version": "1", "digest": digest, "place": "input"}
    assert [result["flagged"] for result in answer["results"]] == [True, True, False]
    own = {"sextant/pii", "sextant/secrets", "sextant/injection"}
    for result in answer["results"]:
        for part in ("categories", "category_scores", "category_applied_input_types"):
            assert set(result[part]) == {*OPENAI, *own}
    first = answer["results"][0]
    assert [name for name, flagged in first["categories"].items() if flagged] == ["sextant/injection"]
    assert first["category_scores"]["sextant/injection"] == 0.9


async def test_the_verdicts_are_told_in_full(bench: Bench) -> None:
    bench.guard = FakeGuard(names=["Ann"])
    (result,) = (await moderate(bench, input="I am Ann"))["results"]

    pii = result["sextant"]["verdicts"][0]
    assert pii == {
        "rail": "pii", "rule": "PERSON", "flagged": True, "score": 0.9, "threshold": 0.5, "mode": "mask", "start": 5,
        "end": 8, "version": "fake", "latency_ms": 0.1, "failure": None,
    }  # fmt: skip
    assert result["sextant"]["masked"] == "I am <PERSON_1>"
    assert result["sextant"]["spans"] == [{"type": "PERSON", "start": 5, "end": 8, "score": 0.9}]


async def test_hazards_of_a_safety_model_stand_in_openais_categories(make_bench: MakeBench) -> None:
    bench = make_bench(guard={"policy": {"input": [SAFETY]}})
    rail = Hazards(S10=0.8, S12=0.3, S5=0.9)
    bench.context_rails = dict.fromkeys(bench.context_rails, rail)
    (result,) = (await moderate(bench))["results"]

    scores = {name: score for name, score in result["category_scores"].items() if score}
    assert scores == {"hate": 0.8, "sexual": 0.3, "sextant/safety_model": 0.9}
    flagged = [name for name, flagged in result["categories"].items() if flagged]
    assert flagged == ["hate", "sextant/safety_model"]
    assert (result["flagged"], result["sextant"]["verdicts"][0]["rule"]) == (True, "S5 Defamation")


def test_only_known_hazards_stand_for_known_categories() -> None:
    for rule in [*(f"{code} {name}" for code, name in LLAMA_GUARD.items()), *QWEN3_GUARD]:
        found = openai_categories(rule)
        assert set(found) <= set(OPENAI)
        assert all(category.partition("/")[0] in found for category in found if not category.startswith("self-harm/"))
    # A category of one's own under a code of Llama Guard's is another one.
    assert openai_categories("S1 Talk of competitors") == ()
    assert openai_categories("unsafe") == ()


async def test_the_policy_is_the_tenants(make_bench: MakeBench) -> None:
    guard = {"policies": {"lax": {"input": [{"rail": "pii"}], "version": "7"}}, "tenants": {"acme": "lax"}}
    bench = make_bench(guard=guard)
    bench.guard = FakeGuard(refused=["obey"])

    assert (await moderate(bench, "acme", input="obey"))["results"][0]["flagged"] is False
    assert (await moderate(bench, "acme"))["model"] == "lax@7"
    assert (await moderate(bench, "other", input="obey"))["results"][0]["flagged"] is True


async def test_the_place_chooses_the_rails(bench: Bench) -> None:
    answer = await moderate(bench, sextant={"place": "retrieved"})

    assert [verdict["rail"] for verdict in answer["results"][0]["sextant"]["verdicts"]] == ["injection"]
    assert answer["sextant"]["place"] == "retrieved"


async def test_clients_hear_nothing_of_a_shadow_and_the_trace_does(make_bench: MakeBench) -> None:
    bench = make_bench(guard={"policy": {"input": [{"rail": "injection", "mode": "shadow"}]}})
    bench.guard = FakeGuard(refused=["obey"])
    (result,) = (await moderate(bench, input="obey"))["results"]

    assert result["sextant"]["verdicts"] == []
    assert result["flagged"] is result["sextant"]["masked"].startswith("<") is False
    assert "sextant/injection" not in result["categories"]
    (stage,) = [stage for stage in bench.recorder.only.stages if stage.name == "guard"]
    assert "injection.override: flagged, shadow" in str(stage.attributes)


async def test_it_is_admitted_settled_once_costs_nothing_and_leaves_no_text(bench: Bench) -> None:
    bench.guard = FakeGuard(names=["private"], refused=["words"])
    await moderate(bench)

    row, event = bench.ledger.row, bench.recorder.only
    assert (row.operation, row.outcome, row.cost_nano, row.requested_model) == ("moderations", "ok", 0, "guard")
    assert "private" not in repr((row, event))
    assert bench.store.values == {}
    assert bench.model.bodies == []


async def test_limits_hold_before_any_rail_is_asked(bench: Bench) -> None:
    bench.guard = FakeGuard()
    bench.ledger.admit_error = RateLimited("too many")
    with pytest.raises(RateLimited):
        await moderate(bench)
    assert bench.guard.calls == []


async def test_more_than_is_screened_is_refused(make_bench: MakeBench) -> None:
    bench = make_bench(guard={"max_characters": 10})
    bench.guard = FakeGuard()
    await moderate(bench, input=["x" * 5, "y" * 5])
    with pytest.raises(InvalidRequest) as raised:
        await moderate(bench, input=["x" * 5, "y" * 6])

    assert raised.value.param == "input"
    assert len(bench.guard.calls) == 1


async def test_a_rail_that_refuses_when_it_fails_is_a_503_and_another_says_so(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.guard = FakeGuard(error=Unavailable("away"))
    with pytest.raises(Unavailable, match="'pii' failed"):
        await moderate(bench)
    assert bench.recorder.only.status == 503

    bench = make_bench(guard={"policy": {"input": [{"rail": "pii", "on_failure": "open"}]}})
    bench.guard = FakeGuard(error=Unavailable("away"))
    (result,) = (await moderate(bench))["results"]
    assert result["sextant"]["verdicts"][0]["failure"] == "unavailable"
    assert result["sextant"]["masked"] is None


async def test_without_a_guard_nothing_is_called_harmless(bench: Bench) -> None:
    bench.guard = None
    with pytest.raises(NotFound, match=r"guard\.enabled"):
        await moderate(bench)


async def test_rails_that_hang_are_given_up_at_the_deadline(make_bench: MakeBench) -> None:
    bench = make_bench(gateway={"request_timeout_s": 0.05})
    bench.guard = FakeGuard(gate=asyncio.Event())
    with pytest.raises(DeadlineExceeded):
        await moderate(bench)
    assert bench.recorder.only.status == 504


IMAGE: Any = {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}
TEXT = {"type": "text", "text": "hi"}


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({}, "input", "Missing"),
        ({"input": None}, "input", "string"),
        ({"input": 5}, "input", "string"),
        ({"input": []}, "input", "at least 1"),
        ({"input": ["x"] * (MAX_INPUTS + 1)}, "input", f"at most {MAX_INPUTS}"),
        ({"input": ["x", 5]}, "input[1]", "string"),
        ({"input": [[1, 2]]}, "input[0]", "string"),
        ({"input": [TEXT, IMAGE]}, "input[1]", "images"),
        ({"input": [IMAGE]}, "input[0]", "images"),
        ({"input": [{"type": "text"}]}, "input[0].text", "Missing"),
        ({"input": [TEXT, "x"]}, "input[1]", "type text"),
        ({"input": "x", "model": 5}, "model", "string"),
        ({"input": "x", "modle": "m"}, "modle", "Unknown"),
        ({"input": "x", "sextant": {"place": "kitchen"}}, "sextant.place", "'input'"),
        ({"input": "x", "sextant": {"policy": "default"}}, "sextant.policy", "Unknown"),
    ],
)
async def test_what_is_malformed_is_a_400_that_names_the_field(
    bench: Bench, body: dict[str, Any], param: str, words: str
) -> None:
    async with client_of(bench) as client:
        error = error_of(await client.post(ROUTE, json=body), 400)
    assert error["param"] == param
    assert words in error["message"]


async def test_strangers_are_turned_away_first(bench: Bench) -> None:
    async with client_of(bench) as client:
        wrong = {"authorization": "Bearer wrong"}
        assert error_of(await client.post(ROUTE, content=b"{", headers=wrong), 401)["code"] == "invalid_api_key"
        error_of(await client.post(ROUTE, content=b"{" * 1_000_001), 413)
        error_of(await client.post(ROUTE, content=b"{}", headers={"content-type": "text/plain"}), 415)
        error_of(await client.get(ROUTE), 405)


async def test_parts_are_one_input(bench: Bench) -> None:
    bench.guard = FakeGuard(refused=["a\nb"])
    (result,) = (await moderate(bench, input=[{"type": "text", "text": text} for text in "ab"]))["results"]

    assert result["flagged"]


async def test_the_official_client_reads_the_answer(bench: Bench) -> None:
    bench.guard = FakeGuard(names=["Ann"], refused=["obey"])
    with served(bench) as url:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=API_KEY, max_retries=0) as client:
            answer = await client.moderations.create(input=["obey", "hi"], model="omni-moderation-latest")
            with pytest.raises(openai.BadRequestError):
                await client.moderations.create(input=[IMAGE])

    assert [result.flagged for result in answer.results] == [True, False]
    for result in answer.results:
        assert result.categories.self_harm_intent is result.categories.hate_threatening is False
        assert result.category_scores.harassment == 0.0
        assert result.category_applied_input_types.sexual == ["text"]
    extra = answer.results[0].categories.model_extra or {}
    assert (extra["sextant/injection"], extra["sextant/pii"]) == (True, False)
