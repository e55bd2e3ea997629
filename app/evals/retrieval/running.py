"""A running stack as a system: its `POST /v1/search`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from app.evals.errors import StackError
from app.evals.retrieval.metrics import DEPTH, Hit
from app.evals.retrieval.systems import Ranking
from app.retrieval.search.types import Mode
from app.retrieval.types import Vector

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class RunningStack:
    """Searches as a client does: the stack embeds the query, and screens the passages."""

    client: httpx.AsyncClient
    mode: Mode = "hybrid"
    name: str = "search"

    async def ask(self, query: str, vector: Vector) -> Ranking:
        """See `System`. Raises StackError when the stack refuses or says something else."""
        # Without a `min_score` all passages come, and the stack's own threshold says whether any is relevant.
        body = {"query": query, "limit": DEPTH, "mode": self.mode, "neighbours": 0}
        try:
            answer = await self.client.post("search", json=body)
        except httpx.HTTPError as error:
            raise StackError(f"no answer from {self.client.base_url}search ({type(error).__name__})") from None
        if answer.status_code != httpx.codes.OK:
            raise StackError(f"{self.client.base_url}search answers {answer.status_code}: {_reason(answer)}")
        try:
            content = answer.json()
            hits = [Hit(each["document"], each["start"], each["end"], each["score"]) for each in content["data"]]
            return Ranking(hits, max((hit.score for hit in hits), default=0.0), bool(content["relevant"]))
        except (ValueError, KeyError, TypeError):
            raise StackError(f"{self.client.base_url}search does not answer as /v1/search does") from None


@asynccontextmanager
async def open_running(base_url: str, api_key: str) -> AsyncIterator[list[RunningStack]]:
    """The three modes of a stack; its search as it ships is the last."""
    headers = {"authorization": f"Bearer {api_key}"}
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=TIMEOUT_S) as client:
        yield [
            RunningStack(client, "dense", "search, dense"),
            RunningStack(client, "sparse", "search, sparse"),
            RunningStack(client),
        ]


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"
