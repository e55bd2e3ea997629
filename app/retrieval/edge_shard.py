"""How the knowledge base's shard of Qdrant's engine is made."""

import os
from pathlib import Path

from qdrant_edge import (
    Distance,
    EdgeConfig,
    EdgeOptimizersConfig,
    EdgeShard,
    EdgeSparseVectorParams,
    EdgeVectorParams,
    FloatIndexParams,
    HnswIndexConfig,
    IntegerIndexParams,
    KeywordIndexParams,
    Modifier,
    TurboQuantBitSize,
    TurboQuantQuantizationConfig,
    UpdateOperation,
)

from app.retrieval.conditions import AUDIENCE, DOCUMENT, FACTS, ORDINAL, SINCE, TENANT, UNTIL
from app.retrieval.points import DENSE, SPARSE

# About 5,000 vectors: what one call of `optimize` quantises, in some 0.3 s.
SEGMENT_KB = 8000
SEGMENTS = 10_000  # no bound: to merge them would take longer than they cost
_READ_BY_SEARCHES = (
    "payload_storage/*.dat",
    "vector_storage-dense/matrix.dat",
    "vector_index-terms/inverted_index.dat",
)


def open_shard(path: Path, dimensions: int) -> EdgeShard:
    """Open the shard, or make it where there is none."""
    config = EdgeConfig(
        vectors={DENSE: EdgeVectorParams(size=dimensions, distance=Distance.Cosine)},
        # By default the engine reads all vectors of a segment in which fewer than 5,000 points pass the filter, as they
        # do in all of ours: eight times what its index takes.
        sparse_vectors={SPARSE: EdgeSparseVectorParams(modifier=Modifier.Idf, full_scan_threshold=100)},
        quantization_config=TurboQuantQuantizationConfig(always_ram=True, bits=TurboQuantBitSize.Bits4),
        # On two cores a second thread makes searches slower: it is waited for, and others use the cores, too.
        max_search_threads=max(1, (os.cpu_count() or 1) // 4),
        # No graph; see `EmbeddedStore`.
        hnsw_config=HnswIndexConfig(m=0, ef_construct=16, full_scan_threshold=10_000),
        optimizers=EdgeOptimizersConfig(
            default_segment_number=SEGMENTS, max_segment_size=SEGMENT_KB, indexing_threshold=SEGMENT_KB
        ),
    )
    if path.is_dir() and any(path.iterdir()):
        return EdgeShard.load(str(path), config)
    shard = EdgeShard.create(str(path), config)
    # Fields of a "tenant" also decide in which order the optimizer stores a segment's points. What the same people may
    # read lies together then, and a scan of it takes two thirds of the time: 2.4 ms of 100,000 chunks instead of 3.5.
    for field in (TENANT, AUDIENCE):
        shard.update(UpdateOperation.create_field_index(field, KeywordIndexParams(is_tenant=True)))
    for field in (DOCUMENT, FACTS):
        shard.update(UpdateOperation.create_field_index(field, KeywordIndexParams()))
    for field in (ORDINAL, SINCE, UNTIL):
        shard.update(UpdateOperation.create_field_index(field, IntegerIndexParams(lookup=True, range=True)))
    return shard


def read_ahead(path: Path) -> None:
    """Have the system bring what a search reads of a stored shard into its page cache, beside what runs.

    The engine maps these files and tells the system to read nothing ahead, so that after a start each passage that is
    found would wait for the disk: 0.9 ms of a search among 100,000. It is a wish: without the memory it is not met.
    """
    if not hasattr(os, "posix_fadvise"):  # macOS
        return
    for pattern in _READ_BY_SEARCHES:
        for file in path.glob(f"segments/*/{pattern}"):
            with file.open("rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def index_numbers(shard: EdgeShard, field: str) -> None:
    """Make ranges of a payload field fast."""
    shard.update(UpdateOperation.create_field_index(field, FloatIndexParams()))
