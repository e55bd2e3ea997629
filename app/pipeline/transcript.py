"""What a stream said, kept while it passes: for the cache, the trace and the ledger."""

import time
from typing import Any

from app.cache.exact import Entry
from app.pipeline.output import content_of
from app.telemetry.events import Usage


class Transcript:
    """Follows the chunks (or the whole answer) of one request."""

    def __init__(self) -> None:
        self.deltas: list[str] = []
        self.usage = Usage()
        self.is_counted = False  # the model has told its usage
        self.replica_seconds = 0.0  # of a replica's time, as the model deployment splits it
        self.finish_reasons: list[str] = []
        self.first_token_ns: int | None = None
        self._special = False  # tool calls or refusals passed by
        self._head: dict[str, Any] = {}
        self._usage: dict[str, Any] | None = None

    def chunk(self, chunk: dict[str, Any]) -> None:
        """Note a chunk of a stream."""
        self._head = self._head or chunk
        for choice in chunk.get("choices") or ():
            text = content_of(choice)
            delta = choice.get("delta") or {}
            if text:
                self.deltas.append(text)
            if delta.get("tool_calls") or delta.get("refusal"):
                self._special = True
            if (text or delta.get("tool_calls")) and self.first_token_ns is None:
                self.first_token_ns = time.time_ns()
            if choice.get("finish_reason"):
                self.finish_reasons.append(choice["finish_reason"])
        self._count(chunk)

    def answer(self, answer: dict[str, Any]) -> None:
        """Note a whole answer."""
        self.finish_reasons = [c["finish_reason"] for c in answer["choices"] if c.get("finish_reason")]
        self.deltas = [text for choice in answer["choices"] if (text := content_of(choice))]
        self._count(answer)

    @property
    def text(self) -> str:
        return "".join(self.deltas)

    def entry(self, extension: dict[str, Any]) -> Entry | None:
        """The streamed answer as a cache entry; None for what an entry cannot hold."""
        if self._special or len(self.finish_reasons) != 1 or not self._head:
            return None
        streamed = self._head.get("object", "")
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": self.finish_reasons[0]}
        if streamed == "text_completion":
            choice["text"] = self.text
        else:
            choice["message"] = {"role": "assistant", "content": self.text}
        answer = {
            "id": self._head.get("id"),
            "object": streamed.removesuffix(".chunk"),
            "created": self._head.get("created"),
            "model": self._head.get("model"),
            "choices": [choice],
            "usage": self._usage,
            "sextant": extension,
        }
        return Entry(answer, tuple(self.deltas))

    def _count(self, body: dict[str, Any]) -> None:
        self.replica_seconds = body.pop("replica_seconds", self.replica_seconds)
        usage = body.get("usage")
        if usage:
            self.is_counted = True
            self._usage = usage
            details = usage.get("prompt_tokens_details") or {}
            self.usage = Usage(
                prompt_tokens=usage.get("prompt_tokens") or 0,
                completion_tokens=usage.get("completion_tokens") or 0,
                cached_tokens=details.get("cached_tokens") or 0,
            )
