"""A conversation goes on at another provider than the one that made its tool calls."""

import re
from typing import Any

import pytest

from app.providers.body import body_for
from app.providers.call_ids import accepted_id
from app.providers.presets import PRESETS
from tests.unit.providers.ports import chat

VLLM = "chatcmpl-tool-" + "0123456789abcdef" * 2


def ids_for(preset: Any, *identifiers: str) -> list[str]:
    """What the ids of calls become; those of their results are the same."""
    calls = [{"id": each, "type": "function", "function": {"name": "f", "arguments": "{}"}} for each in identifiers]
    results = [{"role": "tool", "tool_call_id": each, "content": "x"} for each in identifiers]
    body = chat()
    body["messages"] += [{"role": "assistant", "content": None, "tool_calls": calls}, *results]
    sent = body_for(PRESETS[preset], "chat", body, stream=False, max_output_tokens=9)["messages"]
    assert calls[0]["id"] == identifiers[0], "the body of another target is the same"
    ids = [call["id"] for call in sent[1]["tool_calls"]]
    assert [message["tool_call_id"] for message in sent[2:]] == ids
    return ids


def test_mistral_gets_nine_letters_and_digits() -> None:
    own, *others = ids_for("mistral", "D681PevKs", "call_1", "call_2", VLLM)
    assert own == "D681PevKs"
    assert all(re.fullmatch("[a-zA-Z0-9]{9}", each) for each in others)
    assert len(set(others)) == 3
    assert others == ids_for("mistral", "call_1", "call_2", VLLM), "the next turn says the same"


@pytest.mark.parametrize("preset", ["openai", "azure", "openrouter"])
def test_openai_gets_no_more_than_forty_characters(preset: str) -> None:
    own, other = ids_for(preset, "call_" + "x" * 35, VLLM)
    assert own == "call_" + "x" * 35
    assert len(other) == 9


@pytest.mark.parametrize(("preset", "is_kept"), [("gemini", True), ("openai", False), ("mistral", False)])
def test_the_signature_of_a_thought_is_for_gemini_alone(preset: Any, is_kept: bool) -> None:
    signed = {"extra_content": {"google": {"thought_signature": "CpYB"}}}
    call = {"id": "D681PevKs", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body = chat()
    body["messages"].append({"role": "assistant", "content": None, "tool_calls": [{**call, **signed}]})
    sent = body_for(PRESETS[preset], "chat", body, stream=False, max_output_tokens=9)["messages"]
    assert sent[1]["tool_calls"] == [{**call, **signed} if is_kept else call]


def test_others_get_them_as_they_are() -> None:
    assert ids_for("gemini", "functions.f:0", VLLM) == ["functions.f:0", VLLM]
    assert accepted_id(None, "a b") == "a b"
