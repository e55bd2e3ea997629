"""POST /v1/responses through the official client: what the model is asked, and what comes back."""

from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import FunctionToolParam, Response
from pydantic import BaseModel

from app.errors import (
    BudgetExceeded,
    ContextTooLong,
    RateLimited,
    SextantError,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from tests.unit.dialects.scripted import ScriptedModel, call, say
from tests.unit.wire import AUTHORIZED, error_of

WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a town.",
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    "strict": True,
}


class Town(BaseModel):
    name: str
    people: int


def test_a_text_is_answered_with_a_whole_response_object(oai: openai.OpenAI, model: ScriptedModel) -> None:
    model.script = [say("Hello"), say(" world.")]
    response = oai.responses.create(
        model="m",
        input="Hi.",
        instructions="Be brief.",
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=20,
        metadata={"a": "b"},
        user="u",
    )

    assert response.output_text == "Hello world."
    assert (response.status, response.error, response.incomplete_details) == ("completed", None, None)
    assert response.id.startswith("resp_")
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (11, 3, 14)
    assert response.usage.input_tokens_details.cached_tokens == 4
    assert (response.instructions, response.temperature, response.metadata) == ("Be brief.", 0.5, {"a": "b"})
    (body,) = model.bodies
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi."}],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_completion_tokens": 20,
    }


def test_the_answer_has_every_field_that_openais_type_demands(url: str, model: ScriptedModel) -> None:
    model.script = [say("Let me look."), *call(0, '{"town": "Ulm"}', name="weather")]
    request = {"model": "m", "input": "Hi.", "tools": [WEATHER], "store": True, "text": {"verbosity": "medium"}}
    answer = httpx.post(f"{url}/v1/responses", json=request, headers=AUTHORIZED).json()

    response = Response.model_validate(answer)
    assert response.tools[0].type == "function"
    assert response.text is not None
    assert answer["store"] is False
    assert answer["sextant"] == {"citations": [], "cache": "bypass", "cost_usd": 0}


def test_items_become_messages_and_what_was_said_and_called_in_one_turn_becomes_one(
    oai: openai.OpenAI, model: ScriptedModel
) -> None:
    oai.responses.create(
        model="m",
        input=[
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
            {
                "type": "message",
                "role": "assistant",
                "id": "msg_1",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Wait.", "annotations": []}],
            },
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "g", "arguments": '{"x":1}'},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
            {"type": "function_call", "call_id": "c3", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c3", "output": ""},
        ],
    )

    def called(identifier: str, name: str, arguments: str) -> dict[str, Any]:
        return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}

    assert model.bodies[0]["messages"] == [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "a\nb"},
        {
            "role": "assistant",
            "content": "Wait.",
            "tool_calls": [called("c1", "f", "{}"), called("c2", "g", '{"x":1}')],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
        {"role": "assistant", "tool_calls": [called("c3", "f", "{}")]},
        {"role": "tool", "tool_call_id": "c3", "content": ""},
    ]


def test_an_output_can_be_given_back_as_input(oai: openai.OpenAI, model: ScriptedModel) -> None:
    model.script = [say("Let me look."), *call(0, '{"town":', ' "Ulm"}', name="weather"), *call(1, "{}")]
    first = oai.responses.parse(model="m", input="Hi.", tools=[WEATHER])
    given_back: Any = [
        *first.output,
        {"type": "function_call_output", "call_id": "call-0", "output": "rain"},
        {"type": "function_call_output", "call_id": "call-1", "output": "sun"},
    ]
    oai.responses.create(model="m", input=given_back)

    said, *heard = model.bodies[1]["messages"]
    assert said["content"] == "Let me look."
    assert [c["function"]["arguments"] for c in said["tool_calls"]] == ['{"town": "Ulm"}', "{}"]
    assert [message["content"] for message in heard] == ["rain", "sun"]


