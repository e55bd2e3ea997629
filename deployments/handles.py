"""Serve handles as the pipeline's ports, and the one place where Ray's errors become ours."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import orjson
from ray.exceptions import RayActorError, RayError, RayTaskError, TaskCancelledError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RequestCancelledError
from ray.serve.handle import DeploymentHandle, DeploymentResponse
from starlette.exceptions import HTTPException

from app.attentive import attentive
from app.cache.desk import Place
from app.cache.semantic.types import Proposal
from app.direct_calls import DirectClient, NotReached
from app.errors import (
    ClientClosedRequest,
    ContextTooLong,
    InternalError,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    SextantError,
    Unavailable,
    UpstreamFailed,
)
from app.guard.engine import Job
from app.guard.types import Examined
from app.pipeline.ports import Task
from app.retrieval.search.types import Found, SearchRequest
from app.retrieval.types import KnowledgeBase, StoredDocument, Vector

logger = logging.getLogger(__name__)

# What a call through a handle can raise. Not all of Serve's are RayErrors.
SERVE_ERRORS = (RayError, RequestCancelledError, BackPressureError, DeploymentUnavailableError)

AWAY = (RayActorError, DeploymentUnavailableError)

KNOWLEDGE = "knowledge base"
PATIENCE_S = 60.0  # for work in the background
PING_S = 1.5  # less than the readiness check's own patience, past which nothing can be told any more
LATELY_S = 30.0

# Fields that vLLM adds to OpenAI's, nearly always null: not worth their bytes in each chunk.
VLLM_FIELDS = (
    "prompt_logprobs",
    "prompt_token_ids",
    "prompt_text",
    "kv_transfer_params",
    "ec_transfer_params",
    "metrics",
    "token_ids",
    "routed_experts",
    "stop_reason",
)
# The same of what a choice says. A client sends a message back as it got it, null or not.
VLLM_MESSAGE_FIELDS = ("annotations", "audio", "function_call", "reasoning")

# How Ray's LLMServer begins when an adapter is not in its storage, or is none.
ADAPTER_FAILURES = ("Failed to load lora model", "Unable to find LoRA adapter")


class Pulse:
    """When a deployment last answered a request of this process. Pings do not count: they find one that hangs."""

    def __init__(self) -> None:
        self._at = -math.inf

    def beat(self) -> None:
        self._at = time.monotonic()

    def stop(self) -> None:
        """A request has found it away."""
        self._at = -math.inf

    @property
    def is_there(self) -> bool:
        return time.monotonic() - self._at < LATELY_S


class GuardHandle:
    """The text rails in the Guard deployment."""

    def __init__(self, handle: DeploymentHandle, timeout_ms: float) -> None:
        self._handle = handle
        self._timeout_s = timeout_ms / 1000
        self._pulse = Pulse()

    async def examine(self, policy: str, jobs: Sequence[Job]) -> list[list[Examined]]:
        call = self._handle.examine.remote(policy, list(jobs))
        examined: list[list[Examined]] = await called(call, "guard", self._timeout_s)
        self._pulse.beat()
        return examined

    async def ping(self) -> bool:
        return await is_up(self._handle, "guard", self._pulse)


class CacheHandle:
    def __init__(self, handle: DeploymentHandle, direct: DirectClient) -> None:
        self._handle = handle
        self._direct = direct

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        vectors: list[Vector] = await directly(self._direct, self._handle, "embed", list(texts), name="embedder")
        return vectors

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        counts: list[int] = await directly(self._direct, self._handle, "count_tokens", list(texts), name="embedder")
        return counts

    async def ping(self) -> bool:
        return bool(await called(self._handle.ping.remote(), "embedder"))


class SemanticHandle:
    """The semantic tier, in the Cache deployment. A look-up has a deadline; what nobody waits for has a long one."""

    def __init__(self, handle: DeploymentHandle, timeout_ms: float, direct: DirectClient) -> None:
        self._handle = handle
        self._timeout_s = timeout_ms / 1000
        self._direct = direct

    async def find(self, place: Place, vector: Vector | None) -> tuple[Vector, Proposal | None]:
        found: tuple[Vector, Proposal | None] = await directly(
            self._direct, self._handle, "find", place, vector, name="semantic cache", timeout_s=self._timeout_s
        )
        return found

    async def remember(self, place: Place, vector: Vector | None, ttl_s: float) -> None:
        await directly(
            self._direct,
            self._handle,
            "remember",
            place,
            vector,
            ttl_s,
            name="semantic cache",
            timeout_s=PATIENCE_S,
        )

    async def compare(self, place: Place, proposal: Proposal, old: str, new: str) -> bool | None:
        call = self._handle.compare.remote(place, proposal, old, new)
        same: bool | None = await called(call, "semantic cache", PATIENCE_S)
        return same

    async def forget(self, entry_id: str) -> None:
        await called(self._handle.forget.remote(entry_id), "semantic cache", PATIENCE_S)

    async def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = await called(self._handle.semantic_stats.remote(), "semantic cache", PATIENCE_S)
        return stats

    async def purge(self, tenant: str | None) -> int:
        return int(await called(self._handle.purge.remote(tenant), "semantic cache", PATIENCE_S))


class RetrieverHandle:
    """The knowledge base, in the Retriever deployment. A search has a deadline; what an administrator asks has a long
    one."""

    def __init__(self, handle: DeploymentHandle, timeout_ms: float, direct: DirectClient) -> None:
        self._handle = handle
        self._timeout_s = timeout_ms / 1000
        self._direct = direct

    async def find(self, request: SearchRequest) -> Found:
        found: Found = await self._directly("find", request)
        return found

    async def rerank(self, query: str, texts: Sequence[str], vectors: Sequence[Vector]) -> list[float]:
        scores: list[float] = await self._directly("rerank", query, texts, vectors)
        return scores

    async def documents(self, tenant: str) -> list[StoredDocument]:
        stored: list[StoredDocument] = await called(self._handle.documents.remote(tenant), KNOWLEDGE, PATIENCE_S)
        return stored

    async def describe(self, tenant: str) -> KnowledgeBase:
        described: KnowledgeBase = await called(self._handle.describe.remote(tenant), KNOWLEDGE, PATIENCE_S)
        return described

    async def delete(self, tenant: str, documents: list[str]) -> None:
        await called(self._handle.delete.remote(tenant, documents), KNOWLEDGE, PATIENCE_S)

    async def ping(self) -> bool:
        return bool(await called(self._handle.ping.remote(), KNOWLEDGE))

    async def _directly(self, method: str, *arguments: Any) -> Any:
        return await directly(self._direct, self._handle, method, *arguments, name=KNOWLEDGE, timeout_s=self._timeout_s)


class ModelHandle:
    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle
        self._pulse = Pulse()

    async def stream(self, task: Task, body: dict[str, Any], request_id: str) -> AsyncIterator[dict[str, Any]]:
        answers = self._for(body).options(stream=True).generate.remote(task, body, request_id)
        finished = False
        try:
            async for payload in answers:
                self._pulse.beat()
                yield parse_payload(payload)
            finished = True
        except SERVE_ERRORS as error:
            if isinstance(error, AWAY):
                self._pulse.stop()
            raise translated(error, "model") from error
        finally:
            if not finished:
                answers.cancel()

    async def complete(self, task: Task, body: dict[str, Any], request_id: str) -> dict[str, Any]:
        answers = self.stream(task, body, request_id)
        try:
            async for answer in answers:
                return answer
        finally:
            await answers.aclose()  # type: ignore[attr-defined]
        raise UpstreamFailed("The model gave no answer.")

    async def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        return parse_payload(await called(self._for(body).tokenize_text.remote(body), "model"))

    async def ping(self) -> bool:
        return await is_up(self._handle, "model", self._pulse)

    def _for(self, body: dict[str, Any]) -> DeploymentHandle:
        _, _, adapter = body["model"].partition(":")
        return self._handle.options(multiplexed_model_id=body["model"]) if adapter else self._handle


async def directly(
    direct: DirectClient,
    handle: DeploymentHandle,
    method: str,
    *arguments: Any,
    name: str,
    timeout_s: float | None = None,
) -> Any:
    """Call past Serve where the deployment is on this machine, else through its handle. For what may be done twice."""
    try:
        async with attentive(timeout_s):
            return await direct.call(method, *arguments)
    except NotReached:
        return await called(getattr(handle, method).remote(*arguments), name, timeout_s)
    except TimeoutError:
        raise Unavailable(f"The {name} did not answer in time; try again.", retry_after_s=1) from None


async def called(response: DeploymentResponse, name: str, timeout_s: float | None = None) -> Any:
    """Await a call. Cancelling it, or its deadline, cancels it where it runs."""
    try:
        async with attentive(timeout_s):
            return await response
    except TimeoutError:
        response.cancel()
        raise Unavailable(f"The {name} did not answer in time; try again.", retry_after_s=1) from None
    except asyncio.CancelledError:
        response.cancel()
        raise
    except SERVE_ERRORS as error:
        raise translated(error, name) from error


async def is_up(handle: DeploymentHandle, name: str, pulse: Pulse) -> bool:
    """Whether a deployment answers pings, or is only too busy for them: they queue behind requests. Then its queue is
    full, or it has answered one lately. Raises SextantError when it cannot be reached."""
    try:
        async with asyncio.timeout(PING_S):
            return bool(await called(handle.ping.remote(), name))
    except Overloaded:
        return True
    except TimeoutError:
        return pulse.is_there
    except SextantError:
        pulse.stop()
        raise


def translated(error: Exception, name: str) -> SextantError:
    """Our error for Ray's."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, SextantError):
        return cause
    if isinstance(cause, BackPressureError):
        return Overloaded(f"The {name} has more requests than it can queue; try again later.", retry_after_s=5)
    if isinstance(cause, AWAY):
        return Unavailable(f"The {name} is starting or restarting; try again.", retry_after_s=5)
    if isinstance(cause, TaskCancelledError | RequestCancelledError):
        return ClientClosedRequest("The request was cancelled.")
    if isinstance(cause, ValueError | HTTPException) and any(told in str(cause) for told in ADAPTER_FAILURES):
        logger.warning("%s: an adapter could not be loaded (%s)", name, type(cause).__name__)
        return ModelNotFound("The model has no such adapter, or it cannot be loaded.", param="model")
    logger.error("%s: unexpected %s", name, type(cause).__name__)
    return InternalError("Something went wrong on our side; the request id finds it in the log.")


def parse_payload(payload: bytes) -> dict[str, Any]:
    """A chunk or answer. Raises what an `{"error": ...}` in its place stands for."""
    content: dict[str, Any] = orjson.loads(payload)
    if error := content.get("error"):
        raise _engine_error(error)
    _drop_nulls(content, VLLM_FIELDS)
    for choice in content.get("choices", ()):
        _drop_nulls(choice, VLLM_FIELDS)
        _drop_nulls(choice.get("delta") or choice.get("message") or {}, VLLM_MESSAGE_FIELDS)
    return content


def _drop_nulls(part: dict[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if name in part and part[name] is None:
            del part[name]


def _engine_error(error: Mapping[str, Any]) -> SextantError:
    status, message = int(error.get("code") or 500), str(error.get("message") or "")[:500]
    if 400 <= status < 500:
        kind = ContextTooLong if "context length" in message else InvalidRequest
        return kind(message, param=error.get("param"))
    logger.error("the engine answered with a %d %s", status, error.get("type"))
    return UpstreamFailed("The model failed to answer.")
