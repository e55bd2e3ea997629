"""Which models are served, on what hardware, and under which names clients ask for them."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from app.config.money import PriceConfig
from app.config.settings import Count, Seconds, Settings, Share

PATHS = ("/", "./", "../", "~/")

# Engine arguments that other settings own; given twice they could disagree.
OWNED_ENGINE_ARGUMENTS = {
    "model": "models[].source",
    "served_model_name": "models[].id",
    "tokenizer": "models[].tokenizer",
    "enable_lora": "models[].lora",
    "tool_call_parser": "models[].tool_parser",
    "enable_auto_tool_choice": "models[].tool_parser",
    "chat_template": "models[].chat_template",
}


class PrefixRouting(Settings):
    """When `router: prefix` sends a conversation to the replica that knows its beginning, and when not."""

    imbalanced_threshold: Count = Field(
        8, description="Requests that one replica may have in progress beyond another; past that, load alone decides."
    )
    match_rate_threshold: Share = Field(
        0.1, description="Share of a prompt that a replica must know; below it, the one that holds least is taken."
    )


class ReplicasConfig(Settings):
    """How many copies run. min = max turns autoscaling off; min 0 lets an idle model go away."""

    min: int = Field(1, ge=0, le=1000, description="Fewest replicas; 0 scales an idle model away.")
    max: int = Field(1, ge=1, le=1000, description="Most replicas.")
    target_ongoing_requests: Count = Field(16, description="Requests in progress per replica that autoscaling aims at.")
    max_ongoing_requests: Count = Field(
        64, description="Requests in progress that one replica takes before others queue."
    )
    max_queued_requests: Count = Field(
        256, description="Requests that may wait per caller; past that the answer is 503 with retry-after."
    )
    router: Literal["power_of_two", "round_robin", "prefix"] = Field(
        "power_of_two",
        description="Who gets a request: the less busy of two, each in turn, or who has seen the prompt's beginning.",
    )
    prefix: PrefixRouting = Field(default_factory=PrefixRouting, description="Settings of `router: prefix`.")
    upscale_delay_s: Seconds = Field(10, description="How long load must last before a replica is added.")
    downscale_delay_s: Seconds = Field(300, description="How long idleness must last before one is removed.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is above max ({self.max}); set max to at least {self.min}")
        return self


class LoraSettings(Settings):
    """LoRA adapters, loaded on demand; a client asks for `<model id>:<adapter>`."""

    path: str = Field(description="Where the adapters lie: an s3://, gs://, abfss:// or azure:// prefix.")
    max_adapters_per_replica: Count = Field(16, description="Adapters one replica keeps loaded.")

    @field_validator("path")
    @classmethod
    def _remote(cls, path: str) -> str:
        if not path.startswith(("s3://", "gs://", "abfss://", "azure://")):
            raise ValueError("must start with s3://, gs://, abfss:// or azure:// (Ray Serve LLM loads adapters)")
        return path


class PlacementSettings(Settings):
    """Ray placement group of one replica, for engines that span several workers."""

    bundles: tuple[dict[str, float], ...] = Field(description="Resources of each worker, such as `[{GPU: 1, CPU: 2}]`.")
    strategy: Literal["PACK", "STRICT_PACK", "SPREAD", "STRICT_SPREAD"] = Field(
        "PACK", description="How Ray spreads the bundles over nodes."
    )


class ModelConfig(Settings):
    """One model: a vLLM deployment of its own."""

    id: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$", description="The name that clients put into `model`."
    )
    source: str = Field(
        description="A Hugging Face id; or a directory that every machine has on which the model runs. A directory "
        "begins with /, ~/, ./ or ../; the last two lie in `home`."
    )
    revision: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        description="A text of yours that names the weights in a directory; change it with them, since cached answers "
        "belong to it. Absent, the directory has to be on the machine that builds the application, and names, sizes "
        "and times of its files are taken. For a Hugging Face id set `revision` in `engine`.",
    )
    tokenizer: str | None = Field(None, description="Another tokenizer's id; by default the model's own.")
    device: Literal["cpu", "gpu"] = Field("gpu", description="What the engine runs on.")
    accelerator_type: str | None = Field(
        None, description="Ray's name of the GPU to ask for (L4, A10G, A100, H100); any GPU when absent."
    )
    cpus: float | None = Field(
        None,
        ge=0,
        le=1024,
        description="Logical CPUs a replica reserves, where `placement` does not say; absent, 1 for a model on CPUs "
        "and none for one on GPUs.",
    )
    replicas: ReplicasConfig = Field(default_factory=ReplicasConfig, description="Autoscaling bounds.")
    engine: dict[str, Any] = Field(
        default_factory=dict,
        description="vLLM engine arguments, handed on as they are (max_model_len, dtype, quantization, ...).",
    )
    environment: dict[str, str] = Field(default_factory=dict, description="Environment of the engine's processes.")
    tool_parser: str | None = Field(
        None,
        description="vLLM's tool-call parser (hermes, llama3_json, mistral, ...); turns automatic tools on.",
    )
    chat_template: str | None = Field(None, description="A Jinja file; by default the tokenizer's template.")
    lora: LoraSettings | None = Field(None, description="Adapters served beside the base model.")
    placement: PlacementSettings | None = Field(None, description="Workers of one replica.")
    price: PriceConfig = Field(default_factory=PriceConfig, description="What it costs.")
    stream_batching_interval_ms: float = Field(
        0,
        ge=0,
        le=1000,
        description="Tokens are handed on in batches of this length; 0 hands on each at once (lowest latency).",
    )

    @field_validator("source")
    @classmethod
    def _readable(cls, source: str) -> str:
        if source.startswith("~") and not source.startswith("~/"):
            raise ValueError("begin it with ~/, or write the whole path")
        if source.count("/") > 1 and "://" not in source and not source.startswith(PATHS):
            raise ValueError(f"{source!r} is no Hugging Face id; a directory begins with /, ./ or ~/")
        return source

    @field_validator("engine")
    @classmethod
    def _not_owned(cls, engine: dict[str, Any]) -> dict[str, Any]:
        for name in engine:
            if name in OWNED_ENGINE_ARGUMENTS:
                raise ValueError(f"{name} is set by {OWNED_ENGINE_ARGUMENTS[name]}; remove it here")
        return engine

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.device == "cpu" and self.accelerator_type:
            raise ValueError(f"accelerator_type {self.accelerator_type} needs device: gpu; remove one of the two")
        if self.revision is not None and not self.is_directory:
            raise ValueError("revision names the weights in a directory; for a Hugging Face id set engine.revision")
        if not self.price.is_free and self.context_window is None:
            raise ValueError(
                "a price needs engine.max_model_len, a number of tokens: without it the cost of a request has no bound"
            )
        return self

    @property
    def context_window(self) -> int | None:
        """Tokens of prompt and answer together; None where vLLM finds out by itself (`auto`, -1, or nothing said)."""
        tokens = self.engine.get("max_model_len")
        return tokens if type(tokens) is int and tokens > 0 else None

    @property
    def is_directory(self) -> bool:
        """Whether `source` is a path. By its form alone: who reads this may be on a machine without the files."""
        return self.source.startswith(PATHS)
