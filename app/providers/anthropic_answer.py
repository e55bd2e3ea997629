"""What Anthropic's Messages API answers, in OpenAI's wire: whole, or event by event.

Thinking, citations and the like have no place in that wire and are left out. Usage: Anthropic
counts what its cache held, and what it wrote into it, apart from the other prompt tokens; here
`prompt_tokens` is all of them, `cached_tokens` what was read from the cache, `cache_write_tokens` what was
written into it, and `cache_write_1h_tokens` the part of that which is kept for an hour and costs more. A stream tells
the prompt's counts with its first chunk, so that one that is cut is billed by them. A usage without both of its counts
is left out: to estimate is better than to bill nothing.
"""

import time
from typing import Any

import orjson

from app.errors import UpstreamFailed

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def openai_answer(message: dict[str, Any]) -> dict[str, Any]:
    """A whole answer. Raises UpstreamFailed for what is none."""
    if not isinstance(message.get("content"), list):
        raise UpstreamFailed("The provider sent an answer without content.")
    text = "".join(block["text"] for block in message["content"] if block.get("type") == "text")
    calls = [
        _call(block["id"], block["name"], orjson.dumps(block["input"]).decode())
        for block in message["content"]
        if block.get("type") == "tool_use"
    ]
    said: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else "")}
    if calls:
        said["tool_calls"] = calls
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": _finish(message.get("stop_reason"))}
    head = _head(message, "chat.completion")
    return {**head, "choices": [choice], "usage": _usage(message.get("usage") or {})}


class ChunkMaker:
    """Makes chunks out of the events of one stream."""

    def __init__(self) -> None:
        self.is_finished = False  # the answer's end was told
        self._head: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._calls = 0
        self._has_arguments = False

    def chunks(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """The chunks of one event; none for events that say nothing new. Raises UpstreamFailed out of order."""
        kind = event.get("type")
        if kind == "message_start":
            message = event["message"]
            self._head = _head(message, "chat.completion.chunk")
            self._usage = dict(message.get("usage") or {})
            self._usage.pop("output_tokens", None)  # of what has not been said yet
            prompt = _prompt_usage(self._usage)
            return [{**self._chunk({"role": "assistant", "content": ""}), **({"usage": prompt} if prompt else {})}]
        if not self._head:
            if kind == "ping":
                return []
            raise UpstreamFailed("The provider sent an answer without its beginning.")
        if kind == "content_block_start" and event["content_block"].get("type") == "tool_use":
            block = event["content_block"]
            self._calls += 1
            self._has_arguments = False
            return [self._calling(_call(block["id"], block["name"], ""))]
        if kind == "content_block_delta":
            return self._delta(event["delta"])
        if kind == "content_block_stop" and self._calls and not self._has_arguments:
            self._has_arguments = True  # a call without arguments streams none; clients parse what they get
            return [self._calling({"function": {"arguments": "{}"}})]
        if kind == "message_delta":
            return self._end(event)
        return []

    def _delta(self, delta: dict[str, Any]) -> list[dict[str, Any]]:
        if delta.get("type") == "text_delta":
            return [self._chunk({"content": _string(delta["text"])})]
        if delta.get("type") == "input_json_delta" and delta["partial_json"]:
            self._has_arguments = True
            return [self._calling({"function": {"arguments": _string(delta["partial_json"])}})]
        return []

    def _end(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        self._usage.update({name: count for name, count in (event.get("usage") or {}).items() if count is not None})
        reason = event["delta"].get("stop_reason")
        if reason is None:
            return []
        self.is_finished = True
        usage = _usage(self._usage)
        counted = [{**self._head, "choices": [], "usage": usage}] if usage else []
        return [self._chunk({}, _finish(reason)), *counted]

    def _calling(self, call: dict[str, Any]) -> dict[str, Any]:
        return self._chunk({"tool_calls": [{"index": self._calls - 1, **call}]})

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**self._head, "choices": [choice]}


def _head(message: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": message.get("id"), "object": kind, "created": int(time.time()), "model": message.get("model")}


def _call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": _string(call_id), "type": "function", "function": {"name": _string(name), "arguments": arguments}}


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _finish(stop_reason: str | None) -> str:
    return _FINISH.get(stop_reason or "", "stop")


def _usage(usage: dict[str, Any]) -> dict[str, Any] | None:
    """All counts; None where one of the two that are billed is missing."""
    prompt, generated = _prompt_usage(usage), usage.get("output_tokens")
    if prompt is None or generated is None:
        return None
    return {**prompt, "completion_tokens": generated, "total_tokens": prompt["prompt_tokens"] + generated}


def _prompt_usage(usage: dict[str, Any]) -> dict[str, Any] | None:
    """The prompt's counts; None where they are not told."""
    read = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    prompt = (usage.get("input_tokens") or 0) + read + written
    for_an_hour = (usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens") or 0
    if usage.get("input_tokens") is None:
        return None
    return {
        "prompt_tokens": prompt,
        "prompt_tokens_details": {
            "cached_tokens": read,
            "cache_write_tokens": written,
            **({"cache_write_1h_tokens": for_an_hour} if for_an_hour else {}),
        },
    }
