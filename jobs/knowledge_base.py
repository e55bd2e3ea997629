"""The running stack's knowledge base, as a job reaches it: through the Retriever's handle.

The embedded store lies open in that one process, so nothing else may open its files.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from app.errors import Conflict, InternalError, SextantError, Unavailable
from app.retrieval.knowledge import LEASE_S
from app.retrieval.types import Chunk, KnowledgeBase, StoredDocument, Vector

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
        self._run = uuid.uuid4().hex

    @contextlib.asynccontextmanager
    async def held(self, tenant: str, say: Callable[[str], None]) -> AsyncIterator[None]:
        """Keep other runs from changing the tenant's documents meanwhile. Waits for a run that was killed to be taken
        for dead; raises Conflict when it, or another, is alive."""
        deadline = time.monotonic() + LEASE_S + 2 * _ASK_EVERY_S
        said = False
        while True:
            try:
                await self._call("hold", tenant, self._run)
                break
            except Conflict:
                if time.monotonic() > deadline:
                    raise
            if not said:
                say(f"another run changes these documents, or was killed: waiting up to {LEASE_S:g} s for it")
                said = True
            await asyncio.sleep(_ASK_EVERY_S)
        alive = asyncio.create_task(self._stay_alive(tenant))
        try:
            yield
        finally:
            alive.cancel()

    async def stage(self, tenant: str, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None:
        """See `VectorStore.stage`."""
        await self._call("stage", tenant, chunks, vectors, self._run)

    async def stage_removal(self, tenant: str, documents: Sequence[str]) -> None:
        """See `VectorStore.stage_removal`."""
        await self._call("stage_removal", tenant, documents, self._run)

    async def staged(self, tenant: str) -> dict[str, str | None]:
        """See `VectorStore.staged`."""
        staged: dict[str, str | None] = await self._call("staged", tenant)
        return staged

    async def commit(self, tenant: str) -> None:
        """See `VectorStore.commit`. Other runs may change the tenant's documents from now on."""
        await self._call("commit", tenant, self._run)

    async def discard(self, tenant: str) -> None:
        """See `VectorStore.discard`. Other runs may change the tenant's documents from now on."""
        await self._call("discard", tenant, self._run)

    async def documents(self, tenant: str) -> list[StoredDocument]:
        """See `VectorStore.documents`."""
        documents: list[StoredDocument] = await self._call("documents", tenant)
        return documents

    async def export(self, tenant: str | None) -> AsyncIterator[tuple[Chunk, Vector]]:
        """See `VectorStore.export`. Not repeated: what went before has left already."""
        try:
            async for page in self._handle.options(stream=True).export.remote(tenant):
                for pair in page:
                    yield pair
        except (RayError, RayServeException) as error:
            raise _translated(error) from error

    async def describe(self, tenant: str) -> KnowledgeBase:
        """See `VectorStore.describe`."""
        described: KnowledgeBase = await self._call("describe", tenant)
        return described

    async def _stay_alive(self, tenant: str) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 4)
            with contextlib.suppress(SextantError):  # the next call that changes something says it
                await _ask(self._handle, "hold", tenant, self._run, timeout_s=_ASK_TIMEOUT_S)

    async def _call(self, method: str, *arguments: Any) -> Any:
        for delay in RETRY_AFTER_S:
            try:
                return await _ask(self._handle, method, *arguments, timeout_s=CALL_TIMEOUT_S)
            except Unavailable:
                await asyncio.sleep(delay)
        return await _ask(self._handle, method, *arguments, timeout_s=CALL_TIMEOUT_S)


def connect_ray() -> None:
    """Join the cluster that this process runs on. Raises Unavailable, with what to do, where there is none."""
    try:
        ray.init(address="auto", logging_level="ERROR", log_to_driver=False)
    except (ConnectionError, RuntimeError) as error:
        first_line = str(error).partition("\n")[0]
        raise Unavailable(
            "no Ray cluster can be reached from here; start the stack with `make serve`, or send the job to "
            f"one with `ray job submit --address http://HOST:8265 -- python -m jobs....` ({first_line})"
        ) from None


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
    except (RayError, RayServeException) as error:
        raise _translated(error) from error


def _translated(error: Exception) -> SextantError:
    if not isinstance(error, RayTaskError):  # the replica died, is starting, or is overloaded
        return Unavailable("The knowledge base is not available; is the stack running?")
    if isinstance(error.cause, SextantError):  # raised by the Retriever's own code
        return error.cause
    kind = type(error.cause).__name__
    return InternalError(f"The knowledge base failed with {kind}; the Retriever's log says more.")


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
