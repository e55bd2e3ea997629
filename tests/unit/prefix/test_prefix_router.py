"""A conversation stays where its beginning is known, unless load or an outage speaks against it."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ray.exceptions import RayActorError
from ray.serve._private.common import DeploymentHandleSource, DeploymentID, ReplicaID, RequestMetadata
from ray.serve.request_router import PendingRequest

from deployments.prefix_router import KEPT_MARKS, MAX_MARKS, PrefixRouter, RoutingTree, marks_of

DEPLOYMENT = DeploymentID(name="Model:m", app_name="sextant")
SYSTEMS = {name: f"You are {name}. " + f"{name} knows the harbour well. " * 20 for name in ("Ada", "Bo", "Cy")}


class FakeReplica:
    """What the router asks of a RunningReplica."""

    max_ongoing_requests = 64
    multiplexed_model_ids: tuple[str, ...] = ()
    node_id = availability_zone = None

    def __init__(self, name: str) -> None:
        self.replica_id = ReplicaID(unique_id=name, deployment_id=DEPLOYMENT)
        self.queue_len = 0

    async def get_queue_len(self, *, deadline_s: float) -> int:
        return self.queue_len


class Call:
    """An actor's method."""

    def __init__(self, tree: "FakeTree", name: str) -> None:
        self._tree, self._name = tree, name

    def remote(self, *arguments: Any) -> "asyncio.Future[Any]":
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._tree.error:
            if self._name == "best":
                answer.set_exception(self._tree.error)
        elif not self._tree.is_silent:
            answer.set_result(getattr(self._tree.tree, self._name)(*arguments))
        return answer


class FakeTree:
    """The tree in this process, called as an actor is."""

    def __init__(self) -> None:
        self.tree = RoutingTree()
        self.error: Exception | None = None
        self.is_silent = False

    def __getattr__(self, name: str) -> Call:
        return Call(self, name)


class Router(PrefixRouter):
    """Over a tree in this process."""

    def initialize_state(self, imbalanced_threshold: int, match_rate_threshold: float) -> None:
        self._imbalanced_threshold = imbalanced_threshold
        self._match_rate_threshold = match_rate_threshold
        self._tree = FakeTree()

    async def route(self, request: PendingRequest) -> str:
        """Where Serve would send it."""
        for rank in await self.choose_replicas(self._replicas_list, request):
            if chosen := await self._select_from_candidate_replicas(rank, 0):
                self.on_request_routed(request, chosen.replica_id, None)
                return str(chosen.replica_id.unique_id)
        raise AssertionError("nobody takes the request")


@pytest.fixture
def router() -> Iterator[Router]:
    made = Router(
        deployment_id=DEPLOYMENT, handle_source=DeploymentHandleSource.REPLICA, use_replica_queue_len_cache=True
    )
    made.initialize_state(imbalanced_threshold=4, match_rate_threshold=0.1)
    yield made
    made._tree.tree.stop_eviction_loop()


async def with_replicas(router: Router, *names: str) -> dict[str, FakeReplica]:
    replicas = {name: FakeReplica(name) for name in names}
    router.update_replicas(list(replicas.values()))
    await asyncio.sleep(0)
    return replicas


def call(method: str = "generate", *arguments: Any, model: str = "") -> PendingRequest:
    metadata = RequestMetadata(request_id="r", internal_request_id="i", call_method=method, multiplexed_model_id=model)
    return PendingRequest(args=list(arguments), kwargs={}, metadata=metadata)


def asking(who: str, question: str = "Where?", **more: Any) -> PendingRequest:
    messages = [{"role": "system", "content": SYSTEMS[who]}, {"role": "user", "content": question}]
    return call("generate", "chat", {"model": "m", "messages": messages}, "request", **more)


async def test_turns_of_a_conversation_go_to_one_replica(router: Router) -> None:
    await with_replicas(router, "a", "b")
    homes = {who: await router.route(asking(who)) for who in SYSTEMS}
    for turn in range(20):
        assert {who: await router.route(asking(who, f"Where? {turn}")) for who in SYSTEMS} == homes


async def test_new_conversations_are_spread(router: Router) -> None:
    await with_replicas(router, "a", "b")
    assert {await router.route(asking("Ada")), await router.route(asking("Bo"))} == {"a", "b"}


async def test_conversations_that_begin_at_once_are_spread_too(router: Router) -> None:
    """The tree hears of a request once its replica has taken it; load is known before."""
    await with_replicas(router, "a", "b")
    await router.route(asking("Ada"))
    taken = []
    for who in ("Bo", "Cy", "Bo", "Cy"):
        for rank in await router.choose_replicas(router._replicas_list, asking(who)):
            chosen = await router._select_from_candidate_replicas(rank, 0)
            router.on_send_request(chosen.replica_id)
            taken.append(chosen.replica_id.unique_id)
            break
    assert taken.count("a") == taken.count("b")


