"""What providers leave of OpenAI's wire, and what a client of ours gets instead."""

from typing import Any

import orjson
import pytest

from app.errors import UpstreamFailed
from app.providers.openai_answer import normalise
from tests.unit.providers.ports import chat, chunks_of, port_to_one_that_says, said

THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "First "}, {"type": "text", "text": "add."}]}
TEXT = {"type": "text", "text": "Four."}
REFERENCE = {"type": "reference", "reference_ids": [1]}


def chunk(delta: dict[str, Any], finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **fields}


async def test_a_stream_of_parts_becomes_text_and_reasoning_and_its_thoughts_are_counted() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 27}
    told = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": [THINKING]}),
        chunk({"content": [TEXT, REFERENCE]}),
        chunk({"content": " Done."}, "stop", usage=usage),
    ]
    events = b"".join(b"data: " + orjson.dumps(part) + b"\n\n" for part in told) + b"data: [DONE]\n\n"
    async with port_to_one_that_says(events) as port:
        chunks = await chunks_of(port, chat())
    deltas = [part["choices"][0]["delta"] for part in chunks]
    assert deltas[1] == {"reasoning_content": "First add."}
    assert deltas[2] == {"content": "Four."}
    assert said(chunks) == "Four. Done."
    assert chunks[-1]["usage"] == {"prompt_tokens": 5, "completion_tokens": 22, "total_tokens": 27}


async def test_what_a_provider_leaves_out_of_every_chunk_is_set_and_does_not_change() -> None:
    told = [{"choices": [{"delta": {"content": "Hi"}}]}, {"choices": [{"delta": {}, "finish_reason": "stop"}]}]
    events = b"".join(b"data: " + orjson.dumps(part) + b"\n\n" for part in told) + b"data: [DONE]\n\n"
    async with port_to_one_that_says(events) as port:
        chunks = await chunks_of(port, chat())
    assert [part["choices"][0]["index"] for part in chunks] == [0, 0]
    assert len({part["created"] for part in chunks}) == 1
    assert type(chunks[0]["created"]) is int


async def test_parallel_calls_without_numbers_are_told_apart_in_each_choice() -> None:
    def calling(choice: int, *calls: dict[str, Any]) -> dict[str, Any]:
        return {"choices": [{"index": choice, "delta": {"tool_calls": list(calls)}}]}

    def call(name: str) -> dict[str, Any]:
        return {"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}}

    told = [
        calling(0, call("a"), call("b")),
        calling(0, call("c")),
        calling(1, call("d")),
        *({"choices": [{"index": choice, "delta": {}, "finish_reason": "tool_calls"}]} for choice in (0, 1)),
    ]
    events = b"".join(b"data: " + orjson.dumps(part) + b"\n\n" for part in told) + b"data: [DONE]\n\n"
    async with port_to_one_that_says(events) as port:
        chunks = await chunks_of(port, chat())
    choices = [choice for part in chunks for choice in part["choices"]]
    assert [[c["index"] for c in choice["delta"].get("tool_calls", ())] for choice in choices][:3] == [[0, 1], [2], [0]]


def test_the_calls_of_a_whole_answer_have_no_numbers() -> None:
    calls = [{"index": 0, "id": name, "function": {"name": "f", "arguments": "{}"}} for name in "ab"]
    normalise({"choices": [{"message": {"content": None, "tool_calls": calls}}]}, 1)
    assert [call.get("index") for call in calls] == [None, None]


async def test_a_whole_answer_of_parts_becomes_text_and_reasoning() -> None:
    message = {"role": "assistant", "content": [THINKING, TEXT]}
    answer = {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": -2},
    }
    async with port_to_one_that_says(orjson.dumps(answer)) as port:
        told = await port.complete("chat", chat(), "r1")
    assert told["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Four.",
        "reasoning_content": "First add.",
    }
    assert told["usage"] is None, "nonsense: the ledger estimates"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"content": None, "tool_calls": [{}]}, {"content": None, "tool_calls": [{}]}),
        ({"content": [], "tool_calls": [{}]}, {"content": None, "tool_calls": [{}]}),
        ({"content": [REFERENCE]}, {"content": ""}),
        ({"content": ["Fo", {"type": "text", "text": "ur."}]}, {"content": "Four."}),
        ({"content": [{"type": "thinking", "thinking": "Hm."}]}, {"content": "", "reasoning_content": "Hm."}),
        ({"content": [{"type": "text", "text": None}, 3, TEXT]}, {"content": "Four."}),
    ],
)
def test_parts_of_a_message(message: dict[str, Any], expected: dict[str, Any]) -> None:
    normalise({"choices": [{"message": message}]}, 1)
    assert message == expected


