"""The official OpenAI client, unchanged, against every route that carries its name."""

import json
from typing import Any

import numpy as np
import openai
import pytest
from openai.types.chat import ChatCompletionToolParam

from tests.e2e.conftest import Stack

MODEL = "smollm2-135m"
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def test_lists_models_and_aliases(client: openai.OpenAI) -> None:
    names = {model.id for model in client.models.list()}
    assert names == {MODEL, "chat", "docs", "all-minilm-l6-v2"}
    assert client.models.retrieve("docs").id == "docs"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


def test_answers_from_the_real_model(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="chat",
        messages=[{"role": "user", "content": "What is the capital of France?"}],
        temperature=0,
        max_completion_tokens=32,
    )
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.model == MODEL
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


def test_streams_the_same_text_with_usage(client: openai.OpenAI) -> None:
    question: Any = [{"role": "user", "content": "Name three fruits."}]
    whole = client.chat.completions.create(
        model="chat", messages=question, temperature=0, max_tokens=24, extra_headers={"cache-control": "no-store"}
    )
    stream = client.chat.completions.create(
        model="chat",
        messages=question,
        temperature=0,
        max_tokens=24,
        stream=True,
        stream_options={"include_usage": True},
        extra_headers={"cache-control": "no-store"},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert len(chunks) > 10
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_sends_no_usage_that_was_not_asked_for(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="chat", messages=[{"role": "user", "content": "Hi"}], max_tokens=4, stream=True
        )
    )
    assert all(chunk.choices for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason is not None


def test_calls_a_tool_and_takes_its_result(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
    answer = client.chat.completions.create(
        model="chat",
        messages=messages,
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        temperature=0,
        max_tokens=64,
    )
    calls = answer.choices[0].message.tool_calls
    assert calls
    assert calls[0].type == "function"
    assert calls[0].function.name == "get_weather"
    assert "city" in json.loads(calls[0].function.arguments)
    messages += [
        answer.choices[0].message,
        {"role": "tool", "tool_call_id": calls[0].id, "content": "18 degrees and sunny"},
    ]
    after = client.chat.completions.create(
        model="chat", messages=messages, tools=[WEATHER], temperature=0, max_tokens=48
    )
    assert after.choices[0].message.content or after.choices[0].message.tool_calls


def test_streams_a_required_tool_call(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="chat",
        messages=[{"role": "user", "content": "What is the weather in Rome?"}],
        tools=[WEATHER],
        tool_choice="required",
        temperature=0,
        max_tokens=64,
        stream=True,
    )
    arguments = "".join(
        call.function.arguments or ""
        for chunk in stream
        for call in (chunk.choices[0].delta.tool_calls or [] if chunk.choices else [])
        if call.function
    )
    assert "city" in json.loads(arguments)


def test_gives_json_that_the_schema_accepts(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 30}, "population": {"type": "integer"}},
        "required": ["city", "population"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="chat",
        messages=[{"role": "user", "content": "Describe the capital of Italy as an object."}],
        response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": schema, "strict": True}},
        temperature=0,
        max_tokens=100,
    )
    value = json.loads(answer.choices[0].message.content or "")
    assert isinstance(value["city"], str)
    assert isinstance(value["population"], int)
    assert set(value) == {"city", "population"}


def test_gives_log_probabilities_choices_seed_and_stop(client: openai.OpenAI) -> None:
    request: Any = {
        "model": "chat",
        "messages": [{"role": "user", "content": "Count: one, two,"}],
        "n": 2,
        "seed": 7,
        "temperature": 0.8,
        "logprobs": True,
        "top_logprobs": 2,
        "max_tokens": 6,
        "stop": ["ten"],
    }
    first, second = (client.chat.completions.create(**request) for _ in range(2))
    assert len(first.choices) == 2
    assert [c.message.content for c in first.choices] == [c.message.content for c in second.choices]
    tokens = first.choices[0].logprobs
    assert tokens is not None
    assert tokens.content
    assert len(tokens.content[0].top_logprobs) == 2


def test_completes_text(client: openai.OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt="The sky is", temperature=0, max_tokens=8)
    stream = client.completions.create(model=MODEL, prompt="The sky is", temperature=0, max_tokens=8, stream=True)
    assert answer.choices[0].text
    assert "".join(chunk.choices[0].text for chunk in stream) == answer.choices[0].text


def test_embeds_texts_as_floats_and_as_base64(client: openai.OpenAI) -> None:
    texts = ["a cat", "a kitten", "tax law"]
    # The client asks for base64 when no format is given, and decodes it.
    decoded = np.array(
        [item.embedding for item in client.embeddings.create(model="all-minilm-l6-v2", input=texts).data]
    )
    plain = client.embeddings.create(model="all-minilm-l6-v2", input=texts, encoding_format="float")
    floats = np.array([item.embedding for item in plain.data])
    assert decoded.shape == (3, 384)
    np.testing.assert_allclose(decoded, floats, atol=1e-6)
    similarity = floats @ floats.T
    assert similarity[0, 1] > similarity[0, 2]
    assert plain.usage.prompt_tokens > 0


def test_counts_tokens(stack: Stack) -> None:
    with stack.http() as http:
        text = http.post("/tokenize", json={"model": "chat", "prompt": "hello world"}).json()
        chat = http.post("/tokenize", json={"model": "chat", "messages": [{"role": "user", "content": "hi"}]}).json()
    assert text["count"] == len(text["tokens"]) == 2
    assert text["max_model_len"] == 2048
    assert chat["count"] > 2


def test_raises_the_clients_own_errors(stack: Stack, client: openai.OpenAI) -> None:
    hello: Any = [{"role": "user", "content": "hi"}]
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="gpt-9", messages=hello)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=stack.facts["base_url"], api_key="wrong").models.list()
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "word " * 3000}])
    assert long.value.code == "context_length_exceeded"
