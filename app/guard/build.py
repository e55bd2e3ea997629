"""From a policy's settings to the rails that look at texts alone."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no types

from app.config import GuardConfig
from app.config.policy import (
    PLACES,
    AnyRail,
    GroundednessSettings,
    GuardPlace,
    GuardrailsAiSettings,
    InjectionSettings,
    NemoSettings,
    PiiSettings,
    PromptLeakSettings,
    PythonSettings,
    SafetyModelSettings,
    SecretsSettings,
)
from app.guard.engine import Engine
from app.guard.rail import ContextRail, TextRail
from app.guard.without_torch import without_torch
from app.pipeline.ports import ModelPort
from app.retrieval.embedder import Embedder
from app.retrieval.types import Vector
from app.routing.catalogue import Catalogue


def build_engine(config: GuardConfig, embedder: Callable[[], Embedder]) -> Engine:
    """The engine of a process that need not have torch. Raises ValueError for a configuration that cannot be.

    `embedder` is called where a rail needs one.
    """
    needs_torch = config.language_model.endswith("trf") or any(
        (isinstance(rail, InjectionSettings) and rail.model)
        or isinstance(rail, PythonSettings | NemoSettings | GuardrailsAiSettings)  # who knows what they need
        for policy in config.named.values()
        for place in PLACES
        for rail in policy.at(place)
    )
    # The matrices are too small to share: BLAS's threads would only wait for each other.
    threadpool_limits(limits=1, user_api="blas")
    shared = cache(embedder)

    def make(settings: AnyRail) -> TextRail:
        return make_rail(settings, config, shared)

    with nullcontext() if needs_torch else without_torch():
        return Engine(config.named, make)


def make_rail(settings: AnyRail, config: GuardConfig, embedder: Callable[[], Embedder]) -> TextRail:
    """One rail. Raises RailMissing when what it needs is not there.

    Imported here: a process that runs no rails need not wait for Presidio.
    """
    match settings:
        case PiiSettings():
            from app.guard.pii.rail import PiiRail

            allow = tuple(dict.fromkeys((*settings.allow, *config.allow)))
            return PiiRail(settings.model_copy(update={"allow": allow}), config.language_model)
        case SecretsSettings():
            from app.guard.secrets.rail import SecretsRail

            return SecretsRail(settings)
        case InjectionSettings():
            from app.guard.injection.rail import build as build_injection

            return build_injection(settings, embedder)
        case _:
            from app.guard.policy_rails.build import build as build_policy_rail

            return build_policy_rail(settings, embedder)


def make_context_rail(
    settings: AnyRail,
    place: GuardPlace,
    ports: Mapping[str, ModelPort],
    catalogue: Catalogue,
    revisions: Mapping[str, str],
    embed: Callable[[Sequence[str]], Awaitable[list[Vector]]],
) -> ContextRail | None:
    """A rail that needs more than texts; None for what is no rail by itself. Raises RailMissing."""
    match settings:
        case SafetyModelSettings():
            from app.guard.safety.build import build as build_safety

            return build_safety(settings, place, ports, catalogue, revisions)
        case PromptLeakSettings():
            from app.guard.output.prompt_leak import PromptLeakRail

            return PromptLeakRail(settings)
        case GroundednessSettings():
            from app.guard.output.groundedness import GroundednessRail

            return GroundednessRail(settings, embed)
    return None


def open_embedder(directory: Path, threads: int) -> Callable[[], Embedder]:
    """The embedding model for rails: loaded when the first one asks."""
    return lambda: Embedder(directory, threads)
