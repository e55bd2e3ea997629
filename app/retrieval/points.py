"""Chunks as points of a store: the payload that both stores share, and ids that make writing twice harmless."""

import json
import logging
import math
import uuid
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

import numpy as np

from app.errors import InvalidRequest
from app.retrieval.conditions import (
    AUDIENCE,
    DOCUMENT,
    FACTS,
    FOREVER,
    NUMBERS,
    SINCE,
    UNTIL,
    audience_key,
    comparable,
    fact,
)
from app.retrieval.fusion import ranks, reciprocal_rank_fusion
from app.retrieval.terms import document_terms
from app.retrieval.types import (
    Candidate,
    Chunk,
    KnowledgeBase,
    MetadataValue,
    Reader,
    StoredDocument,
    Terms,
    TermWeights,
    Vector,
    digest,
)

logger = logging.getLogger(__name__)

# Of the layout: payload, ids, vectors, and how terms are made. A store with another one is filled anew.
FORMAT = 2
DENSE = "dense"
SPARSE = "terms"
# Comparable metadata fields with an index. Filters on further ones are right, but read every point.
MAX_NUMBER_FIELDS = 64

PointId = int | str | uuid.UUID
"""As an engine gives it: to make text of every one takes longer than to look it up."""

_NAMESPACE = uuid.UUID("5e7a4e6f-0000-4000-8000-5e7a4e6f0001")

CHUNKS = "chunks"  # how many chunks the document has; only in the point of its first one
HEAD_FIELDS = (DOCUMENT, "content_hash", CHUNKS, "title", "groups", "metadata", UNTIL)
# Of `Chunk`, in its order.
_CHUNK_FIELDS = "document tenant ordinal text start end title heading page content_hash groups metadata".split()
_read_fields = itemgetter(*_CHUNK_FIELDS)
_GROUPS = _CHUNK_FIELDS.index("groups")


@dataclass(frozen=True, slots=True)
class NewPoint:
    """What is written."""

    id: str
    vector: Vector
    terms: Terms
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """What is read: as much of the payload as was asked for, and the vectors, if they were."""

    id: PointId
    payload: Mapping[str, Any]
    vector: Sequence[float] | None = None
    terms: Terms | None = None


Read = tuple[Chunk, Vector, TermWeights]
"""Of a point, what a search needs."""


def point_id(chunk: Chunk, since: int) -> str:
    """The same chunk written twice for the same version is one point; that of another version is beside it."""
    # As JSON: no name may run into the next one and meet another tenant's point.
    name = json.dumps([chunk.tenant, chunk.document, chunk.content_hash, chunk.ordinal, since])
    return str(uuid.uuid5(_NAMESPACE, name))


def to_points(chunks: Sequence[Chunk], vectors: Sequence[Vector], since: int, dimensions: int) -> list[NewPoint]:
    """The points of whole documents, the first chunk of each behind its others.

    So a document whose first chunk is there is there whole, even after a write that was cut off. Raises ValueError for
    documents that are not whole and for vectors that are none, InvalidRequest for names that are no text.
    """
    if len(chunks) != len(vectors):
        raise ValueError(f"{len(chunks)} chunks and {len(vectors)} vectors")
    documents: dict[str, list[tuple[Chunk, Vector]]] = {}
    for chunk, vector in zip(chunks, vectors, strict=True):
        if vector.shape != (dimensions,) or not np.isfinite(vector).all():
            raise ValueError(f"no vector of {dimensions} finite numbers: chunk {chunk.ordinal} of {chunk.document!r}")
        documents.setdefault(chunk.document, []).append((chunk, vector))
    points = []
    for name, parts in documents.items():
        parts.sort(key=lambda part: part[0].ordinal)
        if [chunk.ordinal for chunk, _ in parts] != list(range(len(parts))):
            raise ValueError(f"the chunks of {name!r} are not numbered from 0 without gaps")
        points += [_point(chunk, vector, since, len(parts)) for chunk, vector in (*parts[1:], parts[0])]
    return points


