"""Traces: one for each request, with its stages, without its text; MLflow's absence harms nobody."""

import asyncio
import json

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.config import ObservabilityConfig
from app.errors import Unavailable
from app.telemetry.mlflow_exporter import MlflowExporter
from app.telemetry.tracing import Tracing
from tests.unit.bench import Bench
from tests.unit.fakes import passage


async def traced(bench: Bench) -> dict[str, ReadableSpan]:
    """The spans of the bench's one request, by name."""
    exporter = InMemorySpanExporter()
    tracing = Tracing(ObservabilityConfig(), exporter)
    tracing.request_finished(bench.recorder.only)
    await asyncio.sleep(0)  # spans are made in the loop's next turn
    tracing.close()
    return {span.name: span for span in exporter.get_finished_spans()}


async def test_a_request_is_one_trace_with_a_span_for_each_stage(bench: Bench) -> None:
    bench.search.passages["default"] = [passage("The port is 8000.")]
    await bench.answer("Which port has private words?", model="docs")

    spans = await traced(bench)

    root = spans["chat docs"]
    assert set(spans) == {"chat docs", "cache", "guard", "embed", "retrieve", "guard.retrieved", "generate"}
    assert {span.context.trace_id for span in spans.values() if span.context} == {root.context.trace_id}
    assert all(span.parent and root.context and span.parent.span_id == root.context.span_id
               for name, span in spans.items() if name != "chat docs")  # fmt: skip
    attributes = dict(root.attributes or {})
    assert attributes["gen_ai.operation.name"] == "chat"
    assert attributes["gen_ai.request.model"] == "docs"
    assert attributes["gen_ai.response.model"] == "m"
    assert attributes["gen_ai.usage.input_tokens"] == 11
    assert attributes["gen_ai.usage.output_tokens"] == 3
    assert attributes["sextant.cache"] == "miss"
    assert json.loads(str(attributes["mlflow.spanType"])) == "CHAIN"
    assert "private" not in str([span.to_json() for span in spans.values()])


async def test_what_failed_is_marked_where_it_failed(bench: Bench) -> None:
    bench.model.fails_at, bench.model.error = 0, Unavailable("no replica")
    with pytest.raises(Unavailable):
        await bench.answer()

    spans = await traced(bench)

    assert spans["generate"].status.description == "unavailable"
    assert spans["chat m"].status.description == "unavailable"
    assert spans["guard"].status.is_unset


def test_without_mlflow_spans_are_dropped_and_counted_and_nothing_is_raised() -> None:
    exporter = MlflowExporter("http://127.0.0.1:9", "sextant")
    span = ReadableSpan("x")

    assert exporter.export([span, span]) is SpanExportResult.FAILURE
    assert exporter.export([span]) is SpanExportResult.FAILURE
    assert exporter.dropped == 3
    exporter.shutdown()


def test_tracing_without_a_place_to_send_to_is_refused() -> None:
    with pytest.raises(ValueError, match=r"observability\.mlflow_url"):
        Tracing(ObservabilityConfig())
