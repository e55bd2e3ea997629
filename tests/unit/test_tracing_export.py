"""What leaves for MLflow: captured text only where it was asked for, and nothing that can hurt a request."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.config import ObservabilityConfig
from app.errors import Unavailable
from app.telemetry.tracing import MlflowExporter, Tracing
from tests.unit.bench import OPEN_GUARD, Bench
from tests.unit.conftest import MakeBench
from tests.unit.fakes import FakeGuard


class Mlflow(ThreadingHTTPServer):
    """As much of MLflow's server as an exporter talks to."""

    status = 200
    experiments: dict[str, str]
    traces: list[str | None]  # the experiment's id of each batch


class Handler(BaseHTTPRequestHandler):
    server: Mlflow

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        name = self.path.partition("experiment_name=")[2]
        found = self.server.experiments.get(name)
        body = json.dumps({"experiment": {"experiment_id": found}})
        self._reply(200 if found else 404, body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if self.path.endswith("/create"):
            self.server.experiments["sextant"] = "7"
            self._reply(200, '{"experiment_id": "7"}')
            return
        if self.server.status == 200:
            self.server.traces.append(self.headers["x-mlflow-experiment-id"])
        self._reply(self.server.status, "")

    def _reply(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


@pytest.fixture
def mlflow() -> Iterator[Mlflow]:
    server = Mlflow(("127.0.0.1", 0), Handler)
    server.experiments, server.traces = {}, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def spans() -> list[ReadableSpan]:
    """Two finished spans."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for name in ("one", "two"):
        provider.get_tracer("test").start_span(name).end()
    return list(exporter.get_finished_spans())


@pytest.mark.parametrize("known", [True, False])
def test_spans_go_to_the_experiment_which_is_made_where_it_is_missing(mlflow: Mlflow, known: bool) -> None:
    mlflow.experiments = {"sextant": "3"} if known else {}
    exporter = MlflowExporter(f"http://127.0.0.1:{mlflow.server_port}/", "sextant")

    assert [exporter.export(spans()) for _ in range(2)] == [SpanExportResult.SUCCESS] * 2

    assert mlflow.traces == (["3"] * 2 if known else ["7"] * 2)
    assert exporter.dropped == 0
    exporter.shutdown()


def test_a_server_that_refuses_costs_spans_and_nothing_else_and_is_used_again(mlflow: Mlflow) -> None:
    exporter = MlflowExporter(f"http://127.0.0.1:{mlflow.server_port}", "sextant")
    exporter.export(spans())
    mlflow.status = 500

    assert exporter.export(spans()) is SpanExportResult.FAILURE
    assert exporter.dropped == 2

    mlflow.status = 200
    assert exporter.export(spans()) is SpanExportResult.SUCCESS
    assert exporter.dropped == 2
    exporter.shutdown()


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
