"""The two collections that a knowledge base has on a Qdrant server."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from qdrant_client import AsyncQdrantClient
from qdrant_client import models as q

from app.errors import Unavailable
from app.retrieval.conditions import AUDIENCE, DOCUMENT, FACTS, ORDINAL, SINCE, TENANT, UNTIL
from app.retrieval.points import DENSE, FORMAT, SPARSE

logger = logging.getLogger(__name__)

Reached = Callable[[Awaitable[Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How a collection is made. What exists keeps what it was made with; change that on the server."""

    quantization: Literal["none", "int8", "binary"] = "int8"
    shard_number: int | None = None  # the server's own choice: one for each node
    replication_factor: int | None = None  # the server's own choice: 1
    on_disk: bool = False  # whole vectors on disk; quantised ones stay in memory


_FORMAT_ID = "5e7a4e6f-0000-4000-8000-5e7a4e6f0003"
_KEYWORD = q.KeywordIndexParams(type=q.KeywordIndexType.KEYWORD)
_INTEGER = q.IntegerIndexParams(type=q.IntegerIndexType.INTEGER, lookup=True, range=True)
_INDEXES: dict[str, Any] = {
    TENANT: q.KeywordIndexParams(type=q.KeywordIndexType.KEYWORD, is_tenant=True),
    **dict.fromkeys((AUDIENCE, DOCUMENT, FACTS), _KEYWORD),
    **dict.fromkeys((ORDINAL, SINCE, UNTIL), _INTEGER),
}
_QUANTIZATION: dict[str, Any] = {
    "none": None,
    "int8": q.ScalarQuantization(scalar=q.ScalarQuantizationConfig(type=q.ScalarType.INT8, always_ram=True)),
    "binary": q.BinaryQuantization(binary=q.BinaryQuantizationConfig(always_ram=True)),
}


def versions_collection(collection: str) -> str:
    """Where the tenants' version numbers are: points without vectors."""
    return f"{collection}-versions"


async def prepare(
    client: AsyncQdrantClient, collection: str, dimensions: int, options: ServerOptions, reached: Reached
) -> None:
    """Make what is missing. A collection that an older release has made is made anew, empty.

    Raises Unavailable when a collection of that name is another program's, or for other vectors; the log says more.
    """
    versions = versions_collection(collection)
    # A write is done when all replicas have it: else one that lags could show a new version without its points.
    replicas = {
        "replication_factor": options.replication_factor,
        "write_consistency_factor": options.replication_factor,
    }
    if await reached(client.collection_exists(collection)):
        params = (await reached(client.get_collection(collection))).config.params
        if not await _is_ours(client, collection, params, dimensions, reached):
            raise Unavailable("The knowledge base's collection cannot be used; the log says why.")
        if not await _is_current(client, versions, params, reached):
            logger.warning("the collection %s is of another release and begins empty; ingest anew", collection)
            for old in (collection, versions):
                await reached(client.delete_collection(old))
    if not await reached(client.collection_exists(versions)):
        await _create(client, versions, reached, vectors_config={}, **replicas)
    # Before the collection itself: who finds that finds this.
    made = q.PointStruct(id=_FORMAT_ID, vector={}, payload={"format": FORMAT})
    await reached(client.upsert(versions, points=[made], wait=True))
    if not await reached(client.collection_exists(collection)):
        dense = q.VectorParams(size=dimensions, distance=q.Distance.COSINE, on_disk=options.on_disk)
        await _create(
            client,
            collection,
            reached,
            vectors_config={DENSE: dense},
            sparse_vectors_config={SPARSE: q.SparseVectorParams(modifier=q.Modifier.IDF)},
            quantization_config=_QUANTIZATION[options.quantization],
            shard_number=options.shard_number,
            **replicas,
        )
    for field, schema in _INDEXES.items():  # those that are there already are left alone
        await reached(client.create_payload_index(collection, field, schema))


async def _is_ours(client: AsyncQdrantClient, collection: str, params: Any, dimensions: int, reached: Reached) -> bool:
    named = params.vectors if isinstance(params.vectors, dict) else {"": params.vectors}
    if set(named) not in ({DENSE}, {""}) or next(iter(named.values())).size != dimensions:
        logger.error(
            "the collection %s has other vectors than %d dimensions under %r; set another retrieval.collection",
            *(collection, dimensions, DENSE),
        )
        return False
    records, _ = await reached(client.scroll(collection, limit=1, with_payload=True))
    if all({TENANT, DOCUMENT, ORDINAL, "content_hash"} <= set(record.payload or {}) for record in records):
        return True
    logger.error("the collection %s is another program's; set another retrieval.collection", collection)
    return False


async def _is_current(client: AsyncQdrantClient, versions: str, params: Any, reached: Reached) -> bool:
    if not isinstance(params.vectors, dict) or not await reached(client.collection_exists(versions)):
        return False
    records = await reached(client.retrieve(versions, [_FORMAT_ID], with_payload=True))
    return bool(records) and records[0].payload == {"format": FORMAT}


async def _create(client: AsyncQdrantClient, collection: str, reached: Reached, **settings: Any) -> None:
    try:
        await reached(client.create_collection(collection, **settings))
    except Unavailable:
        # Another replica may have been first.
        if not await reached(client.collection_exists(collection)):
            raise
