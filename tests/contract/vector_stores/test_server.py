"""What only the store on a server promises."""

import logging
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient, grpc
from qdrant_client import models as q
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc

from app.errors import Unavailable
from app.retrieval.conditions import NOTHING, AllOf, AnyOf, Has, Not, Within, readable, visible
from app.retrieval.points import from_payload, to_points
from app.retrieval.server_collections import ServerOptions
from app.retrieval.server_filters import to_filter
from app.retrieval.server_store import ServerStore
from app.retrieval.types import MetadataValue, Reader
from tests.contract.vector_stores.making import ACME, DIMENSIONS, chunk, chunks, names, put, stage, vector

OLD = {"tenant": "acme", "document": "a.md", "ordinal": 0, "text": "old", "content_hash": "v1"}


async def old_collection(payload: dict[str, Any], size: int = DIMENSIONS) -> AsyncQdrantClient:
    client = AsyncQdrantClient(location=":memory:")
    await client.create_collection("test", q.VectorParams(size=size, distance=q.Distance.COSINE))
    await client.upsert("test", [q.PointStruct(id=1, vector=[1.0] * size, payload=payload)])
    return client


async def test_a_collection_of_an_older_release_begins_empty(caplog: pytest.LogCaptureFixture) -> None:
    client = await old_collection(OLD)
    with caplog.at_level(logging.WARNING):
        store = ServerStore(client, "test", DIMENSIONS)
        assert await names(store) == []
    assert "begins empty; ingest anew" in caplog.text
    await put(store, *chunks("a.md", 3))
    caplog.clear()
    again = ServerStore(client, "test", DIMENSIONS)
    assert await names(again) == ["a.md"]
    assert caplog.text == ""
    await store.close()


@pytest.mark.parametrize(("payload", "size"), [({"name": "somebody else's"}, DIMENSIONS), (OLD, DIMENSIONS + 1)])
async def test_a_collection_that_is_not_ours_is_left_alone(payload: dict[str, Any], size: int) -> None:
    client = await old_collection(payload, size)
    store = ServerStore(client, "test", DIMENSIONS)
    for _ in range(2):
        with pytest.raises(Unavailable, match="the log says why"):
            await names(store)
    assert (await client.count("test")).count == 1
    await store.close()


async def test_two_processes_see_each_others_commits() -> None:
    client = AsyncQdrantClient(location=":memory:")
    one, two = ServerStore(client, "test", DIMENSIONS), ServerStore(client, "test", DIMENSIONS)
    assert await names(two) == []
    await put(one, *chunks("a.md", 3))
    assert await names(two) == ["a.md"]
    await stage(one, chunks("b.md", 3))
    assert await two.staged("acme") == {"b.md": "v1"}
    await two.commit("acme")
    assert await names(one) == ["a.md", "b.md"]
    await client.close()


async def test_a_search_beside_a_commit_is_made_anew() -> None:
    class Meanwhile(ServerStore):
        """Another process commits between a search and the look at the version."""

        is_due = False

        async def _version(self, tenant: str) -> int:
            if self.is_due:
                self.is_due = False
                await put(other, *chunks("a.md", 2, content_hash="v2"))
            return await super()._version(tenant)

    client = AsyncQdrantClient(location=":memory:")
    store, other = Meanwhile(client, "test", DIMENSIONS), ServerStore(client, "test", DIMENSIONS)
    await put(other, *chunks("a.md", 5))
    assert await names(store) == ["a.md"]
    store.is_due = True
    found = await store.search(ACME, vector(0), None, 9)
    assert sorted((c.chunk.ordinal, c.chunk.content_hash) for c in found) == [(0, "v2"), (1, "v2")]
    await client.close()


async def test_a_collection_is_made_as_the_options_say() -> None:
    made: dict[str, dict[str, Any]] = {}

    class Noting(AsyncQdrantClient):
        async def create_collection(self, collection_name: str, **settings: Any) -> bool:  # type: ignore[override]
            made[collection_name] = settings
            return await super().create_collection(collection_name, **settings)

    options = ServerOptions(quantization="binary", shard_number=3, replication_factor=2, on_disk=True)
    store = ServerStore(Noting(location=":memory:"), "test", DIMENSIONS, options)
    await put(store, *chunks("a.md", 1))
    assert (made["test"]["shard_number"], made["test"]["replication_factor"]) == (3, 2)
    assert isinstance(made["test"]["quantization_config"], q.BinaryQuantization)
    assert made["test"]["vectors_config"]["dense"].on_disk
    assert made["test-versions"]["replication_factor"] == 2
    assert {settings["write_consistency_factor"] for settings in made.values()} == {2}
    await store.close()


def test_what_goes_to_a_server_means_the_same_on_the_wire() -> None:
    """gRPC's messages, there and back; no server is needed for that."""
    metadata: dict[str, MetadataValue] = {"a": 1, "b": 1.0, "c": True, "d": "x", "e.f": 2**62, "": ""}
    made = chunk("a.md", text="ключ", groups=("hr",), metadata=metadata)
    [point] = to_points([made], [vector(0)], 1, DIMENSIONS)
    sent_point = grpc.PointStruct(payload=RestToGrpc.convert_payload(point.payload))
    payload = GrpcToRest.convert_payload(sent_point.payload)
    assert payload == point.payload
    assert from_payload(payload) == made
    assert all(type(payload["metadata"][key]) is type(value) for key, value in metadata.items())

    some = (Has("since", (3,)), Has("since", (3, 4)), NOTHING, AnyOf(()), AnyOf((Has("facts", ("a",)), AllOf(()))))
    condition = AllOf((readable(Reader("acme", ("hr",))), visible(3), *some, Not(Within("numbers.number_x", gt=1.5))))
    sent = RestToGrpc.convert_filter(to_filter(condition))
    assert RestToGrpc.convert_filter(GrpcToRest.convert_filter(sent)) == sent
    conditions = list(sent.must)
    assert [each.field.match.WhichOneof("match_value") for each in conditions[:1]] == ["keywords"]
    assert list(conditions[0].field.match.keywords.strings) == ['["acme"]', '["acme", "hr"]']
    assert [each.WhichOneof("condition_one_of") for each in conditions] == ["field"] * 7 + ["filter"] * 2
    for nothing in (conditions[5], conditions[6]):  # an empty list of words, not no condition
        assert nothing.field.match.WhichOneof("match_value") == "keywords"
    params = q.SearchParams(idf=q.IdfCorpusParams(corpus=to_filter(condition)))
    assert RestToGrpc.convert_search_params(params).idf.corpus == sent
