"""The cache key: one pure function of the request and of everything its answer depends on."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from app.retrieval.types import Passage

# Fields of a request that cannot change the answer's content. (`model`: the provenance says which one answers.)
EXCLUDED = frozenset(
    {
        "stream",
        "stream_options",
        "user",
        "metadata",
        "store",
        "service_tier",
        "sextant",
        "model",
        "prompt_cache_key",
        "prompt_cache_retention",
        "cache_breakpoints",
    }
)

# Raise it when the form of entries or of answers changes.
FORMAT = 4


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an answer comes from. A change to any of these makes the entry unreachable.

    An answer from documents is known by what it saw (`evidence`); the version of the whole knowledge base stands in
    for that as long as nobody has searched.
    """

    tenant: str
    model: str
    model_revision: str
    guard_policy: str
    masked: bool  # the texts in the key are the guard's, not the client's
    prompts: tuple[str, ...]  # name@version of each prompt used
    knowledge_base: str | None  # version, when the answer draws on it and its passages are not known yet
    retrieval: tuple[str | float, ...] = ()  # everything else that decides which passages are seen, and how
    groups: tuple[str, ...] = ()  # whose documents the asker sees, as long as the passages are not known
    evidence: str | None = None  # digest of the passages that the model sees


def cache_key(request: Mapping[str, Any], provenance: Provenance, hash_key: bytes) -> str:
    """A keyed hash (BLAKE2b, 32 bytes, hex): nobody can guess texts from keys or forge a key.

    `request` is the body as the client sent it, parsed, with the guard's texts put in.
    """
    return _digest("entry", request, provenance, hash_key)


def scope_key(request: Mapping[str, Any], provenance: Provenance, hash_key: bytes) -> str:
    """The key of everything but the last turn's words: what two questions must have in common, to the byte,
    before they are compared by meaning."""
    *earlier, last = request["messages"]
    return _digest("scope", {**request, "messages": [*earlier, {**last, "content": None}]}, provenance, hash_key)


def question_of(request: Mapping[str, Any]) -> str | None:
    """The words that are compared by meaning: the last turn, if it is the user's and holds nothing else."""
    messages = request.get("messages")
    if not messages or messages[-1].get("role") != "user":
        return None
    content = messages[-1].get("content")
    return content if isinstance(content, str) and content.strip() else None


def evidence_of(passages: Sequence[Passage]) -> str:
    """A digest of the passages that an answer is drawn from: which parts of which state of which documents.

    Their order is left out: it follows from the question, which stands in the key beside them.
    """
    chunks = [passage.chunk for passage in passages]
    seen = sorted((c.document, c.content_hash, c.ordinal, c.start, c.end) for c in chunks)
    return hashlib.blake2b(orjson.dumps(seen), digest_size=16).hexdigest()


def _digest(kind: str, request: Mapping[str, Any], provenance: Provenance, hash_key: bytes) -> str:
    material = {
        "format": FORMAT,
        "kind": kind,
        "request": {name: value for name, value in request.items() if name not in EXCLUDED},
        "provenance": asdict(provenance),
    }
    canonical = orjson.dumps(material, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    # BLAKE2b takes a key of at most 64 bytes.
    key = hashlib.blake2b(hash_key, digest_size=64).digest()
    return hashlib.blake2b(canonical, key=key, digest_size=32).hexdigest()
