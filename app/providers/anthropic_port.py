"""A hosted model behind Anthropic's Messages API."""

from collections.abc import AsyncGenerator
from typing import Any

from app.errors import NotForThisTarget, UpstreamFailed
from app.pipeline.ports import Task
from app.providers.anthropic_answer import ChunkMaker, openai_answer
from app.providers.anthropic_request import anthropic_request
from app.providers.hosted import HostedModel
from app.providers.sse import SseReader
from app.providers.upstream import Upstream, drain

# What the translation of something else than an answer raises.
_NONSENSE = (KeyError, TypeError, AttributeError, ValueError)


class AnthropicPort(HostedModel):
    """A ModelPort. Chat alone: there is no text completion in this API."""

    def __init__(
        self,
        upstream: Upstream,
        url: str,
        max_output_tokens: int,
        *,
        sampling: bool = True,
        caches_unasked: bool = False,
    ) -> None:
        super().__init__(upstream.health, max_output_tokens, sampling=sampling)
        self._upstream = upstream
        self._url = url
        self._caches_unasked = caches_unasked

    async def stream(self, task: Task, body: dict[str, Any], request_id: str) -> AsyncGenerator[dict[str, Any], None]:
        """Chunks. Raises UpstreamFailed when the stream ends before the answer does."""
        payload = self._payload(task, body, stream=True)
        reader, maker = SseReader(), ChunkMaker()
        async with self._upstream.post(self._url, payload, request_id) as reply:
            while piece := await reply.read():
                for event in reader.feed(piece):
                    told = self._upstream.parse(event.data)
                    if told.get("type") == "message_stop":
                        await drain(reply)
                        return
                    for chunk in _translated(maker, told):
                        yield chunk
        if not maker.is_finished:
            raise UpstreamFailed("The provider broke the answer off.")

    async def complete(self, task: Task, body: dict[str, Any], request_id: str) -> dict[str, Any]:
        """A whole answer."""
        payload = self._payload(task, body, stream=False)
        message = await self._upstream.whole(self._url, payload, request_id)
        try:
            return openai_answer(message)
        except _NONSENSE:
            raise _unreadable() from None

    def _payload(self, task: Task, body: dict[str, Any], *, stream: bool) -> dict[str, Any]:
        if task != "chat":
            raise NotForThisTarget("this model answers chat requests only", param="model")
        return anthropic_request(
            self._accepted(body),
            stream=stream,
            max_output_tokens=self._max_output_tokens,
            caches_unasked=self._caches_unasked,
        )


def _translated(maker: ChunkMaker, event: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        return maker.chunks(event)
    except _NONSENSE:
        raise _unreadable() from None


def _unreadable() -> UpstreamFailed:
    return UpstreamFailed("The provider's answer is not in the form that its API promises.")
