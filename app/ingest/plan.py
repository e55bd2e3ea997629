"""What a run has to do: the documents on disk against those in the knowledge base."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.ingest.discover import Root

# Raise it with any change to parsing or chunking that alters what is stored: it is part of every
# document's hash, so the next run ingests all of them anew.
RECIPE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """Names of documents, each list sorted. A document is in one of them at most."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    deleted: tuple[str, ...]


def content_hash(data: bytes, model: str) -> str:
    """Hex digest that changes with the content, the recipe and the embedding model."""
    digest = hashlib.sha256(f"sextant-ingest {RECIPE_VERSION} {model}\n".encode())
    digest.update(data)
    return digest.hexdigest()


def make_plan(
    found: Mapping[str, str], stored: Mapping[str, str], roots: Sequence[Root], *, prune: bool = True
) -> Plan:
    """Compare name -> hash of what was `found` with what is `stored`.

    With `prune`, a stored document is deleted when its name lies in one of `roots` and its file is gone
    from there. Documents of other roots stay. So does a document whose file is there but was not
    found: it is outside the glob, or cannot be read just now.
    """
    names = sorted(found)
    lost = (name for name in stored if name not in found and any(root.lost(name) for root in roots))
    return Plan(
        new=tuple(name for name in names if name not in stored),
        changed=tuple(name for name in names if name in stored and stored[name] != found[name]),
        unchanged=tuple(name for name in names if stored.get(name) == found[name]),
        deleted=tuple(sorted(lost)) if prune else (),
    )
