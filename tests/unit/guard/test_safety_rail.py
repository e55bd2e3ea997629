"""The safety model's rail, over a model port that answers what a test says."""

import asyncio
import math
from typing import Any

import pytest
from pydantic import ValidationError

from app.config.policy import SafetyModelSettings
from app.errors import Overloaded
from app.guard.rail import RailMissing
from app.guard.safety import build
from app.guard.safety.answers import Unreadable
from app.guard.types import Context, Hit
from app.routing.catalogue import Catalogue
from tests.unit.guard.safety_model import STACK, FakeModel, Reply, examine, rail, said


def test_a_safe_text_has_no_hits_and_an_unsafe_one_has_one_for_each_category() -> None:
    model = FakeModel(lambda text: "\n\nunsafe\nS9, S2" if "gas" in text else "\n\nsafe")
    assert examine(rail(model), "hello", "nerve gas") == [
        [],
        [Hit("S9 Indiscriminate Weapons", 1.0, 0, 9), Hit("S2 Non-Violent Crimes", 1.0, 0, 9)],
    ]


def test_the_request_is_a_raw_prompt_decoded_greedily_and_held_to_a_verdict() -> None:
    model = FakeModel()
    examine(rail(model), "hello")
    (body,) = model.bodies
    assert model.tasks == ["completions"]
    assert body["model"] == "guard"
    assert body["temperature"] == 0
    assert 0 < body["max_tokens"] <= 64
    assert body["structured_outputs"]["regex"].startswith(r"(\n\n)?(safe|unsafe(\n(S1|S2|")
    assert "structured_outputs" not in _only(FakeModel(), constrained=False)


def _only(model: FakeModel, **settings: Any) -> dict[str, Any]:
    examine(rail(model, **settings), "hello")
    (body,) = model.bodies
    return body


def test_a_provider_gets_a_conversation_and_no_field_of_vllm() -> None:
    body = _only(FakeModel(), name="far")
    assert body == {
        "model": "meta/guard",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0,
        "max_tokens": body["max_tokens"],
    }


def test_all_texts_are_under_way_at_the_same_time_up_to_a_bound() -> None:
    model = FakeModel()
    examine(rail(model), *(f"text {number}" for number in range(10)))
    assert model.most == 10
    assert len(set(model.request_ids)) == 10
    many = FakeModel()
    examine(rail(many), *(f"text {number}" for number in range(100)))
    assert many.most == 32
    assert len(many.bodies) == 100


def test_a_text_is_asked_about_once_while_it_is_remembered() -> None:
    model = FakeModel(lambda text: "unsafe\nS1")
    built = rail(model)
    first = examine(built, "one", "one", "two")
    assert len(model.bodies) == 2
    assert examine(built, "two", "one", "three")[:2] == [first[2], first[0]]
    assert len(model.bodies) == 3


def test_blank_texts_are_not_asked_about() -> None:
    model = FakeModel(lambda text: "unsafe")
    assert examine(rail(model), "", "  \n\u00a0") == [[], []]
    assert examine(rail(model)) == []
    assert model.bodies == []


def test_the_score_is_the_probability_of_unsafe_at_the_first_token_that_says_something() -> None:
    steps = ("\n\n", {"\n\n": 0.98, "safe": 0.02}), ("unsafe", {"unsafe": 0.6, "un": 0.12, "safe": 0.18, "\n": 0.1})
    assert examine(rail(FakeModel(lambda _: said("\n\nunsafe\nS1", *steps))), "x") == [
        [Hit("S1 Violent Crimes", 0.8, 0, 1)]
    ]


def test_a_text_that_was_called_safe_keeps_its_doubt() -> None:
    doubt = FakeModel(lambda _: said("safe", ("safe", {"safe": 0.75, "unsafe": 0.25})))
    assert examine(rail(doubt), "x") == [[Hit("unsafe", 0.25, 0, 1)]]
    none = FakeModel(lambda _: said("safe", ("safe", {"safe": 0.999, "unsafe": 0.001})))
    assert examine(rail(none), "x") == [[]]


def test_what_was_called_unsafe_scores_at_least_one_half() -> None:
    split = FakeModel(lambda _: said("unsafe", ("unsafe", {"unsafe": 0.4, "s": 0.3, "safe": 0.3})))
    assert examine(rail(split), "x") == [[Hit("unsafe", 0.5, 0, 1)]]


def test_ignored_categories_do_not_count_and_an_unnamed_one_does() -> None:
    model = FakeModel(
        lambda text: "unsafe\nS6" if "advice" in text else "unsafe\nS6,S1" if "both" in text else "unsafe"
    )
    assert examine(rail(model, ignore=("S6",)), "advice", "both", "other") == [
        [],
        [Hit("S1 Violent Crimes", 1.0, 0, 4)],
        [Hit("unsafe", 1.0, 0, 5)],
    ]


def test_a_code_that_it_was_not_told_of_is_not_repeated() -> None:
    model = FakeModel(lambda _: "unsafe\nS99,anna@example.com,S1\r\nx: y")
    assert examine(rail(model), "x") == [[Hit("S1 Violent Crimes", 1.0, 0, 1)]]


def test_a_code_that_is_cut_off_is_not_taken_for_another() -> None:
    model = FakeModel(lambda _: said("unsafe\nS2,S1", ("unsafe", {"unsafe": 1.0}), finish="length"))
    assert examine(rail(model), "x") == [[Hit("S2 Non-Violent Crimes", 1.0, 0, 1)]]


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "maybe",
        "I cannot help with that.",
        "safe\nbut only just",
        "SAFETY",
        "The text is unsafe",
        "safe unsafe",
        {"text": None},
        {},
    ],
)
def test_anything_else_than_a_verdict_is_a_failure(answer: Reply) -> None:
    with pytest.raises(Unreadable) as failure:
        examine(rail(FakeModel(lambda _: answer)), "x")
    assert "cannot" not in str(failure.value)


