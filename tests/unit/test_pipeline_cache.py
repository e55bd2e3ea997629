"""The cache on the way through: what is found, by whom, and what makes it unreachable."""

from dataclasses import replace
from typing import Any

import pytest

from app.cache.use import CacheUse
from app.dialects.answer import read_answer
from app.dialects.messages_answer import usage_of
from tests.unit.bench import Bench, text_of
from tests.unit.conftest import MakeBench
from tests.unit.fakes import passage


def states(bench: Bench) -> list[str]:
    return [event.cache for event in bench.recorder.events]


def pieces(chunks: list[dict[str, Any]]) -> list[str]:
    """Deltas with text in them."""
    texts = [c["delta"].get("content") for chunk in chunks for c in chunk["choices"]]
    return [text for text in texts if text]


@pytest.mark.parametrize("first_streams", [False, True])
@pytest.mark.parametrize("then_streams", [False, True])
async def test_whole_and_streamed_answers_replay_each_other(
    bench: Bench, first_streams: bool, then_streams: bool
) -> None:
    first = await (bench.chunks if first_streams else bench.answer)(model="docs")
    bench.forget()  # from the shared store
    then = await (bench.chunks if then_streams else bench.answer)(model="docs")
    again = await (bench.chunks if then_streams else bench.answer)(model="docs")  # from memory

    assert text_of(first) == text_of(then) == text_of(again) == "Hello world."
    assert states(bench) == ["miss", "exact", "exact"]
    assert len(bench.model.bodies) == 1


