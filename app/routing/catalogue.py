"""Every model that can answer, by the name that clients and configuration use for it."""

import re
from dataclasses import replace

from app.config import HostedModelConfig, ModelConfig, StackConfig
from app.errors import ModelNotFound
from app.routing.target import Target

# It becomes the end of a storage address, so it holds nothing that such an address gives a meaning to.
_ADAPTER = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Catalogue:
    """Served and hosted models as targets.

    `base:adapter` is a target of its own with the base's id: adapters live in the base's deployment,
    so they share its port, its price and its breaker.
    """

    def __init__(self, config: StackConfig) -> None:
        self._with_adapters = {model.id for model in config.models if model.lora}
        self._targets = {model.id: _served(model) for model in config.models}
        self._targets |= {model.id: _hosted(model) for model in config.hosted}

    def target(self, name: str) -> Target:
        """The model of that name. Raises ModelNotFound."""
        base, colon, adapter = name.partition(":")
        target = self._targets.get(base)
        if target is None or (colon and not self._may_have(base, adapter)):
            raise ModelNotFound(
                f"The model {name!r} does not exist or does not generate text; GET /v1/models lists what does.",
                param="model",
            )
        if not colon:
            return target
        return replace(target, engine_model=name)

    def targets(self) -> tuple[Target, ...]:
        """All of them, adapters aside."""
        return tuple(self._targets.values())

    def _may_have(self, base: str, adapter: str) -> bool:
        """Whether the base could have an adapter of that name; only its replicas know."""
        return base in self._with_adapters and _ADAPTER.fullmatch(adapter) is not None


def _served(model: ModelConfig) -> Target:
    return Target(
        id=model.id,
        engine_model=model.id,
        provider="local",
        price=model.price,
        context_window=model.context_window,
        has_priorities=model.engine.get("scheduling_policy") == "priority",
    )


def _hosted(model: HostedModelConfig) -> Target:
    return Target(
        id=model.id,
        engine_model=model.model or model.id,
        provider=model.provider,
        price=model.price,
        context_window=model.context_window,
        max_output_tokens=model.max_output_tokens,
    )
