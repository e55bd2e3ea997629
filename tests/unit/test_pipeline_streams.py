"""Streams: an error is never a silent end, and a generation nobody waits for is ended."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.cache.use import CacheUse
from app.errors import DeadlineExceeded, Unavailable, UpstreamFailed
from app.pipeline.primed import Primed
from tests.unit.bench import Bench, text_of
from tests.unit.conftest import MakeBench
from tests.unit.fake_model import FakeModel
from tests.unit.fakes import passage


async def stream(bench: Bench, **fields: Any) -> Primed:
    reply = await bench.ask(stream=True, **fields)
    assert reply.chunks
    return reply.chunks


async def test_an_error_before_the_first_chunk_is_raised_instead_of_a_stream(bench: Bench) -> None:
    bench.model.fails_at, bench.model.error = 0, Unavailable("no replica")

    with pytest.raises(Unavailable):
        await bench.ask(stream=True)

    assert bench.recorder.only.status == 503


async def test_an_error_in_mid_stream_comes_after_what_was_said(bench: Bench) -> None:
    bench.model.fails_at, bench.model.error = 2, Unavailable("replica died")
    chunks = await stream(bench)
    assert text_of([await anext(chunks), await anext(chunks)]) == "Hello"

    with pytest.raises(Unavailable):
        await anext(chunks)

    event = bench.recorder.only
    assert (event.status, event.error) == (503, "unavailable")
    assert event.first_token_ns is not None


async def test_chunks_are_handed_on_as_they_come(bench: Bench) -> None:
    bench.model.hangs_at = 2
    chunks = await stream(bench)

    async with asyncio.timeout(2):
        assert text_of([await anext(chunks), await anext(chunks)]) == "Hello"
    await chunks.aclose()


@pytest.mark.parametrize("hangs_at", [0, 2])
async def test_the_deadline_ends_the_generation(make_bench: MakeBench, hangs_at: int) -> None:
    bench = make_bench(gateway={"request_timeout_s": 0.1})
    bench.model.hangs_at = hangs_at

    async with asyncio.timeout(2):
        with pytest.raises(DeadlineExceeded):
            async for _ in await stream(bench):
                pass

    assert bench.model.closed.is_set()
    assert bench.recorder.only.status == 504


async def test_the_deadline_ends_a_whole_answer_too(make_bench: MakeBench) -> None:
    bench = make_bench(gateway={"request_timeout_s": 0.1})
    bench.model.hangs_at = 0

    async with asyncio.timeout(2):
        with pytest.raises(DeadlineExceeded):
            await bench.answer()

    assert bench.model.closed.is_set()
    assert bench.recorder.only.status == 504


async def test_the_deadline_counts_from_the_start_of_the_request(make_bench: MakeBench) -> None:
    bench = make_bench(gateway={"request_timeout_s": 0.1})
    assert bench.guard
    bench.guard.gate = asyncio.Event()

    async with asyncio.timeout(2):
        with pytest.raises(DeadlineExceeded):
            await bench.answer()

    assert bench.model.bodies == []


@pytest.mark.parametrize("taken", [0, 1, 2])
async def test_closing_the_stream_has_ended_the_generation_when_it_returns(bench: Bench, taken: int) -> None:
    chunks = await stream(bench)
    for _ in range(taken):
        await anext(chunks)

    await chunks.aclose()

    assert bench.model.closed.is_set()
    assert bench.recorder.only.status == 499
    assert len([chunk async for chunk in chunks]) <= 1  # what was primed may still come


async def test_cancelling_the_reader_ends_the_generation(bench: Bench) -> None:
    bench.model.hangs_at = 2

    async def read() -> None:
        async for _ in await stream(bench):
            pass

    reading = asyncio.create_task(read())
    await asyncio.to_thread(bench.model.hanging.wait, 2)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert bench.model.closed.is_set()
    assert bench.recorder.only.status == 499


@pytest.mark.parametrize("streaming", [False, True])
async def test_cancelling_before_the_first_chunk_ends_the_generation(bench: Bench, streaming: bool) -> None:
    bench.model.hangs_at = 0
    asking = asyncio.create_task(bench.ask(stream=streaming))
    await asyncio.to_thread(bench.model.hanging.wait, 2)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert bench.model.closed.is_set()
    assert bench.recorder.only.status == 499


async def test_a_stream_without_a_chunk_is_one_that_was_cut_off(bench: Bench) -> None:
    class Silent(FakeModel):
        async def stream(self, *_: Any) -> AsyncIterator[dict[str, Any]]:
            return
            yield {}

    bench.model = Silent()

    with pytest.raises(UpstreamFailed):
        await bench.chunks()
    assert bench.recorder.only.status == 502


async def test_citations_come_with_the_first_chunk_and_what_was_cited_with_the_last(bench: Bench) -> None:
    bench.search.passages["default"] = [passage("The gateway listens on port 8000."), passage("Penguins.")]
    bench.model.pieces = ["The gateway", " listens on port", " 8000."]

    chunks = await bench.chunks(model="docs")

    assert text_of(chunks) == "The gateway listens on port 8000. [1]"
    assert [c["document"] for c in chunks[0]["sextant"]["citations"]] == ["guide.md", "guide.md"]
    assert chunks[0]["sextant"]["cache"] == "miss"
    ends = [chunk for chunk in chunks if chunk["choices"][0]["finish_reason"]]
    assert [chunk["sextant"] for chunk in ends] == [{"cited": [1]}]


async def test_a_chunk_about_the_prompt_takes_nothing_from_the_first_of_the_answer(bench: Bench) -> None:
    class Filtered(FakeModel):
        """Begins as Azure does."""

        def _chunks(self, *asked: Any) -> Any:
            about = {"prompt_filter_results": [{"prompt_index": 0}]}
            yield {"id": "", "object": "", "created": 0, "model": "", "choices": [], **about}
            yield from super()._chunks(*asked)

    bench.model = Filtered()
    bench.search.passages["default"] = [passage("The gateway listens on port 8000.")]
    for options in ({}, {"stream_options": {"include_usage": True}}):
        chunks = await bench.chunks("Which port?", model="docs", use=CacheUse(read=False), **options)
        first = next(chunk for chunk in chunks if chunk["choices"])
        assert [cited["document"] for cited in first["sextant"]["citations"]] == ["guide.md"]
        assert first["sextant"]["cache"] == "bypass"

    kept = await bench.answer("Which port?", model="docs")
    assert (kept["object"], kept["sextant"]["cache"]) == ("chat.completion", "exact")
    assert kept["id"].startswith("chatcmpl-")


async def test_marks_stay_out_of_json_and_of_log_probabilities(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.search.passages["default"] = [passage("The gateway listens on port 8000.")]
    bench.model.pieces = ["The gateway listens on port 8000."]

    for fields in ({"response_format": {"type": "json_object"}}, {"logprobs": True}):
        answer = await bench.answer(model="docs", **fields)
        assert text_of(answer) == "The gateway listens on port 8000."
        assert len(answer["sextant"]["citations"]) == 1
        assert "cited" not in answer["sextant"]


async def test_marks_can_be_turned_off(make_bench: MakeBench) -> None:
    bench = make_bench(retrieval={"marks": False})
    bench.search.passages["default"] = [passage("The gateway listens on port 8000.")]
    bench.model.pieces = ["The gateway listens on port 8000."]

    assert text_of(await bench.answer(model="docs")) == "The gateway listens on port 8000."


@pytest.mark.parametrize("stream", [False, True])
async def test_somebody_elses_timeout_is_not_told_as_the_deadline(bench: Bench, stream: bool) -> None:
    bench.model.fails_at, bench.model.error = 0, TimeoutError()

    with pytest.raises(TimeoutError):
        await bench.ask(stream=stream)

    assert (bench.recorder.only.status, bench.recorder.only.error) == (500, "internal_error")
