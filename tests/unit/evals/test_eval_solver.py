"""The solver reads the stack's stream with the real client, and loses no failure."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.evals import Citation, Dataset, Graded, Sample, StackError, Task, run_task, standard_scorers
from app.evals.solver import ChatSolver
from app.evals.stack import DEFAULT_BASE_URL, check_stack, connect, running_base_url

if TYPE_CHECKING:
    from tests.unit.evals.conftest import StackServer


def ask(question: str) -> Sample:
    return Sample("q", question, ("docs/b.md",), ("8000",))


async def test_an_answer_carries_text_citations_usage_times_and_cache_state(
    stack_server: "StackServer",
) -> None:
    async with connect(stack_server.base_url, "sk-right") as client:
        answer = await ChatSolver(client, "docs").solve(ask("which port?"))
    assert answer.error is None
    assert answer.text == "The port is 8000 [1]."
    assert answer.citations == (Citation(1, "docs/a.md", 0.9), Citation(2, "docs/b.md", 0.7))
    assert (answer.prompt_tokens, answer.completion_tokens) == (40, 7)
    assert (answer.cache, answer.finish_reason, answer.request_id) == ("miss", "stop", "req-7")
    # The first chunk has no text: it is not the first token.
    assert answer.ttft_s is not None
    assert 0.05 <= answer.ttft_s <= answer.latency_s


async def test_a_request_asks_for_k_passages_usage_and_no_cache(stack_server: "StackServer") -> None:
    async with connect(stack_server.base_url, "sk-right") as client:
        await ChatSolver(client, "docs", top_k=7, max_tokens=9).solve(ask("which port?"))
    body = stack_server.chats[0]
    assert body["sextant"] == {"retrieval": {"top_k": 7}}
    assert body["stream_options"] == {"include_usage": True}
    assert (body["stream"], body["temperature"], body["max_tokens"]) == (True, 0, 9)
    assert stack_server.headers[0]["cache-control"] == "no-store"


async def test_the_cache_can_be_used_and_retrieval_turned_off(stack_server: "StackServer") -> None:
    async with connect(stack_server.base_url, "sk-right") as client:
        answer = await ChatSolver(client, "docs", top_k=None, use_cache=True).solve(ask("which port?"))
    assert "cache-control" not in stack_server.headers[0]
    assert stack_server.chats[0]["sextant"] == {"retrieval": {"enabled": False}}
    assert answer.citations is None


@pytest.mark.parametrize(
    ("question", "says", "text"),
    [
        ("fails", "500 internal_error: A bug.", ""),
        ("fails mid-stream", "mid-stream upstream_failed: The model failed.", "The port is "),
        ("loses the connection", "the connection failed", "The port is "),
        ("ends early", "the stream ended before the answer did", "The port is "),
        ("sends nonsense", "the stream is malformed", "The port is "),
        ("sends odd citations", "sextant.citations needs index, document and score", "The port is "),
    ],
)
async def test_a_failure_is_an_answer_with_an_error(
    stack_server: "StackServer", question: str, says: str, text: str
) -> None:
    async with connect(stack_server.base_url, "sk-right") as client:
        answer = await ChatSolver(client, "docs").solve(ask(question))
    assert says in (answer.error or "")
    assert answer.text == text
    assert len(stack_server.chats) == 1, "a failure is not tried again"


async def test_a_slow_answer_fails_at_the_deadline(stack_server: "StackServer") -> None:
    async with connect(stack_server.base_url, "sk-right") as client:
        answer = await ChatSolver(client, "docs", timeout_s=0.3).solve(ask("slow"))
    assert answer.error == "no complete answer within 0.3 s"
    assert answer.latency_s == pytest.approx(0.3, abs=0.2)


async def test_no_server_is_an_answer_with_an_error() -> None:
    async with connect("http://127.0.0.1:9/v1", "sk-right") as client:
        answer = await ChatSolver(client, "docs").solve(ask("which port?"))
    assert "the connection failed" in (answer.error or "")


async def test_a_task_is_bounded_and_keeps_order_and_failures(stack_server: "StackServer") -> None:
    questions = ["which port?", "fails", "which port?", "which port?", "fails mid-stream", "which port?"]
    samples = tuple(Sample(f"q{n}", q, ("docs/b.md",), ("8000",)) for n, q in enumerate(questions))
    seen: list[Graded] = []
    async with connect(stack_server.base_url, "sk-right") as client:
        task = Task(Dataset("set", Path("set.jsonl"), "", samples), ChatSolver(client, "docs"), standard_scorers(2))
        evaluation = await run_task(task, concurrency=2, on_result=seen.append)
    assert stack_server.most_in_progress == 2
    assert [result.answer.sample_id for result in evaluation.results] == [f"q{n}" for n in range(6)]
    assert [n for n, result in enumerate(evaluation.results) if result.answer.error] == [1, 4]
    assert evaluation.results[0].scores == {
        "recall_at_2": 1.0,
        "mrr": 0.5,
        "answer_contains": 1.0,
        "cited": 0.0,
    }
    assert set(evaluation.results[1].scores.values()) == {None}
    assert len(seen) == 6


@pytest.mark.parametrize(
    ("path", "key", "model", "says"),
    [
        ("/v1", "sk-wrong", "docs", "refuses the API key"),
        ("/v1", "sk-right", "dogs", "no model 'dogs'; pass --model with one of: chat, docs"),
        ("", "sk-right", "docs", "does the base URL end in /v1?"),
    ],
)
async def test_a_stack_that_cannot_be_asked_is_told_beforehand(
    stack_server: "StackServer", path: str, key: str, model: str, says: str
) -> None:
    async with connect(stack_server.base_url.removesuffix("/v1") + path, key) as client:
        with pytest.raises(StackError) as caught:
            await check_stack(client, model)
    assert says in str(caught.value)


async def test_a_stack_that_is_down_is_told_beforehand() -> None:
    async with connect("http://127.0.0.1:9/v1", "sk-right") as client:
        with pytest.raises(StackError, match=r"no server answers at http://127\.0\.0\.1:9/v1"):
            await check_stack(client, "docs")


async def test_an_adapter_of_a_listed_model_may_be_asked(stack_server: "StackServer") -> None:
    async with connect(stack_server.base_url, "sk-right") as client:
        await check_stack(client, "chat:support")


def test_the_base_url_is_the_running_stacks(tmp_path: Path) -> None:
    assert running_base_url(tmp_path) == DEFAULT_BASE_URL
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "stack.json").write_text('{"base_url": "http://127.0.0.1:8123/v1"}')
    assert running_base_url(tmp_path) == "http://127.0.0.1:8123/v1"
    (tmp_path / "run" / "stack.json").write_text("{}")
    with pytest.raises(StackError, match="holds no base_url"):
        running_base_url(tmp_path)
