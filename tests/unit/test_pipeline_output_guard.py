"""What output rails read of an answer: every field that leaves, under whichever name a provider has for it."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from app.guard.types import Context
from app.pipeline.guarded import OutputGuard
from tests.unit.bench import Bench
from tests.unit.conftest import MakeBench
from tests.unit.fakes import passage
from tests.unit.test_pipeline_guard import MASKING, policy

LOGPROBS = {"content": [{"token": "Ali", "logprob": -1}, {"token": "ce", "logprob": -1}]}


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    made = make_bench(guard=policy(output=[MASKING], retrieved=[MASKING]))
    assert made.guard
    made.guard.names = ["Alice"]
    return made


def output_guard(bench: Bench) -> OutputGuard:
    assert bench.screening
    return OutputGuard(bench.screening, "default", Context(), bench.flight())


async def streamed(bench: Bench, *choices: dict[str, Any]) -> list[dict[str, Any]]:
    async def chunks() -> AsyncGenerator[dict[str, Any], None]:
        for choice in choices:
            yield {"choices": [{"index": 0, "finish_reason": None, **choice}]}

    return [choice async for chunk in output_guard(bench).stream(chunks()) for choice in chunk["choices"]]


async def test_a_text_beside_a_delta_does_not_hide_it_from_the_rails(bench: Bench) -> None:
    said = await streamed(
        bench,
        {"text": "Alice", "delta": {"role": "assistant", "content": "Alice"}, "seed": 7},
        {"text": "", "delta": {"content": ""}, "finish_reason": "stop"},
    )
    assert "Alice" not in json.dumps(said)
    assert "".join(choice["delta"].get("content") or "" for choice in said) == "[PERSON]"
    assert {name for choice in said for name in choice} == {"index", "delta", "finish_reason"}


async def test_reasoning_under_both_of_its_names_is_held_back_like_one(bench: Bench) -> None:
    pieces = ["It is Al", "ice, I think.", " So: yes."]
    said = await streamed(
        bench,
        *({"delta": {"reasoning": piece, "reasoning_content": piece}} for piece in pieces),
        {"delta": {"content": "Yes"}},
        {"delta": {}, "finish_reason": "stop"},
    )
    for name in ("reasoning", "reasoning_content"):
        told = "".join(choice["delta"].get(name) or "" for choice in said)
        assert told == "It is [PERSON], I think. So: yes."


@pytest.mark.parametrize("stream", [False, True])
async def test_log_probabilities_do_not_spell_out_what_was_masked_in_a_call(bench: Bench, stream: bool) -> None:
    def made(arguments: str) -> dict[str, Any]:
        return {"index": 0, "id": "1", "function": {"name": "f", "arguments": arguments}}

    if stream:
        said = await streamed(
            bench,
            {"delta": {"tool_calls": [made('{"to": "Ali')]}, "logprobs": LOGPROBS},
            {"delta": {"tool_calls": [made('ce"}')]}, "logprobs": LOGPROBS, "finish_reason": "tool_calls"},
        )
    else:
        message = {"content": None, "tool_calls": [made('{"to": "Alice"}')]}
        answer = {"choices": [{"index": 0, "message": message, "logprobs": LOGPROBS, "finish_reason": "tool_calls"}]}
        await output_guard(bench).answer(answer)
        said = answer["choices"]
    assert '{\\"to\\":\\"[PERSON]\\"}' in json.dumps(said)
    assert [choice for choice in said if choice.get("logprobs")] == []


async def test_a_call_with_thousands_of_values_is_an_answer_like_any_other(bench: Bench) -> None:
    values = [f"value {number}" for number in range(3000)]
    function = {"name": "f", "arguments": json.dumps([*values, "Alice"])}
    answer = {"choices": [{"index": 0, "message": {"content": None, "tool_calls": [{"function": function}]}}]}
    guard = output_guard(bench)
    await guard.answer(answer)

    assert guard.withheld is None
    assert json.loads(function["arguments"]) == [*values, "[PERSON]"]


async def test_what_is_masked_in_passages_is_masked_in_their_names_and_headings_too(bench: Bench) -> None:
    found = passage("Alice was here.")
    chunk = replace(found.chunk, document="cv/Alice.pdf", title="CV of Alice", heading="Alice, 1990")
    bench.search.passages["default"] = [replace(found, chunk=chunk)]
    answer = await bench.answer("Who was here?", model="docs")

    assert "Alice" not in bench.model.bodies[0]["messages"][-1]["content"]
    assert "cv/[PERSON].pdf ([PERSON], 1990)" in bench.model.bodies[0]["messages"][-1]["content"]
    assert "Alice" not in json.dumps(answer)


async def test_a_passage_is_dropped_where_a_mask_goes_over_the_border_of_a_name(bench: Bench) -> None:
    assert bench.guard
    bench.guard.names = ["Bob\n\nLetters"]
    found, other = passage("The port is 8000."), passage("The host is local.", 0.8)
    chunk = replace(found.chunk, title="Bob", heading="Letters")
    bench.search.passages["default"] = [replace(found, chunk=chunk), other]
    await bench.answer("Which port?", model="docs")

    prompt = bench.model.bodies[0]["messages"][-1]["content"]
    assert "8000" not in prompt
    assert "The host is local." in prompt


CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    "deltas",
    [
        [{"reasoning": " done", "content": "4111 1111 1111 "}],
        [{"reasoning": " done", "content": "4111 "}, {"reasoning": ".", "content": "1111 1111 "}],
        [{"content": "4111 1111 1111 "}, {"reasoning_content": "Or not?"}],
    ],
    ids=["in one delta", "in several", "reasoning between"],
)
async def test_reasoning_does_not_end_the_answer_beside_it(bench: Bench, deltas: list[dict[str, Any]]) -> None:
    assert bench.guard
    bench.guard.names = [CARD]
    said = await streamed(
        bench,
        *({"delta": delta} for delta in deltas),
        {"delta": {"content": "1111 is it."}},
        {"delta": {}, "finish_reason": "stop"},
    )
    assert "".join(choice["delta"].get("content") or "" for choice in said) == "[PERSON] is it."
