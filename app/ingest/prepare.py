"""A document's bytes to its passages and its signature. Runs in threads, and in other processes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.ingest.attributes import SOURCE, Attributes
from app.ingest.chunk import chunk
from app.ingest.discover import Skipped
from app.ingest.document import DEFAULT_LIMITS, Limits, UnclearGroups, UnreadableDocument
from app.ingest.parse import parse_bytes
from app.ingest.records import parse_record, record_in
from app.ingest.scan import RECORD, Content
from app.ingest.signature import Signature, sign
from app.ingest.split import TokenCounter
from app.retrieval.types import Chunk


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is the same for all documents of a run."""

    tenant: str
    max_tokens: int  # of the embedding model's input, special tokens included
    attributes: Attributes = field(default_factory=Attributes)  # what the run says of all
    limits: Limits = DEFAULT_LIMITS
    signs: bool = True  # whether duplicates are looked for


@dataclass(frozen=True, slots=True)
class Order:
    """A document to prepare. `passages` False: it is only compared with others."""

    content: Content
    passages: bool = True


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that waits for its vectors."""

    name: str
    content_hash: str
    groups: tuple[str, ...]
    chunks: list[Chunk]
    signature: Signature | None


def prepare(orders: Sequence[Order], counter: TokenCounter, recipe: Recipe) -> list[Prepared | Skipped]:
    """Parse, sign, cut. A document that cannot be read comes back as skipped; nothing is raised for it."""
    return [_prepare(order, counter, recipe) for order in orders]


def _prepare(order: Order, counter: TokenCounter, recipe: Recipe) -> Prepared | Skipped:
    content, limits = order.content, recipe.limits
    try:
        if content.file_name.endswith(RECORD):
            document = parse_record(record_in(content.data), limits)
        else:
            document = parse_bytes(content.data, content.file_name, limits)
    except UnreadableDocument as error:
        return Skipped(content.name, error.reason, withdraws=isinstance(error, UnclearGroups))
    own = Attributes(document.groups, document.metadata).under(recipe.attributes)
    metadata = {**own.metadata, SOURCE: content.source} if content.source else own.metadata
    chunks: list[Chunk] = []
    if order.passages:
        chunks = chunk(
            document,
            counter,
            name=content.name,
            tenant=recipe.tenant,
            content_hash=content.content_hash,
            max_tokens=recipe.max_tokens,
            groups=own.groups,
            metadata=metadata,
        )
        if len(chunks) > limits.max_chunks:
            return Skipped(
                content.name,
                f"{len(chunks):,} passages; at most {limits.max_chunks:,} a document, so split it",
            )
    signature = sign(document) if recipe.signs else None
    return Prepared(content.name, content.content_hash, own.groups, chunks, signature)
