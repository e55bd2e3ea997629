"""Passages and their neighbours into a budget."""

from dataclasses import replace

from app.retrieval.passages import CHARACTERS_PER_TOKEN, citations, join, pack, source_of
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


def tokens(*passages: Passage, more: int = 0) -> int:
    """A budget that holds these, and so many characters more."""
    size = sum(len(p.chunk.text) + (0 if p.is_neighbour else len(source_of(p))) for p in passages) + more
    return -(-size // CHARACTERS_PER_TOKEN)


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
