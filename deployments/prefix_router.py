"""Prefix routing: a conversation goes to the replica that has its beginning in its KV cache already.

The policy is nearly that of Ray's PrefixCacheAffinityRouter, and the tree that remembers who has seen what is Ray's:

    load too uneven            ──> the less busy of two replicas (Serve's default)
    enough of the prompt known ──> of the replicas that know most of it the least busy
    too little known           ──> of all replicas the least busy; of equals, the one that holds least

What is different, and why Ray's class is not used as it is: it waits for the tree's actor by `ray.get`, twice a
request, which stops the event loop of the ingress; it keeps whole prompts; it sends all conversations that begin at
the same moment to the same replica; a call without a prompt, an empty one, or a replica that has just gone raises in
it, and Serve then never routes that request; and `ray.serve.llm`, from where it is imported, brings vLLM into the
ingress (9 s and 500 MiB). Here one answer of the tree is waited for, with a deadline, and without it a request is
routed by load.
"""

import asyncio
import time
from collections.abc import Sequence

import ray
from ray.exceptions import RayError
from ray.llm._internal.serve.routing_policies.prefix_aware.prefix_tree import PrefixTree
from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE
from ray.serve._private.request_router import PowerOfTwoChoicesRequestRouter
from ray.serve.request_router import (
    LocalityMixin,
    MultiplexMixin,
    PendingRequest,
    ReplicaID,
    ReplicaResult,
    RequestRouter,
    RunningReplica,
)

from app.routing.prefix import prefix_marks

TREE_DEADLINE_S = 0.05
# Of each replica, in blocks (64 bytes): past the first, what was used longest ago goes until the second is left.
# A replica holds less than that: 64 MiB of text are 16 million tokens.
MAX_MARKS, KEPT_MARKS = 1_000_000, 900_000
EVICTION_PERIOD_S = 10


class RoutingTree(PrefixTree):  # type: ignore[misc]
    """Which replica has seen which beginnings. One for a model, shared by all ingress processes, an actor.

    It may begin anew at any time: replicas are made known by being asked about.
    """

    def __init__(self) -> None:
        super().__init__()
        self.start_eviction_loop(MAX_MARKS, KEPT_MARKS, EVICTION_PERIOD_S)

    def best(self, marks: str, replicas: Sequence[str], match_rate_threshold: float) -> list[str]:
        """The replicas that should have a prompt; Serve takes the least busy, and of equals the first."""
        self.add_tenants(replicas, time.time())
        matched, holders = self.prefix_match(marks, replicas)
        is_known = holders and len(matched) >= match_rate_threshold * len(marks)
        return sorted(holders if is_known else replicas, key=self.tenant_to_char_count.__getitem__)

    def note(self, marks: str, replica: str) -> None:
        """A replica has been given a prompt."""
        self.insert(marks, replica, time.time())


class PrefixRouter(LocalityMixin, MultiplexMixin, RequestRouter):  # type: ignore[misc]
    """Lives in every process that calls the model, in its event loop."""

    def initialize_state(self, imbalanced_threshold: int, match_rate_threshold: float) -> None:
        """Called by Serve with `request_router_kwargs`."""
        self._imbalanced_threshold = imbalanced_threshold
        self._match_rate_threshold = match_rate_threshold
        actor = ray.remote(RoutingTree).options(
            name=f"PrefixTree:{self._deployment_id.app_name}:{self._deployment_id.name}",
            namespace=SERVE_NAMESPACE,
            get_if_exists=True,
            lifetime="detached",  # it outlives the ingress that happened to make it
            max_restarts=-1,
            num_cpus=0,
        )
        self._tree = actor.remote()
        controller = ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
        controller._register_shutdown_cleanup_actor.remote(self._tree)

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Ranks: whoever should have it, and then, where those are full, Serve's default."""
        by_load: list[list[RunningReplica]] = await PowerOfTwoChoicesRequestRouter.choose_replicas(
            self, candidate_replicas, pending_request
        )
        if pending_request is None or pending_request.metadata.multiplexed_model_id:
            return by_load  # an adapter is asked for where it is loaded
        marks, free = marks_of(pending_request), self.select_available_replicas(candidate_replicas)
        if not marks or len(free) < 2 or await self._is_imbalanced(free):
            return by_load
        return [await self._best(marks, free), *by_load]

    def on_request_routed(self, pending_request: PendingRequest, replica_id: ReplicaID, result: ReplicaResult) -> None:
        """Called by Serve once a replica has taken a request. Calls of one process reach the tree in order, so the
        next request of the same conversation finds this one there."""
        if marks := marks_of(pending_request):
            self._tree.note.remote(marks, replica_id.to_full_id_str())

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        """Called by Serve with those that run now."""
        before = self._replica_id_set
        super().update_replicas(replicas)
        self._forget(before - self._replica_id_set)

    def on_replica_actor_died(self, replica_id: ReplicaID) -> None:
        """Called by Serve before the controller has noticed."""
        super().on_replica_actor_died(replica_id)
        self._forget({replica_id})

    def _forget(self, replicas: set[ReplicaID]) -> None:
        if replicas:
            self._tree.remove_tenants.remote([replica.to_full_id_str() for replica in replicas])

    async def _best(self, marks: str, free: Sequence[RunningReplica]) -> list[RunningReplica]:
        """What the tree says; nobody where it does not answer."""
        names = {replica.replica_id.to_full_id_str(): replica for replica in free}
        try:
            async with asyncio.timeout(TREE_DEADLINE_S):
                best: list[str] = await self._tree.best.remote(marks, list(names), self._match_rate_threshold)
        except (TimeoutError, RayError):
            return []
        return [names[name] for name in best]

    async def _is_imbalanced(self, replicas: Sequence[RunningReplica]) -> bool:
        """Whether one has so many more requests in progress than another that it must not get those it knows."""
        lengths = {replica: self._replica_queue_len_cache.get(replica.replica_id) for replica in replicas}
        unknown = [replica for replica, length in lengths.items() if length is None]
        lengths |= dict(await self._probe_queue_lens(unknown, 0))
        known = [length for length in lengths.values() if length is not None]
        return not known or max(known) - min(known) > self._imbalanced_threshold


def marks_of(request: PendingRequest) -> str:
    """Of the prompt that a call of `ModelServer.generate` carries; none for other calls."""
    if request.metadata.call_method != "generate":
        return ""
    _, body, _ = request.args
    return prefix_marks(body)
