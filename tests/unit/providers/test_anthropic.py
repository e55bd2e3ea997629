"""Anthropic's dialect: requests as its API takes them, answers as OpenAI's clients read them."""

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Any, cast

import orjson
import pytest

from app.errors import NotForThisTarget, UpstreamFailed
from app.providers.anthropic_answer import ChunkMaker, openai_answer
from app.providers.anthropic_request import anthropic_request
from tests.provider_double import ProviderDouble
from tests.unit.providers.ports import KEY, chat, chunks_of, port_to, port_to_one_that_says, said

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": False}
ANY_NAMES = {"type": "object", "additionalProperties": {"type": "integer"}}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Tells it.", "parameters": SCHEMA}}


def translated(**body: Any) -> dict[str, Any]:
    return anthropic_request(chat(**body), stream=False, max_output_tokens=100)


async def test_key_and_version_are_sent_as_it_wants_them(double: ProviderDouble) -> None:
    async with port_to(double.url, "anthropic") as port:
        await port.complete("chat", chat(), "r1")
    assert double.seen.last
    assert double.seen.last.path == "/v1/messages"
    assert double.seen.last.headers["x-api-key"] == KEY
    assert double.seen.last.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in double.seen.last.headers


async def test_whole_and_streamed_answers_say_the_same() -> None:
    async with ProviderDouble(cached_tokens=2) as double, port_to(double.url, "anthropic") as port:
        answer = await port.complete("chat", chat(), "r1")
        chunks = await chunks_of(port, chat())
    assert answer["object"] == "chat.completion"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert answer["choices"][0]["message"]["content"] == said(chunks)
    assert answer["choices"][0]["finish_reason"] == chunks[-2]["choices"][0]["finish_reason"] == "stop"
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": 8,
        "total_tokens": 11,
        "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
    }
    assert answer["usage"] == chunks[-1]["usage"] == usage
    assert chunks[-1]["choices"] == []


async def test_a_limit_that_is_reached_is_told_as_length(double: ProviderDouble) -> None:
    async with port_to(double.url, "anthropic") as port:
        answer = await port.complete("chat", chat(max_completion_tokens=3), "r1")
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3


async def test_tool_calls_go_there_and_back(double: ProviderDouble) -> None:
    async with port_to(double.url, "anthropic") as port:
        answer = await port.complete("chat", chat(tools=[WEATHER]), "r1")
        chunks = await chunks_of(port, chat(tools=[WEATHER]))
    message = answer["choices"][0]["message"]
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert message["content"] is None
    assert message["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"word"}'}
    calls = [call for c in chunks for choice in c["choices"] for call in choice["delta"].get("tool_calls", ())]
    assert calls[0] | {"index": None} == message["tool_calls"][0] | {
        "index": None,
        "function": {"name": "weather", "arguments": ""},
    }
    assert {call["index"] for call in calls} == {0}
    assert "".join(call["function"]["arguments"] for call in calls) == '{"city":"word"}'


async def test_a_json_schema_becomes_its_structured_output(double: ProviderDouble) -> None:
    answer_format = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
    async with port_to(double.url, "anthropic") as port:
        answer = await port.complete("chat", chat(response_format=answer_format), "r1")
    assert answer["choices"][0]["message"]["content"] == '{"city":"word"}'


async def test_closing_a_stream_ends_the_generation_at_once() -> None:
    async with ProviderDouble(tokens=1000, delay_ms=10) as double, port_to(double.url, "anthropic") as port:
        stream = cast(AsyncGenerator[dict[str, Any], None], port.stream("chat", chat(stream=True), "r1"))
        await anext(stream)
        await stream.aclose()
        await double.seen.until(lambda seen: seen.cancelled == 1, timeout_s=0.2)


async def test_sequential_and_concurrent_requests_reuse_connections(double: ProviderDouble) -> None:
    async with port_to(double.url, "anthropic", max_connections=8) as port:
        await asyncio.gather(*(chunks_of(port, chat()) for _ in range(64)))
        await port.complete("chat", chat(), "r1")
    assert double.seen.completed == 65
    assert double.seen.connections <= 8


def test_a_conversation_with_tools_alternates_and_keeps_results_together() -> None:
    def call(call_id: str) -> dict[str, Any]:
        return {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}}

    request = anthropic_request(
        {
            "model": "claude",
            "messages": [
                {"role": "system", "content": "Be terse."},
                {"role": "user", "content": "Weather?"},
                {"role": "assistant", "content": "", "tool_calls": [call("a"), call("b")]},
                {"role": "tool", "tool_call_id": "a", "content": "rain"},
                {"role": "tool", "tool_call_id": "b", "content": "sun"},
                {"role": "developer", "content": "In German."},
                {"role": "user", "content": "And?"},
                {"role": "assistant", "content": None, "refusal": "No."},
            ],
        },
        stream=True,
        max_output_tokens=100,
    )
    used = {"type": "tool_use", "name": "weather", "input": {"city": "Ulm"}}
    assert request == {
        "model": "claude",
        "max_tokens": 100,
        "stream": True,
        "system": "Be terse.\n\nIn German.",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
            {"role": "assistant", "content": [{**used, "id": "a"}, {**used, "id": "b"}]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": "rain"},
                    {"type": "tool_result", "tool_use_id": "b", "content": "sun"},
                    {"type": "text", "text": "And?"},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "No."}]},
        ],
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"type": "tool", "name": "f"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"parallel_tool_calls": True}, None),
        ({}, None),
    ],
)
def test_tool_choices(fields: dict[str, Any], expected: dict[str, Any] | None) -> None:
    request = translated(tools=[WEATHER], **fields)
    assert request.get("tool_choice") == expected
    assert request["tools"] == [{"name": "weather", "description": "Tells it.", "input_schema": SCHEMA}]


