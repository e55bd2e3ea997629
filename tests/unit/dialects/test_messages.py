"""POST /v1/messages through the official client: what the model is asked, and what comes back."""

from typing import Any

import anthropic
import httpx
import pytest
from anthropic.types import Message, ToolParam
from pydantic import BaseModel

from app.errors import (
    BudgetExceeded,
    ContextTooLong,
    PermissionDenied,
    RateLimited,
    SextantError,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from tests.unit.dialects.scripted import ScriptedModel, call, say
from tests.unit.wire import AUTHORIZED

ASKED: dict[str, Any] = {"model": "m", "max_tokens": 20, "messages": [{"role": "user", "content": "Hi."}]}
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]}
WEATHER: ToolParam = {"name": "weather", "description": "The weather of a town.", "input_schema": SCHEMA}
MARK: Any = {"cache_control": {"type": "ephemeral"}}


class Town(BaseModel):
    name: str
    people: int


def test_a_text_is_answered_with_a_whole_message(claude: anthropic.Anthropic, model: ScriptedModel) -> None:
    model.script = [say("Hello"), say(" world.")]
    message = claude.messages.create(
        **ASKED,
        system="Be brief.",
        stop_sequences=["END"],
        metadata={"user_id": "u"},
        thinking={"type": "disabled"},
        service_tier="auto",
        extra_body={"temperature": 0.5, "top_p": 0.9, "top_k": 5},
    )

    (block,) = message.content
    assert block.type == "text"
    assert block.text == "Hello world."
    assert (message.stop_reason, message.stop_sequence, message.role) == ("end_turn", None, "assistant")
    assert message.id.startswith("msg_")
    assert message._request_id
    # The engine counted 11, of which 4 were in its cache; Anthropic counts those beside, not among.
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens, message.usage.output_tokens) == (7, 4, 3)
    assert model.bodies == [
        {
            "model": "m",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi."}],
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 5,
            "stop": ["END"],
            "max_completion_tokens": 20,
        }
    ]


def test_the_answer_has_every_field_that_anthropics_type_demands(url: str, model: ScriptedModel) -> None:
    model.script = [say("Wait."), *call(0, '{"town": "Ulm"}', name="weather")]
    answer = httpx.post(f"{url}/v1/messages", json=ASKED, headers=AUTHORIZED).json()

    assert Message.model_validate(answer).content[1].type == "tool_use"
    assert answer["sextant"] == {"citations": [], "cache": "bypass", "cost_usd": 0}


def test_blocks_become_messages_and_cache_marks_stay_outside(claude: anthropic.Anthropic, model: ScriptedModel) -> None:
    system: Any = [{"type": "text", "text": "a", **MARK}, {"type": "text", "text": "b"}]
    turns: Any = [
        {"role": "user", "content": [{"type": "text", "text": "c", **MARK}, {"type": "text", "text": "d"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Wait."},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}},
                {"type": "tool_use", "id": "t2", "name": "g", "input": {}, **MARK},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "one"},
                {"type": "tool_result", "tool_use_id": "t2", "content": "no network", "is_error": True},
                {"type": "text", "text": "And now?"},
            ],
        },
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t3", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t3", **MARK}]},
    ]
    claude.messages.create(
        model="m",
        max_tokens=20,
        cache_control={"type": "ephemeral"},
        system=system,
        messages=turns,
    )

    def called(identifier: str, name: str, arguments: str) -> dict[str, Any]:
        return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}

    assert model.bodies[0] == {
        "model": "m",
        "max_completion_tokens": 20,
        "messages": [
            {"role": "system", "content": "a\nb"},
            {"role": "user", "content": "c\nd"},
            {
                "role": "assistant",
                "content": "Wait.",
                "tool_calls": [called("t1", "f", '{"x":1}'), called("t2", "g", "{}")],
            },
            {"role": "tool", "tool_call_id": "t1", "content": "one"},
            {"role": "tool", "tool_call_id": "t2", "content": "The tool failed.\nno network"},
            {"role": "user", "content": "And now?"},
            {"role": "assistant", "tool_calls": [called("t3", "f", "{}")]},
            {"role": "tool", "tool_call_id": "t3", "content": ""},
        ],
    }


