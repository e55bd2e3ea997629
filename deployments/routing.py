"""Which models there are and how they are chosen, put together."""

from collections.abc import Mapping

from app.config import StackConfig
from app.config.files import PROJECT
from app.pipeline.dispatching import Dispatching
from app.pipeline.ports import ModelPort
from app.routing.alias import TierClassifier
from app.routing.board import TargetBoard
from app.routing.catalogue import Catalogue
from app.routing.dispatch import Dispatcher
from app.routing.planner import Planner
from app.routing.shadow import Shadow
from app.routing.tiers import TierClassifier as TrainedTiers


def build_dispatching(
    config: StackConfig,
    catalogue: Catalogue,
    ports: Mapping[str, ModelPort],
    board: TargetBoard,
    shadow: Shadow,
) -> Dispatching:
    """Raises ConfigError when a classifier cannot be used."""
    return Dispatching(
        planner=Planner(catalogue, config.aliases, board, classifiers=read_classifiers(config)),
        dispatcher=Dispatcher(config.routing, ports, board, shadow=shadow),
        timeout_s=config.gateway.request_timeout_s,
    )


def read_classifiers(config: StackConfig) -> dict[str, TierClassifier]:
    """The classifiers of all cost-tiered aliases, by what the configuration calls them. Raises ConfigError."""
    found: dict[str, TierClassifier] = {}
    for alias in config.aliases.values():
        if alias.tiers is None:
            continue
        name = alias.tiers.classifier
        own = config.path(name)
        trained = TrainedTiers.load(own if own.is_file() else PROJECT / name)
        trained.check(config.embedder.id, alias.tiers.small, alias.tiers.large)
        found[name] = trained
    return found