def test_sampling_keeps_what_it_knows_and_drops_the_rest() -> None:
    known = translated(temperature=1.7, top_k=40, stop="END", max_tokens=7)
    assert known["temperature"] == 1.0
    assert known["top_k"] == 40
    assert known["stop_sequences"] == ["END"]
    assert known["max_tokens"] == 7
    unknown = {"seed": 1, "frequency_penalty": 1, "presence_penalty": 1, "logit_bias": {"1": 1}, "logprobs": True}
    assert translated(**unknown, min_p=0.1, ignore_eos=True, top_k=-1, n=1) == translated()


@pytest.mark.parametrize("temperature", [0, 0.5])
def test_top_p_is_sent_alone_or_not_at_all(temperature: float) -> None:
    """Claude refuses both together."""
    assert translated(top_p=0.9)["top_p"] == 0.9
    both = translated(temperature=temperature, top_p=0.9)
    assert both["temperature"] == temperature
    assert "top_p" not in both


async def test_a_model_that_takes_no_sampling_gets_none(double: ProviderDouble) -> None:
    sampling: dict[str, Any] = {"temperature": 0, "top_p": 0.9, "top_k": 40}
    async with port_to(double.url, "anthropic", hosted={"sampling": False}) as port:
        await port.complete("chat", chat(**sampling, max_tokens=7), "r1")
        assert double.seen.last
        assert double.seen.last.body["max_tokens"] == 7
        assert not sampling.keys() & double.seen.last.body.keys()
        await chunks_of(port, chat(**sampling))
        assert not sampling.keys() & double.seen.last.body.keys()


@pytest.mark.parametrize("schema", [None, {}, {"type": "object"}])
def test_json_of_any_object_is_asked_for_in_words(schema: dict[str, Any] | None) -> None:
    described = {"name": "any", **({} if schema is None else {"schema": schema})}
    request = translated(response_format={"type": "json_schema", "json_schema": described})
    assert "JSON object" in request["system"]
    assert "output_config" not in request


def test_a_json_object_is_asked_for_in_words() -> None:
    assert "JSON object" in translated(response_format={"type": "json_object"})["system"]
    assert "system" not in translated(response_format={"type": "text"})


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"n": 2}, "n"),
    ]
    + [
        (
            {
                "messages": [
                    {
                        "role": "assistant",
                        "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": arguments}}],
                    }
                ]
            },
            "messages",
        )
        for arguments in ("[1]", '{"city": "U')
    ]
    + [
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": ANY_NAMES}}},
            "response_format",
        ),
        ({"tools": [{"function": {"name": "f", "parameters": ANY_NAMES, "strict": True}}]}, "tools"),
    ],
)
def test_what_cannot_be_said_there_is_refused(body: dict[str, Any], param: str) -> None:
    with pytest.raises(NotForThisTarget) as caught:
        anthropic_request({**chat(), **body}, stream=False, max_output_tokens=1)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "message",
    [
        {"content": [None]},
        {"content": ["text"]},
        {"content": [{"type": "text", "text": 5}]},
        {"content": [{"type": "tool_use", "id": 5, "name": "f", "input": {}}]},
        {"content": [], "usage": "x"},
        {"content": [], "usage": {"cache_creation": "x"}},
        {"content": [], "usage": {"input_tokens": "x"}},
        {"content": [], "stop_reason": ["x"]},
    ],
)
async def test_an_answer_that_is_nonsense_is_a_failure_of_the_provider(message: dict[str, Any]) -> None:
    async with port_to_one_that_says(orjson.dumps(message), "anthropic") as port:
        with pytest.raises(UpstreamFailed, match="not in the form"):
            await port.complete("chat", chat(), "r1")


