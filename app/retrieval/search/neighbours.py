"""What stands before and after a hit in its document."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from app.retrieval.types import Chunk, Passage, Reader


class Around(Protocol):
    """The part of `VectorStore` that neighbours come from."""

    async def around(self, reader: Reader, document: str, first: int, last: int) -> list[Chunk]: ...


async def neighbours_of(store: Around, reader: Reader, hits: Sequence[Passage], reach: int) -> tuple[Passage, ...]:
    """Up to `reach` chunks before and after each hit that are none themselves, each once, with the score of the best
    hit beside it. The store gives only what the reader may see."""
    if reach <= 0 or not hits:
        return ()
    windows = await asyncio.gather(
        *(
            store.around(reader, hit.chunk.document, max(0, hit.chunk.ordinal - reach), hit.chunk.ordinal + reach)
            for hit in hits
        )
    )
    taken = {(hit.chunk.document, hit.chunk.ordinal) for hit in hits}
    beside: list[Passage] = []
    for hit, window in zip(hits, windows, strict=True):
        for chunk in window:
            place = (chunk.document, chunk.ordinal)
            # Another version of the document may have been committed since the search.
            if place in taken or chunk.content_hash != hit.chunk.content_hash:
                continue
            taken.add(place)
            beside.append(Passage(chunk, hit.score, is_neighbour=True))
    return tuple(beside)
