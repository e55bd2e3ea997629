"""Who prepares and embeds in an ingest run: threads of the job, Ray actors, or a route.

Actors of Ray, not Ray Data: between the two parallel steps (parse and cut; embed) stands one that is not. Which of two
duplicates stays depends on the order of names alone, so one place must see all documents in that order, and decide
before anything is embedded. In Ray Data that is a third operator with one actor, and a dataset that keeps its order,
which holds each step back to its slowest task; and the job still has to be the only one that writes to the store.

On one small machine threads of the job do as well as actors and need no processes to start, no copies of the model and
no copies of texts and vectors: ONNX holds the interpreter's lock only between two texts.
"""

import asyncio
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray
from ray.actor import ActorHandle
from ray.exceptions import RayError, RayTaskError

from app.config import StackConfig
from app.config.ingest import IngestConfig
from app.errors import InternalError, SextantError, Unavailable
from app.ingest.discover import Skipped
from app.ingest.prepare import Order, Prepared, Recipe
from app.ingest.workers import LocalWorkers
from app.retrieval.embedder import Embedder

# Past so many one process's interpreter lock becomes the limit: a text takes about 10 ms, some 0.3 of them in Python.
MOST_THREADS = 8

# Below this a run is done in the job: it would be over before actors have started. About ten seconds of embedding.
SMALL_BYTES = 2_000_000


def embeds_in_actors(config: IngestConfig, size: int) -> bool:
    """Whether actors shall do it. Ray must be connected. `size`: bytes of all files that were found."""
    if config.embed_in != "auto":
        return config.embed_in == "actors"
    return size > SMALL_BYTES and (len(_nodes()) > 1 or (os.cpu_count() or 1) > 2 * MOST_THREADS)


def threads_here(config: IngestConfig) -> int:
    """Threads of one process."""
    return config.threads or min(os.cpu_count() or 1, MOST_THREADS)


def local_workers(stack: StackConfig) -> LocalWorkers:
    """Threads of this process. Raises FileNotFoundError without the model."""
    embedder = Embedder(stack.path(stack.embedder.directory), threads=1)
    return LocalWorkers(embedder, threads_here(stack.ingest), stack.ingest.batch)


class ActorWorkers:
    """Implements `app.ingest.workers.Workers` with actors on all nodes of the cluster.

    An actor prepares and embeds, so that none is idle. It has one model, and threads that share it. Ray starts an actor
    that died again, and repeats its calls.
    """

    def __init__(self, actors: Sequence[ActorHandle], slots: int, slice_chunks: int, max_tokens: int) -> None:
        self._actors = list(actors)
        self._busy = [0] * len(actors)
        self.slots = slots
        self.slice_chunks = slice_chunks
        self.max_tokens = max_tokens

    @classmethod
    async def start(cls, stack: StackConfig, wait_s: float, say: Callable[[str], None]) -> "ActorWorkers":
        """Start the actors. Raises Unavailable when the cluster has no room for them."""
        config = stack.ingest
        count = config.workers or sum(math.ceil(each / MOST_THREADS) for each in _nodes())
        options = {
            "num_cpus": config.threads or 1,
            "num_gpus": config.gpus,
            "scheduling_strategy": "SPREAD",
            "max_restarts": 3,
            "max_task_retries": 3,
        }
        directory = str(stack.path(stack.embedder.directory))
        made = [ray.remote(_Actor).options(**options).remote(directory, config) for _ in range(count)]
        say(f"starting {count} actors that embed")
        try:
            about = await asyncio.wait_for(asyncio.gather(*(actor.about.remote() for actor in made)), wait_s)
        except TimeoutError:
            raise Unavailable(
                f"The cluster has had no room for {count} actors with {options['num_cpus']} CPUs and {config.gpus:g} "
                f"GPUs each for {wait_s:g} s; set ingest.workers, ingest.threads or --embed-in job."
            ) from None
        except RayError as error:
            raise InternalError(f"An actor that embeds could not start: {_first_line(error)}") from error
        slots = sum(threads for threads, _, _ in about)
        return cls(made, slots, about[0][1], about[0][2])

    async def prepare(self, orders: Sequence[Order], recipe: Recipe) -> list[Prepared | Skipped]:
        """See `Workers.prepare`."""
        prepared: list[Prepared | Skipped] = await self._call("prepare", list(orders), recipe)
        return prepared

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Workers.embed`."""
        vectors: NDArray[np.float32] = await self._call("embed", list(texts))
        return vectors

    def close(self) -> None:
        """End the actors."""
        for actor in self._actors:
            ray.kill(actor)

    async def _call(self, method: str, *arguments: Any) -> Any:
        at = min(range(len(self._actors)), key=self._busy.__getitem__)
        self._busy[at] += 1
        try:
            return await getattr(self._actors[at], method).remote(*arguments)
        except RayTaskError as error:
            if isinstance(error.cause, SextantError):
                raise error.cause from None
            raise InternalError(f"An actor that embeds failed: {_first_line(error)}") from error
        except RayError as error:
            raise Unavailable("The actors that embed have died; is there memory enough?") from error
        finally:
            self._busy[at] -= 1


class _Actor:
    """One process with the model."""

    def __init__(self, directory: str, config: IngestConfig) -> None:
        self._workers = LocalWorkers(Embedder(Path(directory), threads=1), threads_here(config), config.batch)

    async def about(self) -> tuple[int, int, int]:
        """Slots, texts in one call, longest text."""
        return self._workers.slots, self._workers.slice_chunks, self._workers.max_tokens

    async def prepare(self, orders: list[Order], recipe: Recipe) -> list[Prepared | Skipped]:
        return await self._workers.prepare(orders, recipe)

    async def embed(self, texts: list[str]) -> NDArray[np.float32]:
        return await self._workers.embed(texts)


def _nodes() -> list[float]:
    """The CPUs of each node that lives."""
    return [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]


def _first_line(error: Exception) -> str:
    return str(error).strip().rpartition("\n")[2][:200]
