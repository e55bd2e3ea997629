"""Spans on their way to MLflow: to the right experiment, with credentials, and past whatever happens to the server."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.telemetry.mlflow_exporter import LOOK_UP_PAUSE_S, MlflowExporter
from tests.unit.mlflow_double import Mlflow, running_mlflow

OK, FAILED = SpanExportResult.SUCCESS, SpanExportResult.FAILURE


@pytest.fixture
def mlflow() -> Iterator[Mlflow]:
    with running_mlflow() as server:
        yield server


class Clock:
    """Monotonic time, seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


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
    exporter = MlflowExporter(f"{mlflow.url}/", "sextant")

    assert [exporter.export(spans()) for _ in range(2)] == [OK] * 2

    assert mlflow.traces == (["3"] * 2 if known else ["7"] * 2)
    assert exporter.dropped == 0
    assert mlflow.look_ups == 1
    exporter.shutdown()


def test_a_server_that_refuses_costs_spans_and_nothing_else_and_is_used_again(mlflow: Mlflow) -> None:
    exporter = MlflowExporter(mlflow.url, "sextant")
    exporter.export(spans())
    mlflow.status = 500

    assert exporter.export(spans()) is FAILED
    assert exporter.dropped == 2

    mlflow.status = 200
    assert exporter.export(spans()) is OK
    assert exporter.dropped == 2
    exporter.shutdown()


def test_two_replicas_that_start_together_share_the_experiment_and_lose_nothing(mlflow: Mlflow) -> None:
    mlflow.rival = "5"
    exporter = MlflowExporter(mlflow.url, "sextant")

    assert exporter.export(spans()) is OK
    assert (mlflow.traces, exporter.dropped) == (["5"], 0)
    exporter.shutdown()


def test_an_experiment_that_is_gone_is_made_anew_and_its_batch_sent_again(mlflow: Mlflow) -> None:
    clock = Clock()
    exporter = MlflowExporter(mlflow.url, "sextant", clock=clock)
    exporter.export(spans())
    mlflow.experiments, mlflow.next_id = {}, 9  # another database
    clock.now += LOOK_UP_PAUSE_S

    assert [exporter.export(spans()) for _ in range(2)] == [OK] * 2
    assert (mlflow.traces, exporter.dropped) == (["7", "9", "9"], 0)
    exporter.shutdown()


def test_while_the_server_takes_nothing_the_id_is_not_looked_up_for_every_batch(mlflow: Mlflow) -> None:
    clock = Clock()
    exporter = MlflowExporter(mlflow.url, "sextant", clock=clock)
    exporter.export(spans())
    mlflow.status = 500
    clock.now += LOOK_UP_PAUSE_S

    for _ in range(10):
        exporter.export(spans())
        clock.now += LOOK_UP_PAUSE_S / 5

    assert mlflow.look_ups == 3  # the first, and two in 54 seconds
    assert exporter.dropped == 20
    exporter.shutdown()


def test_a_database_that_was_replaced_while_the_server_was_away_gets_one_batch_under_the_old_id_at_most(
    mlflow: Mlflow,
) -> None:
    """Another experiment may have that id now, so that nothing fails."""
    clock = Clock()
    exporter = MlflowExporter(mlflow.url, "sextant", clock=clock)
    exporter.export(spans())
    mlflow.status = mlflow.look_up_status = 500
    exporter.export(spans())
    mlflow.status, mlflow.look_up_status = 200, None
    mlflow.experiments = {"another": "7", "sextant": "8"}

    assert [exporter.export(spans()) for _ in range(3)] == [OK] * 3
    assert mlflow.traces == ["7", "7", "8", "8"]
    exporter.shutdown()


def test_a_look_up_that_fails_makes_no_experiment(mlflow: Mlflow) -> None:
    """403 is not 404: nobody knows whether there is one."""
    exporter = MlflowExporter(mlflow.url, "sextant")
    mlflow.look_up_status = 403

    assert exporter.export(spans()) is FAILED
    assert not any(path.endswith("/create") for path, _ in mlflow.asked)
    exporter.shutdown()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "pä:ss"}, "Basic YWRhOnDDpDpzcw=="),
        ({"MLFLOW_TRACKING_TOKEN": "t0ken"}, "Bearer t0ken"),
    ],
)
def test_look_up_creation_and_export_carry_the_credentials_of_the_environment(
    mlflow: Mlflow, environment: dict[str, str], expected: str | None
) -> None:
    exporter = MlflowExporter(mlflow.url, "sextant", environment)

    assert exporter.export(spans()) is OK
    assert [authorization for _, authorization in mlflow.asked] == [expected] * 3
    exporter.shutdown()
