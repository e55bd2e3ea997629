"""Files and batches: how large, how many, and how fast they are worked off."""

from pathlib import Path

from pydantic import Field, field_validator

from app.config.settings import Count, Seconds, Settings


class BatchesConfig(Settings):
    """OpenAI's batch API: many requests in a file, answered in the background by Ray jobs."""

    directory: Path = Field(
        Path("files"),
        description="Contents of files (relative: in `home`). On a cluster a folder that every machine of the ingress "
        "and of the jobs mounts; it must know `flock`.",
    )
    gateway_url: str = Field(
        "http://127.0.0.1:8000/v1",
        repr=False,  # a proxy's password may be in it
        description="Base URL by which jobs reach the gateway; `make serve` sets it.",
    )
    ray_url: str | None = Field(
        None,
        description="Ray's dashboard (http://host:8265), to which jobs are sent with Ray's token; absent, the one of "
        "the cluster that the application runs in.",
    )
    max_file_bytes: int = Field(100_000_000, ge=1, le=10**10, description="Largest file that can be uploaded.")
    max_stored_bytes: int = Field(
        10**10, ge=1, le=10**15, description="A tenant whose files hold this much cannot upload another one."
    )
    max_files: Count = Field(10_000, description="A tenant that has so many files cannot upload another one.")
    max_uploads: Count = Field(
        4, description="Uploads of one tenant in progress at once in one ingress process; one more is a 429."
    )
    upload_timeout_s: Seconds = Field(600, description="An upload that takes longer to arrive is a 408.")
    max_requests: Count = Field(50_000, description="Most requests in one batch.")
    max_line_bytes: Count = Field(1_000_000, description="Longest line of an input file.")
    max_open: Count = Field(20, description="Unfinished batches of one tenant; one more is a 429.")
    max_jobs: Count = Field(
        4,
        description="Batches of all tenants that are worked on at once; the others wait. When they all are, the first "
        "batches of further tenants are begun beside them, up to twice as many in all.",
    )
    concurrency: Count = Field(4, description="Requests of one batch in progress at once.")
    retries: int = Field(
        2,
        ge=0,
        le=10,
        description="Further tries of a request that fails with 408, 500, 502 or 504. After 503, and after "
        "429 but for a limit that it can never meet, it is tried again for as long as the batch may run.",
    )
    expires_s: Seconds = Field(86_400, description="What is not done this long after a batch was made expires.")
    poll_s: Seconds = Field(5, description="How often each ingress process looks for batches that nobody works on.")

    @field_validator("ray_url")
    @classmethod
    def _scheme(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return url
