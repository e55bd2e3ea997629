"""The way into MLflow's server: credentials come from the environment, by the names that MLflow's own client reads.

The jobs use that client. What the stack itself sends goes to MLflow's REST API, with what is made here.
"""

import base64
import os
from collections.abc import Mapping

import httpx

from app.loopback import is_here

USERNAME, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
TOKEN = "MLFLOW_TRACKING_TOKEN"  # noqa: S105 (the name of a variable)


def authorization(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The `authorization` header, or no header.

    A user name and a password win over a token, as in `mlflow.utils.rest_utils.http_request`.
    """
    username, password = environment.get(USERNAME), environment.get(PASSWORD)
    if username and password:
        return {"authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}
    token = environment.get(TOKEN, "").strip()
    return {"authorization": f"Bearer {token}"} if token else {}


def open_mlflow(url: str, timeout_s: float, environment: Mapping[str, str] = os.environ) -> httpx.AsyncClient:
    """A client of the server at `url`. Connects at first use."""
    through_proxy = not is_here(httpx.URL(url).host)
    return httpx.AsyncClient(
        base_url=url, timeout=timeout_s, headers=authorization(environment), trust_env=through_proxy
    )


async def mlflow_answers(url: str, timeout_s: float) -> bool:
    """Whether the server is well. Raises httpx.HTTPError where none answers."""
    async with open_mlflow(url, timeout_s) as client:
        return (await client.get("/health")).is_success
