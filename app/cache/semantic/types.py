"""The values of the semantic tier, and what it needs from others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from app.retrieval.types import Vector

Decision = Literal["serve", "explore"]

MAX_OBSERVATIONS = 64
"""Labels that an entry keeps, the newest: what a question's neighbours are does not change with age."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A label: at this score the entry's answer was, or was not, the right one."""

    score: float
    same: bool


@dataclass(frozen=True, slots=True)
class Indexed:
    """A point of the index: a question that has an answer in the exact tier, under `key`."""

    id: str
    tenant: str
    scope: str
    question: str
    key: str
    made_ms: int
    expires_ms: int
    observations: tuple[Observation, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """The best candidate for a question, and what to do with it.

    `serve`: answer with the entry under `key`. `explore`: answer anew, compare, and report the label by `observe`.
    """

    entry_id: str
    key: str
    similarity: float  # cosine of the two questions
    score: float  # the judge's
    decision: Decision
    reason: str  # why it is not served, or ""
    risk: float | None  # how probably it is wrong, of a candidate good enough to be served; None of others
    is_audited: bool  # a served hit that is to be answered anew in the background


class SemanticIndex(Protocol):
    """Where the points lie. Implemented by Qdrant's engine in the process and by a Qdrant server.

    An index that cannot be reached finds nothing and takes nothing; it never raises for that.
    """

    async def put(self, point: Indexed, vector: Vector) -> None:
        """Write the point, in place of one with its id. Past the bound, the least recently used go."""
        ...

    async def search(
        self, tenant: str, scope: str, vector: Vector, limit: int, now_ms: int
    ) -> list[tuple[Indexed, float]]:
        """The nearest points of this tenant and scope that have not expired, with their cosine, best first."""
        ...

    def used(self, id: str) -> None:
        """The point has answered a question; returns at once."""
        ...

    async def get(self, id: str) -> Indexed | None:
        """One point; None when it is not there or cannot be read."""
        ...

    async def set_observations(self, id: str, observations: Sequence[Observation]) -> None:
        """Replace what was observed of a point; without effect when it is gone."""
        ...

    async def delete(self, ids: Sequence[str]) -> None:
        """Remove points; unknown ids are ignored."""
        ...

    async def purge(self, tenant: str | None) -> int:
        """Remove a tenant's points, or all. Returns how many there were. Raises Unavailable when it cannot be told."""
        ...

    async def count(self) -> int:
        """Points that are there."""
        ...

    async def close(self) -> None:
        """Flush and release."""
        ...

    @property
    def dropped(self) -> int:
        """Points that could not be read, and were deleted."""
        ...


class Verdict(Protocol):
    """What a judge says of two questions."""

    @property
    def score(self) -> float:
        """Probability that the answer to one is right for the other."""
        ...

    @property
    def reason(self) -> str:
        """The check that refuses, or ""."""
        ...

    @property
    def is_refused(self) -> bool:
        """Whether that check is certain: then nothing that was learned may overrule it."""
        ...


class Judge(Protocol):
    """Compares two questions; `app.cache.judge` is the one that ships."""

    @property
    def min_score(self) -> float:
        """Score from which an entry that nothing is known of may be served."""
        ...

    def judge(self, a: str, b: str, cosine: float | None = None, tenant: str = "") -> Verdict:
        """`tenant`: who asks; what is remembered of questions is each tenant's own."""
        ...
