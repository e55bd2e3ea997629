"""Bring a knowledge base up to date with documents."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from app.ingest.attributes import Attributes
from app.ingest.discover import Discovery, Skipped
from app.ingest.document import DEFAULT_LIMITS, Limits
from app.ingest.duplicates import DEFAULT_THRESHOLD, Duplicate, DuplicateFinder
from app.ingest.flow import Flow, Known
from app.ingest.plan import Plan, is_in_the_way, make_plan
from app.ingest.prepare import Prepared, Recipe
from app.ingest.scan import Hasher, Scan, scan
from app.ingest.signatures import NoMemory, SignatureMemory
from app.ingest.staging import Staging
from app.ingest.workers import Workers
from app.retrieval.types import Chunk, KnowledgeBase, StoredDocument, Vector


class Target(Protocol):
    """The part of `app.retrieval.types.VectorStore` that ingestion uses, or a handle to it."""

    async def stage(self, tenant: str, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None: ...

    async def stage_removal(self, tenant: str, documents: Sequence[str]) -> None: ...

    async def staged(self, tenant: str) -> dict[str, str | None]: ...

    async def commit(self, tenant: str) -> None: ...

    async def discard(self, tenant: str) -> None: ...

    async def documents(self, tenant: str) -> list[StoredDocument]: ...

    async def describe(self, tenant: str) -> KnowledgeBase: ...


@dataclass(frozen=True, slots=True)
class Options:
    """What a run does with what it finds.

    `model` names the embedding model: another name means that all is embedded anew. `near` is the least similarity of
    near duplicates; None: only exact ones are dropped; without `drop_duplicates` not even those.
    """

    tenant: str
    model: str
    attributes: Attributes = field(default_factory=Attributes)
    prune: bool = True
    drop_duplicates: bool = True
    near: float | None = DEFAULT_THRESHOLD
    limits: Limits = DEFAULT_LIMITS


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    documents: int  # done: staged, or left out
    total: int  # documents to look into
    chunks: int  # embedded
    document: str = ""  # what has just been done; "" between documents


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did. `new` and `changed` name the documents that are stored now."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    deleted: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    chunks: int  # embedded by this run
    seconds: float
    knowledge_base: KnowledgeBase  # after it
    duplicates: tuple[Duplicate, ...] = ()
    resumed: int = 0  # of the new and changed ones, those that an earlier run had staged before it was cut off


async def ingest(
    discovery: Discovery,
    target: Target,
    workers: Workers,
    options: Options,
    *,
    memory: SignatureMemory | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Report:
    """Store what is new or changed, remove what is gone (see `make_plan`) or said twice, leave the rest alone.

    All is staged first, and one commit at the end switches to it: until then nobody sees any of it. Running it again
    does nothing. After a failure or a kill the next run takes over what was staged, and embeds only what is missing.

    A document that cannot be read is reported in `skipped`; what is stored of it stays, but for one whose groups
    cannot be understood, which is removed. What an earlier run had staged of it is not committed. An error of the
    target or the workers ends the run.
    """
    began = time.perf_counter()
    hasher = Hasher(options.model, options.attributes)
    stored = await target.documents(options.tenant)
    scanned = await asyncio.to_thread(scan, discovery.sources, hasher, options.limits)
    plan = make_plan(scanned, stored, discovery.roots, prune=options.prune)
    run = _Run(target, workers, options, hasher, memory or NoMemory(), on_progress)
    if not await run.go(scanned, plan, await _taken_over(target, options.tenant, plan)):
        await target.discard(options.tenant)
        run = _Run(target, workers, options, hasher, memory or NoMemory(), on_progress)
        await run.go(scanned, plan, {})
    skipped = [*discovery.skipped, *scanned.skipped, *run.skipped]
    left_out = {*(each.name for each in skipped), *(each.name for each in run.duplicates)}
    return Report(
        new=tuple(name for name in plan.new if name not in left_out),
        changed=tuple(name for name in plan.changed if name not in left_out),
        unchanged=tuple(name for name in plan.unchanged if name not in left_out),
        deleted=plan.deleted,
        skipped=tuple(sorted(skipped, key=lambda each: each.name)),
        chunks=run.staging.embedded,
        seconds=time.perf_counter() - began,
        knowledge_base=await target.describe(options.tenant),
        duplicates=tuple(run.duplicates),
        resumed=run.resumed,
    )


async def _taken_over(target: Target, tenant: str, plan: Plan) -> dict[str, str | None]:
    """What an earlier run has staged, if this one can go on from there."""
    staged = await target.staged(tenant)
    if staged and is_in_the_way(staged, plan):
        await target.discard(tenant)
        return {}
    return staged


class _Run:
    """The documents of one run on their way: read and cut, compared, embedded and staged."""

    def __init__(
        self,
        target: Target,
        workers: Workers,
        options: Options,
        hasher: Hasher,
        memory: SignatureMemory,
        on_progress: Callable[[Progress], None],
    ) -> None:
        recipe = Recipe(
            options.tenant, workers.max_tokens, options.attributes, options.limits, signs=options.drop_duplicates
        )
        self._target = target
        self._options = options
        self._memory = memory
        self._flow = Flow(workers, recipe, hasher, memory)
        self._finder = DuplicateFinder(options.near)
        self.staging = Staging(target, workers, options.tenant, self._advance)
        self._on_progress = on_progress
        self._total = 0
        self._done = 0
        self.resumed = 0
        self.skipped: list[Skipped] = []
        self.duplicates: list[Duplicate] = []

    async def go(self, scanned: Scan, plan: Plan, staged: Mapping[str, str | None]) -> bool:
        """Everything that the plan wants, and the commit.

        False: nothing is committed, for what is staged must go first. It has a change of a stored document that cannot
        be read now and stays as it is, and a target takes back either all that is staged or what is new.
        """
        hashes = {name: found.content_hash for name, found in scanned.found.items()}
        waiting = {name for name in (*plan.new, *plan.changed) if staged.get(name) != hashes[name]}
        self.resumed = len(plan.new) + len(plan.changed) - len(waiting)
        self._total = len(waiting)
        self._tell()
        left_out = await self._stage(scanned, plan, staged, waiting)
        if left_out is None:
            return False
        if removals := [*plan.deleted, *plan.withdrawn, *left_out]:
            await self._target.stage_removal(self._options.tenant, removals)
        if removals or staged or self.staging.embedded:
            await self._target.commit(self._options.tenant)
        else:
            await self._target.discard(self._options.tenant)  # of nothing: the run is over for the target, too
        return True

    async def _stage(
        self, scanned: Scan, plan: Plan, staged: Mapping[str, str | None], waiting: set[str]
    ) -> list[str] | None:
        """Stage what waits. Returns what is stored or staged and has to go; None as soon as `go` must return False."""
        new, in_store = set(plan.new), {*plan.changed, *plan.unchanged, *staged}
        going: list[str] = []
        try:
            async with asyncio.TaskGroup() as tasks, aclosing(self._flow.run(scanned.found, waiting)) as items:
                async for item in items:
                    if isinstance(item, Skipped):
                        goes = item.withdraws or item.name in new
                        if item.name in staged and not goes:
                            return None
                        self._leave_out(item.name, waiting)
                        self.skipped.append(item)
                        going += [item.name] if goes and item.name in in_store else []
                    elif (duplicate := self._duplicate(item)) is not None:
                        self._leave_out(item.name, waiting)
                        self.duplicates.append(duplicate)
                        going += [item.name] if item.name in in_store else []
                    elif isinstance(item, Prepared) and item.name in waiting:
                        await self.staging.add(item, tasks)
                await self.staging.flush(tasks)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group
        return going

    def _duplicate(self, item: Prepared | Known) -> Duplicate | None:
        if item.signature is None:
            return None
        if isinstance(item, Prepared):
            self._memory.keep(item.content_hash, item.groups, item.signature)
        return self._finder.find(item.name, item.groups, item.signature)

    def _leave_out(self, name: str, waiting: set[str]) -> None:
        if name in waiting:
            self._advance(name, 0)

    def _advance(self, name: str, chunks: int) -> None:
        self._done += bool(name)
        self._tell(name)

    def _tell(self, document: str = "") -> None:
        self._on_progress(Progress(self._done, self._total, self.staging.embedded, document))
