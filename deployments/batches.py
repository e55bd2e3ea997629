"""The jobs of the batch API, on Ray."""

import json
import os
import shlex
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import ray
from ray.exceptions import RayError

from app.batches.runner import JobState
from app.config import StackConfig
from app.config.places import make_private
from app.config.secrets import write_private
from app.errors import Unavailable

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

# A job waits for answers nearly all the time.
CPUS = 0.1
# What Ray's client raises: requests' errors are OSErrors, and a token that is refused is a RayError.
AWAY = (RuntimeError, OSError, RayError)


class RayJobs:
    """`app.batches.runner.Jobs` by Ray's job API. Reads RAY_AUTH_TOKEN_PATH as all of Ray does."""

    def __init__(self, config: StackConfig) -> None:
        """Leaves the configuration where jobs find it, wherever they run: beside the files."""
        self._config_file = write_config(config)
        self._url = config.batches.ray_url
        self._client: JobSubmissionClient | None = None

    def states(self) -> Mapping[str, JobState]:
        try:
            jobs = self._connected().list_jobs()
        except AWAY as error:
            raise self._away() from error
        return {job.submission_id: JobState(_ended_ms(job)) for job in jobs if job.submission_id}

    def submit(self, name: str, batch_id: str) -> None:
        command = [sys.executable, "-m", "jobs.run_batch", "--batch", batch_id, "--config", str(self._config_file)]
        try:
            self._connected().submit_job(
                entrypoint=shlex.join(command),
                submission_id=name,
                entrypoint_num_cpus=CPUS,
                metadata={"batch": batch_id},
            )
        except AWAY as error:
            # Another ingress process was quicker.
            if "already exists" not in str(error):
                raise self._away() from error

    def _connected(self) -> "JobSubmissionClient":
        if self._client is None:
            from ray.job_submission import JobSubmissionClient

            address = self._url or _own_cluster()
            if address is not None:
                # Ray's client lets this variable, and RAY_ADDRESS without it, come before its argument: jobs, and the
                # token with them, would go to another cluster.
                os.environ["RAY_API_SERVER_ADDRESS"] = address
            self._client = JobSubmissionClient(address)
        return self._client

    def _away(self) -> Unavailable:
        self._client = None
        return Unavailable("Ray's job server cannot be asked.", retry_after_s=5)


def _own_cluster() -> str | None:
    """Address of the cluster that this process belongs to, which knows where its dashboard is. None outside of one:
    then Ray looks for a cluster on the machine, and takes none where there are two."""
    if not ray.is_initialized():
        return None
    address: str = ray.get_runtime_context().gcs_address
    return address


def _ended_ms(job: object) -> int | None:
    """Milliseconds since the epoch; None while it waits or runs."""
    status = getattr(job, "status", None)
    if status is None or not status.is_terminal():
        return None
    # Ray sets both together, but a job whose driver vanished may lack the time.
    return getattr(job, "end_time", None) or 0


def write_config(config: StackConfig) -> Path:
    """The file that `--config` takes, in the directory that jobs share with the ingress. It may hold passwords."""
    directory = make_private(config.path(str(config.batches.directory)))
    path = directory / "serve.json"
    partial = directory / f"serve.{uuid.uuid4().hex}"  # other ingress processes write theirs
    args = {**config.model_dump(mode="json", exclude_unset=True), "home": str(config.home)}
    write_private(partial, json.dumps({"applications": [{"args": args}]}))
    partial.replace(path)
    return path
