"""The cache key: one pure function of the request and of everything its answer depends on."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import orjson

# Fields of a request that cannot change the answer's content.
EXCLUDED = ("stream", "stream_options", "user", "metadata", "store", "service_tier", "sextant", "model")

# Raise it when the form of entries or of answers changes.
FORMAT = 3


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an answer comes from. A change to any of these makes the entry unreachable."""

    tenant: str
    model: str
    model_revision: str
    guard_policy: str
    masked: bool  # the texts in the key are the guard's, not the client's
    prompts: tuple[str, ...]  # name@version of each prompt used
    knowledge_base: str | None  # version, when the answer drew on it
    retrieval: tuple[str | float, ...] = ()  # everything else that decides which passages are seen, and how


def cache_key(request: dict[str, Any], provenance: Provenance, hash_key: bytes) -> str:
    """A keyed hash (BLAKE2b, 32 bytes, hex): nobody can guess texts from keys or forge a key.

    `request` is the body as the client sent it, parsed, with the guard's texts put in.
    """
    material = {
        "format": FORMAT,
        "request": {name: value for name, value in request.items() if name not in EXCLUDED},
        "provenance": asdict(provenance),
    }
    canonical = orjson.dumps(material, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    # BLAKE2b takes a key of at most 64 bytes.
    key = hashlib.blake2b(hash_key, digest_size=64).digest()
    return hashlib.blake2b(canonical, key=key, digest_size=32).hexdigest()
