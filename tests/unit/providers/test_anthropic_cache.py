"""Anthropic's prompt cache: breakpoints arrive where the client put them, and what they cost is told and billed."""

from typing import Any

import pytest

from app.config.money import PriceConfig
from app.dialects.messages_request import to_chat
from app.ledger.pricing import cost_nano
from app.pipeline.draft import Draft
from app.pipeline.transcript import Transcript
from app.providers.anthropic_request import anthropic_request
from app.routing.target import Target
from app.wire.chat import ChatRequest
from app.wire.messages import MessagesRequest
from tests.provider_double import ProviderDouble
from tests.unit.providers.ports import chat, chunks_of, port_to

MARK: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}
HOUR: dict[str, Any] = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
HOSTED = Target("m", "m", "p", PriceConfig())
SCHEMA = {"type": "object", "properties": {}}
LONG = "word " * 50


def text(content: str, **mark: Any) -> dict[str, Any]:
    return {"type": "text", "text": content, **mark}


def body_of(request: ChatRequest | MessagesRequest) -> dict[str, Any]:
    """As the dispatcher hands it to a provider's port."""
    asked = to_chat(request) if isinstance(request, MessagesRequest) else request
    return Draft.of(asked).for_target(HOSTED)


def sent(request: ChatRequest | MessagesRequest, *, unasked: bool = False) -> dict[str, Any]:
    return anthropic_request(body_of(request), stream=False, max_output_tokens=100, caches_unasked=unasked)


def messages(**fields: Any) -> MessagesRequest:
    usual = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    return MessagesRequest.model_validate({**usual, **fields})


def completions(**fields: Any) -> ChatRequest:
    return ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields})


def test_breakpoints_of_a_messages_request_arrive_where_they_were() -> None:
    tools = [{"name": "a", "input_schema": SCHEMA}, {"name": "b", "input_schema": SCHEMA, **HOUR}]
    system = [text("One.\nTwo."), text("Three.", **MARK), text("Four.")]
    turns = [{"role": "user", "content": [text("Five."), text("Six.", **MARK), text("Seven.")]}]
    request = sent(messages(tools=tools, system=system, messages=turns))
    assert request["tools"] == tools
    assert request["system"] == [text("One.\nTwo.\nThree.", **MARK), text("Four.")]
    assert request["messages"] == [{"role": "user", "content": [text("Five.\nSix.", **MARK), text("Seven.")]}]


def test_so_do_those_of_calls_results_and_the_whole_request() -> None:
    call = {"type": "tool_use", "id": "t1", "name": "a", "input": {"x": 1}}
    result = {"type": "tool_result", "tool_use_id": "t1"}
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [text("Wait."), {**call, **MARK}]},
        {"role": "user", "content": [{**result, "content": [text("One.", **MARK), text("Two.")], **HOUR}]},
    ]
    request = sent(messages(messages=turns, cache_control={"type": "ephemeral"}))
    assert request["cache_control"] == MARK["cache_control"]
    assert request["messages"][1]["content"] == [text("Wait."), {**call, **MARK}]
    (answer,) = request["messages"][2]["content"]
    assert answer == {**result, "content": [text("One.", **MARK), text("Two.")], **HOUR}


def test_a_chat_completion_has_them_as_other_gateways_take_them() -> None:
    function = {"type": "function", "function": {"name": "a", "parameters": SCHEMA}}
    turns: list[dict[str, Any]] = [
        {"role": "system", "content": [text("Rules.", **HOUR), text("Today.")]},
        {"role": "user", "content": "Long.", **MARK},
        {"role": "user", "content": "Short."},
    ]
    request = sent(completions(tools=[{**function, **MARK}], messages=turns))
    assert request["tools"] == [{"name": "a", "input_schema": SCHEMA, **MARK}]
    assert request["system"] == [text("Rules.", **HOUR), text("Today.")]
    assert request["messages"] == [{"role": "user", "content": [text("Long.", **MARK), text("Short.")]}]


def test_a_request_without_any_stays_whole() -> None:
    turns = [{"role": "user", "content": [text("Five."), text("Six.")]}]
    request = sent(messages(system=[text("One."), text("Two.")], messages=turns))
    assert request["system"] == "One.\nTwo."
    assert request["messages"] == [{"role": "user", "content": [text("Five.\nSix.")]}]
    assert "cache_control" not in str(request)


def test_of_more_than_four_the_first_and_the_last_three_are_sent() -> None:
    turns = [{"role": "user", "content": [text(f"{number}.", **MARK) for number in range(7)]}]
    (turn,) = sent(messages(messages=turns))["messages"]
    assert [block["text"] for block in turn["content"]] == ["0.", "1.\n2.\n3.\n4.", "5.", "6."]
    assert all("cache_control" in block for block in turn["content"])