async def test_a_replayed_stream_keeps_the_original_pieces(bench: Bench) -> None:
    first = await bench.chunks()
    then = await bench.chunks()

    assert pieces(then) == pieces(first) == ["Hello", " world", "."]
    assert [c["finish_reason"] for chunk in then for c in chunk["choices"]][-1] == "stop"
    assert then[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert {chunk["object"] for chunk in then} == {"chat.completion.chunk"}
    assert then[0]["sextant"] == {"citations": [], "cache": "exact"}


async def test_a_replay_has_an_id_of_its_own_and_says_that_nothing_was_computed_for_it(bench: Bench) -> None:
    first, then = await bench.answer(), await bench.answer()

    assert then["id"] != first["id"]
    assert then["id"].startswith("chatcmpl-")
    assert then["usage"] == {**first["usage"], "prompt_tokens_details": {"cached_tokens": 11}}
    assert (first["sextant"]["cache"], then["sextant"]["cache"]) == ("miss", "exact")
    assert then["sextant"]["cost_usd"] == 0.0
    assert [event.usage.cached_tokens for event in bench.recorder.events] == [4, 11]
    assert bench.ledger.rows[-1].cost_nano == 0


async def test_a_hit_tells_its_age_and_its_tier(bench: Bench) -> None:
    await bench.answer()
    flight = bench.flight()
    await bench.send({}, flight)

    headers = flight.headers()
    assert (headers["x-sextant-cache"], headers["x-sextant-cache-tier"], headers["age"]) == ("exact", "memory", "0")


async def test_text_completions_replay_too(bench: Bench) -> None:
    whole = await bench.complete("Once")
    streamed = await bench.complete("Once", stream=True)

    assert streamed.chunks
    chunks = [chunk async for chunk in streamed.chunks]
    assert whole.body
    assert "".join(c["text"] for chunk in chunks for c in chunk["choices"]) == whole.body["choices"][0]["text"]
    assert states(bench) == ["miss", "exact"]
    assert chunks[0]["id"].startswith("cmpl-")


async def test_what_was_written_into_a_providers_cache_is_not_written_again_by_a_hit(bench: Bench) -> None:
    written = {"cached_tokens": 0, "cache_write_tokens": 9, "cache_write_1h_tokens": 4}
    bench.model.usage = {
        "prompt_tokens": 11,
        "completion_tokens": 3,
        "total_tokens": 14,
        "prompt_tokens_details": written,
    }
    first = await bench.answer()
    then = await bench.answer()

    assert first["usage"]["prompt_tokens_details"] == written
    assert then["usage"]["prompt_tokens_details"] == {"cached_tokens": 11}
    counted = usage_of(read_answer(then).tokens)
    assert (counted["input_tokens"], counted["cache_read_input_tokens"]) == (0, 11)
    assert counted["cache_creation_input_tokens"] == 0


@pytest.mark.parametrize("first_streams", [False, True])
@pytest.mark.parametrize("then_streams", [False, True])
async def test_reasoning_is_replayed_with_the_answer(bench: Bench, first_streams: bool, then_streams: bool) -> None:
    bench.model.reasoning = "Let me see."
    await (bench.chunks if first_streams else bench.answer)()
    then: Any = await (bench.chunks if then_streams else bench.answer)()

    assert states(bench) == ["miss", "exact"]
    if then_streams:
        deltas = [choice["delta"] for chunk in then for choice in chunk["choices"]]
        assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "Let me see."
    else:
        assert then["choices"][0]["message"]["reasoning_content"] == "Let me see."


async def test_usage_is_streamed_only_where_it_was_asked_for(bench: Bench) -> None:
    for _ in range(2):  # made, then replayed
        assert not [chunk for chunk in await bench.chunks() if chunk.get("usage")]
        last = (await bench.chunks(stream_options={"include_usage": True}))[-1]
        assert last["choices"] == []
        assert last["usage"]["total_tokens"] == 14


async def test_tenants_never_share(bench: Bench) -> None:
    await bench.answer(tenant="acme")
    await bench.answer(tenant="rival")
    await bench.answer(tenant="acme")

    assert states(bench) == ["miss", "miss", "exact"]


async def test_the_client_can_keep_out_of_the_cache(bench: Bench) -> None:
    await bench.answer(use=CacheUse(read=True, write=False))
    assert bench.store.values == {}
    await bench.answer()
    await bench.answer(use=CacheUse(read=False, write=True))
    await bench.answer()

    assert states(bench) == ["miss", "miss", "bypass", "exact"]


@pytest.mark.parametrize("fields", [{"temperature": 1}, {"temperature": None}, {"n": 2}, {"logprobs": True}])
async def test_what_would_not_come_out_the_same_is_not_cached(bench: Bench, fields: dict[str, Any]) -> None:
    await bench.answer(**fields)
    await bench.answer(**fields)

    assert states(bench) == ["bypass", "bypass"]
    assert bench.store.values == {}


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_was_cut_off_is_not_kept(bench: Bench, stream: bool) -> None:
    bench.model.finish_reason = "length"

    await (bench.chunks if stream else bench.answer)()

    assert bench.store.values == {}


async def test_a_stream_that_is_left_early_is_not_kept(bench: Bench) -> None:
    reply = await bench.ask(stream=True)
    assert reply.chunks
    await anext(reply.chunks)
    await reply.chunks.aclose()

    assert bench.store.values == {}


async def test_a_stream_that_fails_is_not_kept(bench: Bench) -> None:
    bench.model.fails_at = 2
    with pytest.raises(RuntimeError):
        await bench.chunks()

    assert bench.store.values == {}


async def test_without_a_cache_every_request_is_answered_anew(make_bench: MakeBench) -> None:
    bench = make_bench(cache={"enabled": False})
    await bench.answer()
    await bench.answer()

    assert states(bench) == ["bypass", "bypass"]


@pytest.mark.parametrize(
    "change",
    [
        {"guard_policies": {"default": "policy-2"}},
        {"model_revisions": {"m": "revision-2"}},
        {"hash_key": b"another"},
    ],
)
async def test_a_change_of_the_stack_makes_entries_unreachable(bench: Bench, change: dict[str, Any]) -> None:
    await bench.answer()
    bench.forget()
    bench.identity = replace(bench.identity, **change)
    await bench.answer()

    assert states(bench) == ["miss", "miss"]


async def test_a_change_of_a_prompt_makes_the_entries_of_its_alias_unreachable(bench: Bench) -> None:
    await bench.answer(model="chat")
    await bench.answer(model="m")
    bench.forget()
    (bench.config.home / "prompts" / "assistant.md").write_text("You are verbose.")
    await bench.answer(model="chat")
    await bench.answer(model="m")

    assert states(bench) == ["miss", "miss", "miss", "exact"]


async def test_a_change_of_a_document_makes_the_answers_from_it_unreachable(bench: Bench) -> None:
    bench.search.passages["default"] = [passage("The port is 8000.")]
    await bench.answer(model="docs")
    await bench.answer(model="m")
    bench.versions.version = "kb-2"
    bench.search.passages["default"] = [passage("The port is 9000.", content_hash="new")]
    await bench.answer(model="docs")
    await bench.answer(model="m")  # drew on no documents

    assert states(bench) == ["miss", "miss", "miss", "exact"]


async def test_a_change_of_other_documents_changes_nothing(bench: Bench) -> None:
    bench.search.passages["default"] = [passage("The port is 8000.")]
    await bench.answer(model="docs")
    bench.versions.version = "kb-2"
    await bench.answer(model="docs")

    assert states(bench) == ["miss", "exact"]
    assert len(bench.search.requests) == 2  # only then is it known that nothing has changed
    assert len(bench.model.bodies) == 1


async def test_an_answer_from_documents_is_found_without_a_search_as_long_as_none_has_changed(bench: Bench) -> None:
    bench.search.passages["default"] = [passage("The port is 8000.")]
    for _ in range(3):
        await bench.answer(model="docs")

    assert states(bench) == ["miss", "exact", "exact"]
    assert len(bench.search.requests) == 1


async def test_while_documents_change_an_answer_is_known_by_its_passages(bench: Bench) -> None:
    await bench.answer(model="docs")
    bench.versions.version = None

    await bench.answer(model="docs")
    bench.search.passages["default"] = [passage("The port is 9000.")]
    await bench.answer(model="docs")

    assert states(bench) == ["miss", "exact", "miss"]


async def test_other_retrieval_settings_are_another_question(bench: Bench) -> None:
    usual = {"top_k": 4, "min_score": bench.config.retrieval.min_score}
    for wish in ({}, {"top_k": 3}, {"min_score": 0.5}, {"enabled": False}, usual):
        await bench.answer(model="docs", sextant={"retrieval": wish})

    assert states(bench) == ["miss", "miss", "miss", "miss", "exact"]


async def test_a_replay_brings_its_citations_and_marks(bench: Bench) -> None:
    bench.search.passages["default"] = [passage("The gateway listens on port 8000.")]
    bench.model.pieces = ["The gateway listens", " on port 8000."]

    first = await bench.answer(model="docs")
    whole, streamed = await bench.answer(model="docs"), await bench.chunks(model="docs")

    assert text_of(first) == text_of(whole) == text_of(streamed) == "The gateway listens on port 8000. [1]"
    replayed = {**first["sextant"], "cache": "exact", "cost_usd": 0}
    assert whole["sextant"] == {**streamed[0]["sextant"], "cost_usd": 0} == replayed
    assert first["sextant"]["cited"] == [1]
