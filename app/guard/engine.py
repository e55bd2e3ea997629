"""The text rails of all policies, in one process: the ingress has one for short texts, the Guard deployment others."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from app.config.policy import AnyRail, Policy, RailSettings
from app.failures import Failures
from app.guard.rail import RailMissing, TextRail
from app.guard.runner import Lane, Runner
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
        self._runners: dict[tuple[str, str, float], Runner] = {}
        self.express = Lane("express", tells_late=True)
        for policy in policies.values():
            for place in ("input", "retrieved", "tool_result", "output"):
                for settings in policy.at(place):
                    if settings.rail in TEXT_RAILS:
                        self._make(settings, make)

    async def examine(self, policy: str, jobs: Sequence[Job]) -> list[list[Examined]]:
        """See `TextRails.examine`. All rails run at the same time, but for who is alone with a short text."""
        is_short = characters(jobs) <= EXPRESS_CHARACTERS
        express = self.express if is_short and self.express.is_free else None
        wanted = [
            [
                self._examine(settings, job.texts, express)
                for settings in self._policies[policy].at(job.place)
                if settings.rail in TEXT_RAILS and is_meant(settings, job)
            ]
            for job in jobs
        ]
        flat = [work for works in wanted for work in works]
        # A task for one alone would cost more than it gives.
        answers = iter([await flat[0]] if len(flat) == 1 else await asyncio.gather(*flat))
        return [[next(answers) for _ in works] for works in wanted]

    async def ping(self) -> bool:
        """It is here."""
        return True

    @property
    def missing(self) -> list[str]:
        """Rails that could not be made."""
        return [key for key, rail in self._rails.items() if rail is None]

    async def _examine(self, settings: AnyRail, texts: Sequence[str], express: Lane | None) -> Examined:
        if not texts:
            return Examined(settings.name, "")
        runner = self._runners.get(_runner_key(settings))
        if runner is None:
            return Examined(settings.name, "", failure="missing")
        return await runner.run(texts, express)

    def _make(self, settings: AnyRail, make: Callable[[AnyRail], TextRail]) -> None:
        key = rail_key(settings)
        if key not in self._rails:
            try:
                self._rails[key] = make(settings)
            except RailMissing as error:
                # Its own setting decides what then happens to requests.
                logger.error("guard: the rail %r is missing: %s", settings.name, error)
                self._rails[key] = None
        rail = self._rails[key]
        if rail is not None and _runner_key(settings) not in self._runners:
            failures = Failures(logger, f"guard rail {settings.name}")
            self._runners[_runner_key(settings)] = Runner(rail, settings.name, settings.deadline_ms / 1000, failures)


def characters(jobs: Sequence[Job]) -> int:
    """Of all texts together. One that rails of several kinds read is one text."""
    return sum(map(len, {text for job in jobs for text in job.texts}))


def rail_key(settings: RailSettings) -> str:
    """The same for settings that find the same."""
    return repr(sorted(settings.model_dump(exclude=_NOT_THE_RAILS).items(), key=lambda item: item[0]))


def _runner_key(settings: RailSettings) -> tuple[str, str, float]:
    return rail_key(settings), settings.name, settings.deadline_ms
