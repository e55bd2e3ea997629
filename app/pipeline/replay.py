"""Giving a kept answer again: whole, or as the stream it once was."""

import time
from collections.abc import AsyncIterator
from typing import Any

from app.cache.entry import Entry
from app.pipeline.transcript import SPOKEN


def replay_answer(entry: Entry) -> dict[str, Any]:
    """The kept answer, made now. Usage is what it took to make it; what is in it is the entry's own."""
    return {**entry.answer, "created": int(time.time())}


async def replay_stream(entry: Entry) -> AsyncIterator[dict[str, Any]]:
    """The kept answer as chunks, in its original pieces; the last one carries usage."""
    answer = replay_answer(entry)
    choice = answer["choices"][0]
    is_chat = "message" in choice
    text = (choice["message"].get("content") or "") if is_chat else choice["text"]
    pieces = entry.deltas if "".join(entry.deltas) == text else (text,) if text else ()
    head = {
        "id": answer["id"],
        "object": "chat.completion.chunk" if is_chat else "text_completion",
        "created": answer["created"],
        "model": answer["model"],
    }

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        part = {"delta": delta} if is_chat else {"text": delta.get("content", "")}
        return {**head, "choices": [{"index": 0, **part, "logprobs": None, "finish_reason": finish}]}

    extension = answer.get("sextant") or {}
    if is_chat:
        yield {**chunk({"role": "assistant", "content": ""}), "sextant": extension}
        extension = {}
    for name in SPOKEN:
        if is_chat and (said := choice["message"].get(name)):
            yield chunk({name: said})
    for piece in pieces:
        yield {**chunk({"content": piece}), **({"sextant": extension} if extension else {})}
        extension = {}
    if is_chat and (calls := choice["message"].get("tool_calls")):
        yield chunk({"tool_calls": [{"index": index, **call} for index, call in enumerate(calls)]})
    yield chunk({}, choice["finish_reason"])
    yield {**head, "choices": [], "usage": answer.get("usage")}
