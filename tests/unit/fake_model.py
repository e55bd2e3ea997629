"""A model that says what a test wants, and keeps what it was asked."""

import asyncio
import copy
import threading
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.pipeline.ports import Task

USAGE = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14, "prompt_tokens_details": {"cached_tokens": 4}}


@dataclass
class FakeModel:
    """Answers with `pieces`. Chunk 0 is the one that names the role; `fails_at` and `hangs_at` count from it."""

    pieces: Sequence[str] = ("Hello", " world", ".")
    fails_at: int | None = None
    hangs_at: int | None = None
    error: Exception = field(default_factory=lambda: RuntimeError("engine says: secret text"))
    finish_reason: str = "stop"
    reasoning: str = ""
    usage: dict[str, Any] = field(default_factory=lambda: dict(USAGE))
    bodies: list[dict[str, Any]] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    hanging: threading.Event = field(default_factory=threading.Event)  # it waits at `hangs_at`
    closed: threading.Event = field(default_factory=threading.Event)  # ended before its end
    finished: int = 0

    async def stream(self, task: Task, body: dict[str, Any], request_id: str) -> AsyncIterator[dict[str, Any]]:
        self._note(body, request_id)
        is_complete = False
        try:
            for position, chunk in enumerate(self._chunks(task, body)):
                await self._trouble(position)
                yield chunk
            is_complete = True
        finally:
            if is_complete:
                self.finished += 1
            else:
                self.closed.set()

    async def complete(self, task: Task, body: dict[str, Any], request_id: str) -> dict[str, Any]:
        self._note(body, request_id)
        try:
            await self._trouble(0)
        except BaseException:
            self.closed.set()
            raise
        self.finished += 1
        answer = whole_answer(task, body, "".join(self.pieces), self.finish_reason)
        answer["usage"] = copy.deepcopy(self.usage)
        if self.reasoning:
            answer["choices"][0]["message"]["reasoning_content"] = self.reasoning
        return answer

    async def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        self._note(body, "")
        return {"count": 2, "max_model_len": 2048, "tokens": [1, 2]}

    async def ping(self) -> bool:
        return True

    def _note(self, body: dict[str, Any], request_id: str) -> None:
        self.bodies.append(body)
        self.request_ids.append(request_id)

    async def _trouble(self, position: int) -> None:
        if position == self.fails_at:
            raise self.error
        if position == self.hangs_at:
            self.hanging.set()
            await asyncio.Event().wait()

    def _chunks(self, task: Task, body: dict[str, Any]) -> Iterable[dict[str, Any]]:
        is_chat = task == "chat"
        head = {
            "id": "engine-id",
            "object": "chat.completion.chunk" if is_chat else "text_completion",
            "created": 1,
            "model": body["model"],
        }

        def chunk(text: str | None, finish: str | None = None, role: str | None = None) -> dict[str, Any]:
            delta = {name: value for name, value in (("role", role), ("content", text)) if value is not None}
            part = {"delta": delta} if is_chat else {"text": text or ""}
            return {**head, "choices": [{"index": 0, **part, "logprobs": None, "finish_reason": finish}]}

        yield chunk("", role="assistant")
        if self.reasoning:
            yield {**head, "choices": [{"index": 0, "delta": {"reasoning_content": self.reasoning}}]}
        yield from (chunk(piece) for piece in self.pieces)
        yield chunk(None, self.finish_reason)
        yield {**head, "choices": [], "usage": copy.deepcopy(self.usage)}


def whole_answer(task: Task, body: Mapping[str, Any], text: str, finish_reason: str = "stop") -> dict[str, Any]:
    """An engine's answer in one piece, with a choice for each one asked for."""
    prompts = body.get("prompt")
    count = (body.get("n") or 1) * (len(prompts) if isinstance(prompts, list) else 1)
    part = {"message": {"role": "assistant", "content": text}} if task == "chat" else {"text": text}
    return {
        "id": "engine-id",
        "object": "chat.completion" if task == "chat" else "text_completion",
        "created": 1,
        "model": body["model"],
        "choices": [
            {"index": index, **_copy(part), "logprobs": None, "finish_reason": finish_reason} for index in range(count)
        ],
        "usage": dict(USAGE),
    }


def _copy(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: dict(value) if isinstance(value, dict) else value for name, value in part.items()}
