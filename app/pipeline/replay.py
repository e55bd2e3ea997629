"""Giving a kept answer again: whole, or as the stream it once was."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from app.cache.entry import Entry
from app.pipeline.output import SPOKEN

_AT_THE_END = ("cited", "guard")  # of the extension: known when an answer has ended


def replay_answer(entry: Entry) -> dict[str, Any]:
    """The kept answer, made now. Usage is what it took to make it; what is in it is the entry's own."""
    return {**entry.answer, "created": int(time.time())}


async def replay_stream(entry: Entry) -> AsyncIterator[dict[str, Any]]:
    """The kept answer as chunks, in its original pieces (several choices: as `as_chunks` has them); the last one
    carries usage."""
    answer = replay_answer(entry)
    if len(answer["choices"]) > 1:
        for part in as_chunks(answer):
            yield part
        return
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

    extension = dict(answer.get("sextant") or {})
    flags = {"guard": extension.pop("guard")} if "guard" in extension else {}
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
    yield {**chunk({}, choice["finish_reason"]), **({"sextant": flags} if flags else {})}
    yield {**head, "choices": [], "usage": answer.get("usage")}


def as_chunks(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A chat answer of any number of choices as a stream: each choice in one piece, then how it ended, then usage."""
    head = {
        "id": answer["id"],
        "object": "chat.completion.chunk",
        "created": answer.get("created"),
        "model": answer["model"],
    }
    extension = {"citations": [], **(answer.get("sextant") or {})}
    at_first = {name: told for name, told in extension.items() if name not in _AT_THE_END}
    at_last = {name: told for name, told in extension.items() if name in _AT_THE_END}
    for number, choice in enumerate(answer["choices"]):
        message = {"role": "assistant", **choice["message"]}
        calls = message.pop("tool_calls", None) or ()
        delta = {**message, **({"tool_calls": [{"index": i, **call} for i, call in enumerate(calls)]} if calls else {})}
        said = {"index": choice.get("index", number), "logprobs": choice.get("logprobs")}
        first = {"sextant": at_first} if number == 0 else {}
        yield {**head, "choices": [{**said, "delta": delta, "finish_reason": None}], **first}
        ended = {**said, "delta": {}, "logprobs": None, "finish_reason": choice.get("finish_reason")}
        yield {**head, "choices": [ended], "sextant": dict(at_last)}
    yield {**head, "choices": [], "usage": answer.get("usage")}
