"""The events of a request. Business logic emits them; telemetry, metrics and the ledger listen."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

Attributes = dict[str, str | int | float | bool | list[str] | list[float]]


@dataclass(frozen=True, slots=True)
class StageFinished:
    """One stage of the way. Times are nanoseconds since the epoch."""

    name: str
    start_ns: int
    end_ns: int
    attributes: Attributes
    error: str | None = None  # the error's code


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a request, as the engine counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0  # of the prompt, found in the engine's prefix cache or the provider's
    written_tokens: int = 0  # of the prompt, written into the provider's
    written_1h_tokens: int = 0  # of those, to be kept for an hour


@dataclass(frozen=True, slots=True)
class RequestFinished:
    """A request has ended, well or not. Emitted exactly once for each."""

    request_id: str
    operation: str  # OpenTelemetry's gen_ai.operation.name: chat, text_completion, embeddings
    tenant: str
    key_id: str
    customer: str | None
    requested_model: str
    model: str  # the model that answered
    start_ns: int
    end_ns: int
    stages: tuple[StageFinished, ...]
    usage: Usage
    cost_nano: int  # nano-dollars, as billed
    cache: str
    status: int
    error: str | None
    first_token_ns: int | None
    finish_reasons: tuple[str, ...]
    attributes: Attributes
    content: dict[str, str] | None = None  # question and answer, masked; only when asked for


class Listener(Protocol):
    """Told of finished requests. Must return at once and never raise."""

    def request_finished(self, event: RequestFinished) -> None: ...


@dataclass(slots=True)
class Timeline:
    """The stages of one request, collected as it travels."""

    start_ns: int = field(default_factory=time.time_ns)
    stages: list[StageFinished] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str, **attributes: Any) -> Iterator[Attributes]:
        """Time a stage. Attributes may be added to the yielded dict until it ends."""
        start = time.time_ns()
        error: str | None = None
        try:
            yield attributes
        except BaseException as raised:
            error = getattr(raised, "code", type(raised).__name__)
            raise
        finally:
            self.stages.append(StageFinished(name, start, time.time_ns(), attributes, error))

    def server_timing(self) -> str:
        """The stages so far as a `Server-Timing` header: `guard;dur=5.1, ...` (milliseconds)."""
        return ", ".join(f"{s.name};dur={(s.end_ns - s.start_ns) / 1e6:.2f}" for s in self.stages)
