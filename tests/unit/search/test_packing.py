"""Passages and their neighbours into a budget."""

from dataclasses import replace
from typing import Any

import pytest

from app.memory.tokens import estimate
from app.retrieval.passages import MOST_TOKENS, citations, join, pack, source_of
from app.retrieval.types import Chunk, Passage

DOCUMENT = "The first part. The second part is here. The third part ends. And a fourth."
CUTS = [(0, 15), (16, 40), (41, 61), (62, 75)]


def part(ordinal: int, document: str = "a.md") -> Chunk:
    start, end = CUTS[ordinal]
    return Chunk(document, "acme", ordinal, DOCUMENT[start:end], start, end, heading="Parts", content_hash="h")


def hit(ordinal: int, score: float = 0.9, document: str = "a.md") -> Passage:
    return Passage(part(ordinal, document), score)


def beside(ordinal: int, score: float = 0.9, document: str = "a.md") -> Passage:
    return Passage(part(ordinal, document), score, is_neighbour=True)


def tokens(*passages: Passage) -> int:
    """A budget that just holds these."""
    return sum(estimate(p.chunk.text) + (0 if p.is_neighbour else estimate(source_of(p))) for p in passages)


def test_neighbours_are_joined_to_their_hit() -> None:
    (packed,) = pack([hit(1), beside(0), beside(2)], 0.25, 1000)

    assert (packed.chunk.start, packed.chunk.end, packed.chunk.ordinal) == (0, 61, 1)
    assert packed.chunk.text.split() == DOCUMENT[:61].split()
    assert (packed.score, packed.is_neighbour) == (0.9, False)
    (cited,) = citations([packed])
    assert (cited["start"], cited["end"], cited["text"]) == (0, 61, packed.chunk.text)


def test_a_neighbour_is_dropped_before_a_hit() -> None:
    second = hit(3, 0.5, "b.md")
    passages = [hit(1), second, beside(0), beside(2)]

    assert pack(passages, 0.25, tokens(hit(1), second)) == [hit(1), second]
    packed = pack(passages, 0.25, tokens(hit(1), second, beside(0)))
    assert [(p.chunk.document, p.chunk.start, p.chunk.end) for p in packed] == [("a.md", 0, 40), ("b.md", 62, 75)]


def test_the_best_hits_neighbours_come_first() -> None:
    passages = [hit(0, 0.9), hit(0, 0.6, "b.md"), beside(1, 0.6, "b.md"), beside(1, 0.9)]
    first, second = pack(passages, 0.25, tokens(*passages[:3]))
    assert (first.chunk.end, second.chunk.end) == (40, 15)


def test_a_run_has_no_gaps() -> None:
    (packed,) = pack([hit(0), beside(2), beside(3)], 0.25, 1000)
    assert packed == hit(0)
    (packed,) = pack([hit(0), beside(2), beside(3), beside(1)], 0.25, 1000)
    assert packed.chunk.end == 75


@pytest.mark.parametrize("other", [{"heading": "Refunds > Basic plan"}, {"page": 2}])
def test_what_stands_under_another_heading_or_on_another_page_is_no_neighbour(other: dict[str, Any]) -> None:
    before, after = (Passage(replace(part(ordinal), **other), 0.9, is_neighbour=True) for ordinal in (0, 2))
    assert pack([hit(1), before, after, beside(3)], 0.25, 1000) == [hit(1)]
    (packed,) = pack([hit(1), before, beside(2), beside(3)], 0.25, 1000)
    assert (packed.chunk.start, packed.chunk.end) == (16, 75)


@pytest.mark.parametrize(
    ("text", "counted"),
    [  # by SmolLM2's tokenizer
        ("退款将在三十天内支付。客户可以随时取消订阅并获得全额退款。" * 10, 550),
        ("Возврат денег производится в течение тридцати дней. " * 10, 380),
    ],
)
def test_the_budget_holds_in_every_script(text: str, counted: int) -> None:
    chunks = [Chunk("a.md", "acme", ordinal, text, 0, 0, content_hash="h") for ordinal in range(10)]
    passages = [Passage(chunk, 0.9, is_neighbour=chunk.ordinal >= 4) for chunk in chunks]
    for max_tokens in (900, 4000):
        packed = pack(passages, 0.25, max_tokens)
        assert sum(p.chunk.text.count(text) for p in packed) * counted <= max_tokens
    assert sum(p.chunk.text.count(text) for p in pack(passages, 0.25, 12 * counted)) >= 6


def test_what_fits_by_any_count_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(estimate(character) <= MOST_TOKENS for character in ("a", "B", "7", "{", "ä", "我", "😀", "\n"))
    monkeypatch.setattr("app.retrieval.passages.estimate", lambda text: pytest.fail("counted"))
    (packed,) = pack([hit(1), beside(0), beside(2)], 0.25, 1000)
    assert (packed.chunk.start, packed.chunk.end) == (0, 61)


def test_neighbours_of_what_is_left_out_are_left_out() -> None:
    assert pack([hit(1, 0.1), beside(0, 0.1)], 0.25, 1000) == []
    assert pack([beside(0)], 0.25, 1000) == []


def test_a_chunk_stands_in_one_passage_only() -> None:
    first, second = pack([hit(0), hit(2, 0.8), beside(1), beside(3, 0.8), beside(2)], 0.25, 1000)
    assert (first.chunk.start, first.chunk.end) == (0, 40)
    assert (second.chunk.start, second.chunk.end) == (41, 75)


def test_another_version_of_the_document_is_no_neighbour() -> None:
    old = Passage(replace(part(0), content_hash="old"), 0.9, is_neighbour=True)
    assert pack([hit(1), old], 0.25, 1000) == [hit(1)]


def test_what_two_chunks_share_stands_there_once() -> None:
    text = "One sentence. Two sentences. Three."
    first = Chunk("a.md", "acme", 0, text[:28], 0, 28)
    second = Chunk("a.md", "acme", 1, text[14:], 14, len(text))
    joined = join(second, [first, second])
    assert (joined.text, joined.start, joined.end, joined.ordinal) == (text, 0, len(text), 1)


def test_offsets_are_not_trusted_where_a_guard_has_changed_a_text() -> None:
    first = Chunk("a.md", "acme", 0, "Ask <PERSON>.", 0, 28)
    second = Chunk("a.md", "acme", 1, "Two sentences. Three.", 14, 35)
    assert join(first, [first, second]).text == "Ask <PERSON>.\nTwo sentences. Three."
