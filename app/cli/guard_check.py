"""The guard in this process, without a stack: the rails of one policy at one place, as the live path builds them."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.connection import CommandFailed
from app.config import ConfigError, GuardConfig, Policy, StackConfig
from app.config.files import load_stack
from app.config.guard import DEFAULT
from app.config.policy import PLACES, GuardPlace

if TYPE_CHECKING:  # they bring the rails along, which takes seconds: not for `sextant keys`
    from app.guard.explain import Explained
    from app.guard.rail import ContextRail
    from app.guard.screening import ContextKey, Screening

logger = logging.getLogger(__name__)

WARM_UP = "Warm up with John Smith, who can be reached at john@example.com."


@dataclass(slots=True)
class Check:
    """Explains texts; close it at the end."""

    screening: "Screening"
    policy: str
    place: GuardPlace
    _runner: asyncio.Runner = field(default_factory=asyncio.Runner)

    def explain(self, texts: Sequence[str]) -> "list[Explained]":
        """What the rails hold of each. See `app.guard.explain`."""
        from app.guard.explain import explain

        return self._runner.run(explain(self.screening, self.policy, self.place, texts))

    def close(self) -> None:
        self._runner.close()


def read_config(path: Path | None) -> StackConfig:
    """The configuration at a path, else that of the running stack, else the laptop's. Raises CommandFailed."""
    try:
        return load_stack(path)
    except (ConfigError, OSError) as error:
        raise CommandFailed(str(error)) from None


def policy_of(config: GuardConfig, name: str | None) -> tuple[str, Policy]:
    """A policy of the configuration, or one in a file, and what it is called. Raises CommandFailed."""
    name = name or DEFAULT
    if name in config.named:
        return name, config.named[name]
    if not Path(name).is_file():
        raise CommandFailed(f"{name!r} is no policy and no file; policies: {', '.join(config.named)}")
    try:
        return Path(name).stem, GuardConfig.model_validate({"policy": name}).policy
    except ValueError as error:
        raise CommandFailed(f"{name}: {_problems(error)}") from None


def open_check(config: StackConfig, policy: str | None, place: GuardPlace) -> Check:
    """Loads models, which takes a second or two. A rail that cannot be made says so in its verdicts.

    Raises CommandFailed.
    """
    from app.guard.build import build_engine, open_embedder

    name, found = policy_of(config.guard, policy)
    # The rails of other places would only take time to load.
    there = found.model_copy(update={other: () for other in PLACES if other != place})
    guard = config.guard.model_copy(update={"policy": there, "policies": {}, "tenants": {}})
    embedder = open_embedder(config.path(config.embedder.directory), config.embedder.threads)
    try:
        engine = build_engine(guard, embedder)
        # Not before: it imports Presidio, which imports torch where that is installed and not yet kept out.
        from app.guard.screening import Screening

        rails = _context_rails(config, there, place)
    except (ValueError, OSError) as error:
        raise CommandFailed(f"the rails of {name!r} cannot be loaded: {error}") from None
    check = Check(Screening({DEFAULT: there}, engine, rails), DEFAULT, place)
    check.explain([WARM_UP])  # so that no text's time, or deadline, has the loading in it
    return check


def _context_rails(config: StackConfig, policy: Policy, place: GuardPlace) -> "dict[ContextKey, ContextRail]":
    """The rails that need more than texts, but for safety models: the stack serves those."""
    from app.config.policy import SafetyModelSettings
    from app.guard.build import make_context_rail, open_embedder
    from app.guard.engine import TEXT_RAILS
    from app.guard.rail import RailMissing
    from app.guard.screening import context_key
    from app.retrieval.types import Vector
    from app.routing.catalogue import Catalogue

    async def embed(texts: Sequence[str]) -> list[Vector]:
        embedder = open_embedder(config.path(config.embedder.directory), config.embedder.threads)()
        return list(await asyncio.to_thread(embedder.embed, texts))

    made: dict[ContextKey, ContextRail] = {}
    for settings in policy.at(place):
        if settings.rail in TEXT_RAILS:
            continue
        if isinstance(settings, SafetyModelSettings):
            logger.warning(
                "guard: the model of the rail %r is served by the stack, and missing here; POST /v1/moderations of a "
                "running stack asks it, too",
                settings.name,
            )
            continue
        try:
            rail = make_context_rail(settings, place, {}, Catalogue(config), {}, embed)
        except RailMissing as error:
            logger.error("guard: the rail %r is missing: %s", settings.name, error)
            continue
        if rail is not None:
            made[context_key(place, settings)] = rail
    return made


def _problems(error: ValueError) -> str:
    from pydantic import ValidationError

    from app.config.errors import explain

    return str(explain(error, GuardConfig) if isinstance(error, ValidationError) else error)
