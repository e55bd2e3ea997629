"""Passages embedded by a route: what is asked, what can pass is repeated, and another model is refused."""

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from app.config.ingest import EmbeddingRouteConfig
from app.errors import Unavailable, UpstreamFailed
from app.ingest import route_workers
from app.ingest.route_workers import RouteWorkers
from app.ingest.workers import LocalWorkers
from tests.unit.ingest.targets import LengthEmbedder

Answer = Callable[[dict[str, Any]], httpx.Response]


class UnitEmbedder(LengthEmbedder):
    """As the real one: rows of unit length."""

    def embed(self, texts: Any, batch_size: int = 1) -> Any:
        rows = super().embed(texts, batch_size)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def vectors(body: dict[str, Any], *, as_text: bool = True, scale: float = 3.0) -> httpx.Response:
    """What a server answers, last text first, with vectors that are not of unit length."""
    rows = UnitEmbedder().embed(body["input"]) * scale
    data = [
        {"index": at, "embedding": base64.b64encode(row.astype("<f4").tobytes()).decode() if as_text else row.tolist()}
        for at, row in enumerate(rows)
    ]
    return httpx.Response(200, json={"data": data[::-1]})


def workers(answer: Answer, asked: list[httpx.Request] | None = None) -> RouteWorkers:
    def respond(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        return answer(json.loads(request.content))

    client = httpx.AsyncClient(transport=httpx.MockTransport(respond))
    config = EmbeddingRouteConfig(url="http://embeds.example/v1")
    return RouteWorkers(config, "minilm", LocalWorkers(UnitEmbedder(), 1), client)


@pytest.fixture(autouse=True)
def _no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route_workers, "RETRY_AFTER_S", (0.0, 0.0))


@pytest.mark.parametrize("as_text", [True, False])
async def test_vectors_come_in_the_order_of_the_texts_and_of_unit_length(as_text: bool) -> None:
    asked: list[httpx.Request] = []
    made = workers(lambda body: vectors(body, as_text=as_text), asked)
    rows = await made.embed(["a", "some text"])
    assert rows == pytest.approx(UnitEmbedder().embed(["a", "some text"]))
    assert rows.dtype == np.float32
    assert str(asked[0].url) == "http://embeds.example/v1/embeddings"
    assert json.loads(asked[0].content)["model"] == "minilm"
    await made.check()


async def test_what_can_pass_is_repeated() -> None:
    answers = iter([httpx.Response(429, headers={"retry-after": "0"}), httpx.Response(503)])
    asked: list[httpx.Request] = []
    made = workers(lambda body: next(answers, None) or vectors(body), asked)
    assert len(await made.embed(["a"])) == 1
    assert len(asked) == 3
    down = workers(lambda body: httpx.Response(500), asked)
    with pytest.raises(Unavailable):
        await down.embed(["a"])


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(401),
        httpx.Response(200, json={"data": []}),
        httpx.Response(200, json={"data": [{"index": 0, "embedding": [0.0, 0.0]}]}),
        httpx.Response(200, text="no JSON"),
    ],
)
async def test_a_refusal_or_another_answer_ends_the_run(answer: httpx.Response) -> None:
    asked: list[httpx.Request] = []
    with pytest.raises(UpstreamFailed):
        await workers(lambda body: answer, asked).embed(["a"])
    assert len(asked) == 1


@pytest.mark.parametrize("other", [lambda row: row[::-1].tolist(), lambda row: [*row.tolist(), 0.5]])
async def test_another_model_is_refused(other: Callable[[Any], list[float]]) -> None:
    def answer(body: dict[str, Any]) -> httpx.Response:
        rows = UnitEmbedder().embed(body["input"])
        return httpx.Response(200, json={"data": [{"index": at, "embedding": other(r)} for at, r in enumerate(rows)]})

    with pytest.raises(UpstreamFailed, match="is not the one that questions are embedded with"):
        await workers(answer).check()
