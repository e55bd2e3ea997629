"""Aliases, and how one of an alias's models is chosen, watched and replaced by another."""

from typing import Literal, Self

from pydantic import Field, model_validator

from app.config.settings import Count, Seconds, Settings, Share

Policy = Literal["ordered", "weighted", "least-busy", "latency", "cost-tiered"]
FailureClass = Literal["context_window", "content_policy", "rate_limit", "down", "budget"]


class TargetConfig(Settings):
    """One model that an alias may choose."""

    model: str = Field(description="The id of a served or hosted model.")
    weight: float = Field(1, gt=0, le=1e6, description="Its share under the policy `weighted`.")


class TiersConfig(Settings):
    """Policy `cost-tiered`: easy prompts to the small model, hard ones to the large one."""

    small: str = Field(description="The model for easy prompts.")
    large: str = Field(description="The model for hard ones.")
    classifier: str = Field(
        "router/tiers.npz", description="What `jobs/train_router.py` wrote (relative: in `home`, else in the project)."
    )
    target_quality: Share = Field(
        0.95, description="Share of the large model's quality to keep; the threshold is read off the training report."
    )
    threshold: Share | None = Field(
        None, description="Probability that the small model answers well, from which it is asked; overrides the above."
    )


class SplitConfig(Settings):
    """A share of the traffic, the same customers every time."""

    model: str = Field(description="The model that gets it.")
    percent: float = Field(ge=0, le=100, description="Percentage of customers.")


class FallbackConfig(Settings):
    """Which models to try after the alias's own, by what went wrong. `any` stands for all not named."""

    context_window: tuple[str, ...] = Field((), description="When prompt and answer do not fit.")
    content_policy: tuple[str, ...] = Field((), description="When the provider refuses the content.")
    rate_limit: tuple[str, ...] = Field((), description="When the provider says 429.")
    down: tuple[str, ...] = Field((), description="When it fails, hangs or cannot be reached.")
    any: tuple[str, ...] = Field((), description="For each of these that names none.")


class AliasConfig(Settings):
    """A name for one or several models together with what is done around them."""

    model: str | None = Field(None, description="The id of the model that answers: short for one target.")
    targets: tuple[TargetConfig, ...] = Field((), description="The models that may answer, best first.")
    policy: Policy = Field("ordered", description="How one of the targets is chosen; the others follow when it fails.")
    tiers: TiersConfig | None = Field(None, description="Models and classifier of `cost-tiered`.")
    fallbacks: FallbackConfig = Field(default_factory=FallbackConfig, description="Models to try after the targets.")
    budget_fallback: str | None = Field(
        None, description="A cheaper model for callers whose budget is used up; may be one of the targets."
    )
    canary: SplitConfig | None = Field(None, description="A share of customers is answered by another model.")
    shadow: SplitConfig | None = Field(None, description="A share is sent to another model as well.")
    retrieval: bool = Field(False, description="Answer from the knowledge base, with citations.")
    prompt: str | None = Field(None, description="System prompt: the name of a file in `prompts.directory`.")
    guard: str | None = Field(None, description="Its policy, by name: one of `guard.policies`.")

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Self:
        given = [self.model is not None, bool(self.targets), self.tiers is not None]
        if sum(given) != 1:
            raise ValueError("needs one of model, targets and tiers")
        if (self.policy == "cost-tiered") != (self.tiers is not None):
            raise ValueError("policy cost-tiered and tiers belong together")
        return self

    @property
    def candidates(self) -> tuple[TargetConfig, ...]:
        """The models that may answer in the first place."""
        if self.tiers:
            return TargetConfig(model=self.tiers.small), TargetConfig(model=self.tiers.large)
        return self.targets or (TargetConfig(model=self.model or ""),)

    @property
    def mentioned(self) -> set[str]:
        """Every model that this alias can reach."""
        named = {target.model for target in self.candidates}
        for fallback in self.fallbacks.model_dump().values():
            named.update(fallback)
        named.update(split.model for split in (self.canary, self.shadow) if split)
        return named | ({self.budget_fallback} if self.budget_fallback else set())


class RoutingConfig(Settings):
    """Retries, timeouts and circuit breakers, for every target alike."""

    max_attempts: int = Field(4, ge=1, le=20, description="Calls of one request, retries included.")
    retries_per_target: int = Field(1, ge=0, le=10, description="Further tries at a target before the next one.")
    backoff_s: Seconds = Field(0.1, description="Wait before a retry: doubles each time, with full jitter.")
    max_retry_after_s: Seconds = Field(
        5, description="A provider that asks for a longer pause is passed over rather than waited for."
    )
    first_token_timeout_s: Seconds = Field(
        60, description="Until the first token of a stream; past it the next target is asked."
    )
    answer_timeout_s: Seconds | None = Field(
        None, description="Until a whole answer, at one target; absent, the request's own time is the bound."
    )
    between_tokens_timeout_s: Seconds = Field(30, description="Between two pieces of a stream.")
    breaker_failures: Count = Field(
        5,
        description="Failures that open a target's breaker: so many within `breaker_window_s`, or in a row, however "
        "far apart.",
    )
    breaker_window_s: Seconds = Field(30, description="How far back failures count that had successes between them.")
    breaker_cooldown_s: Seconds = Field(
        15, description="How long an open breaker keeps a target out; then one request tries it."
    )
