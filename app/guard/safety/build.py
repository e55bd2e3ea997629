"""From a policy's settings to the rail."""

import uuid
from collections.abc import Mapping
from typing import Any

from app.config.policy import SafetyModelSettings
from app.errors import ModelNotFound
from app.guard.rail import ContextRail, RailMissing
from app.guard.safety.formats import format_of
from app.guard.safety.rail import SafetyModelRail
from app.guard.types import GuardPlace
from app.pipeline.ports import ModelPort, Task
from app.routing.catalogue import Catalogue


def build(
    settings: SafetyModelSettings,
    place: GuardPlace,
    ports: Mapping[str, ModelPort],
    catalogue: Catalogue,
    revisions: Mapping[str, str] | None = None,
) -> ContextRail:
    """The rail for a place: at `output` texts are judged as answers, else as what users wrote.

    `ports` are those of all models, served and hosted, by id; `revisions` those of `app.provenance.model_revisions`.
    Raises RailMissing when there is no such model, or the format cannot be used with it.
    """
    try:
        target = catalogue.target(settings.model)
        port = ports[target.id]
    except (ModelNotFound, KeyError):
        raise RailMissing(
            f"{settings.model!r} is no model of this stack: add it to `models` or `hosted`, or name one that is there"
        ) from None
    is_local = target.kind == "local"
    try:
        form = format_of(settings.format, settings.categories, hosted=not is_local)
    except ValueError as error:
        raise RailMissing(f"format {settings.format}: {error}") from None

    async def ask(task: Task, body: dict[str, Any]) -> dict[str, Any]:
        return await port.complete(task, {**body, "model": target.engine_model}, f"guard-{uuid.uuid4().hex}")

    return SafetyModelRail(
        settings,
        ask,
        form,
        judges_answers=place == "output",
        is_local=is_local,
        context_tokens=target.context_window,
        revision=(revisions or {}).get(target.id, ""),
    )
