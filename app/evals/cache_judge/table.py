"""The features of many pairs, each text embedded once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.cache.judge.features import Seen, features, see
from app.cache.judge.judge import TokenEmbedder
from app.evals.cache_judge.groups import Pair


@dataclass(frozen=True, slots=True)
class Table:
    """Pairs with a row of features each; `names` are the columns."""

    pairs: tuple[Pair, ...]
    names: tuple[str, ...]
    rows: NDArray[np.float32]

    @property
    def same(self) -> NDArray[np.bool_]:
        """Whether each pair asks the same."""
        return np.array([pair.is_same for pair in self.pairs])

    def column(self, name: str) -> NDArray[np.float32]:
        """One feature of every pair."""
        return self.rows[:, self.names.index(name)]

    def where(self, chosen: NDArray[np.bool_]) -> "Table":
        """The chosen pairs alone."""
        kept = tuple(pair for pair, is_chosen in zip(self.pairs, chosen, strict=True) if is_chosen)
        return Table(kept, self.names, self.rows[chosen])


def tabulate(pairs: Sequence[Pair], embedder: TokenEmbedder, step: Callable[[], None] = lambda: None) -> Table:
    """Compute all features; `step` is called after each pair."""
    seen: dict[str, Seen] = {}

    def look(text: str) -> Seen:
        if text not in seen:
            seen[text] = see(text, embedder.token_vectors(text))
        return seen[text]

    rows, names = [], ()
    for pair in pairs:
        a, b = look(pair.a), look(pair.b)
        found = features(a, b, float(a.pooled @ b.pooled))
        names = tuple(found)
        rows.append(np.fromiter(found.values(), dtype=np.float32, count=len(found)))
        step()
    return Table(tuple(pairs), names, np.array(rows))
