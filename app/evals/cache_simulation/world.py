"""What a simulated stream needs once: its texts, their vectors, who is near whom."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.cache.semantic.points import point_id
from app.cache.semantic.types import Indexed, Judge, Observation, Verdict
from app.evals.cache_simulation.stream import Request
from app.retrieval.types import Vector

TENANT, SCOPE = "simulated", "simulated"
BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Near:
    """All texts that are near one, nearest first: rows, int32, and cosines, float32; the text itself left out."""

    rows: NDArray[np.int32]
    cosines: NDArray[np.float32]

    def __iter__(self) -> Iterator[tuple[int, float]]:
        return zip(self.rows.tolist(), self.cosines.tolist(), strict=True)


@dataclass(frozen=True, slots=True)
class World:
    """Texts by row. `neighbours` has every pair whose cosine is at least the least that makes a candidate."""

    texts: tuple[str, ...]
    rows: dict[str, int]
    vectors: NDArray[np.float32]
    neighbours: tuple[Near, ...]


def build_world(
    requests: Iterable[Request],
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
    min_similarity: float,
) -> World:
    """Embed every distinct text once, and find its neighbours."""
    texts = tuple(dict.fromkeys(request.text for request in requests))
    vectors = embed(texts)
    neighbours: list[Near] = []
    for start in range(0, len(texts), BLOCK):
        cosines = vectors[start : start + BLOCK] @ vectors.T
        for offset, line in enumerate(cosines):
            line[start + offset] = -1.0
            near = np.flatnonzero(line >= min_similarity)
            near = near[np.argsort(-line[near], kind="stable")]
            neighbours.append(Near(near.astype(np.int32), line[near]))
    return World(texts, {text: row for row, text in enumerate(texts)}, vectors, tuple(neighbours))


class WorldIndex:
    """`SemanticIndex` over a world's texts: exact, and quick, as all cosines are known."""

    dropped = 0

    def __init__(self, world: World) -> None:
        self._world = world
        # Texts that differ in what the embedding model does not see (case) have one vector.
        self._rows_of: dict[bytes, list[int]] = {}
        for row, vector in enumerate(world.vectors):
            self._rows_of.setdefault(vector.tobytes(), []).append(row)
        self._points: dict[int, Indexed] = {}
        self._rows: dict[str, int] = {}

    async def put(self, point: Indexed, vector: Vector) -> None:
        row = self._world.rows[point.question]
        self._points[row], self._rows[point.id] = point, row

    async def search(
        self, tenant: str, scope: str, vector: Vector, limit: int, now_ms: int
    ) -> list[tuple[Indexed, float]]:
        first, *_ = self._rows_of[vector.tobytes()]
        found: list[tuple[Indexed, float]] = []
        # The neighbours of the first are those of all, but that it is none of its own.
        for row, cosine in itertools.chain([(first, 1.0)], self._world.neighbours[first]):
            point = self._points.get(row)
            if point is not None and point.expires_ms > now_ms:
                found.append((point, cosine))
                if len(found) == limit:
                    break
        return found

    def used(self, id: str) -> None:
        pass

    async def get(self, id: str) -> Indexed | None:
        row = self._rows.get(id)
        return None if row is None else self._points[row]

    async def set_observations(self, id: str, observations: Sequence[Observation]) -> None:
        point = await self.get(id)
        if point is not None:
            seen = tuple(observations)
            self._points[self._rows[id]] = Indexed(
                point.id, point.tenant, point.scope, point.question, point.key, point.made_ms, point.expires_ms, seen
            )

    async def delete(self, ids: Sequence[str]) -> None:
        for id in ids:
            self._points.pop(self._rows.pop(id, -1), None)

    async def purge(self, tenant: str | None) -> int:
        count = len(self._points)
        self._points.clear()
        self._rows.clear()
        return count

    async def count(self) -> int:
        return len(self._points)

    async def close(self) -> None:
        pass


class RememberingJudge:
    """A judge that judges each pair once, for streams that ask the same again and again."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._known: dict[tuple[str, str], Verdict] = {}
        self.min_score = judge.min_score

    def judge(self, a: str, b: str, cosine: float | None = None, tenant: str = "") -> Verdict:
        verdict = self._known.get((a, b))
        if verdict is None:
            verdict = self._known[a, b] = self._judge.judge(a, b, cosine)
        return verdict


def entry_id(text: str) -> str:
    """The id of a text's point."""
    return point_id(TENANT, SCOPE, text)
