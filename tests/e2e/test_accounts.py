"""Keys, limits, budgets and usage on the running stack, by the CLI and the official client."""

import json
import os
import subprocess
import sys
import time
import uuid
from typing import Any

import openai
import pytest

from app.config.files import PROJECT
from tests.e2e.conftest import Stack

# deployments/laptop.yaml: USD for a million tokens of prompt and of answer.
INPUT_USD, OUTPUT_USD = 0.01, 0.04


def sextant(stack: Stack, *arguments: str) -> Any:
    """What `sextant ... --json` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments, "--json"],
        env={**os.environ, "SEXTANT_HOME": str(stack.home)},
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def client_of(stack: Stack, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=stack.facts["base_url"], api_key=key, max_retries=0)


def ask(client: openai.OpenAI, **fields: Any) -> Any:
    question = f"Name a thing. {uuid.uuid4()}"
    fields = {"model": "chat", "max_tokens": 8, **fields}
    return client.chat.completions.with_raw_response.create(messages=[{"role": "user", "content": question}], **fields)


def spend(client: openai.OpenAI) -> None:
    """Ask until it is refused."""
    for _ in range(100):
        ask(client, max_tokens=256)


def list_models_for(client: openai.OpenAI, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        client.models.list()


def test_a_new_key_works_is_counted_and_ends_within_two_seconds(stack: Stack) -> None:
    made = sextant(stack, "keys", "create", "--tenant", "acme", "--name", "first")
    with client_of(stack, made["key"]) as client:
        raw = ask(client)
        answer = raw.parse()
        assert answer.usage
        cost = (answer.usage.prompt_tokens * INPUT_USD + answer.usage.completion_tokens * OUTPUT_USD) / 1e6
        assert float(raw.headers["x-sextant-cost-usd"]) == pytest.approx(cost, abs=2e-9)

        usage = client.get("/usage", cast_to=object)
        assert usage["total"]["requests"] == 1  # type: ignore[index]
        assert usage["total"]["cost_usd"] == pytest.approx(cost, abs=2e-9)  # type: ignore[index]

        sextant(stack, "keys", "revoke", made["id"])
        with pytest.raises(openai.AuthenticationError, match="revoked"):
            list_models_for(client, seconds=2)


def test_a_budget_refuses_with_402_and_a_free_cached_answer_still_comes(stack: Stack) -> None:
    made = sextant(stack, "keys", "create", "--tenant", "acme", "--budget", "0.0001/month")
    with client_of(stack, made["key"]) as client:
        body: dict[str, Any] = {
            "model": "chat",
            "messages": [{"role": "user", "content": "Name a river."}],
            "temperature": 0,
            "max_tokens": 6,
        }
        kept = client.chat.completions.create(**body)
        if kept.choices[0].finish_reason != "stop":
            body["max_tokens"] = 64
            kept = client.chat.completions.create(**body)
        with pytest.raises(openai.APIStatusError) as refused:
            spend(client)
        assert refused.value.status_code == 402
        assert refused.value.code == "budget_exceeded"
        if kept.choices[0].finish_reason == "stop":
            assert client.chat.completions.create(**body).choices[0].message.content == kept.choices[0].message.content


def test_limits_are_told_in_headers_and_refuse_with_429(stack: Stack) -> None:
    made = sextant(stack, "keys", "create", "--tenant", "acme", "--rpm", "2")
    with client_of(stack, made["key"]) as client:
        raw = ask(client)
        assert raw.headers["x-ratelimit-limit-requests"] == "2"
        assert raw.headers["x-ratelimit-remaining-requests"] == "1"
        ask(client)
        with pytest.raises(openai.RateLimitError) as refused:
            ask(client)
        assert refused.value.response.headers["x-ratelimit-remaining-requests"] == "0"
        assert 0 < int(refused.value.response.headers["retry-after"]) <= 61


def test_a_stream_that_the_client_leaves_is_billed_for_what_was_generated(stack: Stack) -> None:
    made = sextant(stack, "keys", "create", "--tenant", "acme")
    with client_of(stack, made["key"]) as client:
        stream = client.chat.completions.create(
            model="chat",
            messages=[{"role": "user", "content": f"Tell a very long story. {uuid.uuid4()}"}],
            max_tokens=1500,
            stream=True,
        )
        pieces = 0
        for chunk in stream:
            pieces += bool(chunk.choices and chunk.choices[0].delta.content)
            if pieces == 10:
                break
        stream.close()
        deadline = time.monotonic() + 5
        while not (rows := sextant(stack, "usage", "--by", "model", "--key", made["id"])["data"]):
            assert time.monotonic() < deadline
        assert 10 <= rows[0]["completion_tokens"] < 1500
        assert rows[0]["cost_usd"] > 0


def test_a_key_sees_and_uses_only_what_it_may(stack: Stack) -> None:
    made = sextant(stack, "keys", "create", "--tenant", "acme", "--model", "docs")
    with client_of(stack, made["key"]) as client:
        assert [model.id for model in client.models.list()] == ["docs"]
        with pytest.raises(openai.PermissionDeniedError):
            ask(client)


def test_tenants_do_not_share_documents_or_cached_answers(stack: Stack) -> None:
    made = sextant(stack, "keys", "create", "--tenant", "stranger")
    body: dict[str, Any] = {
        "model": "docs",
        "messages": [{"role": "user", "content": "What does the guard mask?"}],
        "temperature": 0,
        "max_tokens": 24,
    }
    with stack.client() as mine, client_of(stack, made["key"]) as theirs:
        assert mine.chat.completions.create(**body).model_extra["sextant"]["citations"]
        answer = theirs.chat.completions.create(**body)
        assert answer.model_extra
        assert answer.model_extra["sextant"]["citations"] == []
        assert answer.model_extra["sextant"]["cache"] != "exact"


def test_admin_routes_want_the_admin_key(stack: Stack) -> None:
    with stack.http() as http:
        assert http.get("/admin/v1/keys").status_code == 403
        assert http.get("/admin/v1/keys", headers={"authorization": ""}).status_code == 401
