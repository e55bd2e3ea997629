"""What leaves for MLflow: captured text only where it was asked for, and nothing that can hurt a request."""

import asyncio
import threading
import time

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.config import ObservabilityConfig
from app.errors import Unavailable
from app.telemetry.tracing import Tracing
from tests.unit.bench import OPEN_GUARD, Bench
from tests.unit.conftest import MakeBench
from tests.unit.fakes import FakeGuard


class Stuck(SpanExporter):
    """An exporter whose server never answers."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def export(self, spans: object) -> SpanExportResult:
        self.released.wait(10)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.released.set()


async def test_a_request_and_the_end_of_the_stack_never_wait_for_a_stuck_exporter(bench: Bench) -> None:
    await bench.answer()
    stuck = Stuck()
    tracing = Tracing(ObservabilityConfig(max_queued_spans=16), stuck)
    began = time.perf_counter()

    for _ in range(200):
        tracing.request_finished(bench.recorder.only)
    await asyncio.sleep(0)
    assert time.perf_counter() - began < 2
    tracing.close(timeout_s=0.2)

    assert time.perf_counter() - began < 3
    stuck.released.set()


async def exported(bench: Bench) -> str:
    exporter = InMemorySpanExporter()
    tracing = Tracing(ObservabilityConfig(), exporter)
    for event in bench.recorder.events:
        tracing.request_finished(event)
    await asyncio.sleep(0)
    tracing.close()
    return str([span.to_json() for span in exporter.get_finished_spans()])


def masking(bench: Bench) -> Bench:
    bench.guard = FakeGuard(names=["Alice"])
    bench.model.pieces = ["Dear <PER", "SON_1>, it is 8000."]
    return bench


@pytest.mark.parametrize("stream", [False, True])
async def test_captured_text_is_masked_in_question_and_answer(make_bench: MakeBench, stream: bool) -> None:
    bench = masking(make_bench(observability={"capture_content": True}))

    for _ in range(2):  # made, then replayed
        await (bench.chunks if stream else bench.answer)("I am Alice. Which port?")

    for event in bench.recorder.events:
        assert event.content == {"input": "I am <PERSON_1>. Which port?", "output": "Dear <PERSON_1>, it is 8000."}
    assert "Which port?" in await exported(bench)
    assert "Alice" not in await exported(bench)


async def test_text_is_not_captured_unless_it_was_asked_for(bench: Bench) -> None:
    await masking(bench).answer("I am Alice. Which port?")

    assert bench.recorder.only.content is None
    assert "Which port" not in await exported(bench)
    assert "8000" not in await exported(bench)


async def test_what_a_failed_guard_let_pass_is_not_captured(make_bench: MakeBench) -> None:
    bench = masking(make_bench(observability={"capture_content": True}, guard=OPEN_GUARD))
    assert bench.guard
    bench.guard.error = Unavailable("no guard")

    await bench.answer("I am Alice.")

    assert bench.recorder.only.content is None
    assert "Alice" not in await exported(bench)
