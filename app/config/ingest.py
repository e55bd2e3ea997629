"""Settings of the ingestion job: where it may read from, what counts as said twice, and who embeds."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from app import hosts
from app.config.settings import Count, Seconds, Settings, Share


class EmbeddingRouteConfig(Settings):
    """An OpenAI-compatible `/v1/embeddings` that serves the same model as `embedder`: this stack's own, or that of a
    server with a pooling model, such as vLLM's. Vectors are compared at start; another model is refused."""

    url: str = Field(description="Up to and with `/v1`.", pattern=r"^https?://.+")
    model: str | None = Field(None, description="What the server calls it. Default: `embedder.id`.")
    key_env: str = Field("SEXTANT_API_KEY", description="Environment variable that holds the key; may be unset.")
    batch: Count = Field(64, description="Texts in one request.")
    concurrency: Count = Field(4, description="Requests at a time.")
    timeout_s: Seconds = Field(120, description="For one request.")


class IngestConfig(Settings):
    """The ingestion job. Its options on the command line come first."""

    allowed_hosts: tuple[str, ...] = Field(
        (), description="Hosts whose web pages may be fetched; those below them too."
    )
    drop_duplicates: bool = Field(True, description="Leave out documents that say the same as one before.")
    near_duplicates: Share = Field(
        0.9, description="Least similarity (of runs of five words) of near duplicates; 0: only exact ones are dropped."
    )
    embed_in: Literal["auto", "job", "actors", "route"] = Field(
        "auto",
        description="Who embeds: threads of the job, Ray actors, or `route`. auto: the job on one small machine, else "
        "actors.",
    )
    threads: int = Field(0, ge=0, le=1024, description="Threads of the job, or of each actor; 0: as many as cores.")
    workers: int = Field(0, ge=0, le=10_000, description="Ray actors; 0: one for each node.")
    gpus: float = Field(0, ge=0, le=16, description="GPUs of each actor; needs onnxruntime-gpu.")
    batch: Count = Field(1, description="Texts that a model gets at a time: 1 is fastest on CPUs; with GPUs take 64.")
    route: EmbeddingRouteConfig | None = Field(None, description="Needed for embed_in: route.")

    @field_validator("allowed_hosts")
    @classmethod
    def _canonical(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(map(hosts.canonical, names))
        except ValueError as error:
            raise ValueError(f"a host, as in docs.example.org, without scheme, port and path: {error}") from None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.embed_in == "route" and self.route is None:
            raise ValueError("embed_in: route needs `route`")
        return self
