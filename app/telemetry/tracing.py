"""Request events as OpenTelemetry spans, sent to MLflow over OTLP.

Spans are made after the fact from a request's events, so the request never waits for them. They
are queued and sent in batches by a thread; when MLflow is away they are dropped and counted.
Attribute names follow OpenTelemetry's GenAI conventions (opentelemetry.io/docs/specs/semconv/gen-ai).
"""

import asyncio
import threading
from typing import Any

import orjson
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from app.config import ObservabilityConfig
from app.config.money import NANO_PER_USD
from app.telemetry.events import RequestFinished, StageFinished
from app.telemetry.mlflow_exporter import MlflowExporter

# What MLflow's trace view calls the stages (mlflow.entities.SpanType).
SPAN_TYPES = {
    "guard": "GUARDRAIL",
    "embed": "EMBEDDING",
    "retrieve": "RETRIEVER",
    "generate": "CHAT_MODEL",
    "cache": "TOOL",
}

# Stages that do the same every time: a number on the request tells all of it, and a span each would cost the
# ingress and MLflow more than the stage itself.
NUMBERS = frozenset({"receive", "admit", "reserve", "first_token"})

TAGS = ("sextant.tenant", "sextant.conversation", "sextant.user", "sextant.customer_user")


class Tracing:
    """A listener that turns each finished request into a trace."""

    def __init__(self, config: ObservabilityConfig, exporter: SpanExporter | None = None) -> None:
        if exporter is None:
            if config.mlflow_url is None:
                raise ValueError("tracing needs observability.mlflow_url")
            exporter = MlflowExporter(config.mlflow_url, config.experiment)
        self._provider = TracerProvider(resource=Resource.create({"service.name": "sextant"}), shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                exporter,
                max_queue_size=config.max_queued_spans,
                schedule_delay_millis=1000,
                max_export_batch_size=min(512, config.max_queued_spans),
            )
        )
        self._tracer = self._provider.get_tracer("sextant")

    def request_finished(self, event: RequestFinished) -> None:
        # The answer's last bytes leave first: spans take a third of a millisecond.
        asyncio.get_running_loop().call_soon(self._trace, event)

    def _trace(self, event: RequestFinished) -> None:
        root = self._tracer.start_span(
            f"{event.operation} {event.requested_model}",
            kind=SpanKind.SERVER,
            start_time=event.start_ns,
            attributes=_request_attributes(event),
        )
        context = set_span_in_context(root)
        for stage in event.stages:
            if stage.name in NUMBERS and not stage.error:
                continue
            span = self._tracer.start_span(
                stage.name, context=context, start_time=stage.start_ns, attributes=_stage_attributes(stage)
            )
            if stage.error:
                span.set_status(Status(StatusCode.ERROR, stage.error))
            span.end(stage.end_ns)
        if event.error:
            root.set_status(Status(StatusCode.ERROR, event.error))
        root.end(event.end_ns)

    def close(self, timeout_s: float = 5) -> None:
        """Send what is queued, for at most `timeout_s`."""
        worker = threading.Thread(target=self._provider.shutdown, daemon=True)
        worker.start()
        worker.join(timeout_s)


def _request_attributes(event: RequestFinished) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": event.operation,
        "gen_ai.provider.name": "sextant",
        "gen_ai.request.model": event.requested_model,
        "gen_ai.response.model": event.model,
        "gen_ai.response.id": event.request_id,
        "gen_ai.response.finish_reasons": list(event.finish_reasons),
        "gen_ai.usage.input_tokens": event.usage.prompt_tokens,
        "gen_ai.usage.output_tokens": event.usage.completion_tokens,
        "http.response.status_code": event.status,
        "sextant.tenant": event.tenant,
        "sextant.key_id": event.key_id,
        "sextant.customer": event.customer or "",
        "sextant.cost_usd": event.cost_nano / NANO_PER_USD,
        "sextant.cache": event.cache,
        "sextant.cached_prompt_tokens": event.usage.cached_tokens,
        "mlflow.spanType": _json("CHAIN"),
        # Without captured text MLflow's list would show nothing that tells requests apart.
        "mlflow.spanInputs": _json({"request_id": event.request_id, "model": event.requested_model}),
        "mlflow.spanOutputs": _json({"finish_reasons": list(event.finish_reasons), "cache": event.cache}),
        **{f"sextant.{s.name}_ms": (s.end_ns - s.start_ns) / 1e6 for s in event.stages if s.name in NUMBERS},
        **event.attributes,
    }
    # MLflow makes tags of these: by them traces are found when somebody is to be forgotten.
    attributes |= {f"mlflow.traceTag.{name}": attributes[name] for name in TAGS if name in attributes}
    if event.first_token_ns is not None:
        attributes["sextant.time_to_first_token_ms"] = (event.first_token_ns - event.start_ns) / 1e6
    if event.content is not None:
        attributes["mlflow.spanInputs"] = _json(event.content.get("input", ""))
        attributes["mlflow.spanOutputs"] = _json(event.content.get("output", ""))
    return attributes


def _stage_attributes(stage: StageFinished) -> dict[str, Any]:
    return {"mlflow.spanType": _json(SPAN_TYPES.get(stage.name, "CHAIN")), **stage.attributes}


def _json(value: object) -> str:
    """MLflow's own attributes hold JSON."""
    return orjson.dumps(value).decode()
