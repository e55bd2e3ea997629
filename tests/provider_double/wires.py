"""An answer in the wires of OpenAI and Anthropic, whole or as the events of a stream.

What does not change from request to request is built once (`lru_cache`), so that a stream costs
the double little more than one write.
"""

from functools import lru_cache
from typing import Any

import orjson

from tests.provider_double.answers import Answer, Wire

CREATED = 1_700_000_000


def whole(answer: Answer) -> bytes:
    """The body of an answer in one piece."""
    text = "".join(answer.tokens)
    if answer.wire == "messages":
        arguments = orjson.loads(text) if answer.tool else None
        block = (
            {"type": "tool_use", "id": "toolu_double", "name": answer.tool, "input": arguments}
            if answer.tool
            else {"type": "text", "text": text}
        )
        return orjson.dumps(
            {
                "id": "msg_double",
                "type": "message",
                "role": "assistant",
                "model": answer.model,
                "content": [block],
                "stop_reason": _anthropic_reason(answer.finish),
                "stop_sequence": None,
                "usage": {**_anthropic_input(answer), "output_tokens": answer.generated},
            }
        )
    reason = _openai_reason(answer.finish)
    choice: dict[str, Any]
    if answer.wire == "completions":
        choice = {"text": text, "logprobs": None, "finish_reason": reason}
    elif answer.tool:
        call = {"id": "call_double", "type": "function", "function": {"name": answer.tool, "arguments": text}}
        choice = {"message": {"role": "assistant", "content": None, "tool_calls": [call]}, "finish_reason": reason}
    else:
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": reason}
    return orjson.dumps(
        {
            **_openai_head(answer.wire, answer.model, is_chunk=False),
            "choices": [{"index": index, **choice} for index in range(answer.choices)],
            "usage": answer.usage,
        }
    )


def events(answer: Answer) -> tuple[bytes, tuple[bytes, ...], bytes, bytes]:
    """A stream: what comes before the tokens, an event for each token, the last events, the `[DONE]`."""
    if answer.wire == "messages":
        head, middle = _anthropic_events(answer.model, answer.tokens, answer.tool)
        start = {
            "type": "message_start",
            "message": {
                "id": "msg_double",
                "type": "message",
                "role": "assistant",
                "model": answer.model,
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {**_anthropic_input(answer), "output_tokens": 1},
            },
        }
        delta = {
            "type": "message_delta",
            "delta": {"stop_reason": _anthropic_reason(answer.finish), "stop_sequence": None},
            "usage": {"output_tokens": answer.generated},
        }
        end = _named({"type": "content_block_stop", "index": 0}) + _named(delta)
        return _named(start) + head, middle, end, _named({"type": "message_stop"})
    head, middle, end = _openai_events(
        answer.wire, answer.model, answer.tokens, answer.tool, answer.finish, answer.choices
    )
    usage = {**_openai_head(answer.wire, answer.model, is_chunk=True), "choices": [], "usage": answer.usage}
    return head, middle, end + _data(usage), b"data: [DONE]\n\n"


@lru_cache(256)
def _openai_events(
    wire: Wire, model: str, tokens: tuple[str, ...], tool: str | None, finish: str, choices: int
) -> tuple[bytes, tuple[bytes, ...], bytes]:
    head = _openai_head(wire, model, is_chunk=True)

    def chunk(part: dict[str, Any], finish_reason: str | None = None) -> bytes:
        body = part if wire == "completions" else {"delta": part}
        return b"".join(
            _data({**head, "choices": [{"index": index, **body, "finish_reason": finish_reason}]})
            for index in range(choices)
        )

    first: dict[str, Any] = {"role": "assistant", "content": None if tool else ""}
    if tool:
        function = {"name": tool, "arguments": ""}
        first["tool_calls"] = [{"index": 0, "id": "call_double", "type": "function", "function": function}]

    def said(token: str) -> dict[str, Any]:
        if wire == "completions":
            return {"text": token}
        if tool:
            return {"tool_calls": [{"index": 0, "function": {"arguments": token}}]}
        return {"content": token}

    last: dict[str, Any] = {"text": ""} if wire == "completions" else {}
    start = b"" if wire == "completions" else chunk(first)
    return start, tuple(chunk(said(token)) for token in tokens), chunk(last, _openai_reason(finish))


@lru_cache(256)
def _anthropic_events(model: str, tokens: tuple[str, ...], tool: str | None) -> tuple[bytes, tuple[bytes, ...]]:
    block: dict[str, Any] = {"type": "text", "text": ""}
    if tool:
        block = {"type": "tool_use", "id": "toolu_double", "name": tool, "input": {}}
    start = _named({"type": "content_block_start", "index": 0, "content_block": block})

    def delta(token: str) -> bytes:
        said = {"type": "input_json_delta", "partial_json": token} if tool else {"type": "text_delta", "text": token}
        return _named({"type": "content_block_delta", "index": 0, "delta": said})

    return start + _named({"type": "ping"}), tuple(map(delta, tokens))


def _openai_head(wire: Wire, model: str, *, is_chunk: bool) -> dict[str, Any]:
    if wire == "completions":
        return {"id": "cmpl-double", "object": "text_completion", "created": CREATED, "model": model}
    kind = "chat.completion.chunk" if is_chunk else "chat.completion"
    return {"id": "chatcmpl-double", "object": kind, "created": CREATED, "model": model}


def _openai_reason(finish: str) -> str:
    return "tool_calls" if finish == "tool" else finish


def _anthropic_reason(finish: str) -> str:
    return {"stop": "end_turn", "length": "max_tokens", "tool": "tool_use"}[finish]


def _anthropic_input(answer: Answer) -> dict[str, Any]:
    """Anthropic counts what the cache held, and what was written into it, apart from the rest."""
    return {
        "input_tokens": answer.prompt_tokens - answer.cached_tokens - answer.written_tokens,
        "cache_read_input_tokens": answer.cached_tokens,
        "cache_creation_input_tokens": answer.written_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": answer.written_tokens - answer.written_1h_tokens,
            "ephemeral_1h_input_tokens": answer.written_1h_tokens,
        },
    }


def _data(payload: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(payload) + b"\n\n"


def _named(payload: dict[str, Any]) -> bytes:
    return b"event: %b\n%b" % (payload["type"].encode(), _data(payload))
