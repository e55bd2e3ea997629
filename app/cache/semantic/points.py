"""Points of the index as Qdrant payloads, the same in the engine and on a server."""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from app.cache.semantic.types import Indexed, Observation

_NAMESPACE = uuid.UUID("5e7a4e6f-0000-4000-8000-5e7a4e6f0004")

# Payload keys that filters use.
PLACE = "place"
TENANT = "tenant"
SCOPE = "scope"
MADE = "made_ms"
EXPIRES = "expires_ms"
OBSERVATIONS = "observations"


def point_id(tenant: str, scope: str, question: str) -> str:
    """The same question of the same tenant in the same scope has one point."""
    return str(uuid.uuid5(_NAMESPACE, f"{len(tenant)}\0{tenant}\0{scope}\0{question}"))


def place_of(tenant: str, scope: str) -> str:
    """Tenant and scope in one word: a scan pays for each condition of its filter as much as for the vectors."""
    return hashlib.blake2b(f"{len(tenant)}\0{tenant}\0{scope}".encode(), digest_size=16).hexdigest()


def to_payload(point: Indexed) -> dict[str, Any]:
    """All fields but the id."""
    return {
        PLACE: place_of(point.tenant, point.scope),
        TENANT: point.tenant,
        SCOPE: point.scope,
        "question": point.question,
        "key": point.key,
        MADE: point.made_ms,
        EXPIRES: point.expires_ms,
        OBSERVATIONS: observed(point.observations),
    }


def observed(observations: Sequence[Observation]) -> list[list[float]]:
    """Observations as a payload holds them."""
    return [[round(o.score, 6), int(o.same)] for o in observations]


def from_payload(id: str, payload: Mapping[str, Any] | None) -> Indexed:
    """Undo `to_payload`. Raises ValueError when it is none of ours."""
    match payload:
        case {
            "tenant": str(tenant),
            "scope": str(scope),
            "question": str(question),
            "key": str(key),
            "made_ms": int(made_ms),
            "expires_ms": int(expires_ms),
            "observations": list(rows),
        }:
            return Indexed(id, tenant, scope, question, key, made_ms, expires_ms, tuple(map(_observation, rows)))
    raise ValueError("not a point of the semantic cache")


def _observation(row: object) -> Observation:
    match row:
        case [int() | float() as score, 0 | 1 as same] if 0 <= score <= 1:
            return Observation(float(score), bool(same))
    raise ValueError("not an observation")
