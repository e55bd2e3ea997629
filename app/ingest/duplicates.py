"""Finding documents that say the same as one before.

Of near duplicates only those are dropped that differ in no number, no name and no negation: two contracts, price lists
or releases that share their boilerplate are two documents, and what they differ in is what people ask for.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from app.ingest.signature import MINIMA, Signature

DEFAULT_THRESHOLD = 0.9
_LEAST_FOUND = 0.995  # of the pairs at the threshold, that the bands below must find


# All minima may agree though the texts are not the same.
_MOST_OF_NEAR = 1 - 0.5 / MINIMA


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A document that is left out, the one that stays, and how alike they are: 1 is the same text."""

    name: str
    of: str
    similarity: float


class DuplicateFinder:
    """Sees documents one after the other, and keeps the first of those that say the same.

    Show them in the order of their names: then which one stays depends on nothing else. Documents are compared only
    with those that the same groups may see: else dropping one would hide its text from those who may see it, and
    reporting it would tell of the other.

    Candidates are found by locality-sensitive hashing: signatures are cut into bands, and two documents meet when a
    band of theirs is the same (P. Indyk and R. Motwani, 1998). Time and memory are linear in the documents.
    """

    def __init__(self, threshold: float | None = DEFAULT_THRESHOLD) -> None:
        """`threshold`: least estimated Jaccard similarity of a near duplicate; None: only exact ones are dropped."""
        self._threshold = min(threshold, _MOST_OF_NEAR) if threshold else None
        self._rows = _rows_of_a_band(threshold) if threshold else MINIMA
        self._exact: dict[tuple[tuple[str, ...], bytes], str] = {}
        self._kept: list[tuple[str, tuple[str, ...], Signature]] = []
        self._bands: defaultdict[int, list[int]] = defaultdict(list)

    def find(self, name: str, groups: tuple[str, ...], signature: Signature) -> Duplicate | None:
        """The document's duplicate among those seen so far; None: it stays, and is remembered."""
        of = self._exact.setdefault((groups, signature.exact), name)
        if of != name:
            return Duplicate(name, of, 1.0)
        if self._threshold is None or not signature.minima:
            return None
        keys = self._keys(groups, signature)
        near = self._nearest(name, groups, signature, {at for key in keys for at in self._bands.get(key, ())})
        if near is not None:
            self._exact[groups, signature.exact] = near.of
            return near
        for key in keys:
            self._bands[key].append(len(self._kept))
        self._kept.append((name, groups, signature))
        return None

    def _keys(self, groups: tuple[str, ...], signature: Signature) -> list[int]:
        # With groups and facts in the key few meet that then turn out to differ in them.
        width = 4 * self._rows
        bands = (signature.minima[begin : begin + width] for begin in range(0, len(signature.minima), width))
        return [hash((at, band, signature.facts, groups)) for at, band in enumerate(bands)]

    def _nearest(
        self, name: str, groups: tuple[str, ...], signature: Signature, candidates: set[int]
    ) -> Duplicate | None:
        own = np.frombuffer(signature.minima, "<u4")
        best: Duplicate | None = None
        for at in sorted(candidates):
            other, readers, theirs = self._kept[at]
            same = readers == groups and theirs.facts == signature.facts
            similarity = float(np.mean(own == np.frombuffer(theirs.minima, "<u4"))) if same else 0.0
            similarity = min(similarity, _MOST_OF_NEAR)
            if similarity >= (self._threshold or 1) and (best is None or similarity > best.similarity):
                best = Duplicate(name, other, similarity)
        return best


def _rows_of_a_band(threshold: float) -> int:
    """The longest band with which a pair at the threshold is still found: fewer meet that are not alike."""
    for rows in (32, 16, 8, 4, 2):
        if 1 - (1 - threshold**rows) ** (MINIMA // rows) >= _LEAST_FOUND:
            return rows
    return 1
