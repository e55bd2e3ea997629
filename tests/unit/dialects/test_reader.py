"""Reading a stream's chunks: one part open at a time, nothing lost, nothing made up."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.dialects.answer import Answer, Part, Tokens, read_answer
from app.dialects.reader import AnswerReader, Closed, Grown, Opened, Step
from app.errors import UpstreamFailed
from tests.unit.dialects.scripted import ScriptedModel, call, say


def read(*deltas: dict[str, Any], **how: Any) -> tuple[list[Step], AnswerReader]:
    reader, steps = AnswerReader(), list[Step]()
    for chunk in ScriptedModel(script=deltas, **how)._chunks("chat", {"model": "m"}):
        steps += reader.feed(chunk)
    return steps, reader


def test_a_part_opens_grows_and_closes_with_all_of_its_text() -> None:
    steps, reader = read(say("a"), say("b"), *call(0, "{", "}"))

    text, called = Part("text"), Part("call", call_id="call-0", name="tool_0")
    assert steps == [
        Opened(0, text),
        Grown(0, text, "a"),
        Grown(0, text, "b"),
        Closed(0, Part("text", "ab")),
        Opened(1, called),
        Grown(1, called, "{"),
        Grown(1, called, "}"),
        Closed(1, Part("call", "{}", "call-0", "tool_0")),
    ]
    assert reader.end() == Answer(
        "m", 1, (Part("text", "ab"), Part("call", "{}", "call-0", "tool_0")), "stop", None, Tokens(11, 3, 4)
    )


PIECES = st.lists(st.text(max_size=5), max_size=4)


@settings(deadline=None)  # the machine may be busy
@given(texts=PIECES, refusals=PIECES, calls=st.lists(PIECES, max_size=3))
async def test_however_it_is_cut_into_chunks_a_stream_reads_as_the_whole_answer(
    texts: list[str], refusals: list[str], calls: list[list[str]]
) -> None:
    script = [*map(say, texts), *({"refusal": piece} for piece in refusals)]
    for index, pieces in enumerate(calls):
        script += call(index, *pieces)
    steps, reader = read(*script)
    whole = read_answer(await ScriptedModel(script=script).complete("chat", {"model": "m"}, "id"))

    assert reader.end().parts == whole.parts
    assert [step.part for step in steps if isinstance(step, Closed)] == list(whole.parts)
    for index, part in enumerate(whole.parts):
        assert "".join(step.text for step in steps if isinstance(step, Grown) and step.index == index) == part.text


async def test_a_stream_ends_as_the_whole_answer_does() -> None:
    how: dict[str, Any] = {"finish": "length", "stop_reason": "END"}
    model = ScriptedModel(script=[say("a"), *call(0, "{", "}")], **how)
    whole = read_answer(await model.complete("chat", {"model": "m"}, "id"))

    assert read(*model.script, **how)[1].end() == whole
    assert (whole.finish_reason, whole.stop, whole.tokens) == ("length", "END", Tokens(11, 3, 4))


def test_text_that_comes_after_a_call_is_a_part_of_its_own() -> None:
    # A guard's restorer may hold the last letters of a text back until the end.
    _, reader = read(say("Let me loo"), *call(0, "{}"), say("k"))

    assert [(part.kind, part.text) for part in reader.end().parts] == [
        ("text", "Let me loo"),
        ("call", "{}"),
        ("text", "k"),
    ]


def test_several_calls_in_one_chunk() -> None:
    both = {"tool_calls": [call(index)[0]["tool_calls"][0] for index in (0, 1)]}
    _, reader = read(both)

    assert [part.name for part in reader.end().parts] == ["tool_0", "tool_1"]


async def test_an_answer_that_does_not_say_when_it_was_made_was_made_now() -> None:
    model = ScriptedModel(script=[say("a")])
    reader, before = AnswerReader(), int(time.time())
    for chunk in model._chunks("chat", {"model": "m"}):
        del chunk["created"]
        list(reader.feed(chunk))
    whole = await model.complete("chat", {"model": "m"}, "id")
    del whole["created"]

    assert before <= reader.end().created <= time.time()
    assert before <= read_answer(whole).created <= time.time()


def test_what_makes_no_sense_is_the_models_failure() -> None:
    with pytest.raises(UpstreamFailed, match="went back"):
        read(*call(0, "{}"), *call(1, "{}"), {"tool_calls": [{"index": 0, "function": {"arguments": "x"}}]})
    with pytest.raises(UpstreamFailed, match="without naming it"):
        read({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]})
    with pytest.raises(UpstreamFailed, match="broke off"):
        read(say("a"), finish=None)[1].end()
    with pytest.raises(UpstreamFailed, match="no answer"):
        AnswerReader().end()
