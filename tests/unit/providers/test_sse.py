"""The reader of server-sent events: the same events whatever pieces the bytes come in."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import UpstreamFailed
from app.providers.sse import MAX_EVENT_BYTES, Event, SseReader

STREAM = (
    "\ufeff: a comment\r\n\r\n"
    'data: {"text": "größer ⛵"}\n\n'
    "event: delta\r\ndata:no space\r\nid: 7\r\nretry: 10\r\n\r\n"
    "data: first line\ndata\ndata:  third\n\n"
    "event: nothing to say\n\n"
    "data: by itself\r\r"
    "data: [DONE]\n\n"
    "trailing garbage\ndata: never ended"
).encode()
EVENTS = [
    Event(b"", '{"text": "größer ⛵"}'.encode()),
    Event(b"delta", b"no space"),
    Event(b"", b"first line\n\n third"),
    Event(b"", b"by itself"),
    Event(b"", b"[DONE]"),
]


def read(pieces: list[bytes]) -> list[Event]:
    reader = SseReader()
    return [event for piece in pieces for event in reader.feed(piece)]


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_any_split_of_a_stream_gives_the_same_events(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    assert read([STREAM[start:end] for start, end in pairwise(places)]) == EVENTS


def test_byte_by_byte_gives_the_same_events() -> None:
    assert read([STREAM[n : n + 1] for n in range(len(STREAM))]) == EVENTS


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_no_bytes_break_it(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert read(pieces) == read([whole])


def test_an_event_comes_with_its_empty_line_and_not_later() -> None:
    reader = SseReader()
    assert reader.feed(b"data: a\r\n\r") == [Event(b"", b"a")]
    assert reader.feed(b"\ndata: b\n\n") == [Event(b"", b"b")]


def test_a_line_without_end_is_refused() -> None:
    reader = SseReader()
    reader.feed(b"data: " + b"x" * (MAX_EVENT_BYTES - 6))
    with pytest.raises(UpstreamFailed, match="more than"):
        reader.feed(b"x")


def test_many_lines_of_one_event_are_refused_past_the_same_bound() -> None:
    reader = SseReader()
    line = b"data: " + b"x" * 1_000_000 + b"\n"
    for _ in range(4):
        reader.feed(line)
    with pytest.raises(UpstreamFailed, match="more than"):
        reader.feed(line)