def test_tools_and_their_choice_are_chats(oai: openai.OpenAI, model: ScriptedModel) -> None:
    model.script, model.finish = call(0, '{"town": "Ulm"}', name="weather"), "tool_calls"
    response = oai.responses.create(
        model="m",
        input="Hi.",
        tools=[WEATHER],
        tool_choice={"type": "function", "name": "weather"},
        parallel_tool_calls=False,
    )

    (item,) = response.output
    assert item.type == "function_call"
    assert (item.name, item.arguments, item.call_id, item.status) == (
        "weather",
        '{"town": "Ulm"}',
        "call-0",
        "completed",
    )
    function = {name: value for name, value in WEATHER.items() if name != "type"}
    assert model.bodies[0]["tools"] == [{"type": "function", "function": function}]
    assert model.bodies[0]["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert model.bodies[0]["parallel_tool_calls"] is False


def test_a_choice_without_tools_that_says_nothing_is_not_passed_on(oai: openai.OpenAI, model: ScriptedModel) -> None:
    oai.responses.create(model="m", input="Hi.", tools=[], tool_choice="auto", parallel_tool_calls=True)

    assert set(model.bodies[0]) == {"model", "messages"}


def test_a_structured_output_is_parsed_by_the_client(oai: openai.OpenAI, model: ScriptedModel) -> None:
    model.script = [say('{"name": "Ulm",'), say(' "people": 128000}')]
    response = oai.responses.parse(model="m", input="Hi.", text_format=Town)

    assert response.output_parsed == Town(name="Ulm", people=128000)
    wanted = model.bodies[0]["response_format"]
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"]["name"] == "Town"
    assert wanted["json_schema"]["strict"] is True
    assert set(wanted["json_schema"]["schema"]["properties"]) == {"name", "people"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [({"format": {"type": "json_object"}}, {"type": "json_object"}), ({"format": {"type": "text"}}, None), ({}, None)],
)
def test_plain_formats(oai: openai.OpenAI, model: ScriptedModel, text: Any, expected: Any) -> None:
    oai.responses.create(model="m", input="Hi.", text=text)

    assert model.bodies[0].get("response_format") == expected


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_was_cut_off_is_incomplete(
    oai: openai.OpenAI, model: ScriptedModel, finish: str, reason: Any
) -> None:
    model.script, model.finish = [say("Let me"), *call(0, '{"a": ')], finish
    response = oai.responses.create(model="m", input="Hi.")

    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == reason
    assert [item.status for item in response.output if item.type in ("message", "function_call")] == [
        "completed",
        "incomplete",
    ]


def test_a_refusal_is_a_refusal_part(oai: openai.OpenAI, model: ScriptedModel) -> None:
    model.script = [{"refusal": "I will not."}]
    (item,) = oai.responses.create(model="m", input="Hi.").output

    assert item.type == "message"
    assert item.content[0].type == "refusal"
    assert item.content[0].refusal == "I will not."


@pytest.mark.parametrize(
    ("error", "raised", "code"),
    [
        (ContextTooLong("Too long."), openai.BadRequestError, "context_length_exceeded"),
        (BudgetExceeded("Spent."), openai.APIStatusError, "budget_exceeded"),
        (RateLimited("Slower.", retry_after_s=3), openai.RateLimitError, "rate_limit_exceeded"),
        (UpstreamFailed("The model failed."), openai.InternalServerError, "upstream_failed"),
        (Unavailable("Full.", retry_after_s=1), openai.InternalServerError, "unavailable"),
        (UpstreamTimeout("Silent."), openai.InternalServerError, "upstream_timeout"),
        (RuntimeError("secret"), openai.InternalServerError, "internal_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_before_the_answer_is_the_clients_own_exception(
    oai: openai.OpenAI, model: ScriptedModel, error: Exception, raised: Any, code: str, stream: bool
) -> None:
    model.fails_at, model.error = 0, error
    with pytest.raises(raised) as caught:
        oai.responses.create(model="m", input="Hi.", stream=stream)

    assert caught.value.code == code
    assert "secret" not in str(caught.value)
    if isinstance(error, SextantError):
        assert caught.value.status_code == error.status


def test_who_may_not_ask_and_what_is_not_there(oai: openai.OpenAI, url: str) -> None:
    with pytest.raises(openai.NotFoundError) as absent:
        oai.responses.create(model="gpt-none", input="Hi.")
    assert (absent.value.code, absent.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.AuthenticationError):
        oai.with_options(api_key="sk-wrong").responses.create(model="m", input="Hi.")
    error_of(httpx.get(f"{url}/v1/responses", headers=AUTHORIZED), 405)


def test_the_extension_and_the_headers_are_chats(oai: openai.OpenAI, model: ScriptedModel) -> None:
    wish = {"sextant": {"retrieval": {"enabled": False}}}
    raw = oai.responses.with_raw_response.create(model="docs", input="Hi.", extra_body=wish)

    assert raw.headers["x-sextant-model"] == "m"
    assert "x-request-id" in raw.headers
    assert model.bodies[0]["messages"] == [{"role": "user", "content": "Hi."}]
