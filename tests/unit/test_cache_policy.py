"""What may be answered from the cache, what may be kept, and what the client has to say about it."""

from typing import Any

import pytest

from app.cache.desk import CacheDesk, CacheUse
from app.cache.exact import Entry, ExactCache
from app.cache.key import Provenance
from app.cache.policy import may_keep, may_use
from app.config import CacheConfig
from app.wire.chat import ChatRequest
from app.wire.completions import CompletionRequest
from tests.unit.fakes import DictStore, whole_answer

MESSAGES = [{"role": "user", "content": "Hi"}]
BODY = {"messages": MESSAGES, "temperature": 0.0}
PROVENANCE = Provenance("acme", "m", "r", "g", False, (), None)


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
    ],
)
def test_only_what_would_come_out_the_same_again_may_use_the_cache(fields: dict[str, Any], allowed: bool) -> None:
    assert may_use(ChatRequest.model_validate({"model": "m", "messages": MESSAGES, **fields})) is allowed


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
    assert may_use(CompletionRequest.model_validate({"model": "m", "temperature": 0, **fields})) is allowed


@pytest.mark.parametrize(
    ("choices", "allowed"),
    [
        ([{"finish_reason": "stop", "message": {"content": "Hi"}}], True),
        ([{"finish_reason": "stop", "text": "Hi"}], True),
        ([{"finish_reason": "length", "message": {"content": "Hi"}}], False),
        ([{"finish_reason": "content_filter", "message": {"content": ""}}], False),
        ([{"finish_reason": "tool_calls", "message": {"tool_calls": [{}]}}], False),
        ([{"finish_reason": "stop", "message": {"content": "", "tool_calls": [{}]}}], False),
        ([{"finish_reason": "stop", "message": {"refusal": "No."}}], False),
        ([{"finish_reason": None, "message": {"content": "Hi"}}], False),
        ([{"finish_reason": "stop", "text": "a"}, {"finish_reason": "length", "text": "b"}], False),
        ([], False),
    ],
)
def test_only_answers_that_ended_by_themselves_may_be_kept(choices: list[dict[str, Any]], allowed: bool) -> None:
    assert may_keep({"choices": choices}) is allowed


@pytest.mark.parametrize(
    ("header", "read", "write", "use"),
    [
        (None, True, True, CacheUse(read=True, write=True)),
        ("", True, True, CacheUse(read=True, write=True)),
        ("no-cache", True, True, CacheUse(read=False, write=True)),
        ("no-store", True, True, CacheUse(read=False, write=False)),
        ("No-Cache , NO-STORE", True, True, CacheUse(read=False, write=False)),
        ("max-age=0, no-cache", True, True, CacheUse(read=False, write=True)),
        ("no-cached", True, True, CacheUse(read=True, write=True)),
        (None, False, True, CacheUse(read=False, write=True)),
        (None, True, False, CacheUse(read=True, write=False)),
        ("no-cache", True, False, CacheUse(read=False, write=False)),
    ],
)
def test_header_and_body_must_both_allow(header: str | None, read: bool, write: bool, use: CacheUse) -> None:
    assert CacheUse.of(header, read, write) == use


def desk(cache: ExactCache | None, *, read: bool = True, write: bool = True) -> CacheDesk:
    return CacheDesk(cache, PROVENANCE, b"key", CacheUse(read, write))


async def test_a_desk_that_may_not_read_does_not_find_and_may_still_keep() -> None:
    cache = ExactCache(CacheConfig(), DictStore())
    entry = Entry(whole_answer("chat", {"model": "m"}, "Hello."))

    desk(cache, read=False).keep(BODY, entry)

    assert await desk(cache, read=False).look_up(BODY) is None
    assert await desk(cache).look_up(BODY) == entry
    assert (desk(cache).state, desk(cache, read=False).state, desk(None).state) == ("miss", "bypass", "bypass")


async def test_a_desk_that_may_not_write_keeps_nothing() -> None:
    store = DictStore()
    entry = Entry(whole_answer("chat", {"model": "m"}, "Hello."))

    cache = ExactCache(CacheConfig(), store)
    desk(cache, write=False).keep(BODY, entry)
    desk(None).keep(BODY, entry)
    desk(cache).keep(BODY, None)
    desk(cache).keep(BODY, Entry({"choices": [{"finish_reason": "length"}]}))
    await cache.kept()

    assert store.values == {}


async def test_an_unmasked_look_up_never_finds_what_was_kept_for_masked_texts() -> None:
    cache = ExactCache(CacheConfig(), DictStore())
    entry = Entry(whole_answer("chat", {"model": "m"}, "Hello <PERSON_1>."))

    desk(cache).masked().keep(BODY, entry)

    assert await desk(cache).look_up(BODY) is None
    assert await desk(cache).masked().look_up(BODY) == entry
