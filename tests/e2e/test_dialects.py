"""Responses and Messages through the real stack, by the official clients."""

import json
from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel

from tests.e2e.conftest import Stack

QUESTION = "What is the capital of France? Answer with its name."
GREEDY = {"temperature": 0}  # the official client has no argument for it any more
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}


class Place(BaseModel):
    city: str


@pytest.fixture
def claude(stack: Stack) -> Any:
    return anthropic.Anthropic(base_url=stack.url, api_key=stack.api_key, max_retries=0)


def test_a_response_is_answered_and_counted(client: openai.OpenAI) -> None:
    answer = client.responses.create(model="chat", input=QUESTION, temperature=0, max_output_tokens=40)

    assert "Paris" in answer.output_text
    assert answer.usage
    assert answer.usage.input_tokens > 0
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def test_a_response_is_streamed_as_it_would_be_given_whole(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "chat", "input": QUESTION, "temperature": 0, "max_output_tokens": 40}
    whole = client.responses.create(**asked, extra_headers={"cache-control": "no-store"})
    with client.responses.stream(**asked, extra_headers={"cache-control": "no-store"}) as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_response()

    assert streamed.output_text == whole.output_text
    assert kinds[0] == "response.created"
    assert kinds[-1] in {"response.completed", "response.incomplete"}


def test_a_response_takes_several_turns_instructions_and_tools(client: openai.OpenAI) -> None:
    tool: Any = {"type": "function", "name": "weather", "parameters": WEATHER, "strict": True}
    asked = client.responses.create(
        model="chat",
        instructions="Use the tool.",
        input="What is the weather in Paris?",
        tools=[tool],
        tool_choice={"type": "function", "name": "weather"},
        temperature=0,
        max_output_tokens=64,
    )
    (call,) = [item for item in asked.output if item.type == "function_call"]
    assert json.loads(call.arguments)["city"] in {"Paris", "Rome"}

    told = client.responses.create(
        model="chat",
        input=[
            {"role": "user", "content": "What is the weather in Paris?"},
            {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
            {"type": "function_call_output", "call_id": call.call_id, "output": "It rains."},
        ],
        temperature=0,
        max_output_tokens=32,
    )
    assert told.output_text


def test_a_response_follows_a_schema(client: openai.OpenAI) -> None:
    parsed = client.responses.parse(
        model="chat", input="Name a city as JSON.", text_format=Place, temperature=0, max_output_tokens=64
    )
    assert parsed.output_parsed
    assert parsed.output_parsed.city


def test_a_message_is_answered_and_counted(claude: Any) -> None:
    answer = claude.messages.create(
        model="chat", max_tokens=40, extra_body=GREEDY, messages=[{"role": "user", "content": QUESTION}]
    )
    assert answer.content[0].type == "text"
    assert "Paris" in answer.content[0].text
    assert answer.stop_reason in {"end_turn", "max_tokens"}
    # The same question was asked before: what was not computed stands beside the input tokens.
    assert answer.usage.input_tokens + answer.usage.cache_read_input_tokens > 5
    counted = claude.messages.count_tokens(model="smollm2-135m", messages=[{"role": "user", "content": QUESTION}])
    assert counted.input_tokens > 5


def test_a_message_is_streamed(claude: Any) -> None:
    with claude.messages.stream(
        model="chat", max_tokens=40, extra_body=GREEDY, messages=[{"role": "user", "content": QUESTION}]
    ) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert "Paris" in text
    assert final.usage.output_tokens > 0


def test_a_message_calls_a_tool_and_reads_its_result(claude: Any) -> None:
    tool: Any = {"name": "weather", "description": "Tells the weather.", "input_schema": WEATHER}
    asked = claude.messages.create(
        model="chat",
        max_tokens=64,
        extra_body=GREEDY,
        tools=[tool],
        tool_choice={"type": "tool", "name": "weather"},
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
    )
    (call,) = [block for block in asked.content if block.type == "tool_use"]
    assert asked.stop_reason == "tool_use"
    told = claude.messages.create(
        model="chat",
        max_tokens=32,
        extra_body=GREEDY,
        messages=[
            {"role": "user", "content": "What is the weather in Paris?"},
            {"role": "assistant", "content": [call.model_dump(include={"type", "id", "name", "input"})]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "It rains."}]},
        ],
    )
    assert told.content


def test_personal_data_is_masked_on_these_routes_too(claude: Any, client: openai.OpenAI) -> None:
    sentence = "My e-mail is maria.gonzalez@example.com. Which address did I give?"
    answer = claude.messages.with_raw_response.create(
        model="chat", max_tokens=48, extra_body=GREEDY, messages=[{"role": "user", "content": sentence}]
    )
    assert "guard;dur" in answer.headers["server-timing"]
    assert "<EMAIL_ADDRESS_1>" not in answer.text()


def test_errors_are_the_clients_own_exceptions(claude: Any, client: openai.OpenAI) -> None:
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.create(model="nope", max_tokens=5, messages=[{"role": "user", "content": "Hi"}])
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.create(model="chat", max_tokens=5, messages=[])
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="nope", input="Hi")
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="chat", input="Hi", previous_response_id="resp_1")
