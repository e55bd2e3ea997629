"""What a run has to do: the documents that are there against those in the knowledge base."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from app.ingest.attributes import SOURCE
from app.ingest.discover import Place
from app.retrieval.types import StoredDocument


@dataclass(frozen=True, slots=True)
class Plan:
    """Names of documents, each list sorted. A document is in one of them at most."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    deleted: tuple[str, ...]


def make_plan(
    found: Mapping[str, str],
    stored: Sequence[StoredDocument],
    places: Sequence[Place],
    complete: Set[str] = frozenset(),
    *,
    prune: bool = True,
) -> Plan:
    """Compare name -> hash of what was `found` with what is `stored`.

    With `prune`, a stored document is deleted when its file is gone from one of the given `places`. Documents of other
    places stay. So does a document whose file is there but was not found: it is outside the glob, or cannot be read
    just now. A record belongs to its file, whatever its name: it is deleted when the file is gone, or is one of the
    `complete` ones, which were read to the end, and has it no more.
    """
    names = sorted(found)
    hashes = {document.name: document.content_hash for document in stored}

    def is_lost(document: StoredDocument) -> bool:
        file = document.metadata.get(SOURCE)
        if isinstance(file, str):
            return file in complete or any(place.lost(file) for place in places)
        return any(place.lost(document.name) for place in places)

    lost = (document.name for document in stored if document.name not in found and is_lost(document))
    return Plan(
        new=tuple(name for name in names if name not in hashes),
        changed=tuple(name for name in names if name in hashes and hashes[name] != found[name]),
        unchanged=tuple(name for name in names if hashes.get(name) == found[name]),
        deleted=tuple(sorted(lost)) if prune else (),
    )


def is_in_the_way(staged: Mapping[str, str | None], plan: Plan) -> bool:
    """Whether an earlier run that was cut off has staged what this one does not want: it had other documents to do, or
    files have changed back since. Then all that is staged must go, for one commit switches to all of it."""
    due = {*plan.new, *plan.changed, *plan.deleted}
    return any(name not in due for name in staged)