def test_white_space_alone_never_becomes_a_block() -> None:
    turns = [{"role": "user", "content": [text(" ", **MARK), text("Hi.", **MARK), text("\n")]}]
    (turn,) = sent(messages(messages=turns))["messages"]
    assert turn["content"] == [text(" \nHi.", **MARK)]


def test_the_stable_part_is_marked_unasked_where_the_provider_is_set_so() -> None:
    tool = {"name": "a", "input_schema": SCHEMA}
    assert sent(messages(tools=[tool], system="Rules."), unasked=True)["system"] == [text("Rules.", **MARK)]
    assert sent(messages(tools=[tool, tool]), unasked=True)["tools"] == [tool, {**tool, **MARK}]
    assert "cache_control" not in str(sent(messages(), unasked=True))


def test_a_client_that_marks_something_itself_decides_alone() -> None:
    turns = [{"role": "user", "content": [text("Hi.", **MARK)]}]
    assert sent(messages(system="Rules.", messages=turns), unasked=True)["system"] == "Rules."


async def test_what_is_written_once_is_read_afterwards_and_both_are_counted(double: ProviderDouble) -> None:
    system = [text(LONG, **HOUR), text("Today.")]
    turns = [{"role": "user", "content": [text("one two three", **MARK), text("four")]}]
    body = body_of(messages(system=system, messages=turns))
    async with port_to(double.url, "anthropic") as port:
        first = await port.complete("chat", body, "r1")
        chunks = await chunks_of(port, body)
    written = {"cached_tokens": 0, "cache_write_tokens": 54, "cache_write_1h_tokens": 50}
    assert first["usage"]["prompt_tokens_details"] == written
    assert chunks[-1]["usage"]["prompt_tokens_details"] == {"cached_tokens": 54, "cache_write_tokens": 0}
    assert first["usage"]["prompt_tokens"] == chunks[-1]["usage"]["prompt_tokens"] == 55

    transcript = Transcript()
    transcript.answer(first)
    usage = transcript.usage
    assert (usage.written_tokens, usage.written_1h_tokens) == (54, 50)
    price = PriceConfig(
        input_usd_per_million=1,
        cached_input_usd_per_million=0.1,
        cache_write_usd_per_million=1.25,
        cache_write_1h_usd_per_million=2,
    )
    cost = cost_nano(price, 55, 0, 0, written_tokens=usage.written_tokens, written_1h_tokens=usage.written_1h_tokens)
    assert cost == 1 * 1000 + 4 * 1250 + 50 * 2000


async def test_the_setting_is_the_providers(double: ProviderDouble) -> None:
    body = chat(messages=[{"role": "system", "content": LONG}, {"role": "user", "content": "Hi"}])
    async with port_to(double.url, "anthropic", prompt_caching="auto") as port:
        await port.complete("chat", body, "r1")
        second = await port.complete("chat", body, "r1")
    assert second["usage"]["prompt_tokens_details"] == {"cached_tokens": 50, "cache_write_tokens": 0}


@pytest.mark.parametrize(
    ("preset", "has_key"), [("openai", True), ("azure", True), ("groq", False), ("openrouter", False), ("vllm", False)]
)
async def test_others_get_no_breakpoints_and_openai_its_own_settings(
    double: ProviderDouble, preset: str, has_key: bool
) -> None:
    turns = [{"role": "user", "content": [text("One.", **MARK), text("Two.")]}]
    function = {"type": "function", "function": {"name": "a", "parameters": SCHEMA}}
    request = completions(
        messages=turns,
        tools=[{**function, **MARK}],
        cache_control={"type": "ephemeral"},
        prompt_cache_key="Ann's session",
        prompt_cache_retention="24h",
    )
    more = {"api_version": "2026-01-01"} if preset == "azure" else {}
    async with port_to(double.url, preset, **more) as port:
        await port.complete("chat", body_of(request), "r1")
    assert double.seen.last
    body = double.seen.last.body
    assert body["messages"] == [{"role": "user", "content": "One.\nTwo."}]
    assert body["tools"] == [function]
    assert "cache_control" not in body
    assert "cache_breakpoints" not in body
    assert ("prompt_cache_key" in body, "prompt_cache_retention" in body) == (has_key, has_key)
    assert "Ann" not in str(body)


def test_the_engine_here_gets_nothing_of_it() -> None:
    turns = [{"role": "user", "content": [text("One.", **MARK), text("Two.")]}]
    request = completions(messages=turns, cache_control={"type": "ephemeral"}, prompt_cache_key="k")
    local = Target("m", "m", "local", PriceConfig())
    plain = completions(messages=[{"role": "user", "content": "One.\nTwo."}])
    assert Draft.of(request).for_target(local) == Draft.of(plain).for_target(local)
