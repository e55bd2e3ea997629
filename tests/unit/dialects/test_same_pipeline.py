"""Both dialects travel the one pipeline: rails, cache, settlement, headers are those of chat."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.unit.bench import Bench
from tests.unit.dialects.events import events_of
from tests.unit.dialects.scripted import ScriptedModel, call, say
from tests.unit.fakes import FakeGuard, passage
from tests.unit.wire import AUTHORIZED, CHAT, served

RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"
HELD = [say("Ask <PER"), say("SON_1> now."), *call(0, '{"who": "<PERS', 'ON_1>"}')]


@pytest.fixture
def model(bench: Bench) -> ScriptedModel:
    bench.model = model = ScriptedModel()
    return model


@pytest.fixture
def client(bench: Bench, model: ScriptedModel) -> Iterator[httpx.Client]:
    with served(bench) as url, httpx.Client(base_url=url, headers=AUTHORIZED, timeout=10) as client:
        yield client


def asked(route: str, text: str, **fields: Any) -> dict[str, Any]:
    if route == RESPONSES:
        return {"model": "m", "input": text, "temperature": 0, **fields}
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": text}], "temperature": 0, **fields}


def text_of(answer: dict[str, Any]) -> str:
    (first, *_) = answer["content"] if "content" in answer else answer["output"][0]["content"]
    text: str = first["text"]
    return text


@pytest.mark.parametrize("route", [RESPONSES, MESSAGES])
def test_what_the_guard_masks_the_model_never_sees_and_the_client_gets_back(
    bench: Bench, client: httpx.Client, model: ScriptedModel, route: str
) -> None:
    assert isinstance(bench.guard, FakeGuard)
    bench.guard.names = ("Ada",)
    model.script, model.finish = HELD, "tool_calls"
    whole = client.post(route, json=asked(route, "I am Ada.")).json()
    streamed = events_of(f"{client.base_url}{route}", asked(route, "I am Ada."))

    assert [body["messages"][-1]["content"] for body in model.bodies] == ["I am <PERSON_1>."] * 2
    assert text_of(whole) == "Ask Ada now."
    assert "PERSON" not in str(whole)
    assert "PERSON" not in str([data for _, data in streamed])
    deltas = [data["delta"] for name, data in streamed if name.endswith("delta") and "message_" not in name]
    texts = [
        delta if isinstance(delta, str) else "".join(delta.get(k, "") for k in ("text", "partial_json"))
        for delta in deltas
    ]
    assert "".join(texts) == 'Ask Ada now.{"who": "Ada"}'


@pytest.mark.parametrize("route", [RESPONSES, MESSAGES])
def test_what_tools_say_is_screened_too(bench: Bench, client: httpx.Client, model: ScriptedModel, route: str) -> None:
    assert isinstance(bench.guard, FakeGuard)
    bench.guard.names = ("Ada", "Bob")
    items: list[dict[str, Any]] = [
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"who": "Ada"}'},
        {"type": "function_call_output", "call_id": "c", "output": "Bob"},
    ]
    turns: list[dict[str, Any]] = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {"who": "Ada"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "Bob"}]},
    ]
    client.post(route, json=asked(route, "", **({"input": items} if route == RESPONSES else {"messages": turns})))

    called, result = model.bodies[0]["messages"]
    assert called["tool_calls"][0]["function"]["arguments"] == '{"who":"<PERSON_1>"}'
    assert result["content"] == "<PERSON_2>"


def test_an_answer_given_to_chat_is_replayed_in_both_dialects(client: httpx.Client, model: ScriptedModel) -> None:
    model.script = [say("Hello"), say(" world.")]
    messages = [{"role": "user", "content": "Hi."}]
    client.post(CHAT, json={"model": "m", "messages": messages, "temperature": 0, "max_completion_tokens": 9})

    for route, extra in ((RESPONSES, {"max_output_tokens": 9}), (MESSAGES, {})):
        hit = client.post(route, json=asked(route, "Hi.", **extra))
        assert (hit.headers["x-sextant-cache"], hit.json()["sextant"]["cache"]) == ("exact", "exact")
        assert text_of(hit.json()) == "Hello world."
        last = events_of(f"{client.base_url}{route}", asked(route, "Hi.", **extra))[-1][0]
        assert last in ("response.completed", "message_stop")
    assert len(model.bodies) == 1


@pytest.mark.parametrize("route", [RESPONSES, MESSAGES])
def test_the_cache_is_left_alone_where_the_client_says_so(client: httpx.Client, route: str) -> None:
    for body, headers in (
        (asked(route, "Hi."), {"cache-control": "no-store"}),
        (asked(route, "Hi.", sextant={"cache": {"read": False, "write": False}}), {}),
    ):
        assert client.post(route, json=body, headers=headers).headers["x-sextant-cache"] == "bypass"


@pytest.mark.parametrize("route", [RESPONSES, MESSAGES])
def test_citations_come_with_the_answer_and_at_the_latest_with_the_end_of_a_stream(
    bench: Bench, client: httpx.Client, model: ScriptedModel, route: str
) -> None:
    bench.search.passages["default"] = [passage("The port is 8000 and nothing else.")]
    model.script = [say("The port is 8000 and nothing else.")]
    whole = client.post(route, json=asked(route, "Which port?", model="docs")).json()
    events = events_of(
        f"{client.base_url}{route}", asked(route, "Which port?", model="docs", sextant={"cache": {"read": False}})
    )

    begun = events[0][1].get("message") or events[0][1].get("response") or {}
    ended = next(
        data.get("response") or data for _, data in reversed(events) if "response" in data or "sextant" in data
    )
    assert whole["sextant"]["citations"] == begun["sextant"]["citations"] == ended["sextant"]["citations"]
    assert whole["sextant"]["citations"][0]["document"] == "guide.md"
    assert whole["sextant"]["cited"] == ended["sextant"]["cited"]


@pytest.mark.parametrize("route", [RESPONSES, MESSAGES])
def test_each_request_is_settled_once_with_its_usage(
    bench: Bench, client: httpx.Client, model: ScriptedModel, route: str
) -> None:
    model.script = [say("Hi.")]
    client.post(route, json=asked(route, "one"))
    events_of(f"{client.base_url}{route}", asked(route, "two"))
    model.fails_at = 2
    events_of(f"{client.base_url}{route}", asked(route, "three"))

    assert [event.status for event in bench.recorder.events] == [200, 200, 500]
    assert [event.usage.prompt_tokens for event in bench.recorder.events] == [11, 11, 0]
    assert {event.operation for event in bench.recorder.events} == {"chat"}
