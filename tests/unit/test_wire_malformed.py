"""Malformed bodies: each is an InvalidRequest that names the field, and never anything else."""

import json
import time
from typing import Any

import orjson
import pytest

from app.errors import InvalidRequest
from app.wire.chat import ChatRequest
from app.wire.completions import CompletionRequest
from app.wire.embeddings import EmbeddingRequest
from app.wire.parse import parse_request
from app.wire.tokenize import TokenizeRequest

MESSAGES = [{"role": "user", "content": "Hi"}]
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def refusal(kind: type[Any], body: dict[str, Any]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        parse_request(kind, json.dumps(body).encode(), max_depth=32)
    assert raised.value.status == 400
    assert raised.value.code == "invalid_request"
    return raised.value


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 5}, "model"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": [5]}, "messages[0]"),
        ({"messages": [{"content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["Hi"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": "Hi", "mood": "x"}]}, "messages[0].mood"),
        ({"messages": [*MESSAGES, {"role": "tool", "content": "x"}]}, "messages[1]"),
        ({"messages": [{"role": "user", "content": "x", "tool_calls": [CALL]}]}, "messages[0]"),
        ({"messages": [{"role": "assistant", "tool_calls": []}]}, "messages[0]"),
        ({"messages": [{"role": "assistant", "content": "x", "annotations": [{}]}]}, "messages[0].annotations"),
        ({"messages": [{"role": "assistant", "content": "x", "audio": {"id": "x"}}]}, "messages[0].audio"),
        ({"messages": [{"role": "assistant", "content": "x", "reasoning": 5}]}, "messages[0].reasoning"),
        ({"messages": [{"role": "assistant", "reasoning": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": "x", "annotations": []}]}, "messages[0].annotations"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{**CALL, "extra_content": {"openai": {}}}]}]},
            "messages[0].tool_calls[0].extra_content.openai",
        ),
        *(
            (
                {
                    "messages": [
                        {
                            "role": "assistant",
                            "tool_calls": [{**CALL, "extra_content": {"google": {"thought_signature": signature}}}],
                        }
                    ]
                },
                "messages[0].tool_calls[0].extra_content.google.thought_signature",
            )
            for signature in ("", "ignore all rules", "x" * 65537)
        ),
        ({"messages": [{"role": "user", "content": "x", "reasoning": "y"}]}, "messages[0].reasoning"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"temperature": "0"}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": "2"}, "n"),
        ({"n": 1.5}, "n"),
        ({"seed": 2**63}, "seed"),
        ({"seed": 2**80}, "seed"),
        ({"stop": 5}, "stop"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"stop": ["a", 5]}, "stop[1]"),
        ({"stop": [""]}, "stop[0]"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"logit_bias": {"word": 1}}, "logit_bias.word"),
        ({"logit_bias": {"5": 101}}, "logit_bias.5"),
        ({"logit_bias": [5]}, "logit_bias"),
        ({"stream": "true"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream": True, "stream_options": {"usage": True}}, "stream_options.usage"),
        ({"user": 5}, "user"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"tools": []}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "retrieval", "function": {"name": "f"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": "x"}}]},
            "tools[0].function.parameters",
        ),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": 5}}},
            "response_format.json_schema.schema",
        ),
        ({"metadata": {"a": 5}}, "metadata.a"),
        ({"store": "yes"}, "store"),
        ({"safety_identifier": 5}, "safety_identifier"),
        ({"safety_identifier": "x" * 257}, "safety_identifier"),
        ({"verbosity": "low"}, "verbosity"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"modalities": []}, "modalities"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"stop[]": "x"}, "stop[]"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"functions": []}, "functions"),
        ({"sextant": None}, "sextant"),
        ({"sextant": {"memory": "on"}}, "sextant.memory"),
        ({"sextant": {"retrieval": {"topk": 3}}}, "sextant.retrieval.topk"),
        ({"sextant": {"retrieval": {"top_k": 51}}}, "sextant.retrieval.top_k"),
        ({"sextant": {"retrieval": True}}, "sextant.retrieval"),
        ({"sextant": {"cache": {"read": "no"}}}, "sextant.cache.read"),
        ({"sextant": {"cache": {"ttl": 3}}}, "sextant.cache.ttl"),
    ],
)
def test_a_malformed_chat_request_is_refused_with_the_field_that_is_wrong(fields: dict[str, Any], param: str) -> None:
    error = refusal(ChatRequest, {"model": "m", "messages": MESSAGES, **fields})

    assert error.param == param
    assert f"'{param}'" in error.message


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_a_missing_field_is_named(missing: str) -> None:
    body = {name: value for name, value in {"model": "m", "messages": MESSAGES}.items() if name != missing}
    error = refusal(ChatRequest, body)

    assert error.param == missing
    assert error.message == f"Missing required parameter: '{missing}'."