async def test_load_that_is_uneven_past_the_threshold_decides(router: Router) -> None:
    replicas = await with_replicas(router, "a", "b")
    home = await router.route(asking("Ada"))
    router.on_new_queue_len_info(replicas[home].replica_id, 4)
    assert await router.route(asking("Ada")) == home
    router.on_new_queue_len_info(replicas[home].replica_id, 5)
    assert await router.route(asking("Ada")) != home


async def test_a_replica_that_is_full_is_passed_by(router: Router) -> None:
    router._imbalanced_threshold = 1000
    replicas = await with_replicas(router, "a", "b")
    home = await router.route(asking("Ada"))
    replicas[home].queue_len = 64
    router.on_new_queue_len_info(replicas[home].replica_id, 64)
    assert await router.route(asking("Ada")) != home


async def test_a_replica_that_has_gone_is_forgotten_and_its_conversations_move(router: Router) -> None:
    replicas = await with_replicas(router, "a", "b")
    home = await router.route(asking("Ada"))
    router.on_replica_actor_died(replicas[home].replica_id)
    other = await router.route(asking("Ada"))
    assert other != home
    await with_replicas(router, other, "c")
    assert set(router._tree.tree.tenant_to_char_count) <= {
        replica.to_full_id_str() for replica in router._replica_id_set
    }
    assert await router.route(asking("Ada")) == other


@pytest.mark.parametrize(
    "request_",
    [
        lambda: call("load"),
        lambda: call("ping"),
        lambda: call("tokenize_text", {"model": "m", "messages": [{"role": "user", "content": "x" * 500}]}),
        lambda: call("generate", "chat", {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}, "id"),
        lambda: call("generate", "completions", {"model": "m", "prompt": ""}, "id"),
    ],
)
async def test_calls_without_a_beginning_to_know_go_by_load(router: Router, request_: Any) -> None:
    replicas = await with_replicas(router, "a", "b")
    router._tree.error = AssertionError("nobody asks the tree")
    for busy, idle in (("a", "b"), ("b", "a")):
        router.on_new_queue_len_info(replicas[busy].replica_id, 2)
        router.on_new_queue_len_info(replicas[idle].replica_id, 0)
        assert await router.route(request_()) == idle


async def test_an_adapter_is_asked_for_where_it_is_loaded(router: Router) -> None:
    replicas = await with_replicas(router, "a", "b")
    replicas["b"].multiplexed_model_ids = ("m:adapter",)
    router.update_replicas(list(replicas.values()))
    router.on_new_queue_len_info(replicas["b"].replica_id, 4)
    assert {await router.route(asking("Ada", str(turn), model="m:adapter")) for turn in range(10)} == {"b"}


async def test_a_single_replica_is_not_asked_about_and_still_remembered(router: Router) -> None:
    await with_replicas(router, "a")
    router._tree.tree.add_tenants([router._replicas_list[0].replica_id.to_full_id_str()], time.time())
    assert await router.route(asking("Ada")) == "a"
    assert sum(router._tree.tree.tenant_to_char_count.values()) == len(marks_of(asking("Ada")))


@pytest.mark.parametrize("trouble", ["error", "silence"])
async def test_without_the_tree_requests_go_by_load_and_at_once(router: Router, trouble: str) -> None:
    replicas = await with_replicas(router, "a", "b")
    home = await router.route(asking("Ada"))
    router._tree.error = RayActorError() if trouble == "error" else None
    router._tree.is_silent = trouble == "silence"
    router.on_new_queue_len_info(replicas[home].replica_id, 2)
    start = time.monotonic()
    assert await router.route(asking("Ada")) != home
    assert time.monotonic() - start < 0.5


async def test_a_tree_that_began_anew_learns_again(router: Router) -> None:
    await with_replicas(router, "a", "b")
    await router.route(asking("Ada"))
    router._tree.tree.stop_eviction_loop()
    router._tree.tree = RoutingTree()
    home = await router.route(asking("Ada"))
    assert {await router.route(asking("Ada", f"{turn}")) for turn in range(10)} == {home}


def test_the_tree_forgets_what_was_used_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.prefix_router.MAX_MARKS", 100)
    monkeypatch.setattr("deployments.prefix_router.KEPT_MARKS", 50)
    monkeypatch.setattr("deployments.prefix_router.EVICTION_PERIOD_S", 0.01)
    tree = RoutingTree()
    tree.add_tenants(["a"], time.time())
    for first in range(5):
        tree.note(chr(0x10000 + first) + "x" * 29, "a")
    deadline = time.monotonic() + 5
    while tree.tenant_to_char_count["a"] > 50 and time.monotonic() < deadline:
        time.sleep(0.01)
    tree.stop_eviction_loop()
    assert tree.tenant_to_char_count["a"] <= 50
    assert tree.prefix_match(chr(0x10004) + "x" * 29, ["a"])[0]
    assert not tree.prefix_match(chr(0x10000) + "x" * 29, ["a"])[0]
    assert KEPT_MARKS < MAX_MARKS
