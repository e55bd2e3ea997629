"""Giving a cached answer again: whole, or as the stream it once was."""

import copy
import time
from collections.abc import AsyncIterator
from typing import Any

from app.cache.exact import Entry


def replay_answer(entry: Entry, answer_id: str) -> dict[str, Any]:
    """The cached answer under a new id. Usage is what the answer cost when it was made."""
    answer = copy.deepcopy(entry.answer)
    return {**answer, "id": answer_id, "created": int(time.time())}


async def replay_stream(entry: Entry, answer_id: str) -> AsyncIterator[dict[str, Any]]:
    """The cached answer as chunks, in its original pieces; the last one carries usage."""
    answer = replay_answer(entry, answer_id)
    choice = answer["choices"][0]
    is_chat = "message" in choice
    text = (choice["message"].get("content") or "") if is_chat else choice["text"]
    pieces = entry.deltas if "".join(entry.deltas) == text else (text,)
    head = {
        "id": answer_id,
        "object": "chat.completion.chunk" if is_chat else "text_completion",
        "created": answer["created"],
        "model": answer["model"],
    }

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        part = {"delta": delta} if is_chat else {"text": delta.get("content", "")}
        return {**head, "choices": [{"index": 0, **part, "logprobs": None, "finish_reason": finish}]}

    if is_chat:
        yield chunk({"role": "assistant", "content": ""})
    for piece in pieces:
        yield chunk({"content": piece})
    yield chunk({}, choice["finish_reason"])
    yield {**head, "choices": [], "usage": answer.get("usage")}