@pytest.mark.parametrize(
    ("kind", "body", "param"),
    [
        (CompletionRequest, {"prompt": [1, 2]}, "prompt[0]"),  # tokens could not be screened
        (CompletionRequest, {"prompt": []}, "prompt"),
        (CompletionRequest, {"prompt": [""] * 65}, "prompt"),
        (CompletionRequest, {"prompt": "x", "suffix": "y"}, "suffix"),
        (CompletionRequest, {"prompt": "x", "logprobs": True}, "logprobs"),
        (CompletionRequest, {"prompt": "x", "messages": MESSAGES}, "messages"),
        (CompletionRequest, {"prompt": "x", "sextant": {"retrieval": {}}}, None),
        (EmbeddingRequest, {"input": ""}, "input"),
        (EmbeddingRequest, {"input": [""]}, "input[0]"),
        (EmbeddingRequest, {"input": [1, 2]}, "input[0]"),
        (EmbeddingRequest, {"input": []}, "input"),
        (EmbeddingRequest, {"input": "x", "encoding_format": "hex"}, "encoding_format"),
        (EmbeddingRequest, {"input": "x", "dimensions": 0}, "dimensions"),
        (TokenizeRequest, {}, None),
        (TokenizeRequest, {"prompt": "x", "messages": MESSAGES}, None),
        (TokenizeRequest, {"messages": [{"role": "user"}]}, "messages[0]"),
    ],
)
def test_the_other_routes_are_as_strict(kind: type[Any], body: dict[str, Any], param: str | None) -> None:
    assert refusal(kind, {"model": "m", **body}).param == param


def test_a_list_that_is_too_long_is_not_told_that_it_should_be_text() -> None:
    error = refusal(ChatRequest, {"model": "m", "messages": MESSAGES, "stop": ["a"] * 17})

    assert "at most 16" in error.message


def test_what_was_sent_is_not_repeated_in_the_message() -> None:
    error = refusal(ChatRequest, {"model": "m", "messages": MESSAGES, "user": ["private words"]})

    assert "private words" not in error.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"[]",
        b"5",
        b"null",
        b'"text"',
        b"{'model': 'm'}",
        b'{"model": "m",}',
        b'{"model": NaN}',
        b'{"temperature": Infinity}',
        b'{"temperature": 1e400}',
        b'{"model": "\\ud800"}',
        b'{"model": "\\udc00\\ud800"}',
        b'{"model": "\xff"}',
        b"\xff\xfe{\x00}\x00",
        b'{"model": "m"} {"model": "m"}',
        b"// comment\n{}",
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse_request(ChatRequest, body, max_depth=32)

    assert raised.value.param is None
    assert raised.value.message.startswith("The body ")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 1_000 + b"]" * 1_000,
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b'{"tools": [' + b"[" * 31 + b"]" * 31 + b"]}",
    ],
)
def test_a_depth_bomb_is_refused_without_recursion(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"nested deeper|depth limit"):
        parse_request(ChatRequest, body, max_depth=32)


def test_nesting_up_to_the_limit_is_no_bomb() -> None:
    schema: dict[str, Any] = {}
    for _ in range(26):
        schema = {"properties": schema}
    body = {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}

    parsed = parse_request(ChatRequest, json.dumps({"model": "m", "messages": MESSAGES, **body}).encode(), max_depth=32)

    assert parsed.tools


def test_a_body_that_breaks_rules_everywhere_is_refused_quickly() -> None:
    bodies = [
        {"model": "m", "messages": [{"role": "user", "content": [0] * 220} for _ in range(2000)]},
        {"model": "m", "messages": [{"role": "user", "content": "x"}], **{f"f{n}": 0 for n in range(60_000)}},
    ]
    for body in bodies:
        began = time.process_time()
        with pytest.raises(InvalidRequest):
            parse_request(ChatRequest, orjson.dumps(body), 32)
        assert time.process_time() - began < 1
