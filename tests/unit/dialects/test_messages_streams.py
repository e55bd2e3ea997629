"""Streams of POST /v1/messages: the sequence of events, and what the official client makes of it."""

import asyncio
from collections.abc import Callable
from typing import Any

import anthropic
import pytest
from anthropic.types import RawMessageStreamEvent
from pydantic import TypeAdapter

from app.errors import RateLimited, UpstreamFailed
from tests.unit.dialects.events import events_of, names_of
from tests.unit.dialects.scripted import ScriptedModel, call, say

ASKED: dict[str, Any] = {"model": "m", "max_tokens": 20, "messages": [{"role": "user", "content": "Hi."}]}
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
START, DELTA, STOP = "content_block_start", "content_block_delta", "content_block_stop"

Stream = Callable[[], list[tuple[str, dict[str, Any]]]]


@pytest.fixture
def stream(url: str) -> Stream:
    return lambda: events_of(f"{url}/v1/messages", ASKED)


def test_blocks_are_streamed_in_anthropics_sequence(stream: Stream, model: ScriptedModel) -> None:
    model.script = [say("Wait"), say("."), *call(0, '{"a":', " 1}"), *call(1)]
    model.finish = "tool_calls"
    events = stream()

    blocks = [START, DELTA, DELTA, STOP, START, DELTA, DELTA, STOP, START, STOP]
    assert names_of(events) == ["message_start", *blocks, "message_delta", "message_stop"]
    for name, data in events:
        assert EVENT.validate_python(data).type == name
    assert [data["index"] for name, data in events if name == STOP] == [0, 1, 2]
    assert events[5][1]["content_block"] == {"type": "tool_use", "id": "call-0", "name": "tool_0", "input": {}}
    start, last = events[0][1]["message"], events[-2][1]
    assert (start["content"], start["stop_reason"]) == ([], None)
    assert last["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert last["usage"]["input_tokens"] == 7


def test_the_clients_accumulator_gets_the_answer_that_is_given_whole(
    claude: anthropic.Anthropic, model: ScriptedModel
) -> None:
    model.script = [say("Wait"), say("."), *call(0, '{"a":', " 1}"), *call(1, "{}")]
    whole = claude.messages.create(**ASKED)
    with claude.messages.stream(**ASKED) as stream:
        texts = [event.text for event in stream if event.type == "text"]
        streamed = stream.get_final_message()

    assert texts == ["Wait", "."]
    assert [block.to_dict() for block in streamed.content] == [block.to_dict() for block in whole.content]
    differing = {"id", "content", "sextant"}  # a stream tells its cost in an event that the client does not keep
    assert streamed.model_dump(exclude=differing) == whole.model_dump(exclude=differing)


async def test_the_asynchronous_client_reads_texts(url: str, model: ScriptedModel) -> None:
    model.script = [say("Hello"), say(" world.")]
    async with (
        anthropic.AsyncAnthropic(base_url=url, api_key="sk-test", max_retries=0) as client,
        client.messages.stream(**ASKED) as stream,
    ):
        assert [text async for text in stream.text_stream] == ["Hello", " world."]
        assert stream.request_id


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UpstreamFailed("The model failed."), "api_error"),
        (RateLimited("Slower."), "rate_limit_error"),
        (RuntimeError("secret"), "api_error"),
    ],
)
def test_an_error_in_mid_stream_is_anthropics_error_event_and_the_last(
    stream: Stream, model: ScriptedModel, error: Exception, kind: str
) -> None:
    model.script, model.fails_at, model.error = [say("Hello"), say(" world.")], 2, error
    events = stream()

    assert names_of(events) == ["message_start", START, DELTA, "error"]
    last = events[-1][1]
    assert last["error"]["type"] == kind
    assert last["error"]["code"] == getattr(error, "code", "internal_error")
    assert last["request_id"]
    assert "secret" not in str(events)


def test_an_error_in_mid_stream_is_raised_by_the_client(claude: anthropic.Anthropic, model: ScriptedModel) -> None:
    model.script, model.fails_at = [say("Hello"), say(" world.")], 2
    seen: list[str] = []
    with claude.messages.stream(**ASKED) as stream, pytest.raises(anthropic.APIStatusError) as caught:
        seen.extend(stream.text_stream)

    assert seen == ["Hello"]
    assert caught.value.type == "api_error"


@pytest.mark.parametrize(
    ("script", "finish"),
    [
        ([say("Hello")], None),  # broken off
        (call(0, '{"a": '), "tool_calls"),  # arguments that are no JSON
        ([*call(0, "{}"), *call(1, "{}"), {"tool_calls": [{"index": 0, "function": {"arguments": "x"}}]}], "stop"),
        ([{"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}], "stop"),  # without a name
    ],
)
def test_what_a_client_could_not_use_never_looks_complete(
    stream: Stream, model: ScriptedModel, script: Any, finish: Any
) -> None:
    model.script, model.finish = script, finish
    events = stream()

    assert names_of(events)[-1] == "error"
    assert "message_stop" not in names_of(events)
    assert events[-1][1]["error"]["code"] == "upstream_failed"


def test_a_client_that_leaves_in_mid_stream_ends_the_generation(
    claude: anthropic.Anthropic, model: ScriptedModel
) -> None:
    model.script, model.hangs_at = [say("Hello"), say(" world.")], 2
    with claude.messages.stream(**ASKED) as stream:
        assert next(stream.text_stream) == "Hello"

    assert model.closed.wait(1)


async def test_a_client_that_leaves_before_the_answer_ends_the_generation(url: str, model: ScriptedModel) -> None:
    model.hangs_at = 0
    async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-test", max_retries=0) as client:
        asking = asyncio.ensure_future(client.messages.create(**ASKED))
        assert await asyncio.to_thread(model.hanging.wait, 5)
        asking.cancel()
        assert await asyncio.to_thread(model.closed.wait, 1)
