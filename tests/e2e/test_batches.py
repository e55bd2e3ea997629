"""Batches on the real stack: a Ray job answers them, in the name of the key that made them."""

import json
import time
import uuid
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.conftest import Stack
from tests.e2e.test_accounts import client_of, sextant

WITHIN_S = 120


def line(custom_id: str, content: str, **fields: Any) -> str:
    body = {"model": "chat", "messages": [{"role": "user", "content": content}], "max_tokens": 8, **fields}
    request = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(request)


def ended(client: openai.OpenAI, batch_id: str) -> Any:
    deadline = time.monotonic() + WITHIN_S
    while True:
        batch = client.batches.retrieve(batch_id)
        if batch.status in {"completed", "failed", "expired", "cancelled"}:
            return batch
        assert time.monotonic() < deadline, batch
        time.sleep(0.5)


def test_a_batch_is_answered_billed_to_its_key_and_seen_by_no_other_tenant(stack: Stack, tmp_path: Path) -> None:
    made = sextant(stack, "keys", "create", "--tenant", "batching")
    other = sextant(stack, "keys", "create", "--tenant", "elsewhere")
    questions = [line(f"q{number}", f"Name a colour. {uuid.uuid4()}") for number in range(11)]
    questions.append(line("bad", "Hi", temperature=9))
    path = tmp_path / "requests.jsonl"
    path.write_text("\n".join(questions))
    with client_of(stack, made["key"]) as client, client_of(stack, other["key"]) as stranger:
        file = client.files.create(file=path, purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        with pytest.raises(openai.NotFoundError):
            stranger.batches.retrieve(batch.id)
        with pytest.raises(openai.NotFoundError):
            stranger.files.content(file.id)

        done = ended(client, batch.id)

        assert done.status == "completed", done
        assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (12, 11, 1)
        output = [json.loads(row) for row in client.files.content(done.output_file_id).text.splitlines()]
        assert {row["custom_id"] for row in output} == {f"q{number}" for number in range(11)}
        assert all(row["response"]["body"]["choices"][0]["message"]["content"] for row in output)
        errors = [json.loads(row) for row in client.files.content(done.error_file_id).text.splitlines()]
        assert [row["custom_id"] for row in errors] == ["bad"]
        usage: Any = client.get("/usage", cast_to=object)
        assert usage["total"]["requests"] == 11
        assert usage["total"]["cost_usd"] > 0
        by_batch = sextant(stack, "usage", "--by", "batch", "--tenant", "batching")["data"]
        assert [(row["batch"], row["requests"]) for row in by_batch] == [(batch.id, 11)]


def test_a_file_that_cannot_be_worked_on_fails_with_its_lines(client: openai.OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text(line("a", "Hi") + "\nnot json\n")
    file = client.files.create(file=path, purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")

    failed = ended(client, batch.id)

    assert failed.status == "failed"
    assert failed.errors.data[0].line == 2


def test_a_batch_can_be_cancelled(client: openai.OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text("\n".join(line(f"q{n}", f"Tell a story. {uuid.uuid4()}", max_tokens=200) for n in range(200)))
    file = client.files.create(file=path, purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")

    assert client.batches.cancel(batch.id).status in {"cancelling", "cancelled"}
    assert ended(client, batch.id).status == "cancelled"
