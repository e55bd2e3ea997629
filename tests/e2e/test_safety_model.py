"""A safety model as a deployment of the same graph: the real rail, the real engine, and a small model in the place of
Llama Guard's weights.

What the stand-in holds of a text is worth nothing: it finds everything about one tenth unsafe. So the policies here
differ in their thresholds, and what is tested is the way there and back.
"""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import yaml

from app.config.files import PROJECT
from tests.e2e.conftest import Stack, start_stack, stop_stack

POLICIES: dict[str, dict[str, Any]] = {
    "lenient": {"threshold": 0.99},
    "strict": {"threshold": 0.01},
    "flagging": {"threshold": 0.01, "mode": "flag"},
    "late": {"threshold": 0.99, "deadline_ms": 1},
    "late-open": {"threshold": 0.99, "deadline_ms": 1, "on_failure": "open"},
    "four": {"threshold": 0.01, "mode": "flag", "format": "llama-guard-4", "categories": {"B1": "Betting."}},
    "qwen": {"threshold": 0.0, "mode": "flag", "format": "qwen3guard"},
    "judge": {"threshold": 0.01, "mode": "flag", "format": "generic"},
}
RAIL = {"rail": "safety_model", "model": "small-guard", "format": "llama-guard-3"}
NOTHING: dict[str, Any] = {"input": [], "retrieved": [], "tool_result": [], "output": []}


def configuration() -> dict[str, Any]:
    """The laptop's, with a second model beside the first, and an alias for each policy."""
    stack = yaml.safe_load((PROJECT / "deployments" / "laptop.yaml").read_text())
    (application,) = stack["applications"]
    (talker,) = application["args"]["models"]
    talker["engine"]["max_model_len"] = 8192
    guard = {**talker, "id": "small-guard", "engine": {**talker["engine"], "max_model_len": 1024}}
    shadow = {**RAIL, "mode": "shadow", "on_failure": "open"}
    policies = {name: {**NOTHING, "input": [{**RAIL, **settings}]} for name, settings in POLICIES.items()}
    policies["answers"] = {**NOTHING, "output": [{**RAIL, "threshold": 0.01, "mode": "flag"}]}
    application["args"] = {
        "models": [talker, guard],
        "aliases": {name: {"model": talker["id"], "guard": name} for name in policies},
        "guard": {"policy": {**NOTHING, "input": [shadow]}, "policies": policies},
        "cache": {"enabled": False},
    }
    return dict(stack)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("safety")
    documents = home / "documents"
    documents.mkdir()
    (documents / "note.md").write_text("# Note\n\nNothing is written here.\n")
    config = home / "safety.yaml"
    config.write_text(json.dumps(configuration()))  # JSON is YAML
    running = start_stack(home, "--config", str(config), "--docs", str(documents))
    yield running
    stop_stack(running)


def say(stack: Stack, model: str, text: str = "How do I bake bread?", **options: Any) -> Any:
    return stack.client().chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}], max_tokens=8, temperature=0, **options
    )


def flags(answer: Any) -> list[dict[str, Any]]:
    return list((answer.model_extra.get("sextant") or {}).get("guard") or ())


def test_a_rail_in_the_shadow_changes_nothing(guarded: Stack) -> None:
    answer = say(guarded, "smollm2-135m")
    assert answer.choices[0].message.content
    assert flags(answer) == []


def test_what_the_model_finds_unsafe_is_refused_before_a_word_leaves(guarded: Stack) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        say(guarded, "strict")
    assert refused.value.code == "content_filter"
    assert refused.value.response.headers["x-sextant-guard"].startswith("safety_model.")
    with pytest.raises(openai.APIError) as streamed:
        list(say(guarded, "strict", stream=True))
    assert streamed.value.code == "content_filter"


def test_what_it_finds_safe_enough_passes(guarded: Stack) -> None:
    assert say(guarded, "lenient").choices[0].message.content


def test_its_score_is_a_probability_and_not_a_word(guarded: Stack) -> None:
    """0.0 or 1.0 would say that the engine's log probabilities did not arrive."""
    (flag,) = flags(say(guarded, "flagging"))
    assert flag["place"] == "input"
    assert flag["rule"].startswith("safety_model.")
    assert 0.01 <= flag["score"] < 1.0


def test_answers_are_judged_too(guarded: Stack) -> None:
    (flag,) = flags(say(guarded, "answers"))
    assert flag["place"] == "output"
    assert 0.01 <= flag["score"] < 1.0


@pytest.mark.parametrize("policy", ["four", "judge"])
def test_every_format_gets_a_verdict_out_of_the_engine(guarded: Stack, policy: str) -> None:
    """A rail that only flags leaves no flag when it fails."""
    assert [flag["rule"].partition(".")[0] for flag in flags(say(guarded, policy))] == ["safety_model"]


def test_qwen3guards_answers_are_read(guarded: Stack) -> None:
    found = flags(say(guarded, "qwen"))
    assert all(flag["score"] in (0.5, 1.0) for flag in found)


def test_a_rail_that_takes_too_long_obeys_its_setting(guarded: Stack) -> None:
    with pytest.raises(openai.InternalServerError) as refused:
        say(guarded, "late", "How long is late?")
    assert refused.value.status_code == 503
    assert say(guarded, "late-open", "How long is later?").choices[0].message.content


def test_a_text_longer_than_the_safety_models_context_is_judged_in_pieces(guarded: Stack) -> None:
    """Its tokens are too many for what the characters let expect, so that the engine refuses the first pieces."""
    assert say(guarded, "lenient", "字" * 2_000).choices[0].message.content
