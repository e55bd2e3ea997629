"""Streams of POST /v1/responses: the sequence of events, and what the official client makes of it."""

from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from app.errors import RateLimited, SextantError, UpstreamFailed
from tests.unit.dialects.events import events_of, names_of
from tests.unit.dialects.scripted import ScriptedModel, call, say

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
STARTED = ["response.created", "response.in_progress"]
MESSAGE_BEGINS = ["response.output_item.added", "response.content_part.added"]
MESSAGE_ENDS = ["response.output_text.done", "response.content_part.done", "response.output_item.done"]
ARGUMENTS = "response.function_call_arguments"

Stream = Callable[..., list[tuple[str, dict[str, Any]]]]


class Town(BaseModel):
    name: str


@pytest.fixture
def stream(url: str) -> Stream:
    return lambda **fields: events_of(f"{url}/v1/responses", {"input": "Hi.", **fields})


def test_a_text_is_streamed_in_openais_sequence(stream: Stream, model: ScriptedModel) -> None:
    model.script = [say("Hello"), say(" world.")]
    events = stream()

    delta = "response.output_text.delta"
    assert names_of(events) == [*STARTED, *MESSAGE_BEGINS, delta, delta, *MESSAGE_ENDS, "response.completed"]
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    created, last = events[0][1]["response"], events[-1][1]["response"]
    assert (created["status"], created["output"], created["usage"]) == ("in_progress", [], None)
    assert (last["status"], last["id"], last["usage"]["input_tokens"]) == ("completed", created["id"], 11)
    assert events[-2][1]["item"] == last["output"][0]
    assert last["sextant"] == {"citations": [], "cache": "bypass", "cost_usd": 0}


def test_calls_are_streamed_one_after_the_other(stream: Stream, model: ScriptedModel) -> None:
    model.script = [say("Wait."), *call(0, '{"a":', " 1}"), *call(1)]
    model.finish = "tool_calls"
    events = stream()

    added, done = "response.output_item.added", "response.output_item.done"
    assert names_of(events) == [
        *STARTED,
        *MESSAGE_BEGINS,
        "response.output_text.delta",
        *MESSAGE_ENDS,
        added,
        f"{ARGUMENTS}.delta",
        f"{ARGUMENTS}.delta",
        f"{ARGUMENTS}.done",
        done,
        added,
        f"{ARGUMENTS}.done",
        done,
        "response.completed",
    ]
    finished = [data["arguments"] for name, data in events if name == f"{ARGUMENTS}.done"]
    assert finished == ['{"a": 1}', ""]
    assert [data["output_index"] for name, data in events if name == done] == [0, 1, 2]


@pytest.mark.parametrize("finish", ["stop", "length", "content_filter"])
def test_every_event_has_what_openais_types_demand(stream: Stream, model: ScriptedModel, finish: str) -> None:
    model.script, model.finish = [say("Hi"), {"refusal": "No."}, *call(0, "{}")], finish
    events = stream(tools=[{"type": "function", "name": "tool_0", "parameters": {}, "strict": None}])

    for name, data in events:
        assert EVENT.validate_python(data).type == name
    assert "response.refusal.done" in names_of(events)
    assert names_of(events)[-1] == ("response.completed" if finish == "stop" else "response.incomplete")


def test_the_clients_accumulator_gets_the_answer_that_is_given_whole(oai: openai.OpenAI, model: ScriptedModel) -> None:
    model.script = [say("Wait"), say("."), *call(0, '{"a":', " 1}"), *call(1, "{}")]
    whole = oai.responses.create(model="m", input="Hi.")
    with oai.responses.stream(model="m", input="Hi.") as stream:
        deltas = [event.delta for event in stream if event.type == "response.function_call_arguments.delta"]
        streamed = stream.get_final_response()

    assert deltas == ['{"a":', " 1}", "{}"]
    differing = {"id", "completed_at", "output"}
    assert streamed.model_dump(exclude=differing) == whole.model_dump(exclude=differing)
    assert streamed.output_text == whole.output_text == "Wait."
    assert [i.arguments for i in streamed.output if i.type == "function_call"] == ['{"a": 1}', "{}"]


async def test_the_asynchronous_client_parses_a_structured_stream(url: str, model: ScriptedModel) -> None:
    model.script = [say('{"name":'), say(' "Ulm"}')]
    async with (
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=0) as client,
        client.responses.stream(model="m", input="Hi.", text_format=Town) as stream,
    ):
        response = await stream.get_final_response()

    assert response.output_parsed == Town(name="Ulm")


@pytest.mark.parametrize(
    ("error", "listed"),
    [
        (UpstreamFailed("The model failed."), "server_error"),
        (RateLimited("Slower."), "rate_limit_exceeded"),
        (RuntimeError("secret"), "server_error"),
    ],
)
def test_an_error_in_mid_stream_ends_it_twice_over(
    stream: Stream, model: ScriptedModel, error: Exception, listed: str
) -> None:
    model.script, model.fails_at, model.error = [say("Hello"), say(" world.")], 2, error
    events = stream()

    assert names_of(events)[-2:] == ["response.failed", "error"]
    (_, failed), (_, last) = events[-2:]
    EVENT.validate_python(failed)
    EVENT.validate_python(last)
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["code"] == listed
    assert last["code"] == last["error"]["code"] == getattr(error, "code", "internal_error")
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert "secret" not in str(events)
    if isinstance(error, SextantError):
        assert last["message"] == error.message


def test_an_error_in_mid_stream_is_raised_by_the_client_after_what_was_said(
    oai: openai.OpenAI, model: ScriptedModel
) -> None:
    model.script, model.fails_at = [say("Hello"), say(" world.")], 2
    seen: list[Any] = []
    with oai.responses.stream(model="m", input="Hi.") as stream, pytest.raises(openai.APIError):
        seen.extend(event for event in stream)

    assert [event.delta for event in seen if event.type == "response.output_text.delta"] == ["Hello"]
    assert seen[-1].type == "response.failed"


def test_a_stream_that_breaks_off_does_not_count_as_complete(stream: Stream, model: ScriptedModel) -> None:
    model.script, model.finish = [say("Hello")], None

    assert names_of(stream())[-2:] == ["response.failed", "error"]


def test_a_client_that_leaves_in_mid_stream_ends_the_generation(oai: openai.OpenAI, model: ScriptedModel) -> None:
    model.script, model.hangs_at = [say("Hello"), say(" world.")], 2
    with oai.responses.create(model="m", input="Hi.", stream=True) as stream:
        next(event for event in stream if event.type == "response.output_text.delta")

    assert model.closed.wait(1)
