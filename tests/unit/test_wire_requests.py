"""What a valid request means, and which fields must agree with each other."""

import base64
import json
import pickle
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import openai
import orjson
import pytest

from app.config.money import PriceConfig
from app.errors import InvalidRequest, SextantError, Unauthenticated, Unavailable
from app.pipeline.draft import Draft
from app.routing.target import Target
from app.wire.chat import ChatRequest
from app.wire.completions import CompletionRequest
from app.wire.embeddings import EmbeddingRequest, embedding_answer
from app.wire.parse import parse_request
from app.wire.sse import DONE, event

MESSAGES = [{"role": "user", "content": "Hi"}]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def chat(**fields: Any) -> ChatRequest:
    body = {"model": "m", "messages": MESSAGES, **fields}
    return parse_request(ChatRequest, json.dumps(body).encode(), max_depth=32)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"stream_options": {"include_usage": True}}, "stream_options needs stream: true"),
        ({"top_logprobs": 2}, "top_logprobs needs logprobs: true"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "not both"),
        ({"tool_choice": "required"}, "needs tools"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "g"}}}, "'g', which is not among"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "'f', which is not among tools"),
        ({"response_format": {"type": "json_schema"}}, "needs it"),
        ({"response_format": {"type": "text", "json_schema": {"name": "x"}}}, "belongs to type json_schema"),
        ({"messages": [{"role": "user", "content": "x" * 600_000}] * 2}, "more than 1,000,000 characters"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        chat(**fields)

    assert told in raised.value.message


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": TOOLS, "tool_choice": "required"},
        {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"tool_choice": "none"},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}},
        {"response_format": {"type": "json_object"}},
        {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
        {"logprobs": True, "top_logprobs": 5},
        {"temperature": 0, "top_p": 1, "seed": -(2**63), "stop": "x", "logit_bias": {"50256": -100}},
        {"top_k": -1, "min_p": 0, "repetition_penalty": 1.1, "min_tokens": 1, "ignore_eos": False},
        {"metadata": {"a": "b"}, "store": False, "service_tier": "auto", "user": "u", "parallel_tool_calls": True},
        {"store": True, "safety_identifier": "u", "verbosity": "medium", "modalities": ["text"]},
        {"reasoning_effort": "none"},
        dict.fromkeys(("verbosity", "modalities", "reasoning_effort", "safety_identifier", "store")),
        dict.fromkeys(("temperature", "n", "stop", "stream", "tools", "tool_choice", "response_format")),
        {"sextant": {"retrieval": {"top_k": 3, "min_score": 0.5}, "cache": {"read": False, "write": False}}},
    ],
)
def test_what_openai_clients_send_is_taken(fields: dict[str, Any]) -> None:
    assert chat(**fields).model == "m"


def test_what_asks_for_what_happens_anyway_does_not_reach_a_model() -> None:
    asked = {"verbosity": "medium", "modalities": ["text"], "reasoning_effort": "none"}
    draft = Draft.of(chat(**asked, store=True, safety_identifier="u"))

    assert draft.body == Draft.of(chat()).body


@pytest.mark.parametrize(
    ("fields", "user"),
    [
        ({"safety_identifier": "new"}, "new"),
        ({"safety_identifier": "new", "user": None}, "new"),
        ({"safety_identifier": "new", "user": "old"}, "old"),
        ({"safety_identifier": None, "user": "old"}, "old"),
        ({}, None),
    ],
)
def test_the_end_user_has_two_names(fields: dict[str, Any], user: str | None) -> None:
    assert chat(**fields).user == user


def test_the_openai_client_can_send_todays_parameters() -> None:
    sent: list[bytes] = []

    def reply(request: httpx.Request) -> httpx.Response:
        sent.append(request.content)
        choice = {"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}
        return httpx.Response(
            200, json={"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        )

    transport: Any = httpx.Client(transport=httpx.MockTransport(reply))
    with openai.OpenAI(api_key="k", http_client=transport) as client:
        client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "Hi"}],
            safety_identifier="u1",
            verbosity="medium",
            modalities=["text"],
            reasoning_effort="none",
            store=True,
        )

    assert parse_request(ChatRequest, sent[0], max_depth=32).user == "u1"


def test_text_parts_are_joined_and_a_tool_conversation_is_taken() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    request = chat(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "42", "tool_call_id": "1"},
            {"role": "assistant", "refusal": "No."},
        ]
    )

    assert [message.text for message in request.messages] == ["Be brief.", "One.\nTwo.", None, "42", None]


CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SIGNED_CALL = {**CALL, "extra_content": {"google": {"thought_signature": "CpYBAY8a+/w=="}}}


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        (dict.fromkeys(("annotations", "audio", "function_call", "reasoning", "refusal")), {"refusal": None}),
        ({"annotations": [], "refusal": None, "tool_calls": []}, {"refusal": None}),
        ({"reasoning": "Hm.", "reasoning_content": "Hm."}, {}),
        ({"tool_calls": [CALL], "reasoning": ""}, {"tool_calls": [CALL]}),
        ({"tool_calls": [{**CALL, "index": 0}]}, {"tool_calls": [CALL]}),
        ({"tool_calls": [SIGNED_CALL]}, {"tool_calls": [SIGNED_CALL]}),
        # Withheld; cut off while the model reasoned; calls and a refusal, which need no text.
        ({"content": None}, {"content": ""}),
        ({"content": None, "refusal": None, "tool_calls": []}, {"content": "", "refusal": None}),
        ({"content": None, "reasoning": "Hm."}, {"content": ""}),
        ({"content": None, "tool_calls": [CALL]}, {"content": None, "tool_calls": [CALL]}),
        ({"content": None, "refusal": "No."}, {"content": None, "refusal": "No."}),
    ],
)
def test_the_openai_client_can_send_an_answers_message_back_as_it_came(
    fields: dict[str, Any], kept: dict[str, Any]
) -> None:
    sent: list[bytes] = []
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi.", **fields}, "finish_reason": "stop"}
    answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}

    def reply(request: httpx.Request) -> httpx.Response:
        sent.append(request.content)
        return httpx.Response(200, json=answer)

    messages: Any = list(MESSAGES)
    transport: Any = httpx.Client(transport=httpx.MockTransport(reply))
    with openai.OpenAI(api_key="k", http_client=transport) as client:
        messages.append(client.chat.completions.create(model="m", messages=messages).choices[0].message)
        client.chat.completions.create(model="m", messages=messages)

    request = parse_request(ChatRequest, sent[1], max_depth=32)
    assert Draft.of(request).body["messages"][1] == {"role": "assistant", "content": "Hi.", **kept}


def test_an_assistants_message_without_any_content_is_told_so() -> None:
    with pytest.raises(InvalidRequest, match="an assistant message needs content"):
        chat(messages=[{"role": "assistant"}])


def test_a_thoughts_signature_does_not_reach_the_models_that_are_served_here() -> None:
    draft = Draft.of(chat(messages=[*MESSAGES, {"role": "assistant", "tool_calls": [SIGNED_CALL]}]))
    local = Target("m", "m", "local", PriceConfig())

    assert draft.for_target(local)["messages"][1]["tool_calls"] == [CALL]
    assert draft.for_target(replace(local, provider="p"))["messages"][1]["tool_calls"] == [SIGNED_CALL]


def test_an_empty_retrieval_object_turns_retrieval_on_and_its_absence_leaves_it() -> None:
    assert chat(sextant={"retrieval": {}}).sextant.retrieval is not None
    assert chat().sextant.retrieval is None


def test_a_duplicate_key_counts_once_the_last_one() -> None:
    body = b'{"model": "a", "model": "b", "messages": [{"role": "user", "content": "Hi"}]}'

    assert parse_request(ChatRequest, body, max_depth=32).model == "b"


def test_prompts_and_inputs_can_be_read_as_lists() -> None:
    assert CompletionRequest(model="m", prompt="a").prompts == ["a"]
    assert CompletionRequest(model="m", prompt=["a", "b"]).prompts == ["a", "b"]
    assert EmbeddingRequest(model="m", input="a").inputs == ["a"]
    assert EmbeddingRequest(model="m", input=["a", "b"]).inputs == ["a", "b"]


def test_base64_embeddings_are_the_same_numbers_as_float_ones() -> None:
    vectors = np.random.default_rng(7).normal(size=(3, 384)).astype(np.float32)

    as_float = embedding_answer(vectors, 9, "e", "float")
    as_base64 = embedding_answer(vectors, 9, "e", "base64")

    for plain, coded in zip(as_float["data"], as_base64["data"], strict=True):
        decoded = np.frombuffer(base64.b64decode(coded["embedding"]), dtype="<f4")
        np.testing.assert_array_equal(decoded, np.array(plain["embedding"], dtype=np.float32))
        assert plain["index"] == coded["index"]
    assert as_float["usage"] == as_base64["usage"] == {"prompt_tokens": 9, "total_tokens": 9}
    # What a client reads from the JSON is exactly what the model computed.
    np.testing.assert_array_equal(
        np.array(orjson.loads(orjson.dumps(as_float))["data"][2]["embedding"], dtype=np.float32), vectors[2]
    )


def test_an_event_is_one_line_whatever_the_text() -> None:
    framed = event({"text": "a\nb\r\n\ndata: [DONE]\n\n\u2028"})

    assert framed.startswith(b"data: {")
    assert framed.endswith(b"}\n\n")
    assert framed[:-2].count(b"\n") == framed.count(b"\r") == 0
    assert DONE == b"data: [DONE]\n\n"


def _all_errors(kind: type[SextantError] = SextantError) -> list[type[SextantError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _all_errors(child))]


@pytest.mark.parametrize("kind", _all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_has_the_one_shape_and_survives_pickling(kind: type[SextantError]) -> None:
    error = pickle.loads(pickle.dumps(kind("What happened.", param="model", retry_after_s=2)))

    assert type(error) is kind
    assert 400 <= error.status < 600
    assert error.to_wire() == {
        "error": {"message": "What happened.", "type": kind.type, "param": "model", "code": kind.code}
    }
    assert error.retry_after_s == 2


def test_errors_bring_their_headers() -> None:
    assert Unavailable("x", retry_after_s=0.2).headers() == {"retry-after": "1"}
    assert Unavailable("x").headers() == {}
    assert Unauthenticated("x").headers() == {"www-authenticate": "Bearer"}
