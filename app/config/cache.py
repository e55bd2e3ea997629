"""Settings of the cache: the exact tier, the semantic tier, single flight."""

from typing import Literal

from pydantic import Field, field_validator

from app.config.settings import Count, Megabytes, Milliseconds, Seconds, Settings, Share


class AgreementConfig(Settings):
    """When two answers to the same question say the same: how explored and sampled hits are judged."""

    method: Literal["equality", "embedding", "model"] = Field(
        "embedding",
        description="Normalised equality; or the cosine similarity of their embeddings; or a model that is asked.",
    )
    threshold: Share = Field(0.85, description="embedding: similarity from which two answers agree.")
    model: str | None = Field(None, description="model: the model that judges.")


class SemanticConfig(Settings):
    """Answers questions that mean the same as one before; tenant, model and context must be the same."""

    enabled: bool = Field(False, description="On, a question may be answered with another one's answer.")
    decision: Literal["verified", "fixed"] = Field(
        "verified",
        description="verified: each tenant learns which risk may be served, and an entry's own labels shift it, so "
        "that the share of wrong hits stays under max_error_rate (after vCache, arXiv 2502.03771). fixed: from cosine "
        "`threshold` on, unless the second check refuses; nothing is learned.",
    )
    max_error_rate: float = Field(
        0.02,
        gt=0,
        le=0.5,
        description="Share of hits that may be wrong. A tenant that is measured past it gets exact hits alone.",
    )
    threshold: Share = Field(0.9, description="fixed: cosine similarity from which an entry is served.")
    second_check: bool = Field(
        True,
        description="Refuse negations, other entities, numbers, dates, units and scopes, however similar. Without it, "
        "verified mode does not keep its bound.",
    )
    judge: str | None = Field(
        None, description="File of the second check's model, as `make cache-judge` writes it; absent, the shipped one."
    )
    min_similarity: Share = Field(0.5, description="Cosine similarity under which an entry is no candidate.")
    candidates: int = Field(3, ge=1, le=32, description="Nearest entries that are looked at.")
    max_question_characters: Count = Field(2000, description="Longer questions are answered by the exact tier alone.")
    max_entries: Count = Field(
        100_000, description="Questions in the index, about 7 KB of memory each; the least recently used go first."
    )
    audit_share: Share = Field(0.02, description="Share of hits that are answered anew in the background and judged.")
    agreement: AgreementConfig = Field(default_factory=AgreementConfig, description="How two answers are compared.")
    min_judged: Count = Field(50, description="Judged hits of a tenant before its error rate means anything.")
    window_h: Count = Field(24, description="Hours that count for a tenant's error rate.")
    timeout_ms: Milliseconds = Field(
        150, description="A look-up that takes longer, embedding and judging included, is a miss."
    )
    url: str | None = Field(None, description="Qdrant server (http://host:6333); absent, Qdrant's engine runs inside.")
    grpc_port: int = Field(6334, ge=1, le=65_535, description="The Qdrant server's port for gRPC.")
    collection: str = Field(
        "cache", pattern=r"^[a-z0-9_-]{1,64}$", description="Collection name; not one of the knowledge base's."
    )


class CacheConfig(Settings):
    """The cache: the same request, or one that means the same, is answered once."""

    enabled: bool = Field(True, description="Off, every request goes to a model.")
    url: str | None = Field(
        None,
        repr=False,  # it may hold a password
        description="redis://, rediss:// or valkey:// server; absent, a Valkey runs inside the application.",
    )
    ttl_s: Seconds = Field(3600, description="How long an answer is fresh.")
    stale_s: float = Field(
        0,
        ge=0,
        le=86_400 * 30,
        description="How long after that it is still given, while a new one is made in the background.",
    )
    memory_mb: Megabytes = Field(64, description="Answers kept in each ingress process, in front of the store.")
    store_memory_mb: Megabytes = Field(256, description="Memory of the embedded Valkey; least used go first.")
    timeout_ms: Milliseconds = Field(50, description="A store that is slower than this is a miss.")
    single_flight: bool = Field(True, description="Identical requests under way share one generation.")
    sampled: bool = Field(False, description="Keep answers to requests with a temperature above 0, too.")
    tool_calls: bool = Field(False, description="Keep answers that call tools, too.")
    semantic: SemanticConfig = Field(default_factory=SemanticConfig, description="Questions that mean the same.")

    @field_validator("url")
    @classmethod
    def _scheme(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("redis://", "rediss://", "valkey://", "valkeys://")):
            raise ValueError("must start with redis://, rediss://, valkey:// or valkeys://")
        return url
