"""What a run has to do: the documents that are there against those in the knowledge base."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.ingest.attributes import SOURCE
from app.ingest.discover import Place
from app.ingest.scan import Found, Scan
from app.retrieval.types import StoredDocument


@dataclass(frozen=True, slots=True)
class Plan:
    """Names of documents, each list sorted. A document is in one of them at most."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    deleted: tuple[str, ...]
    withdrawn: tuple[str, ...] = ()


def make_plan(scanned: Scan, stored: Sequence[StoredDocument], places: Sequence[Place], *, prune: bool = True) -> Plan:
    """Compare what was found with what is `stored`.

    With `prune`, a stored document is deleted when its file is gone from one of the given `places`. Documents of other
    places stay. So does a document whose file is there but was not found: it is outside the glob, or cannot be read
    just now. A record belongs to its file, whatever its name: it is deleted when the file is gone, or is one of the
    complete ones, which were read to the end, and has it no more. A file that was one document goes when there are
    records in it now.

    With or without, what is stored of a file of which nobody can tell who may see it is withdrawn.
    """
    found = scanned.found
    before = {document.name: document for document in stored}
    same = {name for name, document in before.items() if name in found and _is_same(document, found[name])}
    unclear = {each.name for each in scanned.skipped if each.withdraws}

    def is_lost(document: StoredDocument) -> bool:
        file = _file_of(document)
        is_no_more = file in (scanned.complete if SOURCE in document.metadata else scanned.split)
        return is_no_more or any(place.lost(file) for place in places)

    gone = [document for document in stored if document.name not in found]
    withdrawn = {document.name for document in gone if _file_of(document) in unclear}
    lost = (document.name for document in gone if document.name not in withdrawn and is_lost(document))
    return Plan(
        new=tuple(name for name in found if name not in before),
        changed=tuple(name for name in found if name in before and name not in same),
        unchanged=tuple(name for name in found if name in same),
        deleted=tuple(sorted(lost)) if prune else (),
        withdrawn=tuple(sorted(withdrawn)),
    )


def is_in_the_way(staged: Mapping[str, str | None], plan: Plan) -> bool:
    """Whether an earlier run that was cut off has staged what this one does not want: it had other documents to do, or
    files have changed back since. Then all that is staged must go, for one commit switches to all of it."""
    due = {*plan.new, *plan.changed, *plan.deleted, *plan.withdrawn}
    return any(name not in due for name in staged)


def _file_of(document: StoredDocument) -> str:
    """The file that it lies in; a document that is no record is one itself."""
    return str(document.metadata.get(SOURCE, document.name))


def _is_same(document: StoredDocument, found: Found) -> bool:
    """A record that has moved to another file is not the same: it would go with the file that it is no longer in."""
    is_at_its_place = not found.is_record or _file_of(document) == found.source.name
    return document.content_hash == found.content_hash and is_at_its_place