def test_a_conversation_with_tools_goes_round(claude: anthropic.Anthropic, model: ScriptedModel) -> None:
    model.script, model.finish = [say("Wait."), *call(0, '{"town":', ' "Ulm"}', name="weather")], "tool_calls"
    first = claude.messages.create(**ASKED, tools=[WEATHER], tool_choice={"type": "any"})
    assert first.stop_reason == "tool_use"
    used = first.content[1]
    assert used.type == "tool_use"
    assert (used.name, used.input) == ("weather", {"town": "Ulm"})

    result: Any = {"type": "tool_result", "tool_use_id": used.id, "content": [{"type": "text", "text": "rain"}]}
    turns: Any = [*ASKED["messages"], {"role": "assistant", "content": first.content}]
    claude.messages.create(
        model="m", max_tokens=9, tools=[WEATHER], messages=[*turns, {"role": "user", "content": [result]}]
    )

    _, said, heard = model.bodies[1]["messages"]
    assert said["content"] == "Wait."
    assert said["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"town":"Ulm"}'}
    assert heard == {"role": "tool", "tool_call_id": "call-0", "content": "rain"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "auto", "disable_parallel_tool_use": True}, {"tool_choice": "auto", "parallel_tool_calls": False}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "weather", "disable_parallel_tool_use": False},
            {"tool_choice": {"type": "function", "function": {"name": "weather"}}, "parallel_tool_calls": True},
        ),
    ],
)
def test_the_choice_of_tools(claude: anthropic.Anthropic, model: ScriptedModel, choice: Any, expected: Any) -> None:
    claude.messages.create(**ASKED, tools=[{**WEATHER, "strict": True, **MARK}], tool_choice=choice)

    body = model.bodies[0]
    function = {"name": "weather", "description": WEATHER["description"], "parameters": SCHEMA, "strict": True}
    assert body["tools"] == [{"type": "function", "function": function}]
    assert {name: body[name] for name in ("tool_choice", "parallel_tool_calls") if name in body} == expected


def test_a_structured_output_is_parsed_by_the_client(claude: anthropic.Anthropic, model: ScriptedModel) -> None:
    model.script = [say('{"name": "Ulm",'), say(' "people": 128000}')]
    message = claude.messages.parse(**ASKED, output_format=Town)

    assert message.parsed_output == Town(name="Ulm", people=128000)
    wanted = model.bodies[0]["response_format"]["json_schema"]
    assert (wanted["name"], wanted["strict"]) == ("output", True)
    assert set(wanted["schema"]["properties"]) == {"name", "people"}
    turns: Any = [*ASKED["messages"], {"role": "assistant", "content": message.content}, *ASKED["messages"]]
    claude.messages.create(model="m", max_tokens=9, messages=turns)


@pytest.mark.parametrize(
    ("script", "finish", "stop", "expected"),
    [
        ([say("x")], "stop", None, ("end_turn", None)),
        ([say("x")], "stop", "END", ("stop_sequence", "END")),
        ([say("x")], "stop", 128009, ("end_turn", None)),  # vLLM: the number of an end token
        ([say("x")], "length", None, ("max_tokens", None)),
        ([say("x")], "content_filter", None, ("refusal", None)),
        ([{"refusal": "No."}], "stop", None, ("refusal", None)),
        (call(0, "{}"), "tool_calls", None, ("tool_use", None)),
        (call(0, "{}"), "stop", None, ("tool_use", None)),  # vLLM, when the choice was forced
    ],
)
def test_why_it_stopped(
    claude: anthropic.Anthropic, model: ScriptedModel, script: Any, finish: str, stop: Any, expected: Any
) -> None:
    model.script, model.finish, model.stop_reason = script, finish, stop
    whole = claude.messages.create(**ASKED)
    with claude.messages.stream(**ASKED) as stream:
        streamed = stream.get_final_message()

    assert (whole.stop_reason, whole.stop_sequence) == expected
    assert (streamed.stop_reason, streamed.stop_sequence) == expected


