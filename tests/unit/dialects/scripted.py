"""A model that says what a test wants said: deltas of chat chunks, streamed or put together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from app.pipeline.ports import Task
from tests.unit.fake_model import USAGE, FakeModel


def say(text: str) -> dict[str, Any]:
    return {"content": text}


def call(index: int, *pieces: str, name: str | None = None) -> list[dict[str, Any]]:
    """A tool call as vLLM streams it: id and name first, then its arguments in pieces."""
    first: dict[str, Any] = {"index": index, "id": f"call-{index}", "type": "function"}
    first["function"] = {"name": name or f"tool_{index}", "arguments": ""}
    rest = [{"index": index, "function": {"arguments": piece}} for piece in pieces]
    return [{"tool_calls": [part]} for part in (first, *rest)]


@dataclass
class ScriptedModel(FakeModel):
    """Says `script`; with `finish_reason` None the stream ends as one that was cut off."""

    script: Sequence[dict[str, Any]] = ()
    finish: str | None = "stop"
    stop_reason: str | int | None = None

    async def complete(self, task: Task, body: dict[str, Any], request_id: str) -> dict[str, Any]:
        answer = await super().complete(task, body, request_id)
        (choice,) = answer["choices"]
        choice |= {"message": self._message(), "finish_reason": self.finish, **self._stop()}
        return answer

    def _chunks(self, task: Task, body: dict[str, Any]) -> Iterable[dict[str, Any]]:
        head = {"id": "engine-id", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        for delta in ({"role": "assistant", "content": ""}, *self.script):
            copied = {**delta, "tool_calls": [dict(c) for c in delta["tool_calls"]]} if "tool_calls" in delta else delta
            yield {**head, "choices": [{"index": 0, "delta": copied, "logprobs": None, "finish_reason": None}]}
        if self.finish:
            yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": self.finish, **self._stop()}]}
        yield {**head, "choices": [], "usage": dict(USAGE)}

    def _stop(self) -> dict[str, Any]:
        return {} if self.stop_reason is None else {"stop_reason": self.stop_reason}

    def _message(self) -> dict[str, Any]:
        calls: dict[int, dict[str, Any]] = {}
        for part in (part for delta in self.script for part in delta.get("tool_calls", ())):
            if part["index"] not in calls:
                calls[part["index"]] = {"id": part["id"], "type": "function", "function": dict(part["function"])}
            else:
                calls[part["index"]]["function"]["arguments"] += part["function"]["arguments"]
        said = {
            name: "".join(delta[name] for delta in self.script if name in delta) or None
            for name in ("content", "refusal")
        }
        return {"role": "assistant", **said, "tool_calls": list(calls.values())}