@pytest.mark.parametrize(
    "part",
    [
        {"choices": {"index": 0}},
        {"choices": [None]},
        {"choices": [{"delta": "Four."}]},
        {"choices": [{"message": []}]},
        {"choices": [{"delta": {"content": 4}}]},
        {"choices": [{"index": "0"}]},
        {"choices": [{"index": []}]},
        {"choices": [{"index": True}]},
        {"choices": [{"finish_reason": {}}]},
        {"choices": [{"text": ["Four."]}]},
        {"choices": [{"message": {"refusal": 4}}]},
        {"choices": [{"delta": {"tool_calls": {}}}]},
        {"choices": [{"delta": {"tool_calls": [None]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": "0"}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"id": []}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"function": "f"}]}}]},
        {"choices": [{"message": {"tool_calls": [{"function": {"name": 5}}]}}]},
        {"choices": [{"message": {"tool_calls": [{"function": {"arguments": {}}}]}}]},
    ],
)
def test_what_is_not_the_wire_at_all_is_a_failure_of_the_provider(part: dict[str, Any]) -> None:
    with pytest.raises(UpstreamFailed, match="not in the form"):
        normalise(part, 1)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, None),
        ([], None),
        ({}, None),
        ({"prompt_tokens": 5}, None),
        ({"completion_tokens": 5, "total_tokens": 9}, None),
        ({"prompt_tokens": "5", "completion_tokens": 2}, None),
        ({"prompt_tokens": 5.5, "completion_tokens": 2}, None),
        ({"prompt_tokens": True, "completion_tokens": 2}, None),
        ({"prompt_tokens": 5, "completion_tokens": 2**60}, None),
        ({"prompt_tokens": 5, "completion_tokens": 2}, (5, 2, 7)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": None}, (5, 2, 7)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 6}, (5, 2, 7)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 107}, (5, 102, 107)),
        ({"prompt_tokens": 5, "total_tokens": 5}, (5, 0, 5)),
    ],
)
def test_counts_of_a_usage(told: Any, expected: tuple[int, int, int] | None) -> None:
    part = {"choices": [], "usage": told}
    normalise(part, 1)
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert part["usage"] == (dict(zip(names, expected, strict=True)) if expected else None)


def test_details_of_a_usage_are_kept_and_what_is_no_count_is_dropped() -> None:
    counts = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 9, "cost": 0.1}
    details = {
        "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": None},
        "completion_tokens_details": {"reasoning_tokens": 2, "other": -1},
    }
    part = {"choices": [], "usage": {**counts, **details}}
    normalise(part, 1)
    assert part["usage"] == {
        "prompt_tokens": 5,
        "completion_tokens": 4,
        "total_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


@pytest.mark.parametrize("name", ["delta", "message"])
def test_what_is_said_twice_is_kept_once(name: str) -> None:
    said = {"content": "Hi", "reasoning": "Hm", "reasoning_content": "Hm"}
    part = {"choices": [{"index": 0, "text": "Hi", name: said}]}
    assert normalise(part, 1) == [{"index": 0, name: {"content": "Hi", "reasoning_content": "Hm"}}]


def test_a_text_completion_keeps_its_text() -> None:
    part = {"choices": [{"index": 0, "text": "Hi", "message": None}]}
    assert normalise(part, 1)[0]["text"] == "Hi"