def test_a_call_that_the_token_limit_cut_off_is_no_call(claude: anthropic.Anthropic, model: ScriptedModel) -> None:
    model.script, model.finish = [say("Wait."), *call(0, '{"town": "U')], "length"
    message = claude.messages.create(**ASKED)

    assert [block.type for block in message.content] == ["text"]
    assert message.stop_reason == "max_tokens"


@pytest.mark.parametrize("arguments", ['{"town": ', "[]", "Ulm"])
def test_a_call_that_nobody_could_run_is_the_models_failure(
    claude: anthropic.Anthropic, model: ScriptedModel, arguments: str
) -> None:
    model.script, model.finish = call(0, arguments), "tool_calls"
    with pytest.raises(anthropic.InternalServerError) as caught:
        claude.messages.create(**ASKED)

    assert caught.value.status_code == 502


def test_tokens_are_counted_by_the_models_own_tokenizer(claude: anthropic.Anthropic, model: ScriptedModel) -> None:
    counted = claude.messages.count_tokens(
        model="chat", system="Be brief.", tools=[WEATHER], messages=[{"role": "user", "content": "Hi."}]
    )

    assert counted.input_tokens == 2
    function = {"name": "weather", "description": WEATHER["description"], "parameters": SCHEMA}
    assert model.bodies == [
        {
            "model": "m",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi."}],
            "tools": [{"type": "function", "function": function}],
        }
    ]


@pytest.mark.parametrize(
    ("error", "raised", "kind"),
    [
        (ContextTooLong("Too long."), anthropic.BadRequestError, "invalid_request_error"),
        (BudgetExceeded("Spent."), anthropic.APIStatusError, "billing_error"),
        (PermissionDenied("Not this one."), anthropic.PermissionDeniedError, "permission_error"),
        (RateLimited("Slower.", retry_after_s=3), anthropic.RateLimitError, "rate_limit_error"),
        (UpstreamFailed("The model failed."), anthropic.InternalServerError, "api_error"),
        (Unavailable("Full.", retry_after_s=1), anthropic.InternalServerError, "overloaded_error"),
        (UpstreamTimeout("Silent."), anthropic.InternalServerError, "timeout_error"),
        (RuntimeError("secret"), anthropic.InternalServerError, "api_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_before_the_answer_is_the_clients_own_exception(
    claude: anthropic.Anthropic, model: ScriptedModel, error: Exception, raised: Any, kind: str, stream: bool
) -> None:
    model.fails_at, model.error = 0, error
    with pytest.raises(raised) as caught:
        claude.messages.create(**ASKED, stream=stream)

    body: Any = caught.value.body
    assert body["type"] == "error"
    assert set(body["error"]) == {"type", "message", "param", "code"}
    assert caught.value.type == kind
    assert body["request_id"] == caught.value.request_id == caught.value.response.headers["x-request-id"]
    assert "secret" not in str(caught.value)
    if isinstance(error, SextantError):
        assert (caught.value.status_code, body["error"]["code"]) == (error.status, error.code)
        assert caught.value.response.headers.get("retry-after") == error.headers().get("retry-after")


def test_who_may_not_ask_and_what_is_not_there(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as absent:
        claude.messages.create(**{**ASKED, "model": "claude-none"})
    assert absent.value.type == "not_found_error"
    with pytest.raises(anthropic.AuthenticationError):
        claude.with_options(api_key="sk-wrong").messages.create(**ASKED)


def test_the_extension_and_the_headers_are_chats(claude: anthropic.Anthropic, model: ScriptedModel) -> None:
    wish = {"sextant": {"retrieval": {"enabled": False}}}
    raw = claude.messages.with_raw_response.create(**{**ASKED, "model": "docs"}, extra_body=wish)

    assert raw.headers["x-sextant-model"] == "m"
    assert raw.headers["request-id"] == raw.headers["x-request-id"]
    assert model.bodies[0]["messages"] == [{"role": "user", "content": "Hi."}]
