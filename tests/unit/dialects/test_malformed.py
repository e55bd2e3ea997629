"""Malformed and unsupported bodies: each is a 400 that names the field and says what is wrong."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from anthropic.resources.messages import Messages
from openai.resources.responses import Responses

from app.errors import InvalidRequest
from app.wire.base import Wire
from app.wire.messages import CountTokensRequest, MessagesRequest
from app.wire.parse import parse_request
from app.wire.responses import ResponsesRequest
from tests.unit.wire import AUTHORIZED, error_of

DOCUMENT = Path(__file__).parents[3] / "docs" / "dialects.md"
MINIMAL: dict[type[Wire], dict[str, Any]] = {
    ResponsesRequest: {"model": "m", "input": "Hi."},
    MessagesRequest: {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi."}]},
}


def refusal(kind: type[Wire], fields: dict[str, Any]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        parse_request(kind, json.dumps({**MINIMAL[kind], **fields}).encode(), max_depth=32)
    return raised.value


def part(**fields: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": [fields]}]}


def block(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [fields]}]}


CALL_ITEM = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
TOOL_USE = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
TOOL_RESULT = {"type": "tool_result", "tool_use_id": "t"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 5}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": ["Hi."]}, "input[0]"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"input": [{"type": "reasoning", "id": "x", "summary": []}]}, "input[0]"),
        ({"input": [{"content": "Hi."}]}, "input[0].role"),
        ({"input": [{"role": "tool", "content": "Hi."}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": []}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": "Hi.", "mood": "x"}]}, "input[0].mood"),
        (part(type="input_text"), "input[0].content[0].text"),
        (part(type="input_text", text=5), "input[0].content[0].text"),
        (part(type="input_image", image_url="http://x"), "input[0].content[0]"),
        (part(type="input_file", file_id="x"), "input[0].content[0]"),
        ({"input": [{**CALL_ITEM, "call_id": "a b"}]}, "input[0].call_id"),
        ({"input": [{**CALL_ITEM, "arguments": {}}]}, "input[0].arguments"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image"}]}]},
            "input[0].output[0]",
        ),
        ({"instructions": ["x"]}, "instructions"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "0"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"tools": [{"type": "mcp", "server_url": "http://x"}]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "f", "parameters": "x"}]}, "tools[0].parameters"),
        ({"tools": [{"type": "function", "name": "f", "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"text": {"format": {"type": "xml"}}}, "text.format"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"text": {"verbosity": "high"}}, "text.verbosity"),
        ({"stream": 1}, "stream"),
        ({"stream": True, "stream_options": {"include_usage": True}}, "stream_options.include_usage"),
        ({"stream_options": {}}, None),
        ({"metadata": {"a": 5}}, "metadata.a"),
        ({"include": ["message.output_text.logprobs"]}, "include[0]"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"reasoning": {"effort": "high"}}, "reasoning.effort"),
        ({"reasoning": {"summary": "auto"}}, "reasoning.summary"),
        ({"background": True}, "background"),
        ({"background": 0}, "background"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"truncation": "auto"}, "truncation"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "no id"}, "conversation"),
        ({"prompt": {"id": "x"}}, "prompt"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"moderation": {"model": "x"}}, "moderation"),
        ({"stop": ["x"]}, "stop"),
        ({"messages": []}, "messages"),
        ({"sextant": {"memory": "on"}}, "sextant.memory"),
    ],
)
def test_what_a_responses_request_may_not_hold(fields: dict[str, Any], param: str | None) -> None:
    error = refusal(ResponsesRequest, fields)

    assert (error.status, error.param) == (400, param)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi."}, "messages"),
        ({"messages": [{"role": "tool", "content": "Hi."}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant", "content": "The answer is"}]}, "messages"),
        (block(type="text"), "messages[0].content[0].text"),
        (block(type="text", text="x", cache_control={"type": "forever"}), "messages[0].content[0].cache_control.type"),
        (block(type="text", text="x", citations=[{"type": "char_location"}]), "messages[0].content[0].citations"),
        (block(type="image", source={}), "messages[0].content[0]"),
        (block(type="document", source={}), "messages[0].content[0]"),
        (block(type="thinking", thinking="x", signature="x"), "messages[0].content[0]"),
        (block(**TOOL_USE), "messages[0]"),
        ({"messages": [{"role": "assistant", "content": [TOOL_RESULT]}]}, "messages[0]"),
        ({"messages": [{"role": "system", "content": [TOOL_RESULT]}]}, "messages[0]"),
        (block(type="tool_result"), "messages[0].content[0].tool_use_id"),
        (block(**TOOL_RESULT, content=[{"type": "image"}]), "messages[0].content[0].content[0]"),
        (
            {"messages": [{"role": "assistant", "content": [{**TOOL_USE, "input": "{}"}]}]},
            "messages[0].content[0].input",
        ),
        ({"system": 5}, "system"),
        ({"system": [{"type": "image"}]}, "system[0]"),
        ({"temperature": 1.5}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"stop_sequences": [""]}, "stop_sequences[0]"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0]"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0]"),
        ({"tools": [{"name": "f", "input_schema": {}, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tools": [{"name": "f", "input_schema": {}, "input_examples": [{}]}]}, "tools[0].input_examples"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice"),
        ({"tool_choice": {"type": "auto", "name": "f"}}, "tool_choice"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking.type"),
        ({"thinking": {"type": "adaptive"}}, "thinking.type"),
        ({"output_config": {"effort": "high"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"speed": "fast"}, "speed"),
        ({"container": {"id": "x"}}, "container"),
        ({"mcp_servers": [{"type": "url"}]}, "mcp_servers"),
        ({"context_management": {"edits": []}}, "context_management"),
        ({"metadata": {"user": "x"}}, "metadata.user"),
        ({"stream": "yes"}, "stream"),
        ({"n": 2}, "n"),
        ({"sextant": {"cache": {"ttl": 3}}}, "sextant.cache.ttl"),
    ],
)
def test_what_a_messages_request_may_not_hold(fields: dict[str, Any], param: str | None) -> None:
    error = refusal(MessagesRequest, fields)

    assert (error.status, error.param) == (400, param)


@pytest.mark.parametrize(("kind", "missing"), [(ResponsesRequest, "input"), (MessagesRequest, "max_tokens")])
def test_a_missing_field_is_named(kind: type[Wire], missing: str) -> None:
    body = {name: value for name, value in MINIMAL[kind].items() if name != missing}
    with pytest.raises(InvalidRequest, match=f"Missing required parameter: '{missing}'"):
        parse_request(kind, json.dumps(body).encode(), max_depth=32)


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        (ResponsesRequest, {"tools": [{"type": "web_search"}]}, "built-in tools such as web_search are not supported"),
        (ResponsesRequest, {"previous_response_id": "x"}, "use conversation"),
        (ResponsesRequest, part(type="input_image"), "the served models read text alone"),
        (MessagesRequest, {"thinking": {"type": "adaptive"}}, "the served models do not think aloud"),
        (MessagesRequest, block(type="image"), "the served models read text alone"),
        (MessagesRequest, {"messages": [{"role": "assistant", "content": "x"}]}, "cannot be continued"),
    ],
)
def test_what_is_not_supported_is_said_in_a_sentence(kind: type[Wire], fields: dict[str, Any], words: str) -> None:
    assert words in refusal(kind, fields).message


def test_what_was_sent_is_not_repeated_in_the_message() -> None:
    for kind in MINIMAL:
        assert "private" not in refusal(kind, {"model": ["private"]}).message
        assert "private" not in refusal(kind, {"tools": [{"type": "private"}]}).message


def test_the_rules_of_chat_hold_on_both_routes_in_the_shape_of_each(url: str) -> None:
    chosen = {"type": "function", "name": "absent"}
    with httpx.Client(base_url=url, headers=AUTHORIZED) as client:
        body = {**MINIMAL[ResponsesRequest], "tool_choice": chosen}
        assert "not among tools" in error_of(client.post("/v1/responses", json=body), 400)["message"]
        body = {**MINIMAL[MessagesRequest], "tool_choice": {"type": "tool", "name": "absent"}}
        answer = client.post("/v1/messages", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert "not among tools" in answer.json()["error"]["message"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"model": "m"}'])
def test_a_body_that_is_none_is_refused_in_anthropics_shape(url: str, content: bytes) -> None:
    answer = httpx.post(f"{url}/v1/messages", content=content, headers=AUTHORIZED)

    assert answer.status_code == 400
    assert set(answer.json()) == {"type", "error", "request_id"}


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (Responses.create, ResponsesRequest),
        (Messages.create, MessagesRequest),
        (Messages.count_tokens, CountTokensRequest),
    ],
)
def test_every_parameter_of_the_official_client_is_accepted_or_refused_on_purpose(
    call: Callable[..., Any], kind: type[Wire]
) -> None:
    own = {"self", "output_format", "extra_headers", "extra_query", "extra_body", "timeout"}
    assert set(inspect.signature(call).parameters) - own <= set(kind.model_fields)


@pytest.mark.parametrize("kind", [ResponsesRequest, MessagesRequest])
def test_every_parameter_is_documented(kind: type[Wire]) -> None:
    document = DOCUMENT.read_text()

    assert [name for name in kind.model_fields if f"`{name}`" not in document] == []
