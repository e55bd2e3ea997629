"""The guard as an ingress process has it: its policies, a part of the text rails, and the way to the others."""

import logging
from collections.abc import Mapping

from ray.util.metrics import Counter

from app.config import GuardConfig, StackConfig
from app.config.policy import PLACES
from app.guard.build import make_context_rail
from app.guard.engine import TEXT_RAILS, TextRails
from app.guard.near import NearRails
from app.guard.rail import ContextRail, RailMissing
from app.guard.remembered import RememberedRails
from app.guard.screening import ContextKey, Screening, context_key
from app.guard.types import Verdict
from app.pipeline.ports import EmbedPort, ModelPort
from app.provenance import model_revisions
from app.routing.catalogue import Catalogue
from deployments.guard import open_engine
from deployments.handles import GuardHandle

logger = logging.getLogger(__name__)

TAGS = ("place", "rail", "rule", "mode")


class Counting:
    """Counts verdicts that flag something, and rails that fail, for Prometheus."""

    def __init__(self) -> None:
        self._flagged = Counter("sextant_guard_flagged", "Verdicts over their rail's threshold.", TAGS)
        self._failed = Counter("sextant_guard_rail_failures", "Rails that did not answer.", ("place", "rail", "how"))

    def __call__(self, verdict: Verdict) -> None:
        if verdict.failure:
            self._failed.inc(1, {"place": verdict.place, "rail": verdict.rail, "how": verdict.failure})
        elif verdict.flagged:
            tags = {"place": verdict.place, "rail": verdict.rail, "rule": verdict.rule, "mode": verdict.mode}
            self._flagged.inc(1, tags)


def open_screening(
    config: StackConfig, far: GuardHandle, ports: Mapping[str, ModelPort], catalogue: Catalogue, embed: EmbedPort
) -> Screening:
    """Short texts are examined in this process, where the configuration wants that."""
    guard = config.guard
    rails: TextRails = far
    if guard.near_characters and not guard.language_model.endswith("trf"):
        rails = NearRails(open_engine(config), guard.near_characters, far)
    found: dict[ContextKey, ContextRail] = {}
    revisions = model_revisions(config)
    for policy in guard.named.values():
        for place in PLACES:
            for settings in policy.at(place):
                if settings.rail in TEXT_RAILS:
                    continue
                try:
                    rail = make_context_rail(settings, place, ports, catalogue, revisions, embed.embed)
                except RailMissing as error:
                    # Its own setting decides what then happens to requests.
                    logger.error("guard: the rail %r is missing: %s", settings.name, error)
                    continue
                if rail is not None:
                    found[context_key(place, settings)] = rail
    return Screening(guard.named, RememberedRails(rails), found, Counting())


def needs_guard(config: GuardConfig) -> bool:
    """Whether requests are refused while the Guard deployment does not answer."""
    return any(
        rail.enforces and rail.on_failure == "closed" and rail.rail in TEXT_RAILS
        for policy in config.named.values()
        for place in PLACES
        for rail in policy.at(place)
    )