START = {"type": "message_start", "message": {"id": "i", "model": "m"}}


@pytest.mark.parametrize(
    "events",
    [
        [{"type": "message_start", "message": "x"}],
        [{"type": "message_start", "message": {"usage": "x"}}],
        [START, {"type": "content_block_start", "content_block": None}],
        [START, {"type": "content_block_start", "content_block": {"type": "tool_use", "id": None, "name": "f"}}],
        [START, {"type": "content_block_delta", "delta": None}],
        [START, {"type": "content_block_delta", "delta": {"type": "text_delta", "text": 5}}],
        [START, {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": {"a": 1}}}],
        [START, {"type": "message_delta", "delta": None}],
        [START, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": "x"}],
    ],
)
async def test_events_that_are_nonsense_are_a_failure_of_the_provider(events: list[dict[str, Any]]) -> None:
    said = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)
    async with port_to_one_that_says(said, "anthropic") as port:
        with pytest.raises(UpstreamFailed, match="not in the form"):
            await chunks_of(port, chat())


def test_ids_of_calls_that_others_made_become_ids_that_it_takes() -> None:
    calls = [{"id": name, "function": {"name": "f", "arguments": "{}"}} for name in ("toolu_1-A", "functions.f:0")]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "x"} for call in calls]
    turns = translated(messages=[{"role": "assistant", "content": None, "tool_calls": calls}, *results])["messages"]
    used = [block["id"] for block in turns[0]["content"]]
    answered = [block["tool_use_id"] for block in turns[1]["content"]]
    assert used == answered
    assert used[0] == "toolu_1-A"
    assert re.fullmatch("[a-zA-Z0-9]{9}", used[1])


async def test_text_completions_are_refused(double: ProviderDouble) -> None:
    async with port_to(double.url, "anthropic") as port:
        with pytest.raises(NotForThisTarget, match="chat requests only"):
            await port.complete("completions", {"model": "m", "prompt": "a"}, "r1")
        with pytest.raises(NotForThisTarget):
            await port.tokenize(chat())
    assert double.seen.requests == 0


@pytest.mark.parametrize("content", ["\n\n", " ", "", None])
def test_white_space_beside_a_call_is_left_out(content: str | None) -> None:
    call = {"id": "a", "function": {"name": "f", "arguments": "{}"}}
    (turn,) = translated(messages=[{"role": "assistant", "content": content, "tool_calls": [call]}])["messages"]
    assert [block["type"] for block in turn["content"]] == ["tool_use"]


def test_thinking_is_left_out_and_empty_arguments_become_an_object() -> None:
    maker = ChunkMaker()
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "i", "model": "m", "usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "now"}},
        {"type": "content_block_stop", "index": 1},
        {"type": "something_new"},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use"},
            "usage": {"output_tokens": 5, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 4},
        },
    ]
    chunks = [chunk for event in events for chunk in maker.chunks(event)]
    calls = [call for c in chunks for choice in c["choices"] for call in choice["delta"].get("tool_calls", ())]
    assert said(chunks) == ""
    assert "".join(call["function"]["arguments"] for call in calls) == "{}"
    assert chunks[-1]["usage"]["prompt_tokens"] == 9
    assert chunks[-1]["usage"]["prompt_tokens_details"] == {"cached_tokens": 2, "cache_write_tokens": 4}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
        ("model_context_window_exceeded", "length"),
        ("stop_sequence", "stop"),
    ],
)
def test_stop_reasons(reason: str, expected: str) -> None:
    answer = openai_answer({"content": [], "stop_reason": reason, "usage": {}})
    assert answer["choices"][0]["finish_reason"] == expected


def test_a_stream_without_its_beginning_is_a_failure() -> None:
    with pytest.raises(UpstreamFailed):
        ChunkMaker().chunks({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x"}})
