"""What may be answered from the cache, what may be kept, and what the client has to say about it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cache.desk import CacheDesk
from app.cache.entry import Entry
from app.cache.exact import ExactCache
from app.cache.key import Provenance
from app.cache.policy import may_keep, may_use
from app.cache.use import CacheUse
from app.config import CacheConfig
from app.wire.chat import ChatRequest
from app.wire.completions import CompletionRequest
from app.wire.extension import CacheRequest
from tests.unit.cache.dict_store import DictStore
from tests.unit.fake_model import whole_answer

MESSAGES = [{"role": "user", "content": "Hi"}]
BODY = {"messages": MESSAGES, "temperature": 0.0}
PROVENANCE = Provenance("acme", "m", "r", "g", False, (), None)
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL_TURNS = [
    *MESSAGES,
    {"role": "assistant", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c", "content": "5 degrees"},
]


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ({"temperature": 0}, True),
        ({"temperature": 0, "n": 1, "logprobs": False}, True),
        ({}, False),  # OpenAI's default temperature is 1
        ({"temperature": None}, False),
        ({"temperature": 0.1}, False),
        ({"temperature": 0, "n": 2}, False),
        ({"temperature": 0, "logprobs": True}, False),
        ({"temperature": 0, "stream": True, "seed": 5}, True),
        ({"temperature": 0, "messages": TOOL_TURNS}, True),  # the results stand in the key
        ({"temperature": 0, "tools": [{"type": "function", "function": {"name": "f"}}]}, True),
    ],
)
def test_only_what_would_come_out_the_same_again_may_use_the_cache(fields: dict[str, Any], allowed: bool) -> None:
    request = ChatRequest.model_validate({"model": "m", "messages": MESSAGES, **fields})
    assert may_use(request, CacheUse()) is allowed


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [({}, True), ({"temperature": 1.5}, True), ({"n": 2}, False), ({"logprobs": True}, False)],
)
def test_who_wants_it_finds_sampled_answers_too(fields: dict[str, Any], allowed: bool) -> None:
    request = ChatRequest.model_validate({"model": "m", "messages": MESSAGES, **fields})
    assert may_use(request, CacheUse(sampled=True)) is allowed


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ({"prompt": "a"}, True),
        ({"prompt": ["a"]}, True),
        ({"prompt": ["a", "b"]}, False),  # two choices
        ({"prompt": "a", "logprobs": 0}, False),  # those of the chosen tokens
        ({"prompt": "a", "logprobs": 3}, False),
    ],
)
def test_for_text_completions_too(fields: dict[str, Any], allowed: bool) -> None:
    request = CompletionRequest.model_validate({"model": "m", "temperature": 0, **fields})
    assert may_use(request, CacheUse()) is allowed


@pytest.mark.parametrize(
    ("choices", "allowed"),
    [
        ([{"finish_reason": "stop", "message": {"content": "Hi"}}], True),
        ([{"finish_reason": "stop", "text": "Hi"}], True),
        ([{"finish_reason": "stop", "message": {"content": "I'm sorry, but I can't find that."}}], True),
        ([{"finish_reason": "length", "message": {"content": "Hi"}}], False),
        ([{"finish_reason": "content_filter", "message": {"content": ""}}], False),
        ([{"finish_reason": "content_filter", "message": {"content": "Hi"}}], False),
        ([{"finish_reason": "tool_calls", "message": {"tool_calls": [{}]}}], False),
        ([{"finish_reason": "tool_calls", "message": {"content": "Hi"}}], False),
        ([{"finish_reason": "stop", "message": {"content": "", "tool_calls": [{}]}}], False),
        ([{"finish_reason": "stop", "message": {"content": "Hi", "function_call": {}, "tool_calls": [{}]}}], False),
        ([{"finish_reason": "stop", "message": {"refusal": "No."}}], False),
        ([{"finish_reason": "stop", "message": {"content": "Hi", "refusal": "No."}}], False),
        ([{"finish_reason": None, "message": {"content": "Hi"}}], False),
        ([{"finish_reason": "stop", "message": {"content": None}}], False),
        ([{"finish_reason": "stop", "message": {"content": " \n"}}], False),
        ([{"finish_reason": "stop", "text": ""}], False),
        ([{"finish_reason": "stop", "text": "a"}, {"finish_reason": "length", "text": "b"}], False),
        ([], False),
    ],
)
def test_only_answers_that_ended_by_themselves_may_be_kept(choices: list[dict[str, Any]], allowed: bool) -> None:
    assert may_keep({"choices": choices}, CacheUse()) is allowed
    assert may_keep({"choices": choices, "error": {"message": "no"}}, CacheUse()) is False


@pytest.mark.parametrize(
    ("message", "finish_reason", "allowed"),
    [
        ({"content": None, "tool_calls": [CALL]}, "tool_calls", True),
        ({"content": None, "tool_calls": [CALL]}, "stop", True),  # demanded by name
        ({"content": None, "tool_calls": [CALL]}, "length", False),
        ({"content": "Hi", "tool_calls": []}, "tool_calls", False),
        ({"tool_calls": [CALL], "refusal": "No."}, "tool_calls", False),
    ],
)
def test_who_wants_it_keeps_answers_that_call_tools(message: dict[str, Any], finish_reason: str, allowed: bool) -> None:
    answer = {"choices": [{"finish_reason": finish_reason, "message": message}]}
    assert may_keep(answer, CacheUse(tool_calls=True)) is allowed
    assert may_keep(answer, CacheUse()) is False


@pytest.mark.parametrize(
    ("header", "read", "write", "max_age_s"),
    [
        (None, True, True, None),
        ("", True, True, None),
        ("no-cache", False, True, None),
        ("no-store", False, False, None),
        ("No-Cache , NO-STORE", False, False, None),
        ("max-age=0, no-cache", False, True, 0),
        ("no-cached", True, True, None),
        ("max-age=60", True, True, 60),
        ('Max-Age="60"', True, True, 60),
        ("max-age=60, max-age=5", True, True, 5),
        ("min-fresh=5, only-if-cached, private, max-stale", True, True, None),
        ("max-age", True, True, None),
        ("max-age=", True, True, None),
        ("max-age=-1", True, True, None),
        ("max-age=1.5", True, True, None),
        ("max-age=soon", True, True, None),
        ('max-age="5', True, True, None),
        ("max-age=" + "9" * 5000, True, True, None),
        ("max-age=\u0665", True, True, None),  # a digit, but none of HTTP's
        (",,=;\x00 no-cache=x", True, True, None),
    ],
)
def test_the_header_says_what_it_says_in_http(
    header: str | None, read: bool, write: bool, max_age_s: float | None
) -> None:
    expected = CacheUse(read=read, write=write, semantic=False, max_age_s=max_age_s)
    assert CacheUse.of(header, CacheRequest(), CacheConfig()) == expected


@given(st.text())
def test_no_header_is_an_error(header: str) -> None:
    CacheUse.of(header, CacheRequest(), CacheConfig())


def test_header_and_body_must_both_allow() -> None:
    def use(header: str | None, **wish: Any) -> CacheUse:
        return CacheUse.of(header, CacheRequest(**wish), CacheConfig())

    assert (use(None, read=False).read, use(None, read=False).write) == (False, True)
    assert (use(None, write=False).read, use(None, write=False).write) == (True, False)
    assert (use("no-cache", write=False).read, use("no-cache", write=False).write) == (False, False)
    assert use("max-age=60", max_age_s=5).max_age_s == 5
    assert use("max-age=5", max_age_s=60).max_age_s == 5
    assert use(None, max_age_s=60).max_age_s == 60


def test_what_the_client_does_not_say_is_as_configured() -> None:
    off = CacheConfig()
    on = CacheConfig.model_validate({"sampled": True, "tool_calls": True, "ttl_s": 60, "semantic": {"enabled": True}})

    def use(config: CacheConfig, **wish: Any) -> tuple[bool, bool, bool, float | None]:
        made = CacheUse.of(None, CacheRequest(**wish), config)
        return made.sampled, made.tool_calls, made.semantic, made.ttl_s

    assert use(off) == (False, False, False, None)
    assert use(on) == (True, True, True, None)
    assert use(off, sampled=True, tool_calls=True, semantic=True) == (True, True, False, None)
    assert use(on, sampled=False, tool_calls=False, semantic=False) == (False, False, False, None)
    assert use(on, ttl_s=5)[3] == 5
    assert use(on, ttl_s=6000)[3] == 60


def desk(cache: ExactCache | None, **use: Any) -> CacheDesk:
    return CacheDesk(cache, PROVENANCE, b"key", CacheUse(**use), BODY)


async def entry_at(desk: CacheDesk) -> Entry | None:
    found = await desk.look_up()
    return found.entry if found else None


async def test_a_desk_that_may_not_read_does_not_find_and_may_still_keep() -> None:
    cache = ExactCache(CacheConfig(), DictStore(), b"key")
    entry = Entry(whole_answer("chat", {"model": "m"}, "Hello."))

    desk(cache, read=False).keep(entry)

    assert await entry_at(desk(cache, read=False)) is None
    assert await entry_at(desk(cache)) == entry
    assert (desk(cache).state, desk(cache, read=False).state, desk(None).state) == ("miss", "bypass", "bypass")


async def test_a_desk_that_may_not_write_keeps_nothing() -> None:
    store = DictStore()
    entry = Entry(whole_answer("chat", {"model": "m"}, "Hello."))

    cache = ExactCache(CacheConfig(), store, b"key")
    assert not desk(cache, write=False).keep(entry)
    assert not desk(None).keep(entry)
    assert not desk(cache).keep(Entry({"choices": [{"finish_reason": "length"}]}))
    await cache.kept()

    assert store.values == {}


async def test_a_desk_gives_nothing_older_than_the_client_wants() -> None:
    cache = ExactCache(CacheConfig(), DictStore(), b"key")
    entry = Entry(whole_answer("chat", {"model": "m"}, "Hello."))
    desk(cache).keep(entry)

    assert await entry_at(desk(cache, max_age_s=60.0)) == entry
    assert await entry_at(desk(cache, max_age_s=0.0)) is None


async def test_an_unmasked_look_up_never_finds_what_was_kept_for_masked_texts() -> None:
    cache = ExactCache(CacheConfig(), DictStore(), b"key")
    entry = Entry(whole_answer("chat", {"model": "m"}, "Hello <PERSON_1>."))
    masked = desk(cache).masked(BODY, is_comparable=True)

    masked.keep(entry)

    assert await entry_at(desk(cache)) is None
    assert await entry_at(masked) == entry
