"""A load generator is a module that runs as a process of its own: it reads jobs as JSON lines, and answers each."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from benchmarks.errors import BenchmarkFailed

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Job = TypeVar("Job", bound="DataclassInstance")
Result = TypeVar("Result", bound="DataclassInstance")


class LoadGenerator(Generic[Job, Result]):
    """That process, seen from the benchmark. A context manager: leaving it ends the process.

    `complaint` says what was wrong with a result, if anything was. `command` starts something else than the module
    here: a program of the peers' environment that reads and answers the same lines.
    """

    def __init__(
        self,
        module: str,
        result_type: Callable[..., Result],
        complaint: Callable[[Job, Result], str | None],
        command: Sequence[str] = (),
    ) -> None:
        self._result_type = result_type
        self._complaint = complaint
        self._process = subprocess.Popen(
            command or [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C goes to the benchmark alone
        )

    def __enter__(self) -> "LoadGenerator[Job, Result]":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # a job in progress is of no use to anybody
        self._process.communicate()

    def run(self, job: Job) -> Result:
        """Do a job. Raises BenchmarkFailed when any request of it failed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise BenchmarkFailed("the load generator has ended")
        result = self._result_type(**json.loads(line))
        if complaint := self._complaint(job, result):
            raise BenchmarkFailed(complaint)
        return result


def serve_jobs(job_type: Callable[..., Job], run: Callable[[Job], Coroutine[Any, Any, Result]]) -> None:
    """What that process does, until its input ends."""
    for line in sys.stdin:
        print(json.dumps(asdict(asyncio.run(run(job_type(**json.loads(line)))))), flush=True)
