"""The text rails of all policies, in one process: the ingress has one for short texts, the Guard deployment others."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from app.config.policy import AnyRail, Policy, RailSettings
from app.failures import Failures
from app.guard.rail import RailMissing, TextRail
from app.guard.runner import BATCH_TEXTS, PATIENCE_S, Asked, Lane, Runner
from app.guard.types import Examined, GuardPlace

logger = logging.getLogger(__name__)

TEXT_RAILS = frozenset("pii secrets injection regex length language urls topics python nemo guardrails_ai".split())
EXPRESS_CHARACTERS = 400  # of all texts of a call together; longer ones take long enough for two cores
# What changes nothing about what a rail finds.
_NOT_THE_RAILS = {"mode", "threshold", "deadline_ms", "on_failure"}

Which = Literal["all", "masking", "others"]


@dataclass(frozen=True, slots=True)
class Job:
    """Texts for the rails of a place: for all of them, for those that mask, or for the others; or for those named."""

    place: GuardPlace
    texts: tuple[str, ...]
    which: Which = "all"
    names: tuple[str, ...] | None = None

    @property
    def characters(self) -> int:
        """Of all texts together."""
        return sum(map(len, self.texts))


class TextRails(Protocol):
    """Whoever runs text rails: here, or in another process."""

    async def examine(self, policy: str, jobs: Sequence[Job]) -> list[list[Examined]]:
        """For each job what each of its rails found. Raises SextantError when they cannot be reached."""
        ...

    async def ping(self) -> bool:
        """Whether it answers. Raises SextantError when it cannot be reached."""
        ...


def is_meant(settings: RailSettings, job: Job) -> bool:
    """Whether a job is for this rail of its place."""
    if job.names is not None:
        return settings.name in job.names
    return job.which == "all" or (settings.mode == "mask") == (job.which == "masking")


class Engine:
    """Runs them. A rail that two policies, or two places, set up alike is there once."""

    def __init__(self, policies: Mapping[str, Policy], make: Callable[[AnyRail], TextRail]) -> None:
        """`make`: from a rail's settings to the rail; may raise RailMissing."""
        self._policies = policies
        self._rails: dict[str, TextRail | None] = {}
        self._alike: dict[tuple[str, str, float], Runner] = {}
        self._runners: dict[int, Runner] = {}  # by the identity of a policy's settings: a request looks up several
        self.express = Lane("express", tells_late=True)
        for policy in policies.values():
            for place in ("input", "retrieved", "tool_result", "output"):
                for settings in policy.at(place):
                    if settings.rail in TEXT_RAILS:
                        self._make(settings, make)

    async def examine(self, policy: str, jobs: Sequence[Job]) -> list[list[Examined]]:
        """See `TextRails.examine`. All rails run at the same time, but for who is alone with a short text."""
        wanted = [
            [
                (settings, job.texts)
                for settings in self._policies[policy].at(job.place)
                if settings.rail in TEXT_RAILS and is_meant(settings, job)
            ]
            for job in jobs
        ]
        flat = [each for some in wanted for each in some]
        count = sum(len(job.texts) for job in jobs)
        if count <= BATCH_TEXTS and characters(jobs) <= EXPRESS_CHARACTERS and self.express.is_free:
            answers = iter(await self._by_express(flat))
        else:
            answers = iter(await asyncio.gather(*(self._examine(settings, texts) for settings, texts in flat)))
        return [[next(answers) for _ in some] for some in wanted]

    async def ping(self) -> bool:
        """It is here."""
        return True

    @property
    def missing(self) -> list[str]:
        """Rails that could not be made."""
        return [key for key, rail in self._rails.items() if rail is None]

    async def _examine(self, settings: AnyRail, texts: Sequence[str]) -> Examined:
        runner = self._runners.get(id(settings))
        if runner is None or not texts:
            return _without(settings, texts)
        return await runner.run(texts)

    async def _by_express(self, wanted: Sequence[tuple[AnyRail, Sequence[str]]]) -> list[Examined]:
        """All of them one after the other in one thread, which is told once and tells once; but what a network is
        needed for goes on beside them. After PATIENCE_S, or the shortest deadline, each waits for its own."""
        asked = [self._begin(settings, texts) for settings, texts in wanted]
        calls = [one.call for one in asked if isinstance(one, Asked) and one.call]
        calls.sort(key=lambda call: call.own is None)  # what goes on elsewhere begins first
        try:
            if calls and self.express.put(calls, PATIENCE_S):
                patience_s = min([PATIENCE_S, *(one.runner.deadline_s for one in asked if isinstance(one, Asked))])
                await asyncio.wait([call.answer for call in calls], timeout=patience_s)
            ending = [one.runner.end(one) for one in asked if isinstance(one, Asked)]
            # A task each would cost more than there is left to do.
            is_over = all(call.answer.done() for call in calls)
            ended = iter([await each for each in ending] if is_over else await asyncio.gather(*ending))
        finally:
            for call in calls:
                call.given_up = True  # whoever waited may have left
        return [next(ended) if isinstance(one, Asked) else one for one in asked]

    def _begin(self, settings: AnyRail, texts: Sequence[str]) -> Asked | Examined:
        runner = self._runners.get(id(settings))
        return _without(settings, texts) if runner is None or not texts else runner.begin(texts)

    def _make(self, settings: AnyRail, make: Callable[[AnyRail], TextRail]) -> None:
        key = rail_key(settings)
        if key not in self._rails:
            try:
                self._rails[key] = make(settings)
            except RailMissing as error:
                # Its own setting decides what then happens to requests.
                logger.error("guard: the rail %r is missing: %s", settings.name, error)
                self._rails[key] = None
        rail, alike = self._rails[key], (key, settings.name, settings.deadline_ms)
        if rail is None:
            return
        if alike not in self._alike:
            failures = Failures(logger, f"guard rail {settings.name}")
            self._alike[alike] = Runner(rail, settings.name, settings.deadline_ms / 1000, failures)
        self._runners[id(settings)] = self._alike[alike]


def _without(settings: RailSettings, texts: Sequence[str]) -> Examined:
    """What there is to say of texts of which there are none, or whose rail is not there."""
    return Examined(settings.name, "", failure="missing" if texts else "")


def characters(jobs: Sequence[Job]) -> int:
    """Of all texts together. One that rails of several kinds read is one text."""
    return sum(map(len, {text for job in jobs for text in job.texts}))


def rail_key(settings: RailSettings) -> str:
    """The same for settings that find the same."""
    return repr(sorted(settings.model_dump(exclude=_NOT_THE_RAILS).items(), key=lambda item: item[0]))
