"""One suite for every place where the points of the semantic cache may lie."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient
from qdrant_client import models as q
from qdrant_edge import EdgeShard, Point, UpdateOperation

from app.cache.semantic.edge_index import EdgeIndex
from app.cache.semantic.points import point_id, to_payload
from app.cache.semantic.server_index import TIDY_EVERY, ServerIndex
from app.cache.semantic.types import Indexed, Observation, SemanticIndex
from app.clock import now_ms
from app.errors import Unavailable
from app.retrieval.types import Vector

DIMENSIONS = 16
BOUND = 20
SERVER = os.environ.get("QDRANT_URL")
HOUR_MS = 3_600_000


@pytest.fixture(
    params=[
        "embedded",
        "client",
        pytest.param("server", marks=pytest.mark.skipif(not SERVER, reason="QDRANT_URL names no Qdrant server")),
    ]
)
async def index(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SemanticIndex]:
    made: SemanticIndex
    if request.param == "embedded":
        made = EdgeIndex(tmp_path / "cache", DIMENSIONS, BOUND)
    elif request.param == "client":
        made = ServerIndex(AsyncQdrantClient(location=":memory:"), "test", DIMENSIONS, BOUND, timeout_s=5)
    else:
        made = ServerIndex.connect(str(SERVER), f"cache-{os.getpid()}", DIMENSIONS, BOUND, 5000)
    yield made
    await made.purge(None)
    await made.close()


def vector(seed: int) -> Vector:
    values = np.random.default_rng(seed).normal(size=DIMENSIONS)
    return (values / np.linalg.norm(values)).astype(np.float32)


def point(n: int, tenant: str = "acme", scope: str = "s", made_ms: int = 0, ttl_ms: int = HOUR_MS) -> Indexed:
    made = made_ms or now_ms()
    question = f"question {n}?"
    return Indexed(point_id(tenant, scope, question), tenant, scope, question, f"key {n}", made, made + ttl_ms)


async def put(index: SemanticIndex, numbers: Iterable[int], **of: str) -> None:
    for n in numbers:
        await index.put(point(n, **of), vector(n))  # type: ignore[arg-type]


async def near(index: SemanticIndex, n: int, tenant: str = "acme", scope: str = "s", limit: int = 50) -> list[str]:
    found = await index.search(tenant, scope, vector(n), limit, now_ms())
    return [indexed.question for indexed, _ in found]


async def test_finds_the_nearest_first_with_everything_that_was_stored(index: SemanticIndex) -> None:
    stored = point(3)
    await put(index, (1, 2))
    await index.put(stored, vector(3))
    found = await index.search("acme", "s", vector(3), 2, now_ms())
    assert len(found) == 2
    assert found[0][0] == stored
    assert found[0][1] == pytest.approx(1.0, abs=1e-4)
    assert found[0][1] > found[1][1]
    assert await index.get(stored.id) == stored


async def test_never_crosses_a_tenant_or_a_scope(index: SemanticIndex) -> None:
    for tenant in ("acme", "rival"):
        for scope in ("s", "t"):
            await put(index, (1, 2), tenant=tenant, scope=scope)
    for tenant in ("acme", "rival"):
        for scope in ("s", "t"):
            found = await index.search(tenant, scope, vector(1), 50, now_ms())
            assert {(p.tenant, p.scope) for p, _ in found} == {(tenant, scope)}
            assert len(found) == 2
    assert await near(index, 1, tenant="nobody") == []
    assert await near(index, 1, scope="other") == []


async def test_the_same_question_replaces_its_point_and_what_was_observed(index: SemanticIndex) -> None:
    await put(index, (1,))
    await index.set_observations(point(1).id, [Observation(0.5, True)])
    again = point(1)
    await index.put(again, vector(1))
    assert await index.count() == 1
    assert await index.get(again.id) == again


async def test_keeps_what_was_observed(index: SemanticIndex) -> None:
    await put(index, (1, 2))
    seen = (Observation(0.25, True), Observation(1.0, False))
    await index.set_observations(point(1).id, seen)
    found = dict(await index.search("acme", "s", vector(1), 2, now_ms()))
    assert {p.question: p.observations for p in found} == {"question 1?": seen, "question 2?": ()}


async def test_observing_what_is_gone_brings_nothing_back(index: SemanticIndex) -> None:
    await put(index, (1,))
    await index.delete([point(1).id, point(9).id])
    await index.set_observations(point(1).id, [Observation(0.5, True)])
    assert await index.get(point(1).id) is None
    assert await index.count() == 0


async def test_what_has_expired_is_never_found(index: SemanticIndex) -> None:
    now = now_ms()
    await index.put(point(1, made_ms=now - 1000, ttl_ms=1000), vector(1))
    await index.put(point(2, made_ms=now - 1000, ttl_ms=2000), vector(2))
    assert [p.question for p, _ in await index.search("acme", "s", vector(1), 5, now)] == ["question 2?"]


async def test_purges_a_tenant_or_all(index: SemanticIndex) -> None:
    await put(index, range(3))
    await put(index, range(4), tenant="rival")
    assert await index.purge("acme") == 3
    assert await near(index, 1) == []
    assert len(await near(index, 1, tenant="rival")) == 4
    assert await index.purge(None) == 4
    assert await index.count() == 0


async def test_the_bound_holds_and_the_oldest_go(index: SemanticIndex) -> None:
    now = now_ms()
    for n in range(TIDY_EVERY):
        await index.put(point(n, made_ms=now - TIDY_EVERY + n), vector(n))
    assert await index.count() == BOUND
    assert set(await near(index, 1)) == {f"question {n}?" for n in range(TIDY_EVERY - BOUND, TIDY_EVERY)}


BROKEN = [
    {},
    {**to_payload(point(1)), "key": 7},
    {**to_payload(point(1)), "observations": [[2.0, 1]]},
    {**to_payload(point(1)), "observations": "none"},
]


@pytest.mark.parametrize("payload", BROKEN[1:])
async def test_an_unreadable_point_is_dropped_deleted_and_counted(
    index: SemanticIndex, payload: dict[str, object]
) -> None:
    await put(index, (1, 2))
    await _spoil(index, point(1).id, payload)
    assert await near(index, 1) == ["question 2?"]
    assert index.dropped == 1
    assert await index.count() == 1
    assert await near(index, 1) == ["question 2?"]
    assert index.dropped == 1


async def _spoil(index: SemanticIndex, id: str, payload: dict[str, object]) -> None:
    if isinstance(index, EdgeIndex):
        shard: EdgeShard = index._shard
        shard.update(UpdateOperation.upsert_points([Point(id=id, vector=vector(1).tolist(), payload=payload)]))
    else:
        assert isinstance(index, ServerIndex)
        broken = q.PointStruct(id=id, vector=vector(1).tolist(), payload=payload)
        await index._client.upsert(index._collection, points=[broken], wait=True)


async def test_the_engine_evicts_the_least_recently_used(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path, DIMENSIONS, 3)
    await put(index, (1, 2, 3))
    index.used(point(1).id)
    await put(index, (4,))
    assert sorted(await near(index, 1)) == ["question 1?", "question 3?", "question 4?"]
    await index.close()


async def test_the_engine_keeps_everything_over_a_restart_and_holds_a_smaller_bound(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path, DIMENSIONS, 10)
    now = now_ms()
    for n in range(6):
        await index.put(point(n, made_ms=now + n), vector(n))
    await index.set_observations(point(5).id, [Observation(0.5, True)])
    await index.close()
    again = EdgeIndex(tmp_path, DIMENSIONS, 4)
    assert sorted(await near(again, 1)) == [f"question {n}?" for n in (2, 3, 4, 5)]
    read = await again.get(point(5).id)
    assert read is not None
    assert read.observations == (Observation(0.5, True),)
    await again.close()


async def test_a_spoiled_directory_entry_is_dropped_at_the_start(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path, DIMENSIONS, 10)
    await put(index, (1, 2))
    await _spoil(index, point(1).id, {})
    await index.close()
    again = EdgeIndex(tmp_path, DIMENSIONS, 10)
    assert await again.count() == 1
    assert again.dropped == 1
    await again.close()


async def test_only_one_process_opens_the_engine(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path, DIMENSIONS, 10)
    with pytest.raises(RuntimeError, match="another process"):
        EdgeIndex(tmp_path, DIMENSIONS, 10)
    await index.close()
    await EdgeIndex(tmp_path, DIMENSIONS, 10).close()


async def test_a_server_that_is_down_finds_nothing_and_takes_nothing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = AsyncQdrantClient(url=f"http://127.0.0.1:{port}", timeout=1, check_compatibility=False)
    index = ServerIndex(client, "test", DIMENSIONS, BOUND, timeout_s=0.05)
    assert await near(index, 1) == []
    await put(index, (1,))
    assert await index.get(point(1).id) is None
    assert await index.count() == 0
    with pytest.raises(Unavailable):
        await index.purge(None)
    await index.close()


async def test_a_server_that_stalls_costs_its_deadline_and_then_nothing() -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    stalled = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = stalled.sockets[0].getsockname()[1]
    client = AsyncQdrantClient(url=f"http://127.0.0.1:{port}", timeout=5, check_compatibility=False)
    index = ServerIndex(client, "test", DIMENSIONS, BOUND, timeout_s=0.05)
    loop = asyncio.get_running_loop()
    times = []
    for _ in range(5):
        started = loop.time()
        assert await near(index, 1) == []
        times.append(loop.time() - started)
    assert max(times) < 1
    assert times[4] < 0.02  # it is left alone for a while
    await index.close()
    stalled.close()
