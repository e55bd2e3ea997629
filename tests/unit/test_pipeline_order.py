"""The way of a request: what happens when, and what the model finally gets."""

import asyncio

import pytest

from app.errors import InvalidRequest, ModelNotFound, Unavailable
from tests.unit.bench import Bench, text_of
from tests.unit.conftest import MakeBench
from tests.unit.fakes import FakeGuard, passage


async def test_guard_and_embedder_work_at_the_same_time(bench: Bench) -> None:
    assert bench.guard
    bench.guard.gate, bench.embed.gate = asyncio.Event(), asyncio.Event()
    asking = asyncio.create_task(bench.answer(model="docs"))

    async with asyncio.timeout(2):
        await asyncio.gather(bench.guard.started.wait(), bench.embed.started.wait())
    assert bench.search.requests == []
    assert bench.model.bodies == []

    bench.embed.gate.set()
    await asyncio.sleep(0)
    assert bench.search.requests == []  # nothing is searched before the guard's verdict
    bench.guard.gate.set()
    assert text_of(await asking) == "Hello world."


async def test_the_stages_are_recorded_in_their_order(bench: Bench) -> None:
    await bench.answer(model="docs")

    stages = [stage.name for stage in bench.recorder.only.stages]
    assert stages[:2] == ["admit", "cache"]
    assert set(stages[2:4]) == {"guard", "embed"}
    assert stages[4:] == ["retrieve", "cache", "reserve", "generate"]


async def test_without_retrieval_nothing_is_embedded_or_searched(bench: Bench) -> None:
    await bench.answer(model="chat")

    assert bench.embed.texts == []
    assert bench.search.requests == []


async def test_a_hit_asks_nobody(bench: Bench) -> None:
    assert bench.guard
    await bench.answer(model="docs")
    calls = (len(bench.guard.calls), len(bench.embed.texts), len(bench.search.requests), len(bench.model.bodies))

    await bench.answer(model="docs")

    assert bench.recorder.events[1].cache == "exact"
    assert calls == (
        len(bench.guard.calls), len(bench.embed.texts), len(bench.search.requests), len(bench.model.bodies),
    )  # fmt: skip


async def test_a_guard_that_refuses_ends_the_embedding(bench: Bench) -> None:
    assert bench.guard
    bench.guard.error, bench.embed.gate = Unavailable("no guard"), asyncio.Event()

    async with asyncio.timeout(2):
        with pytest.raises(Unavailable):
            await bench.answer(model="docs")

    assert bench.search.requests == []
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1  # nothing is left behind


async def test_everything_a_person_wrote_is_screened(bench: Bench) -> None:
    assert bench.guard
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"to": "Ann"}'}}
    conversation = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "42", "tool_call_id": "1"},
        {"role": "assistant", "refusal": "No."},
        {"role": "user", "content": "And?"},
    ]

    await bench.answer(messages=conversation)

    # What masks reads all of it, what refuses what the user wrote; a tool's result passes rails of its own.
    masking, refusing, tools = ["Be brief.", "One.\nTwo.", "Ann", "No.", "And?"], ["One.\nTwo.", "And?"], ["42"]
    assert bench.guard.calls == [[*masking, *refusing, *tools]]


async def test_the_prompts_of_a_text_completion_are_screened_too(bench: Bench) -> None:
    bench.guard = FakeGuard(names=["Ann"])
    bench.model.pieces = ["for <PERSON_1>"]

    reply = await bench.complete(["To Ann", "Hi"])

    assert bench.model.bodies[0]["prompt"] == ["To <PERSON_1>", "Hi"]
    assert reply.body
    assert [choice["text"] for choice in reply.body["choices"]] == ["for Ann"] * 2


async def test_the_engine_gets_its_own_model_name_and_none_of_our_fields(bench: Bench) -> None:
    await bench.chunks(model="chat", user="joe", metadata={"a": "b"}, sextant={"cache": {"read": False}}, seed=5)

    (body,) = bench.model.bodies
    assert body.pop("messages") == [
        {"role": "system", "content": "You are terse."}, {"role": "user", "content": "Hi there."},
    ]  # fmt: skip
    assert body == {
        "model": "m", "temperature": 0, "stream": True, "seed": 5,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    }  # fmt: skip


async def test_the_aliass_prompt_stands_before_the_clients_own(bench: Bench) -> None:
    messages = [{"role": "system", "content": "In French."}, {"role": "user", "content": "Hi"}]

    await bench.answer(model="chat", messages=messages)

    assert bench.model.bodies[0]["messages"][0] == {"role": "system", "content": "You are terse.\n\nIn French."}
    assert len(bench.model.bodies[0]["messages"]) == 2
    assert "@file-" in str(bench.recorder.only.attributes["sextant.prompts"])


async def test_passages_are_packed_into_the_last_question(bench: Bench) -> None:
    bench.search.passages["default"] = [passage("The port is 8000."), passage("Irrelevant.", score=0.1)]

    await bench.answer("Which port?", model="docs")

    assert bench.model.bodies[0]["messages"] == [
        {
            "role": "user",
            "content": "PASSAGES\n[1] guide.md (Ports)\n<passage>\nThe port is 8000.\n</passage>\nQUESTION Which port?",
        }
    ]


async def test_what_a_request_may_not_ask_for_is_refused_before_anything_happens(make_bench: MakeBench) -> None:
    bench = make_bench(gateway={"max_choices": 2}, guard={"max_characters": 10})
    assert bench.guard

    with pytest.raises(InvalidRequest, match="at most 2 choices") as raised:
        await bench.answer(n=3)
    assert raised.value.param == "n"
    with pytest.raises(InvalidRequest, match="needs a user message"):
        await bench.answer(model="docs", messages=[{"role": "system", "content": "x"}])
    with pytest.raises(InvalidRequest, match="more than the 10 characters"):
        await bench.answer("x" * 11)
    with pytest.raises(ModelNotFound):
        await bench.answer(model="gpt")

    assert bench.guard.calls == []
    assert bench.model.bodies == []
    assert [event.status for event in bench.recorder.events] == [400, 400, 400, 404]


async def test_without_a_guard_everything_passes_as_it_is(make_bench: MakeBench) -> None:
    bench = make_bench(guard={"enabled": False, "max_characters": 5})
    bench.guard = None

    assert text_of(await bench.answer("I am Alice.")) == "Hello world."
    assert bench.model.bodies[0]["messages"][0]["content"] == "I am Alice."
