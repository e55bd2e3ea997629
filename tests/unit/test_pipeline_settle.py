"""Settlement: every request is told to the listeners exactly once, as what it was."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from app.errors import InternalError, InvalidRequest, SextantError, Unavailable, UpstreamFailed
from app.pipeline.flight import as_sextant_error
from app.telemetry.events import RequestFinished, Usage
from tests.unit.bench import Bench
from tests.unit.fakes import FakeGuard, passage

USED = Usage(prompt_tokens=11, completion_tokens=3, cached_tokens=4)
REPLAYED = replace(USED, cached_tokens=USED.prompt_tokens)  # nothing was computed for it
# Not written in one piece, as a traceback shows lines of source.
PRIVATE = " ".join(["private", "words"])
Case = Callable[[Bench], Awaitable[Any]]


async def whole(bench: Bench) -> None:
    await bench.answer()


async def streamed(bench: Bench) -> None:
    await bench.chunks()


async def replayed(bench: Bench) -> None:
    await bench.answer()
    bench.recorder.events.clear()
    await bench.answer()


async def replayed_as_a_stream(bench: Bench) -> None:
    await bench.answer()
    bench.recorder.events.clear()
    await bench.chunks()


async def masked_hit(bench: Bench) -> None:
    bench.guard = FakeGuard(names=["Alice", "Bob"])
    await bench.answer("I am Alice.")
    bench.recorder.events.clear()
    await bench.answer("I am Bob.")


async def unknown_model(bench: Bench) -> None:
    await bench.answer(model="gpt")


async def guard_down(bench: Bench) -> None:
    bench.guard = FakeGuard(error=Unavailable("no guard"))
    await bench.answer()


async def search_down(bench: Bench) -> None:
    bench.search.error = Unavailable("no knowledge")
    await bench.chunks(model="docs")


async def embedder_broken(bench: Bench) -> None:
    bench.embed.error = RuntimeError("bug")
    await bench.answer(model="docs")


async def model_failed(bench: Bench) -> None:
    bench.model.fails_at, bench.model.error = 0, UpstreamFailed("no")
    await bench.answer()


async def model_failed_at_once_in_a_stream(bench: Bench) -> None:
    bench.model.fails_at, bench.model.error = 0, UpstreamFailed("no")
    await bench.chunks()


async def model_failed_in_mid_stream(bench: Bench) -> None:
    bench.model.fails_at = 2
    await bench.chunks()


async def stream_left(bench: Bench) -> None:
    reply = await bench.ask(stream=True)
    assert reply.chunks
    await anext(reply.chunks)
    await reply.chunks.aclose()
    await reply.chunks.aclose()


async def replay_left(bench: Bench) -> None:
    await bench.answer()
    bench.recorder.events.clear()
    await stream_left(bench)


@pytest.mark.parametrize(
    ("case", "status", "error", "usage", "cache"),
    [
        (whole, 200, None, USED, "miss"),
        (streamed, 200, None, USED, "miss"),
        (replayed, 200, None, REPLAYED, "exact"),
        (replayed_as_a_stream, 200, None, REPLAYED, "exact"),
        (masked_hit, 200, None, REPLAYED, "exact"),
        (unknown_model, 404, "model_not_found", Usage(), "bypass"),
        (guard_down, 503, "unavailable", Usage(), "miss"),
        (search_down, 503, "unavailable", Usage(), "miss"),
        (embedder_broken, 500, "internal_error", Usage(), "miss"),
        (model_failed, 502, "upstream_failed", Usage(), "miss"),
        (model_failed_at_once_in_a_stream, 502, "upstream_failed", Usage(), "miss"),
        (model_failed_in_mid_stream, 500, "internal_error", Usage(), "miss"),
        (stream_left, 499, "client_closed_request", Usage(), "miss"),
        (replay_left, 499, "client_closed_request", Usage(), "exact"),
    ],
)
async def test_every_request_is_settled_once_as_what_it_was(
    bench: Bench, case: Case, status: int, error: str | None, usage: Usage, cache: str
) -> None:
    with contextlib.suppress(Exception):
        await case(bench)

    event = bench.recorder.only
    assert (event.status, event.error, event.usage, event.cache) == (status, error, usage, cache)
    assert event.request_id == "req-1"
    assert event.tenant == "default"
    assert event.end_ns >= event.start_ns


async def test_the_event_says_which_model_answered_whom(bench: Bench) -> None:
    bench.search.passages["default"] = [passage("The port is 8000.")]

    await bench.answer(model="docs")

    event = bench.recorder.only
    assert (event.requested_model, event.model, event.operation) == ("docs", "m", "chat")
    assert event.finish_reasons == ("stop",)
    retrieve = next(stage for stage in event.stages if stage.name == "retrieve")
    assert retrieve.attributes == {
        "sextant.retrieval.documents": ["guide.md"], "sextant.retrieval.scores": [0.9], "sextant.retrieval.queries": 1,
    }  # fmt: skip


async def test_the_stage_that_failed_says_so(bench: Bench) -> None:
    bench.model.fails_at, bench.model.error = 0, UpstreamFailed("no")
    with pytest.raises(UpstreamFailed):
        await bench.answer()

    assert {stage.name: stage.error for stage in bench.recorder.only.stages} == {
        "admit": None, "cache": None, "guard": None, "reserve": None, "generate": "upstream_failed",
    }  # fmt: skip


async def test_a_streams_first_token_is_timed(bench: Bench) -> None:
    await bench.chunks()

    event = bench.recorder.only
    assert event.first_token_ns is not None
    assert event.start_ns <= event.first_token_ns <= event.end_ns


async def test_a_listener_that_fails_harms_nobody_and_its_words_stay_out_of_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def request_finished(self, event: RequestFinished) -> None:
            raise RuntimeError(PRIVATE)

    flight = bench.flight()
    flight.listeners = [Broken(), bench.recorder]
    with caplog.at_level(logging.DEBUG):
        await flight.settle()

    assert bench.recorder.only.status == 200
    assert "a listener failed" in caplog.text
    assert PRIVATE not in caplog.text


async def test_server_timing_and_cache_state_are_told_in_headers(bench: Bench) -> None:
    flight = bench.flight()
    flight.model = "m"
    with flight.timeline.stage("guard"):
        await asyncio.sleep(0)

    headers = flight.headers()

    assert headers["x-sextant-cache"] == "bypass"
    assert headers["x-sextant-model"] == "m"
    assert headers["server-timing"].startswith("guard;dur=")


@pytest.mark.parametrize(
    ("raised", "status"),
    [(InvalidRequest("x"), 400), (asyncio.CancelledError(), 499), (GeneratorExit(), 499), (KeyError("secret"), 500)],
)
def test_any_exception_has_an_error_of_ours_without_its_words(raised: BaseException, status: int) -> None:
    error = as_sextant_error(raised)

    assert isinstance(error, SextantError)
    assert error.status == status
    assert "secret" not in error.message
    assert (error is raised) == isinstance(raised, SextantError)
    assert isinstance(error, InternalError) == (status == 500)
