"""Settings of the stages a request passes: gateway, guard, retrieval, prompts, observability."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from app.config.addresses import TO_MLFLOW, check_public
from app.config.money import PriceConfig
from app.config.settings import Count, Milliseconds, Seconds, Settings, Share


class GatewayConfig(Settings):
    """The HTTP front: limits on what comes in, and how long it may take."""

    replicas: Count = Field(1, description="Ingress processes behind the load balancer.")
    max_ongoing_requests: Count = Field(512, description="Requests in progress per ingress process.")
    max_body_bytes: Count = Field(1_000_000, description="Largest request body; more is a 413.")
    body_timeout_s: Seconds = Field(30, description="A body that takes longer to arrive is a 408.")
    max_json_depth: int = Field(32, ge=4, le=200, description="Deepest nesting of a request body.")
    request_timeout_s: Seconds = Field(300, description="A request is cancelled past this, with a 504.")
    max_choices: Count = Field(8, description="Largest `n`.")
    max_in_progress: Count = Field(
        400, description="Requests that one process works on; one more is a 503 with retry-after at once."
    )
    batch_share: Share = Field(0.25, description="Share of `max_in_progress` that batches may take.")

    @model_validator(mode="after")
    def _sheds(self) -> Self:
        if self.max_in_progress >= self.max_ongoing_requests:
            raise ValueError(
                f"max_in_progress ({self.max_in_progress}) must be below max_ongoing_requests "
                f"({self.max_ongoing_requests}), at which requests queue unseen; set max_ongoing_requests above "
                f"{self.max_in_progress}, or max_in_progress lower"
            )
        return self


class EmbedderConfig(Settings):
    """The embedding model, run on ONNX in the cache deployment and in the ingest job."""

    id: str = Field("all-minilm-l6-v2", description="The name that clients of /v1/embeddings use.")
    directory: str = Field(
        "models/all-minilm-l6-v2", description="model.onnx and tokenizer files (relative: in `home`)."
    )
    threads: Count = Field(1, description="ONNX threads for one embedding.")
    max_inputs: Count = Field(256, description="Texts in one /v1/embeddings request.")
    price: PriceConfig = Field(default_factory=PriceConfig, description="What embedding costs, by input tokens.")

    @field_validator("price")
    @classmethod
    def _by_tokens(cls, price: PriceConfig) -> PriceConfig:
        if price.replica_usd_per_hour or price.output_usd_per_million:
            raise ValueError("embedding is billed by its input; set input_usd_per_million alone")
        return price


class RerankConfig(Settings):
    """A cross-encoder that judges the best passages once more. It runs on ONNX beside the search."""

    model: str | None = Field(
        None,
        description="Directory with model.onnx and tokenizer.json (relative: in `home`), or a hub id, fetched once; "
        "absent, the order of the search stays.",
    )
    candidates: int = Field(24, ge=1, le=200, description="Passages that it judges.")
    deadline_ms: Milliseconds = Field(400, description="Past this the order of the search stays; counted as a failure.")
    threads: Count = Field(2, description="ONNX threads.")
    batch_size: int = Field(8, ge=1, le=64, description="Passages that are judged at once.")
    max_tokens: int = Field(384, ge=32, le=8192, description="Tokens of query and passage together; more are cut.")


class RewriteConfig(Settings):
    """Queries written by a model before the search."""

    mode: Literal["off", "dependent", "always"] = Field(
        "dependent",
        description="`dependent`: a question that only its conversation explains is searched for as one that stands "
        "alone. `always`: each question is. `off`: none.",
    )
    model: str | None = Field(
        None,
        description="Model that writes it; absent, no model is asked, and a dependent question is searched for with "
        "the words of the user's turn before it.",
    )
    variants: int = Field(
        0, ge=0, le=4, description="Further queries in other words that the model writes with it (multi-query)."
    )
    timeout_ms: Milliseconds = Field(3000, description="Past this the question is searched for without the model.")


class RetrievalConfig(Settings):
    """The knowledge base and how much of it a request gets to see."""

    url: str | None = Field(None, description="Qdrant server (http://host:6333); absent, Qdrant's engine runs inside.")
    grpc_port: int = Field(6334, ge=1, le=65_535, description="The Qdrant server's port for gRPC.")
    collection: str = Field("knowledge", pattern=r"^[a-z0-9_-]{1,64}$", description="Collection name.")
    quantization: Literal["none", "scalar", "binary"] = Field(
        "none",
        description="Compressed vectors on a server: `scalar` takes a quarter of the memory, `binary` a 32nd. Set when "
        "the collection is made.",
    )
    shard_number: Count | None = Field(
        None, description="Shards of a server's collection, when it is made; absent, one for each node."
    )
    replication_factor: int = Field(
        1, ge=1, le=32, description="Copies of each shard on a server's nodes, when the collection is made."
    )
    top_k: int = Field(4, ge=1, le=50, description="Passages that a request gets by default.")
    candidates: int = Field(
        40,
        ge=5,
        le=500,
        description="Chunks that the search by meaning and the one by words give each, to choose from.",
    )
    min_score: Share = Field(
        0.155,
        description="Relevance, a probability, under which a passage is left out; with no passage above it the answer "
        "is not in the documents.",
    )
    relevance: str | None = Field(
        None,
        description="Weights that `jobs.train_relevance` made of your own questions (relative: in `home`); absent, "
        "those that ship.",
    )
    diversity: Share = Field(
        0.0, description="How much a passage counts less for being like a better one: 0 not at all, 1 wholly (MMR)."
    )
    neighbours: int = Field(
        1, ge=0, le=5, description="Chunks before and after a hit that are joined to it where the prompt has room."
    )
    rerank: RerankConfig = Field(default_factory=RerankConfig, description="A cross-encoder.")
    rewrite: RewriteConfig = Field(default_factory=RewriteConfig, description="Queries written by a model.")
    max_context_tokens: Count = Field(900, description="Tokens of passages packed into a prompt.")
    prompt: str = Field(
        "answer-from-documents",
        description="Template of the question's turn, with {{passages}} and {{question}} in it.",
    )
    on_nothing: Literal["abstain", "ask"] = Field(
        "abstain",
        description="Where no passage is relevant: answer `nothing_found` without a model, or `ask` the model all the "
        "same. A request for JSON or with tools is always asked.",
    )
    nothing_found: str = Field(
        "The documents say nothing about that.", min_length=1, max_length=2000, description="The answer then."
    )
    marks: bool = Field(
        True,
        description="Append [1]-style marks to sentences that a passage supports but the model left bare.",
    )
    timeout_ms: Milliseconds = Field(2000, description="Past this the request fails with 503.")


class PromptsConfig(Settings):
    """System prompts: files, mirrored in MLflow's prompt registry, which the running stack follows."""

    directory: str = Field(
        "prompts", description="The files (relative: in the project's folder); served while MLflow is away."
    )
    alias: str = Field("production", pattern=r"^[a-z0-9_-]+$", description="Registry alias that is served.")
    refresh_s: Seconds = Field(30, description="How often the registry is asked, in the background.")


class ObservabilityConfig(Settings):
    """Traces and where they go."""

    mlflow_url: str | None = Field(
        None,
        description="MLflow server; absent, nothing is exported. The console links to it, so no password stands in "
        "it: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the environment do.",
    )
    dashboard_url: str | None = Field(
        None, description="Ray's dashboard, for the link on the console; no password in it."
    )
    experiment: str = Field("sextant", min_length=1, description="MLflow experiment of the traces.")
    capture_content: bool = Field(
        False, description="Put (masked) questions and answers into traces. Off, no user text is kept."
    )
    max_queued_spans: Count = Field(8192, description="Past this the oldest are dropped.")

    @field_validator("mlflow_url")
    @classmethod
    def _mlflow_public(cls, url: str | None) -> str | None:
        return url and check_public(url, TO_MLFLOW)

    @field_validator("dashboard_url")
    @classmethod
    def _dashboard_public(cls, url: str | None) -> str | None:
        return url and check_public(url, "set RAY_AUTH_TOKEN_PATH in the environment, where Ray reads its token")
