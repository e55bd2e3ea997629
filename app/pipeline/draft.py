"""A request on its way to an engine: the body that changes hands between the stages."""

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.guard.screening import Spoken
from app.pipeline import cache_breakpoints
from app.pipeline.ports import Task
from app.pipeline.texts import places
from app.routing.target import Target
from app.wire.chat import ChatRequest, Message
from app.wire.completions import CompletionRequest

# Ours, or without a meaning for an engine.
NOT_FOR_ENGINES = {"sextant", "metadata", "store", "service_tier", "user", "cache_control", "conversation"}
# About a provider's prompt cache; the engine's needs none of it.
FOR_PROVIDERS = {cache_breakpoints.FIELD, "prompt_cache_key", "prompt_cache_retention"}


@dataclass(frozen=True, slots=True)
class Draft:
    """The body as the engine will get it, plain values throughout."""

    task: Task
    body: dict[str, Any]

    @classmethod
    def of(cls, request: ChatRequest | CompletionRequest) -> "Draft":
        """From a validated request: set fields only, message content as one string. A field set to null is not set."""
        dumped = request.model_dump(by_alias=True, exclude_unset=True, exclude=NOT_FOR_ENGINES)
        # Engines take some nulls for something else than their default: for no tool calls, or one at most.
        body = {name: value for name, value in dumped.items() if value is not None}
        if isinstance(request, CompletionRequest):
            return cls("completions", body)
        body["messages"] = cls.messages_of(request.messages)
        for tool in body.get("tools") or ():
            tool.pop("cache_control", None)
        if breakpoints := cache_breakpoints.breakpoints_of(request):
            body[cache_breakpoints.FIELD] = breakpoints
        if key := body.get("prompt_cache_key"):
            # No guard reads it. Equal ones stay equal.
            body["prompt_cache_key"] = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        return cls("chat", body)

    @staticmethod
    def messages_of(messages: Sequence[Message]) -> list[dict[str, Any]]:
        """Messages as an engine takes them."""
        plain = []
        for wire in messages:
            message = wire.model_dump(exclude_unset=True)
            if wire.content is not None:
                message["content"] = wire.text
            if wire.role != "tool":
                # No template needs a speaker's name, and the guard does not read it.
                message.pop("name", None)
            for holder in (message, *(message.get("tool_calls") or ())):
                holder.pop("cache_control", None)
            plain.append(message)
        return plain

    @property
    def texts(self) -> list[str]:
        """Everything a person wrote, in order: what the guard reads."""
        return [text for place in places(self.body) for text in place.read()]

    @property
    def spoken(self) -> list[Spoken]:
        """The same, with whose words they are."""
        return [Spoken(text, place.by) for place in places(self.body) for text in place.read()]

    def with_texts(self, texts: Sequence[str]) -> "Draft":
        """The same draft with other texts, in the order of `texts`."""
        body = copy.deepcopy(self.body)
        left = iter(texts)
        for place in places(body):
            place.write([next(left) for _ in place.read()])
        if breakpoints := body.get(cache_breakpoints.FIELD):
            body[cache_breakpoints.FIELD] = cache_breakpoints.moved(
                breakpoints, self.body["messages"], body["messages"]
            )
        return Draft(self.task, body)

    @property
    def question(self) -> str | None:
        """The last user turn; None where there is none."""
        if self.task != "chat":
            return None
        turn = _last_user_turn(self.body)
        return turn["content"] if turn else None

    def asking(self, question: str) -> "Draft":
        """The same draft with another last user turn."""
        body = copy.deepcopy(self.body)
        turn = _last_user_turn(body)
        if turn is None:
            raise ValueError("a draft without a user turn asks nothing")
        if breakpoints := body.get(cache_breakpoints.FIELD):
            index = next(i for i, message in enumerate(body["messages"]) if message is turn)
            body[cache_breakpoints.FIELD] = cache_breakpoints.with_question(
                breakpoints, index, turn["content"], question
            )
        turn["content"] = question
        return Draft(self.task, body)

    def with_tool_results(self, change: Callable[[str], str]) -> "Draft":
        """The same draft with its tools' results changed."""
        if not any(message["role"] == "tool" for message in self.body.get("messages", ())):
            return self
        body = {**self.body, "messages": [
            {**message, "content": change(message["content"])} if message["role"] == "tool" else message
            for message in self.body["messages"]
        ]}  # fmt: skip
        return Draft(self.task, body)

    def unstreamed(self) -> "Draft":
        """The same draft, to be answered in one piece."""
        left = {name: value for name, value in self.body.items() if name not in ("stream", "stream_options")}
        return Draft(self.task, left)

    def instructed(self, system: str) -> "Draft":
        """The same draft with a system prompt in front. It stands before the client's own, so that
        the beginning of all prompts of an alias is the same and the engine can reuse it."""
        messages, breakpoints = list(self.body["messages"]), self.body.get(cache_breakpoints.FIELD)
        if messages and messages[0]["role"] in ("system", "developer"):
            first = messages.pop(0)
            moved = {"characters": len(system) + 2}
            system = f"{system}\n\n{first['content']}"
        else:
            moved = {"messages": 1}
        body = {**self.body, "messages": [{"role": "system", "content": system}, *messages]}
        if breakpoints:
            body[cache_breakpoints.FIELD] = cache_breakpoints.below(breakpoints, **moved)
        return Draft(self.task, body)

    def remembering(self, leading: int, notes: str, earlier: Sequence[dict[str, Any]]) -> "Draft":
        """The same draft with earlier turns behind its first `leading` messages, which instruct, and with notes at the
        end of the last of these."""
        if not notes and not earlier:
            return self
        messages = list(self.body["messages"])
        first, rest = messages[:leading], messages[leading:]
        if notes and first:
            first[-1] = {**first[-1], "content": f"{first[-1]['content']}\n\n{notes}"}
        elif notes:
            first = [{"role": "system", "content": notes}]
        body = {**self.body, "messages": [*first, *earlier, *rest]}
        if breakpoints := self.body.get(cache_breakpoints.FIELD):
            inserted = len(body["messages"]) - len(messages)
            body[cache_breakpoints.FIELD] = cache_breakpoints.behind(breakpoints, leading, messages=inserted)
        return Draft(self.task, body)

    def for_target(self, target: Target, *, priority: int = 0) -> dict[str, Any]:
        """The body to send: the target's name of the model, and usage always counted."""
        body = {**self.body, "model": target.engine_model}
        if target.kind == "local":
            for name in FOR_PROVIDERS:
                body.pop(name, None)
            if "messages" in body:
                body["messages"] = [_unsigned(message) for message in body["messages"]]
            if body.get("stream"):
                # Counted in every chunk, so that a stream that is cut off is billed for what was generated.
                body["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}
            if priority and target.has_priorities:
                body["priority"] = priority
            return body
        if body.get("stream"):
            body["stream_options"] = {"include_usage": True}
        for name in ("max_tokens", "max_completion_tokens"):
            if body.get(name) and target.max_output_tokens:
                body[name] = min(body[name], target.max_output_tokens)  # what is reserved for; a default is the port's
        return body


def _unsigned(message: dict[str, Any]) -> dict[str, Any]:
    """Without the signatures of Gemini's thoughts."""
    if not any("extra_content" in call for call in message.get("tool_calls") or ()):
        return message
    calls = [{name: value for name, value in call.items() if name != "extra_content"} for call in message["tool_calls"]]
    return {**message, "tool_calls": calls}


def _last_user_turn(body: dict[str, Any]) -> dict[str, Any] | None:
    return next((m for m in reversed(body["messages"]) if m["role"] == "user"), None)
