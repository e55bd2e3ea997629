"""Cache breakpoints keep their places while the pipeline changes the texts around them."""

from typing import Any

import pytest

from app.cache.use import CacheUse
from app.pipeline.draft import Draft
from app.wire.chat import ChatRequest
from tests.unit.bench import Bench
from tests.unit.conftest import MakeBench
from tests.unit.fakes import FakeGuard, passage

MARK = {"cache_control": {"type": "ephemeral"}}
PRICE = {
    "input_usd_per_million": 1,
    "cached_input_usd_per_million": 0.1,
    "cache_write_usd_per_million": 1.25,
    "cache_write_1h_usd_per_million": 2,
}


def text(content: str, **mark: Any) -> dict[str, Any]:
    return {"type": "text", "text": content, **mark}


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    made = make_bench(
        providers={"p": {"base_url": "http://127.0.0.1:1/v1"}},
        hosted=[{"id": "far", "provider": "p", "price": PRICE, "max_output_tokens": 10}],
        aliases={
            "chat": {"model": "far", "prompt": "assistant"},
            "docs": {"model": "far", "retrieval": True},
        },
    )
    made.guard = FakeGuard(names=["Alice", "Bob"])
    made.search.passages["default"] = [passage("The port is 8000.")]
    return made


def marked(body: dict[str, Any]) -> list[str]:
    """The text that each breakpoint stands behind."""
    return [
        body["messages"][each.index]["content"][: each.at]
        for each in body["cache_breakpoints"]
        if each.behind == "text"
    ]


async def test_masking_moves_them_with_their_texts(bench: Bench) -> None:
    system = [text("Alice asks.\nShe is from Ulm.", **MARK), text("Bob answers.")]
    user = [text("I am Alice."), text("You are Bob.", **MARK), text("Who is Alice?", **MARK)]
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    await bench.answer(model="far", messages=messages)
    assert marked(bench.model.bodies[0]) == [
        "<PERSON_1> asks.\nShe is from Ulm.",
        "I am <PERSON_1>.\nYou are <PERSON_2>.",
        "I am <PERSON_1>.\nYou are <PERSON_2>.\nWho is <PERSON_1>?",
    ]


async def test_one_whose_line_cannot_be_told_is_left_out_and_the_others_stay() -> None:
    messages = [{"role": "user", "content": [text("A\nB", **MARK), text("C", **MARK)]}]
    request = ChatRequest.model_validate({"model": "m", "messages": messages})
    draft = Draft.of(request).with_texts(["<PLACE_1>\nC"])
    assert marked(draft.body) == ["<PLACE_1>\nC"]


async def test_an_alias_prompt_in_front_moves_them(bench: Bench) -> None:
    user = {"role": "user", "content": [text("Rules for all.", **MARK), text("Hi.")]}
    await bench.answer(model="chat", messages=[{"role": "system", "content": [text("Mine.", **MARK)]}, user])
    await bench.answer(model="chat", messages=[user])
    with_own, without = bench.model.bodies
    assert marked(with_own) == ["You are terse.\n\nMine.", "Rules for all."]
    assert marked(without) == ["Rules for all."]


async def test_passages_around_the_question_leave_only_its_end(bench: Bench) -> None:
    user = {"role": "user", "content": [text("I ask."), text("Which", **MARK), text("port?", **MARK)]}
    await bench.answer(model="docs", messages=[{"role": "system", "content": [text("Mine.", **MARK)]}, user])
    (body,) = bench.model.bodies
    assert marked(body)[0] == "Mine."
    assert marked(body)[1:] == [body["messages"][1]["content"]]


async def test_the_reservation_covers_a_write_and_for_an_hour_where_that_is_asked(bench: Bench) -> None:
    held = []
    for mark in ({}, MARK, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}):
        asked = [{"role": "user", "content": [text("Hi.", **mark)]}]
        await bench.answer(model="far", messages=asked, use=CacheUse(read=False, write=False))
        held.append(bench.ledger.reservations[-1].held[-1][2])
    plain, short, hour = held
    assert short == plain  # a provider may write unasked
    assert hour * 1.25 == pytest.approx(short * 2)