def _point(chunk: Chunk, vector: Vector, since: int, count: int) -> NewPoint:
    for name in (chunk.tenant, chunk.document, *chunk.groups):
        if not is_text(name):
            raise InvalidRequest("Names of tenants, documents and groups must be valid Unicode.")
    chunk = replace(
        chunk,
        text=_text(chunk.text),
        title=_text(chunk.title),
        heading=_text(chunk.heading),
        metadata={_text(key): each for key, value in chunk.metadata.items() if (each := _value(value)) is not None},
    )
    payload: dict[str, Any] = {name: getattr(chunk, name) for name in _CHUNK_FIELDS}
    payload["groups"] = list(chunk.groups)
    payload[AUDIENCE] = [audience_key(chunk.tenant, group) for group in chunk.groups] or [audience_key(chunk.tenant)]
    payload[FACTS] = [fact(key, value) for key, value in chunk.metadata.items()]
    payload[NUMBERS] = dict(found for key, value in chunk.metadata.items() if (found := comparable(key, value)))
    payload[SINCE] = since
    payload[UNTIL] = FOREVER
    if chunk.ordinal == 0:
        payload[CHUNKS] = count
    return NewPoint(point_id(chunk, since), vector, document_terms(chunk), payload)


def from_payload(payload: Mapping[str, Any]) -> Chunk:
    """The chunk of a point."""
    fields = list(_read_fields(payload))
    fields[_GROUPS] = tuple(fields[_GROUPS])
    return Chunk(*fields)


def may_see(reader: Reader, chunk: Chunk) -> bool:
    """The rule that the stores' filters enforce, for a look at what they gave."""
    return chunk.tenant == reader.tenant and (not chunk.groups or not set(chunk.groups).isdisjoint(reader.groups))


def best_of(found: Iterable[Mapping[PointId, float]], keep: int | None) -> list[PointId]:
    """The ids of what several searches found, each once: all, or the `keep` best by reciprocal rank fusion. Each maps
    ids to scores, best first."""
    if keep is None:
        return list({id: None for scores in found for id in scores})
    return list(reciprocal_rank_fusion(list(scores) for scores in found))[:keep]


def passage_of(point: Stored) -> Read:
    """The chunk of a point, its vector, which nobody may write to, and its terms."""
    # By way of an array: a quarter of the 22 microseconds that NumPy takes for a list of 384.
    vector = np.frombuffer(array("f", point.vector or ()), dtype=np.float32)
    vector.setflags(write=False)
    return from_payload(point.payload), vector, weights_of(point.terms or Terms((), ()))


def weights_of(terms: Terms) -> TermWeights:
    """For reckoning. `terms`: a chunk's, as `document_terms` and stores have them."""
    return TermWeights(np.array(terms.indices, dtype=np.uint32), np.array(terms.values, dtype=np.float64))


def merge(
    reader: Reader,
    passages: Iterable[tuple[PointId, Read]],
    cosines: Mapping[PointId, float],
    bm25s: Mapping[PointId, float],
) -> list[Candidate]:
    """What two searches found, each chunk once. The scores are by point id."""
    near, said = ranks(cosines), ranks(bm25s)
    candidates = []
    for id, (chunk, vector, terms) in passages:
        if not may_see(reader, chunk):
            logger.error("the store's filter let through a chunk of %r that the reader may not see", chunk.document)
            continue
        candidates.append(Candidate(chunk, vector, terms, cosines.get(id), bm25s.get(id), near.get(id), said.get(id)))
    return candidates


def to_document(payload: Mapping[str, Any]) -> StoredDocument:
    """A document, from the payload of its first chunk (`HEAD_FIELDS` of it)."""
    return StoredDocument(
        name=payload[DOCUMENT],
        content_hash=payload["content_hash"],
        chunks=payload[CHUNKS],
        title=payload["title"],
        groups=tuple(payload["groups"]),
        metadata=payload["metadata"],
    )


def describe(documents: Iterable[StoredDocument]) -> KnowledgeBase:
    """Sum up a tenant's documents."""
    known = list(documents)
    hashes = {document.name: document.content_hash for document in known}
    chunks = sum(document.chunks for document in known)
    return KnowledgeBase(version=digest(hashes), documents=len(hashes), chunks=chunks, hashes=hashes)


def number_fields(points: Iterable[NewPoint]) -> set[str]:
    """Payload fields with numbers in them, which need an index each."""
    return {f"{NUMBERS}.{name}" for point in points for name in point.payload[NUMBERS]}


def is_text(name: str) -> bool:
    """Whether it can be written as UTF-8: half a surrogate pair, which JSON can carry, cannot."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _value(value: MetadataValue) -> MetadataValue | None:
    """As JSON can hold it: it has no NaN and no infinity, and the engine's numbers end at 64 bits."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if abs(value) >= 2**63 and isinstance(value, int) else value


def _text(text: str) -> str:
    return text if is_text(text) else text.encode(errors="replace").decode()
