"""What Anthropic's API counts: the prompt when a stream begins, the answer at its end, and what it leaves out."""

from typing import Any

import pytest

from app.config import PriceConfig
from app.pipeline.billing import bill_of
from app.pipeline.transcript import Transcript
from app.providers.anthropic_answer import ChunkMaker, openai_answer
from app.routing.target import Target
from tests.unit.providers.ports import chat

CACHED = {"input_tokens": 100, "cache_read_input_tokens": 150_000, "cache_creation_input_tokens": 20}
TARGET = Target("m", "m", "p", PriceConfig(input_usd_per_million=3))
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}


def start(**usage: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {"id": "i", "model": "m", "usage": usage}}


def word(text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}


def transcript_of(*events: dict[str, Any]) -> Transcript:
    maker, transcript = ChunkMaker(), Transcript()
    for event in events:
        for chunk in maker.chunks(event):
            transcript.chunk(chunk)
    return transcript


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": 7}, {"output_tokens": 7}, {"input_tokens": None}])
def test_a_whole_answer_without_its_counts_is_estimated(usage: dict[str, Any] | None) -> None:
    answer = openai_answer({"content": [{"type": "text", "text": "a word"}], "usage": usage})
    assert answer["usage"] is None
    transcript = Transcript()
    transcript.count(answer)
    bill = bill_of(chat(), TARGET, transcript)
    assert bill.estimated
    assert bill.usage.prompt_tokens > 0
    assert bill.usage.completion_tokens > 0


def test_a_stream_without_its_counts_is_estimated() -> None:
    transcript = transcript_of(start(), word("a word"), END)
    bill = bill_of(chat(), TARGET, transcript)
    assert bill.estimated
    assert bill.usage.prompt_tokens > 0
    assert bill.usage.completion_tokens > 0


@pytest.mark.parametrize("events", [[], [END]], ids=["cut", "without a count at its end"])
def test_a_stream_that_does_not_count_its_answer_has_the_counts_of_its_prompt(events: list[dict[str, Any]]) -> None:
    transcript = transcript_of(start(**CACHED, output_tokens=1), *map(word, "abcde"), *events)
    bill = bill_of(chat(), TARGET, transcript)
    assert bill.estimated
    assert (bill.usage.prompt_tokens, bill.usage.cached_tokens, bill.usage.written_tokens) == (150_120, 150_000, 20)
    assert bill.usage.completion_tokens == 5


def test_a_stream_that_ends_well_has_its_own_counts() -> None:
    transcript = transcript_of(start(**CACHED, output_tokens=1), word("a"), {**END, "usage": {"output_tokens": 9}})
    bill = bill_of(chat(), TARGET, transcript)
    assert not bill.estimated
    assert (bill.usage.prompt_tokens, bill.usage.cached_tokens, bill.usage.completion_tokens) == (150_120, 150_000, 9)
