"""A chat answer as dialects see it: parts in order, and how it ended."""

import time
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from app.errors import UpstreamFailed

Chunk = dict[str, Any]
Kind = Literal["text", "refusal", "call"]
# What a message or delta says, by the name of its field.
SAID: tuple[tuple[Kind, str], ...] = (("text", "content"), ("refusal", "refusal"))


@dataclass(frozen=True, slots=True)
class Part:
    """One stretch of an answer. `text` of a call is its arguments, JSON source."""

    kind: Kind
    text: str = ""
    call_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What was counted; `cached` and `written` are among `prompt`, `written_1h` among those, `reasoning` among
    `completion`."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    written: int = 0  # into a provider's prompt cache
    written_1h: int = 0  # for an hour

    @classmethod
    def of(cls, usage: dict[str, Any] | None) -> "Tokens":
        """From a chat answer's usage."""
        usage = usage or {}
        prompt = usage.get("prompt_tokens_details") or {}
        completion = usage.get("completion_tokens_details") or {}
        return cls(
            usage.get("prompt_tokens") or 0,
            usage.get("completion_tokens") or 0,
            prompt.get("cached_tokens") or 0,
            completion.get("reasoning_tokens") or 0,
            prompt.get("cache_write_tokens") or 0,
            prompt.get("cache_write_1h_tokens") or 0,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """A chat answer, or what is known of one that is still being made."""

    model: str
    created: int
    parts: tuple[Part, ...] = ()
    finish_reason: str | None = None
    stop: str | None = None  # the stop sequence that ended it, where the engine tells
    tokens: Tokens = Tokens()
    extension: dict[str, Any] = field(default_factory=dict)  # the `sextant` field


def created_of(body: Chunk) -> int:
    """When an answer, or a chunk of one, was made, in seconds since 1970: now, where nobody says."""
    return body.get("created") or int(time.time())


def read_answer(body: Chunk) -> Answer:
    """A whole chat answer. Raises UpstreamFailed for a call without a name."""
    choice = body["choices"][0]
    message = choice.get("message") or {}
    parts = [Part(kind, message[name]) for kind, name in SAID if message.get(name)]
    parts += [
        replace(called(call), text=call["function"].get("arguments") or "") for call in message.get("tool_calls") or ()
    ]
    return Answer(
        model=body["model"],
        created=created_of(body),
        parts=tuple(parts),
        finish_reason=choice.get("finish_reason"),
        stop=stop_of(choice),
        tokens=Tokens.of(body.get("usage")),
        extension=body.get("sextant") or {},
    )


def called(call: dict[str, Any]) -> Part:
    """The part that a tool call is, before its arguments. Raises UpstreamFailed."""
    identifier, name = call.get("id"), (call.get("function") or {}).get("name")
    if not identifier or not name:
        raise UpstreamFailed("The model called a tool without naming it.")
    return Part("call", call_id=identifier, name=name)


def stop_of(choice: Chunk) -> str | None:
    """The stop sequence that a choice ended with: vLLM tells it. A number in its place is a token's."""
    stop = choice.get("stop_reason")
    return stop if isinstance(stop, str) else None
