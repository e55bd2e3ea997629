"""The parts of an answer that rails read: where texts stand in a choice, and how one is ended."""

from collections.abc import Sequence
from typing import Any

from app.pipeline.output import SPOKEN

Chunk = dict[str, Any]
_CHOICE = {"index", "text", "delta", "message", "logprobs", "finish_reason", "stop_reason"}
_MESSAGE = {"role", "content", "tool_calls", *SPOKEN}


def parts_of(choice: Chunk) -> Chunk:
    """What a streamed choice says."""
    return choice if "text" in choice else (choice.get("delta") or {})


def known(choice: Chunk, *, enforced: bool) -> None:
    """Leave out, where rails enforce, what none of them reads: audio, annotations, what a provider invents tomorrow."""
    if not enforced:
        return
    for name in choice.keys() - _CHOICE:
        del choice[name]
    for message in (choice.get("delta"), choice.get("message")):
        if message is not None:
            choice.pop("text", None)
            for name in message.keys() - _MESSAGE:
                del message[name]


def fields(choice: Chunk) -> list[tuple[Chunk, str]]:
    """Where a whole choice's words stand, but for its tool calls."""
    message = choice.get("message")
    places = [(choice, "text")] if message is None else [(message, name) for name in ("content", *SPOKEN)]
    return [(holder, name) for holder, name in places if isinstance(holder.get(name), str) and holder[name]]


def assembled(parts: Sequence[Chunk]) -> list[Chunk]:
    """Tool calls, each in one piece, from the deltas of a stream."""
    calls: dict[int, Chunk] = {}
    for part in parts:
        function = part.get("function") or {}
        call = calls.setdefault(part.get("index") or 0, {**part, "function": {**function, "arguments": ""}})
        for name in ("id", "type"):
            if part.get(name):
                call[name] = part[name]
        if function.get("name"):
            call["function"]["name"] = function["name"]
        call["function"]["arguments"] += function.get("arguments") or ""
    return list(calls.values())


def withhold(answer: Chunk) -> None:
    """Take what a whole answer says out of it."""
    for choice in answer.get("choices") or ():
        withhold_choice(choice)


def withhold_choice(choice: Chunk) -> None:
    """Take what a whole choice says out of it."""
    if "text" in choice:
        choice["text"] = ""
    else:
        choice["message"] = {"role": "assistant", "content": None}
    choice["logprobs"], choice["finish_reason"] = None, "content_filter"


def ending(chunk: Chunk, indexes: Sequence[int]) -> Chunk:
    """The last chunk of a stream that is withheld: its choices end, and say nothing."""
    is_text = any("text" in choice for choice in chunk.get("choices") or ())
    said: Chunk = {"text": ""} if is_text else {"delta": {}}
    ended = [{"index": index, **said, "logprobs": None, "finish_reason": "content_filter"} for index in sorted(indexes)]
    return {**chunk, "choices": ended}


def bare(chunk: Chunk) -> bool:
    """Whether a chunk has choices that say nothing: no role, no words, no end."""
    choices = chunk.get("choices") or ()
    return bool(choices) and not any(
        choice.get("finish_reason") or choice.get("text") or any((choice.get("delta") or {}).values())
        for choice in choices
    )
