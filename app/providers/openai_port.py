"""A hosted model behind OpenAI's wire: OpenAI itself, Azure, and everybody who speaks as they do."""

import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from typing import Any

from app.errors import UpstreamFailed
from app.pipeline.ports import Task
from app.providers.body import body_for
from app.providers.call_numbers import CallNumbers
from app.providers.hosted import HostedModel
from app.providers.openai_answer import normalise
from app.providers.presets import Facts
from app.providers.sse import SseReader
from app.providers.upstream import Upstream, drain

UrlFor = Callable[[Task, str], str]
"""The address of a task, given the model's name."""

DONE = b"[DONE]"


class OpenAIPort(HostedModel):
    """A ModelPort. Chunks and answers pass as they come, but for what `openai_answer` puts right."""

    def __init__(
        self, upstream: Upstream, facts: Facts, url_for: UrlFor, max_output_tokens: int, *, sampling: bool = True
    ) -> None:
        super().__init__(upstream.health, max_output_tokens, sampling=sampling)
        self._upstream = upstream
        self._facts = facts
        self._url_for = url_for

    async def stream(self, task: Task, body: dict[str, Any], request_id: str) -> AsyncGenerator[dict[str, Any], None]:
        """Chunks. Raises UpstreamFailed when the stream ends before the answer does."""
        payload = self._body(task, body, stream=True)
        reader, begun, finished = SseReader(), set[int](), set[int]()
        numbers, created = defaultdict[int, CallNumbers](CallNumbers), int(time.time())
        async with self._upstream.post(self._url_for(task, body["model"]), payload, request_id) as reply:
            while piece := await reply.read():
                for event in reader.feed(piece):
                    if event.data == DONE:
                        await drain(reply)
                        return
                    chunk = self._upstream.parse(event.data)
                    for choice in normalise(chunk, created):
                        (finished if choice.get("finish_reason") else begun).add(choice["index"])
                        if calls := (choice.get("delta") or {}).get("tool_calls"):
                            numbers[choice["index"]].set(calls)
                    yield chunk
        if not finished or begun - finished:  # some end without [DONE]
            raise UpstreamFailed("The provider broke the answer off.")

    async def complete(self, task: Task, body: dict[str, Any], request_id: str) -> dict[str, Any]:
        """A whole answer."""
        payload = self._body(task, body, stream=False)
        answer = await self._upstream.whole(self._url_for(task, body["model"]), payload, request_id)
        if not normalise(answer, int(time.time())):
            raise UpstreamFailed("The provider sent an answer without choices.")
        return answer

    def _body(self, task: Task, body: dict[str, Any], *, stream: bool) -> dict[str, Any]:
        accepted = self._accepted(body)
        return body_for(self._facts, task, accepted, stream=stream, max_output_tokens=self._max_output_tokens)
