"""An alias with everything looked up that does not depend on the request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, get_args

from app.config.routing import AliasConfig, FailureClass, Policy, SplitConfig
from app.retrieval.types import Vector
from app.routing.catalogue import Catalogue
from app.routing.failures import Failure
from app.routing.policies import Candidate, Choose, fastest, least_busy, ordered, weighted
from app.routing.target import Target

# `cost-tiered` goes by the prompt, not by the targets; see `Planner._tiered`.
POLICIES: Mapping[Policy, Choose] = {
    "ordered": ordered,
    "weighted": weighted,
    "least-busy": least_busy,
    "latency": fastest,
}


class TierClassifier(Protocol):
    """Tells from a prompt's embedding whether the small model will do."""

    def probability(self, vector: Vector) -> float:
        """That the small model answers well, 0 to 1."""
        ...

    def threshold_for(self, target_quality: float) -> float:
        """The probability from which asking the small model keeps that share of the large one's quality."""
        ...


@dataclass(frozen=True, slots=True)
class Tiers:
    """Two models, and what chooses between them; without a classifier the large one answers."""

    small: Candidate
    large: Candidate
    classifier: TierClassifier | None
    threshold: float


@dataclass(frozen=True, slots=True)
class Split:
    """A share of the customers, and the model that they get."""

    config: SplitConfig
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Alias:
    """A name that clients ask for. A model's own name is an alias with one candidate."""

    name: str
    candidates: tuple[Candidate, ...]
    choose: Choose  # of the candidates, where there are no tiers
    mentioned: frozenset[str]
    fallbacks: Mapping[str, tuple[Target, ...]]  # by failure class
    tiers: Tiers | None = None
    canary: Split | None = None
    shadow: Split | None = None


def resolve(
    name: str, config: AliasConfig, catalogue: Catalogue, classifiers: Mapping[str, TierClassifier] | None = None
) -> Alias:
    """Look an alias's models up. Raises ModelNotFound."""

    def split(share: SplitConfig | None) -> Split | None:
        return Split(share, Candidate(share.model, catalogue.target(share.model), 1)) if share else None

    candidates = tuple(Candidate(t.model, catalogue.target(t.model), t.weight) for t in config.candidates)
    return Alias(
        name,
        candidates,
        POLICIES.get(config.policy, ordered),
        frozenset(config.mentioned),
        _fallbacks(config, catalogue),
        tiers=_tiers(config, candidates, classifiers or {}),
        canary=split(config.canary),
        shadow=split(config.shadow),
    )


def _tiers(
    config: AliasConfig, candidates: tuple[Candidate, ...], classifiers: Mapping[str, TierClassifier]
) -> Tiers | None:
    if config.tiers is None:
        return None
    small, large = candidates
    classifier, threshold = classifiers.get(config.tiers.classifier), config.tiers.threshold
    if threshold is None:
        threshold = classifier.threshold_for(config.tiers.target_quality) if classifier else 1
    return Tiers(small, large, classifier, threshold)


def _fallbacks(config: AliasConfig, catalogue: Catalogue) -> dict[str, tuple[Target, ...]]:
    """By failure class; `any` where a class names none. Money has a fallback of its own."""
    configured = config.fallbacks.model_dump()
    names: dict[Failure, tuple[str, ...]] = {
        kind: configured[kind] or config.fallbacks.any for kind in get_args(FailureClass) if kind != "budget"
    }
    names["unsupported"] = config.fallbacks.any
    names["budget"] = (config.budget_fallback,) if config.budget_fallback else ()
    return {kind: tuple(map(catalogue.target, models)) for kind, models in names.items() if models}
