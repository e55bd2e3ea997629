"""Every fault of the double, through the real port, in both dialects: which error of ours it becomes."""

from pathlib import Path
from typing import Any

import pytest

from app.errors import (
    ContentRefused,
    ContextTooLong,
    InvalidRequest,
    SextantError,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamTimeout,
)
from app.providers.failures import OPERATOR_PAUSE_S
from tests.provider_double import ProviderDouble
from tests.unit.providers.ports import KEY, chat, chunks_of, port_to, said

REFUSED = [
    ("400", InvalidRequest, None),
    ("401", UpstreamFailed, OPERATOR_PAUSE_S),
    ("402", UpstreamFailed, OPERATOR_PAUSE_S),
    ("403", UpstreamFailed, OPERATOR_PAUSE_S),
    ("408", UpstreamTimeout, 7),
    ("413", ContextTooLong, None),
    ("429", UpstreamRateLimited, 7),
    ("500", UpstreamFailed, 7),
    ("503", UpstreamFailed, 7),
    ("504", UpstreamTimeout, 7),
    ("529", UpstreamFailed, 7),
    ("context", ContextTooLong, None),
    ("content_filter", ContentRefused, None),
    ("quota", UpstreamFailed, OPERATOR_PAUSE_S),
    ("wrong_key", UpstreamFailed, OPERATOR_PAUSE_S),
    ("unknown_model", UpstreamFailed, OPERATOR_PAUSE_S),
]
DIALECTS = ["openai", "anthropic"]


@pytest.mark.parametrize("preset", DIALECTS)
@pytest.mark.parametrize(("fault", "expected", "pause_s"), REFUSED)
async def test_error_answers(
    double: ProviderDouble, preset: str, fault: str, expected: type[SextantError], pause_s: float | None
) -> None:
    double.fail(fault, retry_after_s=7)
    async with port_to(double.url, preset) as port:
        with pytest.raises(SextantError) as whole:
            await port.complete("chat", chat(), "r1")
        with pytest.raises(SextantError) as streamed:
            await chunks_of(port, chat())
    for caught in (whole.value, streamed.value):
        assert type(caught) is expected
        assert caught.retry_after_s == pause_s
        assert KEY not in str(caught)
    assert double.seen.connections == 1  # an error answer gives its connection back


@pytest.mark.parametrize(("preset", "pause_s"), [("openai", None), ("anthropic", OPERATOR_PAUSE_S)])
async def test_a_404_is_a_pause_where_a_code_tells_of_the_model(
    double: ProviderDouble, preset: str, pause_s: float | None
) -> None:
    double.fail("404", retry_after_s=7)
    async with port_to(double.url, preset) as port:
        with pytest.raises(UpstreamFailed) as caught:
            await port.complete("chat", chat(), "r1")
    assert caught.value.retry_after_s == pause_s


@pytest.mark.parametrize("preset", DIALECTS)
@pytest.mark.parametrize("fault", ["cut_stream", "end_early", "malformed_chunk", "error_event"])
async def test_a_stream_that_breaks_gives_what_it_had_and_then_the_error(
    double: ProviderDouble, preset: str, fault: str
) -> None:
    double.fail(fault)
    chunks = []

    async def keep(chunk: dict[str, Any]) -> None:
        chunks.append(chunk)

    async with port_to(double.url, preset) as port:
        with pytest.raises(UpstreamFailed):
            await chunks_of(port, chat(), keep)
    assert said(chunks) == "the double answers with "


@pytest.mark.parametrize("preset", DIALECTS)
@pytest.mark.parametrize("fault", ["cut_stream", "end_early", "malformed_chunk", "error_event", "reset"])
async def test_a_whole_answer_that_breaks_is_a_failure(double: ProviderDouble, preset: str, fault: str) -> None:
    double.fail(fault)
    async with port_to(double.url, preset) as port:
        with pytest.raises(UpstreamFailed):
            await port.complete("chat", chat(), "r1")


@pytest.mark.parametrize("preset", DIALECTS)
async def test_a_reset_connection_is_a_failure(double: ProviderDouble, preset: str) -> None:
    double.fail("reset", count=1)
    async with port_to(double.url, preset) as port:
        with pytest.raises(UpstreamFailed, match="broke the connection off"):
            await chunks_of(port, chat())
        assert await chunks_of(port, chat())


@pytest.mark.parametrize("preset", DIALECTS)
async def test_a_finished_stream_without_its_last_mark_is_complete(double: ProviderDouble, preset: str) -> None:
    double.fail("no_done")
    async with port_to(double.url, preset) as port:
        chunks = await chunks_of(port, chat())
    assert chunks[-1]["usage"]["completion_tokens"] == 8


@pytest.mark.parametrize("preset", DIALECTS)
async def test_a_provider_that_dies_in_the_middle_is_a_failure(preset: str) -> None:
    async with ProviderDouble(tokens=1000, delay_ms=2) as double, port_to(double.url, preset) as port:
        with pytest.raises(UpstreamFailed):
            await chunks_of(port, chat(), lambda _: double.stop())


async def test_a_key_that_the_provider_quotes_is_shown_to_nobody(
    double: ProviderDouble, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    double.fail("wrong_key")
    (tmp_path / "key").write_text(KEY)
    async with port_to(double.url, preset="vllm", api_key_file=str(tmp_path / "key")) as port:
        with pytest.raises(UpstreamFailed, match="refused our key") as caught:
            await port.complete("chat", chat(), "r1")
    assert double.seen.last
    assert double.seen.last.headers["authorization"].endswith(KEY)
    told = [str(caught.getrepr(style="long", showlocals=True, chain=True)), str(caught.value.to_wire()), caplog.text]
    assert not [text for text in told if KEY in text]
