"""Filters over answers: each choice's text and each tool call's arguments has one of its own."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.guard.restore import Restorer
from app.pipeline.output import SPOKEN, OutputFilter, content_of
from app.pipeline.transcript import Transcript

VAULT = {"<PERSON_1>": 'Ann "A" O\'Neil', "<PERSON_2>": "Bob"}


def restoring() -> OutputFilter:
    return OutputFilter(lambda: Restorer(VAULT), lambda: Restorer(VAULT, in_json=True), lambda: Restorer(VAULT))


def delta(index: int = 0, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": fields, "finish_reason": finish}]}


def call(index: int, arguments: str) -> dict[str, Any]:
    return {"index": index, "function": {"arguments": arguments}}


def test_choices_that_arrive_mixed_are_kept_apart() -> None:
    output = restoring()
    chunks = [
        delta(0, content="to <PERS"),
        delta(1, content="<PERSON_2"),
        delta(0, content="ON_1>"),
        delta(1, content="> x <"),
        delta(1, finish="stop"),
        delta(0, finish="stop"),
    ]
    texts = {0: "", 1: ""}
    for chunk in chunks:
        choice = output.chunk(chunk)["choices"][0]
        texts[choice["index"]] += content_of(choice)

    assert texts == {0: 'to Ann "A" O\'Neil', 1: "Bob x <"}


def test_tool_arguments_are_restored_as_json_and_apart() -> None:
    output = restoring()
    chunks = [
        delta(tool_calls=[call(0, '{"to": "<PER'), call(1, '{"cc": "<PERSON_2>"')]),
        delta(tool_calls=[call(0, 'SON_1>"}')]),
        delta(tool_calls=[call(1, "}")], finish="tool_calls"),
    ]
    arguments = {0: "", 1: ""}
    for chunk in chunks:
        for part in output.chunk(chunk)["choices"][0]["delta"]["tool_calls"]:
            arguments[part["index"]] += part["function"]["arguments"]

    assert arguments == {0: '{"to": "Ann \\"A\\" O\'Neil"}', 1: '{"cc": "Bob"}'}


def test_what_is_held_back_comes_with_the_end_of_the_choice_and_text_before_the_first_call() -> None:
    output = restoring()
    output.chunk(delta(content="see <PERSON"))
    called = output.chunk(delta(tool_calls=[call(0, "<PER")]))["choices"][0]["delta"]
    end = output.chunk(delta(finish="stop"))["choices"][0]["delta"]

    assert called["content"] == "<PERSON"
    assert end == {"tool_calls": [{"index": 0, "function": {"arguments": "<PER"}}]}


@pytest.mark.parametrize("name", SPOKEN)
def test_what_is_said_beside_the_text_is_restored_and_ends_before_it(name: str) -> None:
    output = restoring()
    deltas = [{name: "It is <PERS"}, {name: "ON_2>, not <PER"}, {"content": "<PERSON_1"}]
    chunks = [{"choices": [{"index": 0, "delta": said, "finish_reason": None}]} for said in deltas]
    said = [output.chunk(chunk)["choices"][0]["delta"] for chunk in [*chunks, delta(finish="stop")]]

    assert [each.get(name) for each in said] == ["It is ", "Bob, not ", "<PER", None]
    assert "".join(each.get("content") or "" for each in said) == 'Ann "A" O\'Neil'


@pytest.mark.parametrize("last", [{"finish": "stop"}, {"tool_calls": [call(0, "{}")]}], ids=["end", "call"])
def test_what_was_said_beside_the_text_is_not_lost_where_no_text_follows(last: dict[str, Any]) -> None:
    output = restoring()
    output.chunk(delta(refusal="No, <PERSON_2"))

    assert output.chunk(delta(**last))["choices"][0]["delta"]["refusal"] == "Bob"


def test_only_who_asks_for_it_changes_what_is_said_beside_the_text() -> None:
    message = {"content": "<PERSON_2>", "reasoning_content": "<PERSON_2>", "refusal": None}
    answer = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    OutputFilter(lambda: Restorer(VAULT)).answer(answer)
    assert message == {"content": "Bob", "reasoning_content": "<PERSON_2>", "refusal": None}

    restoring().answer(answer)
    assert message == {"content": "Bob", "reasoning_content": "Bob", "refusal": None}


def test_text_completions_are_changed_where_their_text_stands() -> None:
    output = restoring()
    first = output.chunk({"choices": [{"index": 0, "text": "<PERSON", "finish_reason": None}]})
    last = output.chunk({"choices": [{"index": 0, "text": "_2> <", "finish_reason": "stop"}]})

    assert (first["choices"][0]["text"], last["choices"][0]["text"]) == ("", "Bob <")


def test_whole_answers_are_changed_in_all_choices() -> None:
    calls = [{"id": "1", "function": {"name": "f", "arguments": '"<PERSON_1>"'}}]
    answer = {
        "choices": [
            {"index": 0, "message": {"content": "<PERSON_2> <P", "tool_calls": calls}, "finish_reason": "stop"},
            {"index": 1, "message": {"content": None}, "finish_reason": "stop"},
        ]
    }

    one, other = restoring().answer(answer)["choices"]

    assert one["message"]["content"] == "Bob <P"
    assert one["message"]["tool_calls"][0]["function"]["arguments"] == '"Ann \\"A\\" O\'Neil"'
    assert other["message"] == {"content": None}


def test_chunks_without_choices_pass() -> None:
    assert restoring().chunk({"choices": [], "usage": {}}) == {"choices": [], "usage": {}}
    assert restoring().chunk({"usage": {}}) == {"usage": {}}


@given(st.lists(st.sampled_from(["<PERSON_1>", "<PERSON_2>", "<PERS", "ON_1>", "x"]), max_size=8), st.integers(1, 9))
def test_streamed_and_whole_answers_are_the_same_text(parts: list[str], size: int) -> None:
    text = "".join(parts)
    output = restoring()
    chunks = [delta(content=text[i : i + size]) for i in range(0, len(text), size)] + [delta(finish="stop")]
    whole = restoring().answer({"choices": [{"index": 0, "message": {"content": text}}]})

    streamed = "".join(content_of(output.chunk(chunk)["choices"][0]) for chunk in chunks)

    assert streamed == whole["choices"][0]["message"]["content"]


def test_what_a_stream_says_beside_its_text_is_put_together() -> None:
    transcript = Transcript()
    for chunk in (
        delta(reasoning_content="Let me "),
        delta(reasoning_content="see."),
        delta(tool_calls=[{"index": 1, "id": "b", "function": {"name": "g", "arguments": ""}}]),
        delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x"'}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": ": 1}"}}]),
        delta(finish="tool_calls"),
    ):
        transcript.chunk(chunk)
    entry = transcript.entry({})

    assert entry is not None
    assert entry.answer["choices"][0]["message"] == {
        "role": "assistant",
        "content": None,
        "reasoning_content": "Let me see.",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
        ],
    }


def test_a_transcript_with_several_choices_or_without_an_end_is_no_entry() -> None:
    for chunks in (
        [delta(0, content="a", finish="stop"), delta(1, content="b", finish="stop")],
        [delta(content="unfinished")],
        [],
    ):
        transcript = Transcript()
        for chunk in chunks:
            transcript.chunk(chunk)
        assert transcript.entry({}) is None
