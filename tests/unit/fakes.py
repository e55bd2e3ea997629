"""Stand-ins for everything around the pipeline. They keep what they were given, for the tests to look at."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.accounts.types import Caller
from app.cache.desk import Place
from app.cache.semantic.types import Decision, Proposal
from app.config import Policy
from app.config.policy import AnyRail
from app.errors import BudgetExceeded, SextantError
from app.guard.engine import TEXT_RAILS, Job, is_meant
from app.guard.types import Context, Examined, Hit
from app.ledger.types import UsageRow
from app.retrieval.search.types import Found, SearchRequest
from app.retrieval.types import Chunk, KnowledgeBase, Passage, StoredDocument, Vector
from app.telemetry.events import RequestFinished


@dataclass
class FakeGuard:
    """Finds `names` as PERSON, and `refused` words as a blocking rail does. With `gate`, waits for it; with `error`,
    fails. Stands for the text rails of a policy."""

    names: Sequence[str] = ()
    refused: Sequence[str] = ()
    error: Exception | None = None
    gate: asyncio.Event | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    calls: list[list[str]] = field(default_factory=list)
    policies: Mapping[str, Policy] = field(default_factory=lambda: {"default": Policy()})

    async def examine(self, policy: str, jobs: Sequence[Job]) -> list[list[Examined]]:
        self.calls.append([text for job in jobs for text in job.texts])
        self.started.set()
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        return [[self._examined(settings, job) for settings in self._meant(policy, job)] for job in jobs]

    def _meant(self, policy: str, job: Job) -> list[AnyRail]:
        return [rail for rail in self.policies[policy].at(job.place) if rail.rail in TEXT_RAILS and is_meant(rail, job)]

    def _examined(self, settings: AnyRail, job: Job) -> Examined:
        words = {"pii": self.names, "injection": self.refused}.get(settings.rail, ())
        rule = "PERSON" if settings.rail == "pii" else "override"
        hits = tuple(
            tuple(
                Hit(rule, 0.9, found.start(), found.end()) for w in words for found in re.finditer(re.escape(w), text)
            )
            for text in job.texts
        )
        return Examined(settings.name, "fake", hits, 0.1)

    async def ping(self) -> bool:
        return self.error is None


@dataclass
class FakeContextRail:
    """Finds `words`. With `gate`, waits for it; with `error`, fails."""

    words: Sequence[str] = ()
    error: Exception | None = None
    gate: asyncio.Event | None = None
    contexts: list[Context] = field(default_factory=list)
    version: str = "fake"

    async def examine(self, texts: Sequence[str], context: Context) -> list[list[Hit]]:
        self.contexts.append(context)
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        return [
            [Hit("found", 0.9, text.index(w), text.index(w) + len(w)) for w in self.words if w in text]
            for text in texts
        ]


@dataclass
class FakeEmbed:
    """A unit vector that depends on the text alone."""

    gate: asyncio.Event | None = None
    error: Exception | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    texts: list[str] = field(default_factory=list)

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        self.texts += texts
        self.started.set()
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        return [vector_of(text) for text in texts]

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    async def ping(self) -> bool:
        return True


def vector_of(text: str, dimensions: int = 8) -> Vector:
    """The vector that FakeEmbed makes of a text."""
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")
    vector = np.random.default_rng(seed).normal(size=dimensions)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@dataclass
class FakeSearch:
    """The same passages for every question of a tenant."""

    passages: dict[str, list[Passage]] = field(default_factory=dict)
    error: Exception | None = None
    requests: list[SearchRequest] = field(default_factory=list)
    beside: tuple[Passage, ...] = ()
    deleted: list[str] = field(default_factory=list)
    reranked: list[tuple[str, int]] = field(default_factory=list)  # query, vectors

    async def find(self, request: SearchRequest) -> Found:
        self.requests.append(request)
        if self.error:
            raise self.error
        found = self.passages.get(request.reader.tenant, [])[: request.limit]
        best = max((passage.score for passage in found), default=0.0)
        least = 0.25 if request.min_relevance is None else request.min_relevance
        return Found(tuple(found), best >= least, best, self.beside)

    async def rerank(self, query: str, texts: Sequence[str], vectors: Sequence[Vector]) -> list[float]:
        """Longer is better."""
        self.reranked.append((query, len(vectors)))
        return [min(1.0, len(text) / 100) for text in texts]

    async def documents(self, tenant: str) -> list[StoredDocument]:
        if self.error:
            raise self.error
        chunks = [passage.chunk for passage in self.passages.get(tenant, [])]
        names = sorted({chunk.document for chunk in chunks} - set(self.deleted))
        return [StoredDocument(name, "h", sum(c.document == name for c in chunks), "Guide") for name in names]

    async def describe(self, tenant: str) -> KnowledgeBase:
        stored = await self.documents(tenant)
        return KnowledgeBase("kb-1", len(stored), sum(document.chunks for document in stored))

    async def delete(self, tenant: str, documents: list[str]) -> None:
        self.deleted += documents

    async def ping(self) -> bool:
        return True


@dataclass
class FakeSemantic:
    """Finds, for each question, the proposal that `near` has of it; keeps what it is told."""

    near: dict[str, Callable[[], Proposal]] = field(default_factory=dict)
    says: bool | None = True  # what a comparison comes to
    error: Exception | None = None
    asked: list[Place] = field(default_factory=list)
    remembered: list[Place] = field(default_factory=list)
    compared: list[tuple[str, str]] = field(default_factory=list)  # old answer, new answer
    forgotten: list[str] = field(default_factory=list)

    async def find(self, place: Place, vector: Vector | None) -> tuple[Vector, Proposal | None]:
        self.asked.append(place)
        if self.error:
            raise self.error
        found = self.near.get(place.question)
        return vector_of(place.question) if vector is None else vector, found() if found else None

    async def remember(self, place: Place, vector: Vector | None, ttl_s: float) -> None:
        self.remembered.append(place)

    async def compare(self, place: Place, proposal: Proposal, old: str, new: str) -> bool | None:
        self.compared.append((old, new))
        return self.says

    async def forget(self, entry_id: str) -> None:
        self.forgotten.append(entry_id)

    def propose(self, question: str, decision: Decision = "serve", *, of: int = 0, is_audited: bool = False) -> None:
        """From now on, propose for `question` the entry that was remembered as number `of`."""
        self.near[question] = lambda: Proposal(
            "entry-1", self.remembered[of].key, 0.97, 0.99, decision, "", risk=0.01, is_audited=is_audited
        )


def passage(
    text: str, score: float = 0.9, document: str = "guide.md", ordinal: int = 0, content_hash: str = ""
) -> Passage:
    """A passage of the default tenant."""
    chunk = Chunk(
        document, "default", ordinal, text, 0, len(text), title="Guide", heading="Ports", content_hash=content_hash
    )
    return Passage(chunk, score)


@dataclass
class FakeVersions:
    """The version of everybody's knowledge base."""

    version: str | None = "kb-1"

    async def knowledge_base(self, tenant: str) -> str | None:
        return self.version


