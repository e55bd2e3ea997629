"""The identity of the guard's policies, for cache keys. Light to import: the ingress needs only this."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from app.config import GuardConfig
from app.config.policy import PLACES, PromptLeakSettings, RailSettings

# Raise it when the code in this package finds or masks differently.
REVISION = 3


def policy_versions(config: GuardConfig) -> dict[str, str]:
    """For each policy what identifies all that it would do to a text: settings, models, revision of the code."""
    if not config.enabled:
        return dict.fromkeys(config.named, "off")
    models = sorted(_digests())
    return {
        name: hashlib.blake2b(
            repr(
                (
                    REVISION,
                    models,
                    config.language_model,
                    sorted(config.allow),
                    (config.spotlight, config.spotlight_tools),
                    # What watches changes no answer, nor who gets it.
                    [(place, sorted(repr(rail) for rail in policy.at(place) if _matters(rail))) for place in PLACES],
                )
            ).encode(),
            digest_size=6,
        ).hexdigest()
        for name, policy in config.named.items()
    }


def _matters(rail: RailSettings) -> bool:
    return rail.mode != "shadow" or (isinstance(rail, PromptLeakSettings) and rail.canary)


def _digests() -> Iterator[str]:
    """Of the models that come with this package."""
    for path in Path(__file__).parent.rglob("*.npz"):
        yield f"{path.name} {hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()}"
