"""The rails in a process of their own, without Serve: `python -m benchmarks.guard.rails` reads jobs as JSON lines.

It is set up as a process of the stack is (`deployments.guard`). What a rail says of a text is remembered, so a text
that comes again costs nothing: jobs never send one twice.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from app.config import StackConfig
from app.config.policy import Policy
from app.guard.screening import Screening, Spoken
from benchmarks.load_generator import LoadGenerator, serve_jobs
from deployments.guard import open_engine

ALL = "all rails"
_DEADLINE_MS = 60_000  # costs nothing, and a busy machine ends no run
_ANY = {"providers": {"none": {"base_url": "http://127.0.0.1:9/v1"}}, "hosted": [{"id": "none", "provider": "none"}]}


@dataclass(frozen=True)
class Job:
    """Texts for the input rails of the default policy: one of them, or all at once."""

    rail: str
    texts: Sequence[str]
    warm_up: int  # of the texts, the first; they are examined, and not measured


@dataclass(frozen=True)
class Result:
    """Milliseconds for each text, and whether it would be refused."""

    times_ms: Sequence[float]
    refused: Sequence[bool] = ()
    error: str = ""


def rail_names() -> list[str]:
    """Of the default policy, at the input."""
    return [rail.name for rail in Policy().input]


@cache
def _screening() -> Screening:
    nothing = {"retrieved": (), "tool_result": (), "output": ()}
    patient = [rail.model_copy(update={"deadline_ms": _DEADLINE_MS}) for rail in Policy().input]
    policies = {rail.name: {"input": [rail.model_dump()], **nothing} for rail in patient}
    policies[ALL] = {"input": [rail.model_dump() for rail in patient], **nothing}
    config = StackConfig.model_validate({**_ANY, "guard": {"policies": policies}})
    engine = open_engine(config)
    if engine.missing:
        raise RuntimeError("rails are missing: " + "; ".join(engine.missing))
    return Screening(config.guard.named, engine, {})


async def run(job: Job) -> Result:
    """Examine one text after the other."""
    try:
        screening = _screening()
    except RuntimeError as error:
        return Result([], error=str(error))
    times, refused = [], []
    for text in job.texts:
        start = time.perf_counter()
        screened = await screening.request(job.rail, [Spoken(text)])
        times.append((time.perf_counter() - start) * 1000)
        if failed := [verdict.name for verdict in screened.verdicts if verdict.failure]:
            return Result([], error=f"failed: {', '.join(failed)}")
        refused.append(screened.blocked is not None)
    return Result(times[job.warm_up :], refused[job.warm_up :])


def load_generator() -> LoadGenerator[Job, Result]:
    """The process of this module."""
    return LoadGenerator("benchmarks.guard.rails", Result, lambda job, result: result.error or None)


if __name__ == "__main__":
    serve_jobs(Job, run)
