"""The provider double itself: official clients work against it, and its faults and counts are exact."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.provider_double import ProviderDouble

PROMPT: list[Any] = [{"role": "user", "content": "one two three"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}


async def test_the_official_openai_client_works(double: ProviderDouble) -> None:
    async with openai.AsyncOpenAI(base_url=f"{double.url}/v1", api_key="k", max_retries=0) as client:
        answer = await client.chat.completions.create(model="m", messages=PROMPT, max_tokens=5, n=2)
        assert answer.usage
        assert answer.usage.completion_tokens == 10
        assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]
        stream = await client.chat.completions.create(model="m", messages=PROMPT, stream=True)
        text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
        assert len(text.split()) == 8
        tools: list[Any] = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]
        called = await client.chat.completions.create(model="m", messages=PROMPT, tools=tools)
        assert called.choices[0].message.tool_calls
        double.fail("429", retry_after_s=2, count=1)
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(model="m", messages=PROMPT)
        assert caught.value.response.headers["retry-after"] == "2"
        assert [model.id async for model in client.models.list()] == ["double"]


async def test_the_official_anthropic_client_works(double: ProviderDouble) -> None:
    async with anthropic.AsyncAnthropic(base_url=double.url, api_key="k", max_retries=0) as client:
        answer = await client.messages.create(model="m", max_tokens=5, messages=PROMPT)
        assert answer.stop_reason == "max_tokens"
        assert answer.usage.output_tokens == 5
        async with client.messages.stream(model="m", max_tokens=100, messages=PROMPT) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            final = await stream.get_final_message()
        assert len(text.split()) == final.usage.output_tokens == 8
        assert final.usage.input_tokens == 3
        tools: list[Any] = [{"name": "weather", "input_schema": PARAMETERS}]
        async with client.messages.stream(model="m", max_tokens=100, messages=PROMPT, tools=tools) as stream:
            called = await stream.get_final_message()
        assert called.content[0].type == "tool_use"
        assert called.content[0].input == {"city": "word"}
        double.fail("529", count=1)
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
            await client.messages.create(model="m", max_tokens=5, messages=PROMPT)


async def ask(client: httpx.AsyncClient, double: ProviderDouble, model: str = "m", **options: Any) -> httpx.Response:
    body = {"model": model, "messages": PROMPT}
    return await client.post(f"{double.url}/v1/chat/completions", json=body, **options)


async def test_faults_are_drawn_by_seed_counted_down_and_kept_to_their_model() -> None:
    statuses = []
    for _ in range(2):
        async with ProviderDouble(seed=7) as double, httpx.AsyncClient() as client:
            double.fail("500", share=0.3)
            statuses.append([(await ask(client, double)).status_code for _ in range(200)])
    assert statuses[0] == statuses[1]
    assert 40 <= statuses[0].count(500) <= 80
    async with ProviderDouble() as double, httpx.AsyncClient() as client:
        double.fail("503", count=2, model="b")
        got = [(await ask(client, double, model)).status_code for model in ("a", "b", "a", "b", "b")]
        assert got == [200, 503, 200, 503, 200]
        assert double.seen.models["b"].failed == 2
        assert double.seen.models["a"].failed == 0


async def test_a_request_can_ask_for_its_own_fault(double: ProviderDouble) -> None:
    async with httpx.AsyncClient() as client:
        assert (await ask(client, double, headers={"x-double-fault": "503"})).status_code == 503
        assert (await ask(client, double, "m!429")).status_code == 429
        assert (await ask(client, double, "m!context")).json()["error"]["code"] == "context_length_exceeded"
        assert (await ask(client, double)).status_code == 200
    assert double.seen.models["m"].requests == 4


async def test_the_control_route_sets_clears_and_tells(double: ProviderDouble) -> None:
    control = f"{double.url}/control"
    async with httpx.AsyncClient() as client:
        await client.post(control, json={"fault": "429", "retry_after_s": 3, "tokens": 2})
        assert (await ask(client, double)).headers["retry-after"] == "3"
        await client.post(control, json={"fault": None})
        assert (await ask(client, double)).json()["usage"]["completion_tokens"] == 2
        counts = (await client.get(control)).json()
        assert {name: counts[name] for name in ("requests", "completed", "failed", "tokens")} == {
            "requests": 2,
            "completed": 1,
            "failed": 1,
            "tokens": 2,
        }
        for wrong in ({"fault": "nonsense"}, {"fault": "500", "sharee": 1}, {"unknown": 1}):
            assert (await client.post(control, json=wrong)).status_code == 400


async def test_a_wrong_key_is_refused_where_one_is_asked_for() -> None:
    async with ProviderDouble(key="right") as double, httpx.AsyncClient() as client:
        assert (await ask(client, double, headers={"authorization": "Bearer wrong"})).status_code == 401
        assert (await ask(client, double, headers={"authorization": "Bearer right"})).status_code == 200
        assert (await ask(client, double, headers={"x-api-key": "right"})).status_code == 200


async def test_a_client_that_leaves_is_noticed_and_what_it_cost_is_counted() -> None:
    async with ProviderDouble(tokens=1000, delay_ms=5) as double, httpx.AsyncClient() as client:
        body = {"model": "m", "messages": PROMPT, "stream": True}
        async with client.stream("POST", f"{double.url}/v1/chat/completions", json=body) as response:
            await anext(response.aiter_bytes())
        await double.seen.until(lambda seen: seen.cancelled == 1, timeout_s=0.5)
        assert 0 <= double.seen.tokens < 100
        assert double.seen.completed == 0


async def test_after_a_death_it_answers_at_the_same_address_again(double: ProviderDouble) -> None:
    url = double.url
    async with httpx.AsyncClient() as client:
        await ask(client, double)
        await double.stop()
        with pytest.raises(httpx.ConnectError):
            await ask(client, double)
        await double.start()
        assert double.url == url
        assert (await ask(client, double)).status_code == 200


@contextmanager
def command(*arguments: str) -> Iterator[str]:
    """Run it as a command; yields the address that it prints."""
    command_line = [sys.executable, "-m", "tests.provider_double", *arguments]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command_line, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def test_it_runs_as_a_command_on_a_port_or_a_socket(tmp_path: Path) -> None:
    with command("--tokens", "3") as url:
        async with httpx.AsyncClient() as client:
            answer = await client.post(f"{url}/v1/chat/completions", json={"model": "m", "messages": PROMPT})
            assert answer.json()["usage"]["completion_tokens"] == 3
    with command("--unix", str(tmp_path / "socket")) as path:
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=path)) as client:
            assert (await client.get("http://double/v1/models")).status_code == 200


async def test_many_clients_at_once_are_counted_exactly() -> None:
    async with ProviderDouble(delay_ms=0.5) as double, httpx.AsyncClient() as client:
        await asyncio.gather(*(ask(client, double, f"m{number % 3}") for number in range(90)))
        assert double.seen.completed == 90
        assert double.seen.tokens == 720
        assert {name: counts.completed for name, counts in double.seen.models.items()} == {"m0": 30, "m1": 30, "m2": 30}
