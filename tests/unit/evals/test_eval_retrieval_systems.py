"""Systems ask a store, and what they find becomes a report."""

import hashlib
import json
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.utils.validation import _validate_metric_name
from numpy.typing import NDArray

from app.evals.errors import StackError
from app.evals.retrieval.corpus import Document
from app.evals.retrieval.figures import abstention_figure, recall_figure
from app.evals.retrieval.index import TENANT, cut_all, fill, parse_all
from app.evals.retrieval.measure import decide, measure
from app.evals.retrieval.outcomes import Measured
from app.evals.retrieval.questions import Gold, Located, Question, locate_all
from app.evals.retrieval.record import outcome_table
from app.evals.retrieval.report import RetrievalReport, errors
from app.evals.retrieval.running import open_running
from app.evals.retrieval.systems import System, baselines
from app.evals.retrieval.vectors import VectorCache
from app.retrieval.embedded_store import EmbeddedStore
from app.retrieval.types import Reader

DOCUMENTS = [
    Document("tea.md", b"# Tea\n\nGreen tea is brewed at eighty degrees for two minutes."),
    Document("coffee.md", b"# Coffee\n\nEspresso is pressed at nine bar for half a minute."),
    Document("bread.md", b"# Bread\n\nSourdough rises overnight before it is baked."),
    Document("broken.pdf", b"not a pdf"),
]
QUESTIONS = [
    Question("q1", "espresso bar", "keyword", "train", (Gold("coffee.md", "pressed at nine bar"),)),
    Question("q2", "green tea degrees", "question", "train", (Gold("tea.md", "brewed at eighty degrees"),)),
    Question("q3", "quantum gravity", "unanswerable", "train", ()),
]


class WordEmbedder:
    """A bag of words, hashed: texts that share words are near."""

    dimensions = 64
    max_tokens = 256

    def __init__(self) -> None:
        self.texts = 0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += len(texts)
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                row[hashlib.blake2b(word.encode(), digest_size=1).digest()[0] % self.dimensions] += 1
            row /= max(1e-6, float(np.linalg.norm(row)))
        return rows

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[VectorCache]:
    opened = VectorCache(tmp_path / "vectors.sqlite", "words")
    yield opened
    opened.close()


@pytest.fixture
async def filled(tmp_path: Path, cache: VectorCache) -> AsyncIterator[tuple[list[System], list[Located]]]:
    parsed, unreadable = parse_all(DOCUMENTS)
    assert unreadable == ["broken.pdf"]
    embedder = WordEmbedder()
    store = EmbeddedStore(tmp_path / "store", embedder.dimensions)
    await fill(store, cut_all(parsed, embedder), embedder, cache)
    located, _ = locate_all(QUESTIONS, parsed)
    yield baselines(store, Reader(TENANT)), located
    await store.close()


async def run(filled: tuple[list[System], list[Located]], cache: VectorCache) -> list[Measured]:
    systems, located = filled
    vectors = cache.embed([each.question.query for each in located], WordEmbedder())
    return [await measure(system, located, vectors) for system in systems]


async def test_the_baselines_find_what_the_questions_ask(
    filled: tuple[list[System], list[Located]], cache: VectorCache
) -> None:
    measured = await run(filled, cache)

    assert [each.name for each in measured] == ["dense", "BM25", "plain RRF"]
    for each in measured:
        assert each.mean("recall_at_3") == 1, each.name
        assert len(each.answerable) == 2
    assert measured[1].mean("recall_at_1") == 1


async def test_a_system_without_a_decision_gets_the_training_halfs_threshold(
    filled: tuple[list[System], list[Located]], cache: VectorCache
) -> None:
    bm25 = (await run(filled, cache))[1]
    assert bm25.outcomes[2].confidence == 0

    decided = decide(bm25, bm25)

    assert decided.abstention().f1 == 1
    assert bm25.abstention().recall == 0


async def test_the_report_has_every_system_and_compares_the_last(
    filled: tuple[list[System], list[Located]], cache: VectorCache
) -> None:
    measured = await run(filled, cache)
    report = RetrievalReport("train half", measured)

    metrics = report.metrics()

    assert report.subject.name == "plain RRF"
    assert metrics["bm25.recall_at_1"] == 1
    assert metrics["plain_rrf_less_bm25.recall_at_5"] == 0
    assert "over dense" in report.verdict
    assert len(report.tables()) == 4
    assert len(outcome_table(report)["id"]) == 9
    for figure in (recall_figure(report), abstention_figure(report)):
        assert figure.axes[0].lines
    assert errors(measured[1]) == []


async def test_mlflow_takes_every_name_of_a_metric(
    filled: tuple[list[System], list[Located]], cache: VectorCache
) -> None:
    running = ("search", "search, dense", "search, sparse", "search + /models/re ranker@1")
    measured = [replace(each, name=name) for each in (await run(filled, cache))[:1] for name in running]

    names = RetrievalReport("test half", measured).metrics()

    assert {name.split(".")[0] for name in names} >= {"search", "search_dense", "search_sparse"}
    for name in names:
        _validate_metric_name(name)  # type: ignore[no-untyped-call]  # MLflow has no types for it


def test_vectors_are_kept_and_what_is_known_is_not_embedded_again(cache: VectorCache) -> None:
    embedder = WordEmbedder()
    told: list[int] = []

    first = cache.embed(["a b", "c", "a b"], embedder, told.append)
    again = cache.embed(["c", "a b", "d"], embedder)

    assert embedder.texts == 3  # "a b", "c" and "d"
    assert told[-1] == 3
    assert np.array_equal(first[0], again[1])
    assert np.array_equal(first[0], first[2])


class Handler(BaseHTTPRequestHandler):
    bodies: list[dict[str, Any]]
    answer: tuple[int, dict[str, Any]]

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))) | {"path": self.path})
        status, content = self.answer
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def stack() -> Iterator[tuple[type[Handler], str]]:
    handler = type("OwnHandler", (Handler,), {"bodies": [], "answer": (200, {})})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield handler, f"http://127.0.0.1:{server.server_address[1]}/v1/"
    server.shutdown()
    server.server_close()


async def test_a_running_stack_is_asked_through_its_search_route(stack: tuple[type[Handler], str]) -> None:
    handler, url = stack
    hit = {"document": "tea.md", "start": 5, "end": 60, "score": 0.8, "text": "...", "chunk": 0}
    handler.answer = (200, {"relevant": True, "data": [hit]})

    async with open_running(url, "sk-test") as systems:
        ranking = await systems[-1].ask("green tea", np.zeros(1, dtype=np.float32))

    assert (ranking.hits[0].document, ranking.hits[0].end, ranking.confidence) == ("tea.md", 60, 0.8)
    assert ranking.relevant
    assert handler.bodies[0]["path"] == "/v1/search"
    assert handler.bodies[0]["mode"] == "hybrid"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((401, {"error": {"message": "No such key."}}), "401: No such key"),
        ((200, {"data": [{"document": "tea.md"}]}), "does not answer as"),
    ],
)
async def test_what_a_stack_refuses_is_told(
    stack: tuple[type[Handler], str], answer: tuple[int, dict[str, Any]], problem: str
) -> None:
    handler, url = stack
    handler.answer = answer

    async with open_running(url, "sk-test") as systems:
        with pytest.raises(StackError, match=problem):
            await systems[-1].ask("green tea", np.zeros(1, dtype=np.float32))
