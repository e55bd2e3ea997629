"""A question about the project's own documents, answered with citations; ingestion by a Ray job."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.conftest import Stack

QUESTION = "How long do cache entries live?"


def ask(client: openai.OpenAI, question: str, model: str = "docs", **options: Any) -> Any:
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": question}], temperature=0, max_tokens=64, **options
    )


def extension(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.model_extra["sextant"]
    return found


def test_cites_the_right_document(client: openai.OpenAI) -> None:
    citations = extension(ask(client, QUESTION))["citations"]
    assert citations[0]["document"] == "docs/cache.md"
    assert citations[0]["index"] == 1
    assert citations[0]["score"] > 0.3
    assert citations == sorted(citations, key=lambda c: -c["score"])
    assert "ttl" in citations[0]["text"].lower() or "hour" in citations[0]["text"].lower()


@pytest.fixture(scope="module")
def garden(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A question whose answer stands in one short sentence, which even a tiny model repeats."""
    folder = tmp_path_factory.mktemp("garden")
    (folder / "garden.md").write_text(
        "# Opening hours\n\nThe botanical garden of Zebulon opens at nine and closes at eight in the evening.\n"
    )
    done = stack.job("jobs.ingest", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return "When does the botanical garden of Zebulon open and close?"


def test_marks_the_sentences_that_a_passage_supports(client: openai.OpenAI, garden: str) -> None:
    answer = ask(client, garden)
    told = extension(answer)
    assert told["cited"]
    for number in told["cited"]:
        assert f"[{number}]" in answer.choices[0].message.content
        assert 1 <= number <= len(told["citations"])


def test_streams_citations_first_and_marks_last(client: openai.OpenAI, garden: str) -> None:
    chunks = list(ask(client, garden, stream=True, extra_headers={"cache-control": "no-store"}))
    assert chunks[0].model_extra["sextant"]["citations"][0]["document"].endswith("garden.md")
    assert chunks[-1].model_extra["sextant"]["cited"]


def test_says_so_when_the_documents_have_no_answer(client: openai.OpenAI) -> None:
    answer = ask(client, "Which goalkeeper won the football championship of 1974?")
    assert answer.choices[0].message.content == "The documents say nothing about that."
    assert extension(answer)["abstained"]
    assert extension(answer)["citations"] == []
    assert answer.usage.total_tokens == 0


def test_is_turned_on_and_off_in_the_body(client: openai.OpenAI) -> None:
    on = ask(client, QUESTION, model="chat", extra_body={"sextant": {"retrieval": {"top_k": 2}}})
    off = ask(client, QUESTION, extra_body={"sextant": {"retrieval": {"enabled": False}}})
    assert 1 <= len(extension(on)["citations"]) <= 2
    assert extension(off)["citations"] == []


def test_a_changed_document_changes_the_answers_at_once(stack: Stack, client: openai.OpenAI, tmp_path: Path) -> None:
    folder = tmp_path / "handbook"
    folder.mkdir()
    note = folder / "parking.md"
    note.write_text("# Parking\n\nVisitors of the Zebulon plant park on deck seven.\n")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 cut off")
    first = stack.job("jobs.ingest", str(folder))
    assert first.returncode == 0, first.stdout + first.stderr
    assert "broken.pdf" in first.stdout

    def where() -> tuple[str, str]:
        answer = ask(client, "Where do visitors of the Zebulon plant park?")
        told = extension(answer)
        return told["cache"], told["citations"][0]["text"]

    assert where()[0] == "miss"
    assert where() == ("exact", where()[1])
    assert "seven" in where()[1]
    note.write_text("# Parking\n\nVisitors of the Zebulon plant park on deck nine.\n")
    again = stack.job("jobs.ingest", str(folder))
    assert again.returncode == 0, again.stdout + again.stderr
    state, passage = where()
    assert state == "miss"
    assert "nine" in passage
    unchanged = stack.job("jobs.ingest", str(folder))
    assert unchanged.returncode == 0
    assert where()[0] == "exact"


def test_a_knowledge_base_is_kept_in_a_file_and_brought_back(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "tides.md").write_text("# Tides\n\nAt Zebulon the sea comes in twice a day.\n")
    file = str(tmp_path / "kept.parquet")

    def run(module: str, *arguments: str) -> str:
        done = stack.job(module, *arguments, "--tenant", "kept")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def listed(*arguments: str) -> str:
        command = [sys.executable, "-m", "app.cli", "kb", *arguments, "--tenant", "kept"]
        done = subprocess.run(command, env=stack.environment(), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("jobs.ingest", str(tmp_path / "folder"))
    before = listed("list", "--json")
    assert "tides.md" in before
    assert "1 documents in 1 chunks of 1 tenants written" in run("jobs.snapshot", "export", file)
    listed("delete", "--all", "--yes")
    assert listed("list", "--json").strip() == "[]"
    assert "1 documents in 1 chunks" in run("jobs.snapshot", "import", file)
    assert listed("list", "--json") == before
