"""Spans over OTLP to an experiment of MLflow's, which is known by its name here and by its id there."""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from app.mlflow_access import authorization

logger = logging.getLogger(__name__)

LOOK_UP_PAUSE_S = 30.0
LOOK_UP_TIMEOUT_S = 5.0
EXPORT_TIMEOUT_S = 10.0


class MlflowExporter(SpanExporter):
    """OTLP to MLflow, which wants the experiment's id in a header.

    The id is looked up (the experiment made where it is missing) when the first batch goes out, in the exporting
    thread; until it is known, each batch tries. A batch that MLflow does not take puts the id in doubt: it may have
    another database by now. It is looked up again then, at most every `LOOK_UP_PAUSE_S`, and the batch sent again if
    the id is another one.
    """

    def __init__(
        self,
        url: str,
        experiment: str,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/")
        self._experiment = experiment
        self._headers = authorization(environment)
        self._clock = clock
        self._id: str | None = None
        self._exporter: OTLPSpanExporter | None = None
        self._is_in_doubt = False
        self._no_look_up_before = -float("inf")
        self.dropped = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._send(spans)
        except Exception as error:  # a tracing failure must never reach a request
            logger.debug("trace export failed: %s", type(error).__name__)
            result = SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            self.dropped += len(spans)
            logger.warning("%d spans dropped so far: MLflow did not take them", self.dropped)
        return result

    def shutdown(self) -> None:
        if self._exporter is not None:
            self._exporter.shutdown()  # type: ignore[no-untyped-call]  # OpenTelemetry has no types there

    def _send(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        exporter = self._exporter
        if exporter is None or (self._is_in_doubt and self._may_look_up()):
            exporter = self._look_up()
        result = exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            # The server is back. If the id is another experiment's by now, no batch will ever fail: ask at once.
            self._no_look_up_before = -float("inf")
            return result
        self._is_in_doubt = True
        if self._may_look_up() and (found := self._look_up()) is not exporter:
            return found.export(spans)
        return result

    def _may_look_up(self) -> bool:
        return self._clock() >= self._no_look_up_before

    def _look_up(self) -> OTLPSpanExporter:
        """The exporter to the experiment as it is now. Raises httpx.HTTPError."""
        self._no_look_up_before = self._clock() + LOOK_UP_PAUSE_S
        found = self._find_experiment()
        self._is_in_doubt = False
        if self._exporter is not None:
            if found == self._id:
                return self._exporter
            self._exporter.shutdown()  # type: ignore[no-untyped-call]  # OpenTelemetry has no types there
        self._id = found
        self._exporter = OTLPSpanExporter(
            endpoint=f"{self._url}/v1/traces",
            headers={**self._headers, "x-mlflow-experiment-id": found},
            timeout=EXPORT_TIMEOUT_S,
        )
        return self._exporter

    def _find_experiment(self) -> str:
        api = f"{self._url}/api/2.0/mlflow/experiments"
        with httpx.Client(timeout=LOOK_UP_TIMEOUT_S, headers=self._headers) as client:
            if (known := self._by_name(client, api)) is not None:
                return known
            made = client.post(f"{api}/create", json={"name": self._experiment})
            # Refused because another replica was quicker: then it is there.
            if made.is_error and (known := self._by_name(client, api)) is not None:
                return known
            made.raise_for_status()
            return str(made.json()["experiment_id"])

    def _by_name(self, client: httpx.Client, api: str) -> str | None:
        found = client.get(f"{api}/get-by-name", params={"experiment_name": self._experiment})
        if found.status_code == httpx.codes.NOT_FOUND:
            return None
        found.raise_for_status()
        answer: dict[str, Any] = found.json()
        return str(answer["experiment"]["experiment_id"])
