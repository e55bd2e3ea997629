"""Masking on the way through: no unmasked text goes further, and the client gets its own values back."""

from typing import Any

import numpy as np
import pytest

from app.errors import DeadlineExceeded, InternalError, SextantError, Unavailable
from tests.unit.bench import OPEN_GUARD, Bench, text_of
from tests.unit.conftest import MakeBench
from tests.unit.fakes import FakeGuard, passage, vector_of


@pytest.fixture
def bench(bench: Bench) -> Bench:
    bench.guard = FakeGuard(names=["Alice", "Bob"])
    bench.model.pieces = ["Dear <PER", "SON_1", ">, it is", " <PERSON_2>", "<PERS"]
    bench.search.passages["default"] = [passage("The port is 8000.")]
    return bench


async def test_no_unmasked_text_reaches_model_cache_search_or_trace(bench: Bench) -> None:
    for stream in (False, True):
        bench.forget()
        bench.store.values.clear()
        await (bench.chunks if stream else bench.answer)("I am Alice. Which port?", model="docs")

        assert "Alice" not in str(bench.model.bodies)
        assert "<PERSON_1>" in str(bench.model.bodies[-1])
        assert bench.store.values
        assert "Alice" not in bench.store.text
        assert "<PERSON_1>" in bench.store.text
        assert "Alice" not in repr(bench.recorder.events)


async def test_the_search_is_made_with_the_masked_question(bench: Bench) -> None:
    await bench.answer("I am Alice. Which port?", model="docs")

    (asked,) = bench.search.requests
    assert asked.query == "I am <PERSON_1>. Which port?"
    np.testing.assert_array_equal(asked.vector, vector_of("I am <PERSON_1>. Which port?"))


async def test_a_question_without_personal_data_is_embedded_once(bench: Bench) -> None:
    await bench.answer("Which port?", model="docs")

    assert bench.embed.texts == ["Which port?"]
    np.testing.assert_array_equal(bench.search.requests[0].vector, vector_of("Which port?"))


async def test_the_answer_is_restored_whole_and_streamed_the_same(bench: Bench) -> None:
    expected = "Dear Alice, it is <PERSON_2><PERS"  # what the vault does not know stays

    assert text_of(await bench.answer("I am Alice.")) == expected
    bench.forget()
    bench.store.values.clear()
    assert text_of(await bench.chunks("I am Alice.")) == expected


async def test_reasoning_is_restored_too_made_or_kept(bench: Bench) -> None:
    bench.model.reasoning = "It is <PERSON_1>."

    def reasoning(chunks: list[dict[str, Any]]) -> str:
        return "".join(c["delta"].get("reasoning_content") or "" for chunk in chunks for c in chunk["choices"])

    for name in ("Alice", "Bob"):
        assert reasoning(await bench.chunks(f"I am {name}.")) == f"It is {name}."
        answer = await bench.answer(f"I am {name}.")
        assert answer["choices"][0]["message"]["reasoning_content"] == f"It is {name}."
    assert len(bench.model.bodies) == 1
    assert "Alice" not in bench.store.text


async def test_somebody_elses_hit_is_restored_with_the_vault_of_the_request_at_hand(bench: Bench) -> None:
    first = text_of(await bench.answer("I am Alice."))
    second = text_of(await bench.answer("I am Bob."))
    third = text_of(await bench.chunks("I am Bob."))

    assert len(bench.model.bodies) == 1
    assert [event.cache for event in bench.recorder.events] == ["miss", "exact", "exact"]
    assert first == "Dear Alice, it is <PERSON_2><PERS"
    assert second == third == "Dear Bob, it is <PERSON_2><PERS"


async def test_a_person_who_types_a_placeholder_does_not_get_somebodys_answer(bench: Bench) -> None:
    await bench.answer("I am Alice.")

    typed = text_of(await bench.answer("I am <PERSON_1>."))

    assert len(bench.model.bodies) == 2  # a masked entry is not found by an unmasked request
    assert "Alice" not in typed


async def test_the_vault_is_of_the_request_even_when_the_texts_have_several_people(bench: Bench) -> None:
    bench.model.pieces = ["<PERSON_2> wrote to <PERSON_1>"]

    assert text_of(await bench.answer("Bob and Alice")) == "Alice wrote to Bob"
    assert text_of(await bench.answer("Alice and Bob")) == "Bob wrote to Alice"
    assert len(bench.model.bodies) == 1


@pytest.mark.parametrize("error", [Unavailable("no guard"), DeadlineExceeded("slow"), InternalError("Presidio threw")])
async def test_a_failed_guard_refuses_when_closed(bench: Bench, error: SextantError) -> None:
    assert bench.guard
    bench.guard.error = error

    with pytest.raises(Unavailable):
        await bench.answer("I am Alice.")

    assert bench.model.bodies == []
    failed = bench.recorder.only.attributes["sextant.guard.failures"]
    assert isinstance(failed, list)
    assert failed[0] == f"input.pii: {error.code}"
    assert bench.recorder.only.status == 503


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failed_guard_lets_pass_when_open_and_nothing_is_kept(make_bench: MakeBench, stream: bool) -> None:
    bench = make_bench(guard=OPEN_GUARD)
    assert bench.guard
    bench.guard.error = Unavailable("no guard")

    answer = await (bench.chunks if stream else bench.answer)("I am Alice.")

    assert text_of(answer) == "Hello world."
    assert bench.model.bodies[0]["messages"][0]["content"] == "I am Alice."
    assert bench.store.values == {}
    event = bench.recorder.only
    assert event.attributes["sextant.guard.failures"] == ["input.pii: unavailable"]
    verdicts = event.stages[2].attributes["sextant.guard.verdicts"]
    assert isinstance(verdicts, list)
    assert [str(verdict).rpartition(",")[0] for verdict in verdicts] == ["pii: failed (unavailable), mask"]
    assert (event.status, event.cache) == (200, "miss")


async def test_the_trace_says_what_was_masked_without_saying_it(bench: Bench) -> None:
    await bench.answer("Bob and Alice")

    guard = next(stage for stage in bench.recorder.only.stages if stage.name == "guard")
    assert guard.attributes == {
        "sextant.guard.masked": 2,
        "sextant.guard.entities": ["PERSON"],
        "sextant.guard.verdicts": ["pii.PERSON: flagged, mask, 0.900, text 0 [8:13], version fake, 0.1 ms"],
    }
