"""The running stack's knowledge base, as a job reaches it: through the Retriever's handle.

The embedded store lies open in that one process, so nothing else may open its files.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from app.errors import InternalError, SextantError, Unavailable
from app.retrieval.types import Chunk, KnowledgeBase, Vector

DEPLOYMENT = "Retriever"

# A replica that crashed is back within seconds. All calls can be repeated: they say what shall be, not
# what to add.
RETRY_AFTER_S = (1.0, 4.0, 15.0)

CALL_TIMEOUT_S = 300.0  # the largest document, 20,000 passages, on a busy laptop
_ASK_EVERY_S = 2.0
_ASK_TIMEOUT_S = 15.0


class RemoteKnowledgeBase:
    """Implements `app.ingest.ingest.Target`. Raises SextantError, after repeating what can pass."""

    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle

    async def replace(self, tenant: str, document: str, chunks: list[Chunk], vectors: list[Vector]) -> None:
        """See `VectorStore.replace`."""
        await self._call("replace", tenant, document, chunks, vectors)

    async def delete(self, tenant: str, documents: list[str]) -> None:
        """See `VectorStore.delete`."""
        await self._call("delete", tenant, documents)

    async def describe(self, tenant: str) -> KnowledgeBase:
        """See `VectorStore.describe`."""
        described: KnowledgeBase = await self._call("describe", tenant)
        return described

    async def _call(self, method: str, *arguments: Any) -> Any:
        for delay in RETRY_AFTER_S:
            try:
                return await _ask(self._handle, method, *arguments, timeout_s=CALL_TIMEOUT_S)
            except Unavailable:
                await asyncio.sleep(delay)
        return await _ask(self._handle, method, *arguments, timeout_s=CALL_TIMEOUT_S)


async def connect(application: str, tenant: str, wait_s: float, say: Callable[[str], None]) -> RemoteKnowledgeBase:
    """Wait until the application's Retriever answers, at most `wait_s`. Ray must be connected.

    `say` gets one line when there is something to wait for, and one for each new state. Raises
    Unavailable when it never answers.
    """
    deadline = time.monotonic() + wait_s
    said = ""
    while True:
        try:
            handle = serve.get_deployment_handle(DEPLOYMENT, app_name=application)
            left = deadline - time.monotonic()
            await _ask(handle, "describe", tenant, timeout_s=max(1.0, min(_ASK_TIMEOUT_S, left)))
            return RemoteKnowledgeBase(handle)
        except (Unavailable, RayServeException, RayError, KeyError):  # KeyError: no such deployment yet
            state = await asyncio.to_thread(_state, application)
        if time.monotonic() + _ASK_EVERY_S > deadline:
            raise Unavailable(
                f"The knowledge base of {application!r} did not answer within {wait_s:g} s ({state}); "
                "`serve status` says more."
            )
        if state != said:
            say(f"waiting for the knowledge base, up to {wait_s:g} s: {state}")
            said = state
        await asyncio.sleep(_ASK_EVERY_S)


async def _ask(handle: DeploymentHandle, method: str, *arguments: Any, timeout_s: float) -> Any:
    """One call. Raises SextantError."""
    response = getattr(handle, method).remote(*arguments)
    try:
        async with asyncio.timeout(timeout_s):
            return await response
    except TimeoutError:
        response.cancel()
        raise Unavailable(f"The knowledge base did not answer within {timeout_s:g} s.") from None
    except RayTaskError as error:  # raised by the Retriever's own code
        if isinstance(error.cause, SextantError):
            raise error.cause from None
        raise InternalError(
            f"The knowledge base failed with {type(error.cause).__name__}; the Retriever's log says more."
        ) from error
    except (RayError, RayServeException) as error:  # the replica died, is starting, or is overloaded
        raise Unavailable("The knowledge base is not available; is the stack running?") from error


def _state(application: str) -> str:
    """What Serve says about the application, for people to read."""
    try:
        applications = serve.status().applications
    except (RayServeException, RayError):
        return "Ray Serve is not running"
    if application not in applications:
        running = ", ".join(sorted(applications)) or "none"
        return f"no application {application!r}; running: {running}"
    if DEPLOYMENT not in applications[application].deployments:
        return f"application {application!r} has no deployment {DEPLOYMENT}"
    return f"application {application!r} is {applications[application].status.value}"
