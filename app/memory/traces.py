"""Deleting traces in MLflow by a tag, over its REST API (what MLflow's own client calls: /3.0/mlflow/traces/search and
/2.0/mlflow/traces/delete-traces)."""

import re
from typing import Any

import httpx

from app.errors import Unavailable
from app.mlflow_access import open_mlflow

PAGE = 100
MAX_PAGES = 1000
TIMEOUT_S = 30.0
# What can stand in a filter between quotes.
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,128}")


class TraceEraser:
    """Traces of one experiment."""

    def __init__(self, url: str, experiment: str) -> None:
        self._url = url.rstrip("/")
        self._experiment = experiment

    async def delete(self, tag: str, value: str) -> int:
        """Delete the traces whose tag has this value; how many there were. Raises Unavailable."""
        if not _PLAIN.fullmatch(value):
            raise ValueError("no value of a tag of ours")
        try:
            async with open_mlflow(self._url, TIMEOUT_S) as client:
                return await self._delete(client, f"tag.`{tag}` = '{value}'")
        except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
            raise Unavailable("MLflow cannot delete traces now.", retry_after_s=60) from error

    async def _delete(self, client: httpx.AsyncClient, where: str) -> int:
        found = await client.get(
            "/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": self._experiment}
        )
        if found.status_code == httpx.codes.NOT_FOUND:
            return 0  # nothing was ever traced
        experiment = str(_json(found)["experiment"]["experiment_id"])
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
        deleted = 0
        for _ in range(MAX_PAGES):
            asked = {"locations": [location], "filter": where, "max_results": PAGE}
            page = _json(await client.post("/api/3.0/mlflow/traces/search", json=asked))
            ids = [trace["trace_id"] for trace in page.get("traces") or ()]
            if not ids:
                return deleted
            gone = {"experiment_id": experiment, "request_ids": ids}
            answer = _json(await client.post("/api/2.0/mlflow/traces/delete-traces", json=gone))
            if not answer.get("traces_deleted"):
                raise Unavailable("MLflow found traces and did not delete them.")
            deleted += int(answer["traces_deleted"])
        return deleted


def _json(answer: httpx.Response) -> dict[str, Any]:
    answer.raise_for_status()
    content: dict[str, Any] = answer.json()
    return content
