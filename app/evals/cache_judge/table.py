"""The features of many pairs, each text embedded once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.cache.judge.aligned import TokenPair
from app.cache.judge.features import compare
from app.cache.judge.literal.canon import core_of
from app.cache.judge.recalled import TokenEmbedder
from app.cache.judge.seen import Seen, see
from app.evals.cache_judge.groups import Pair


@dataclass(frozen=True, slots=True)
class Table:
    """Pairs with a row of features each; `names` are the columns.

    `loose` has each pair's left-over items, `tokens` all tokens of both; pairs with one text share its vectors.
    """

    pairs: tuple[Pair, ...]
    names: tuple[str, ...]
    rows: NDArray[np.float32]
    loose: tuple[NDArray[np.float16], ...]
    tokens: tuple[TokenPair, ...]

    @property
    def same(self) -> NDArray[np.bool_]:
        """Whether each pair asks the same."""
        return np.array([pair.is_same for pair in self.pairs])

    def column(self, name: str) -> NDArray[np.float32]:
        """One feature of every pair."""
        return self.rows[:, self.names.index(name)]

    def where(self, chosen: NDArray[np.bool_]) -> "Table":
        """The chosen pairs alone."""
        kept = np.flatnonzero(chosen)
        return Table(
            tuple(self.pairs[row] for row in kept),
            self.names,
            self.rows[kept],
            tuple(self.loose[row] for row in kept),
            tuple(self.tokens[row] for row in kept),
        )

    def joined(self, other: "Table") -> "Table":
        """These pairs and the other's."""
        rows = np.concatenate([self.rows, other.rows])
        return Table(self.pairs + other.pairs, self.names, rows, self.loose + other.loose, self.tokens + other.tokens)

    def with_column(self, name: str, values: NDArray[np.floating[Any]]) -> "Table":
        """A feature more."""
        rows = np.concatenate([self.rows, values.astype(np.float32)[:, None]], axis=1)
        return replace(self, names=(*self.names, name), rows=rows)


def tabulate(pairs: Sequence[Pair], embedder: TokenEmbedder, step: Callable[[], None] = lambda: None) -> Table:
    """Compute all features; `step` is called after each pair."""
    seen: dict[str, Seen] = {}

    def look(text: str) -> Seen:
        if text not in seen:
            core = core_of(text)
            seen[text] = see(core, embedder.token_vectors(core))
        return seen[text]

    rows: list[NDArray[np.float32]] = []
    loose: list[NDArray[np.float16]] = []
    tokens: list[TokenPair] = []
    names: tuple[str, ...] = ()
    for pair in pairs:
        a, b = look(pair.a), look(pair.b)
        compared = compare(a, b, float(a.pooled @ b.pooled))
        found = compared.features
        names = tuple(found)
        rows.append(np.fromiter(found.values(), dtype=np.float32, count=len(found)))
        loose.append(compared.loose.astype(np.float16))  # half the memory
        tokens.append(compared.tokens)
        step()
    return Table(tuple(pairs), names, np.array(rows), tuple(loose), tuple(tokens))
