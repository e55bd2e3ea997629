"""What an engine is sent of a request, and what the cache knows it by."""

from typing import Any

import pytest

from app.pipeline.draft import Draft
from app.wire.chat import ChatRequest
from app.wire.completions import CompletionRequest
from tests.unit.bench import Bench

TURN = {"model": "m", "messages": [{"role": "user", "content": "Hi."}]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [TOOL], "tool_choice": None, "parallel_tool_calls": None},
        {"logprobs": True, "top_logprobs": None},
        dict.fromkeys(("max_tokens", "stop", "seed", "response_format", "skip_special_tokens", "stream")),
    ],
    ids=["tools", "log probabilities", "others"],
)
def test_a_field_set_to_null_is_like_one_that_is_not_set(fields: dict[str, Any]) -> None:
    set_fields = {name: value for name, value in fields.items() if value is not None}
    nulls = Draft.of(ChatRequest.model_validate({**TURN, **fields}))

    assert nulls == Draft.of(ChatRequest.model_validate({**TURN, **set_fields}))
    assert None not in nulls.body.values()


def test_text_completions_are_sent_no_nulls_either() -> None:
    draft = Draft.of(CompletionRequest(model="m", prompt="x", max_tokens=None, suffix=None, logprobs=None))

    assert draft.body == {"model": "m", "prompt": "x"}


def test_nulls_within_a_message_stay() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    draft = Draft.of(ChatRequest.model_validate({"model": "m", "messages": turns}))

    assert draft.body["messages"][1]["content"] is None


async def test_the_cache_knows_a_request_with_nulls_for_the_same(bench: Bench) -> None:
    await bench.answer()
    again = await bench.answer(seed=None, max_tokens=None, tool_choice=None)

    assert again["sextant"]["cache"] == "exact"