class FakeReservation:
    """Holds what it is told to, and nothing is too much for it unless `refusals` has an error for the model."""

    def __init__(self, ledger: "FakeLedger", reservation_id: str) -> None:
        self.id = reservation_id
        self.exhausted: BudgetExceeded | None = ledger.exhausted
        self.lost = asyncio.Event()
        self.held: list[tuple[str, int, int]] = []
        self.told: list[int] = []
        self._ledger = ledger

    def headers(self) -> dict[str, str]:
        return dict(self._ledger.headers)

    async def reserve(self, model: str, tokens: int, cost_nano: int) -> None:
        if error := self._ledger.refusals.get(model):
            raise error
        self.held.append((model, tokens, cost_nano))

    def progress(self, cost_nano: int, prompt_tokens: int, completion_tokens: int, model: str, provider: str) -> None:
        self.told.append(cost_nano)

    async def settle(self, row: UsageRow) -> UsageRow:
        if self._ledger.settling:
            await self._ledger.settling.wait()
        if self._ledger.settle_error:
            raise self._ledger.settle_error
        self._ledger.rows.append(row)
        return row

    async def release(self) -> None:
        self._ledger.released.append(self.id)


@dataclass
class FakeLedger:
    """Lets everybody in, unless `admit_error` says otherwise, and keeps the rows."""

    admit_error: SextantError | None = None
    settle_error: SextantError | None = None
    exhausted: BudgetExceeded | None = None
    refusals: dict[str, SextantError] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    settling: asyncio.Event | None = None
    rows: list[UsageRow] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    reservations: list[FakeReservation] = field(default_factory=list)

    async def admit(
        self, caller: Caller, reservation_id: str, requested_model: str, *, request_id: str = "", operation: str = ""
    ) -> FakeReservation:
        if self.admit_error:
            raise self.admit_error
        self.reservations.append(FakeReservation(self, reservation_id))
        return self.reservations[-1]

    @property
    def row(self) -> UsageRow:
        """The one row there must be."""
        (row,) = self.rows
        return row


@dataclass
class Recorder:
    """A listener."""

    events: list[RequestFinished] = field(default_factory=list)

    def request_finished(self, event: RequestFinished) -> None:
        self.events.append(event)

    @property
    def only(self) -> RequestFinished:
        """The one event there must be."""
        (event,) = self.events
        return event