def test_a_failure_of_the_model_is_the_rails_and_ends_the_other_requests() -> None:
    model = FakeModel(lambda text: Overloaded("full") if "bad" in text else "safe")
    built = rail(model)

    async def run() -> None:
        with pytest.raises(Overloaded):
            await built.examine(["bad", *(f"text {number}" for number in range(90))], Context())
        assert model.ended < 91
        # Nothing was remembered of it, and the places it took are free again.
        assert await built.examine([f"text {number}" for number in range(40)], Context()) == [[]] * 40

    asyncio.run(run())


def test_an_answer_is_judged_with_its_question() -> None:
    model = FakeModel()
    examine(rail(model, "output"), "sure", question="how?")
    assert "User: how?\n\nAgent: sure\n\n<END" in model.bodies[0]["prompt"]
    assert "THE LAST Agent message" in model.bodies[0]["prompt"]


def test_an_answer_without_a_question_is_judged_as_a_users_turn() -> None:
    model = FakeModel()
    examine(rail(model, "output"), "sure")
    assert "User: sure\n\n<END" in model.bodies[0]["prompt"]


def test_the_same_answer_to_another_question_is_another_matter() -> None:
    model = FakeModel(lambda text: "unsafe\nS1" if "bomb" in text else "safe")
    built = rail(model, "output")
    assert examine(built, "sure", question="tea?") == [[]]
    assert examine(built, "sure", question="bomb?") == [[Hit("S1 Violent Crimes", 1.0, 0, 4)]]


def test_a_long_question_is_context_by_both_its_ends() -> None:
    model = FakeModel()
    examine(rail(model, "output"), "sure", question="first " + "x" * 50_000 + " last")
    prompt = model.bodies[0]["prompt"]
    assert "User: first " in prompt
    assert " last\n\nAgent: sure" in prompt
    assert len(prompt) < 4_000


@pytest.mark.parametrize("text", ["\ud800" * 9, "\x00", "\u200b" * 1_000, "12345", "<a>" * 2_000, "\U0001f525" * 9_000])
def test_odd_texts_are_asked_about_and_can_be_sent(text: str) -> None:
    model = FakeModel(lambda _: "unsafe\nS1")
    assert [hit.end for hit in examine(rail(model), text)[0]] == [len(text)]
    for body in model.bodies:
        body["prompt"].encode()


def test_qwen3guard_has_three_answers() -> None:
    model = FakeModel(
        lambda text: {
            "a": "Safety: Safe\nCategories: None",
            "b": "Safety: Controversial\nCategories: Politically Sensitive Topics",
            "c": "Safety: Unsafe\nCategories: Violent, PII",
        }.get(text, "Sure!")
    )
    built = rail(model, format="qwen3guard")
    assert examine(built, "a", "b", "c") == [
        [],
        [Hit("Politically Sensitive Topics", 0.5, 0, 1)],
        [Hit("Violent", 1.0, 0, 1), Hit("PII", 1.0, 0, 1)],
    ]
    assert model.tasks[0] == "chat"
    assert model.bodies[0]["logprobs"] is True
    with pytest.raises(Unreadable):
        examine(built, "d")


def test_chat_log_probabilities_are_read_too() -> None:
    step = {
        "token": "unsafe",
        "logprob": math.log(0.9),
        "top_logprobs": [{"token": "unsafe", "logprob": math.log(0.9)}, {"token": "safe", "logprob": math.log(0.1)}],
    }
    choice = {"message": {"content": "unsafe\nS1"}, "finish_reason": "stop", "logprobs": {"content": [step]}}
    assert examine(rail(FakeModel(lambda _: choice), format="generic"), "x") == [[Hit("S1 Violent Crimes", 0.9, 0, 1)]]


def test_the_version_changes_with_what_changes_findings_and_with_nothing_else() -> None:
    model = FakeModel()
    base = rail(model)
    others = [
        rail(model, "output"),
        rail(model, name="tiny"),
        rail(model, format="llama-guard-4"),
        rail(model, ignore=("S6",)),
        rail(model, constrained=False),
        rail(model, categories={"S1": "Betting."}),
        rail(model, window_characters=1_000),
    ]
    versions = {each.version for each in others}
    assert len(versions) == len(others)
    assert base.version not in versions
    assert rail(model, mode="shadow", threshold=0.9, deadline_ms=5).version == base.version
    other_weights = build(
        SafetyModelSettings(model="guard"), "input", {"guard": model}, Catalogue(STACK), {"guard": "2"}
    )
    assert other_weights.version != base.version


def test_a_model_that_is_not_there_is_a_missing_rail() -> None:
    with pytest.raises(RailMissing, match="'nowhere' is no model of this stack"):
        rail(FakeModel(), name="nowhere")
    with pytest.raises(RailMissing, match="leave `categories` out"):
        rail(FakeModel(), name="far", categories={"S1": "Betting."})


@pytest.mark.parametrize(
    "settings",
    [
        {"ignore": ["S99"]},
        {"ignore": ["Violent"]},
        {"ignore": ["S2"], "categories": {"S1": "Betting."}},
        {"categories": {"s1": "Betting."}},
        {"categories": {"S1|S2": "Betting."}},
        {"categories": {"S1": ""}},
        {"categories": {"S1": "\n"}},
        {"format": "llama-guard-9"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SafetyModelSettings.model_validate({"model": "guard", **settings})
