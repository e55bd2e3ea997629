"""Chunks as Qdrant points: the payload both stores share, and the ids that make ingestion idempotent."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from app.retrieval.types import Chunk, KnowledgeBase, digest

_NAMESPACE = uuid.UUID("5e7a4e6f-0000-4000-8000-5e7a4e6f0001")

# Payload keys that filters use.
TENANT = "tenant"
DOCUMENT = "document"


def point_id(chunk: Chunk) -> str:
    """The same chunk of the same document gets the same id, so a repeated write changes nothing."""
    return str(uuid.uuid5(_NAMESPACE, f"{chunk.tenant}\0{chunk.document}\0{chunk.ordinal}"))


def to_payload(chunk: Chunk) -> dict[str, Any]:
    """All fields of a chunk."""
    return asdict(chunk)


def from_payload(payload: Mapping[str, Any]) -> Chunk:
    """Undo `to_payload`."""
    return Chunk(**payload)


def describe(chunks: Iterable[Mapping[str, Any]]) -> KnowledgeBase:
    """Sum up payloads (document and content_hash suffice) of one tenant."""
    hashes: dict[str, str] = {}
    count = 0
    for payload in chunks:
        document, content_hash = payload[DOCUMENT], payload["content_hash"]
        # Two hashes: a write was cut off. No file has the hash "", so the document is ingested anew.
        hashes[document] = content_hash if hashes.get(document, content_hash) == content_hash else ""
        count += 1
    return KnowledgeBase(version=digest(hashes), documents=len(hashes), chunks=count, hashes=hashes)
