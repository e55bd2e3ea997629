"""The solver that asks a running stack as its clients do: the OpenAI client, streaming."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError, AsyncOpenAI, OpenAIError
from openai.types.chat import ChatCompletionChunk

from app.evals.answer import Answer, Citation
from app.evals.dataset import Sample

CACHE_HEADER = "x-sextant-cache"


@dataclass(frozen=True)
class ChatSolver:
    """Asks each question as a chat of one message.

    `top_k` asks for that many passages; None turns retrieval off, also where the model's alias
    turns it on. Without `use_cache` each request says `no-store`, so that latencies are those of
    real generations. Temperature is 0, to make two runs comparable.
    """

    client: AsyncOpenAI
    model: str
    top_k: int | None = 5
    max_tokens: int = 256
    timeout_s: float = 300.0
    use_cache: bool = False

    async def solve(self, sample: Sample) -> Answer:
        """One request, once. Whatever goes wrong with it is the answer's `error`."""
        stream = _Stream(sample.id, retrieving=self.top_k is not None)
        error: str | None = None
        try:
            async with asyncio.timeout(self.timeout_s):
                await self._ask(sample.question, stream)
            if stream.finish_reason is None:
                error = "the stream ended before the answer did"
        except TimeoutError:
            error = f"no complete answer within {self.timeout_s:g} s"
        except OpenAIError as raised:
            error = _sentence(raised)
        except ValueError as raised:
            # The client hands on JSON errors of an event as they are.
            error = f"the stream is malformed: {raised}"
        return stream.finish(error)

    async def _ask(self, question: str, stream: "_Stream") -> None:
        raw = await self.client.chat.completions.with_raw_response.create(
            model=self.model,
            messages=[{"role": "user", "content": question}],
            stream=True,
            stream_options={"include_usage": True},
            temperature=0,
            max_tokens=self.max_tokens,
            timeout=self.timeout_s,
            extra_headers={} if self.use_cache else {"cache-control": "no-store"},
            extra_body={"sextant": {"retrieval": self._retrieval()}},
        )
        stream.cache = raw.headers.get(CACHE_HEADER)
        stream.request_id = raw.request_id
        async with raw.parse() as chunks:
            async for chunk in chunks:
                stream.take(chunk)

    def _retrieval(self) -> dict[str, Any]:
        return {"enabled": False} if self.top_k is None else {"top_k": self.top_k}


@dataclass
class _Stream:
    """What has arrived so far."""

    sample_id: str
    retrieving: bool
    started: float = field(default_factory=time.perf_counter)
    text: list[str] = field(default_factory=list)
    citations: tuple[Citation, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    ttft_s: float | None = None
    cache: str | None = None
    finish_reason: str | None = None
    request_id: str | None = None

    def take(self, chunk: ChatCompletionChunk) -> None:
        """Add a chunk. Raises ValueError when its citations are not what they should be."""
        extension = (chunk.model_extra or {}).get("sextant")
        if isinstance(extension, dict) and "citations" in extension:
            self.citations = _citations(extension["citations"])
        if chunk.usage is not None:
            self.prompt_tokens = chunk.usage.prompt_tokens
            self.completion_tokens = chunk.usage.completion_tokens
        for choice in chunk.choices or ():
            if choice.delta is not None and choice.delta.content:
                if self.ttft_s is None:
                    self.ttft_s = time.perf_counter() - self.started
                self.text.append(choice.delta.content)
            self.finish_reason = choice.finish_reason or self.finish_reason

    def finish(self, error: str | None) -> Answer:
        """The answer, with the clock stopped now."""
        return Answer(
            sample_id=self.sample_id,
            text="".join(self.text),
            citations=self.citations if self.retrieving else None,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            ttft_s=self.ttft_s,
            latency_s=time.perf_counter() - self.started,
            cache=self.cache,
            finish_reason=self.finish_reason,
            request_id=self.request_id,
            error=error,
        )


def _citations(value: Any) -> tuple[Citation, ...]:
    try:
        return tuple(Citation(int(item["index"]), str(item["document"]), float(item["score"])) for item in value)
    except (KeyError, TypeError, ValueError):
        raise ValueError("sextant.citations needs index, document and score in each entry") from None


def _sentence(error: OpenAIError) -> str:
    """What a reader of the results needs: status and code when there are any, and the message."""
    if isinstance(error, APITimeoutError):
        return "the server did not answer in time"
    if isinstance(error, APIConnectionError):
        return f"the connection failed ({error.__cause__ or error})"
    if not isinstance(error, APIError):
        return str(error)
    body = error.body if isinstance(error.body, dict) else {}
    message = body.get("message") or error.message
    status = str(error.status_code) if isinstance(error, APIStatusError) else "mid-stream"
    return f"{status} {error.code}: {message}" if error.code else f"{status}: {message}"
