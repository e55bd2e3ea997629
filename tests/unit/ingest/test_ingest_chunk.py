"""The promises of chunking: nothing lost, nothing too long, nothing across a heading, always the same."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.ingest.chunk import TARGET_TOKENS, chunk, embedding_text, titled
from app.ingest.document import DocumentBuilder, Limits, ParsedDocument, UnreadableDocument
from app.ingest.split import CHARACTERS_PER_TOKEN, TokenCounter
from app.retrieval.types import Chunk
from tests.unit.processor_time import processor_seconds

MAX_TOKENS = 256

words = st.text(alphabet="abcdeABC019.!?,()-\u3002\u6f22\u00e9", min_size=1, max_size=40)
gaps = st.sampled_from([" ", " ", " ", "\n", "\n\n", ". ", "!\n", "\t", "\u3000", "\u2028"])
prose = st.lists(st.tuples(words, gaps), max_size=60).map(lambda pairs: "".join(a + b for a, b in pairs))
headings = st.tuples(st.integers(1, 4), st.text(alphabet="ab cd", max_size=30))


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    builder = DocumentBuilder(Limits())
    builder.block("at least one word")
    page = draw(st.sampled_from([None, 1]))
    for heading, text in draw(st.lists(st.tuples(st.none() | headings, prose), max_size=8)):
        if heading is not None:
            builder.heading(*heading)
        builder.block(text, page)
        page = page and page + draw(st.integers(0, 1))
    return builder.build(draw(st.text(alphabet="ti tle", max_size=80)))


def chunks_of(document: ParsedDocument, counter: TokenCounter, max_tokens: int = MAX_TOKENS) -> list[Chunk]:
    return chunk(document, counter, name="a.md", tenant="t", content_hash="h", max_tokens=max_tokens)


def document_of(*texts: str) -> ParsedDocument:
    builder = DocumentBuilder(Limits())
    for text in texts:
        builder.block(text)
    return builder.build("title")


@settings(max_examples=200, deadline=None)
@given(document=documents(), max_tokens=st.integers(16, 80))
def test_every_chunk_is_in_place_small_enough_and_under_one_heading(
    counter: TokenCounter, document: ParsedDocument, max_tokens: int
) -> None:
    chunks = chunks_of(document, counter, max_tokens)
    covered: set[int] = set()
    for part in chunks:
        assert document.text[part.start : part.end] == part.text == part.text.strip() != ""
        assert counter.count_tokens([embedding_text(part)])[0] + 2 <= max_tokens
        within = [block for block in document.blocks if block.start < part.end and part.start < block.end]
        assert len({(block.section, block.page) for block in within}) == 1
        assert part.page == within[0].page
        covered.update(range(part.start, part.end))
    assert all(at in covered for at, character in enumerate(document.text) if not character.isspace())
    assert [part.ordinal for part in chunks] == list(range(len(chunks)))
    for one, other in pairwise(chunks):
        assert one.start < other.start
        assert one.end < other.end
    assert chunks_of(document, counter, max_tokens) == chunks


@settings(max_examples=100, deadline=None)
@given(document=documents())
def test_only_a_block_that_is_cut_has_overlapping_chunks(counter: TokenCounter, document: ParsedDocument) -> None:
    for one, other in pairwise(chunks_of(document, counter, 24)):
        if other.start < one.end:
            assert any(block.start <= other.start and one.end <= block.end for block in document.blocks)


def test_small_blocks_are_merged_up_to_the_target(counter: TokenCounter) -> None:
    chunks = chunks_of(document_of(*["ten word long text of this and that kind here"] * 100), counter)
    sizes = counter.count_tokens([part.text for part in chunks])
    assert all(TARGET_TOKENS * 0.8 <= size <= MAX_TOKENS for size in sizes)


def test_a_block_that_fits_is_never_cut(counter: TokenCounter) -> None:
    block = "a b c " * 76  # above the target, below the maximum
    chunks = chunks_of(document_of("one " * 50, block, "two " * 50), counter)
    assert [part.text for part in chunks][1] == block.strip()


def test_a_long_block_is_cut_at_sentences_and_repeats_the_last(counter: TokenCounter) -> None:
    sentences = [f"Sentence number {number} says that e.g. this is so." for number in range(200)]
    chunks = chunks_of(document_of(" ".join(sentences)), counter)
    assert len(chunks) > 5
    for one, other in pairwise(chunks):
        assert one.text.endswith("so.")
        assert other.text.startswith("Sentence number")
        repeated = one.end - other.start
        assert 0 < repeated < len(one.text) / 4
        assert one.text[-repeated:] == other.text[:repeated]


def test_lines_of_code_and_tables_stay_whole(word_counter: TokenCounter) -> None:
    rows = [f"row {number} | with | six cells" for number in range(300)]
    chunks = chunks_of(document_of("\n".join(rows)), word_counter)
    assert len(chunks) > 3
    assert all(line in rows for part in chunks for line in part.text.split("\n"))


def test_no_crumb_is_left_at_the_end(word_counter: TokenCounter) -> None:
    chunks = chunks_of(document_of(*["four words of text"] * 55), word_counter)  # 220 words: over the target, fits
    assert len(chunks) == 1


def test_chunks_carry_what_a_citation_needs(word_counter: TokenCounter) -> None:
    builder = DocumentBuilder(Limits())
    builder.heading(1, "A")
    builder.heading(2, "B")
    builder.block("words", page=7)
    (part,) = chunk(builder.build("T"), word_counter, name="d.pdf", tenant="acme", content_hash="h", max_tokens=256)
    assert part == Chunk("d.pdf", "acme", 0, "words", 0, 5, title="T", heading="A > B", page=7, content_hash="h")


@pytest.mark.parametrize(
    ("title", "heading", "expected"),
    [
        ("T", "A > B", "T\nA > B\n\nwords"),
        ("T", "T > B", "T > B\n\nwords"),
        ("T", "T", "T\n\nwords"),
        ("T", "", "T\n\nwords"),
        ("", "", "words"),
    ],
)
def test_title_and_headings_are_embedded_with_the_text(title: str, heading: str, expected: str) -> None:
    assert embedding_text(Chunk("d", "t", 0, "words", 0, 5, title=title, heading=heading)) == expected


def test_of_long_heading_paths_the_nearest_stay(word_counter: TokenCounter) -> None:
    builder = DocumentBuilder(Limits())
    for level in range(1, 7):
        builder.heading(level, f"level{level} " + "h " * 20)
    builder.block("words")
    (part,) = chunks_of(builder.build("title " * 20), word_counter)
    assert part.heading.startswith("level6")
    assert len(embedding_text(part).split()) <= MAX_TOKENS // 4 + 1


def timed(text: str, counter: TokenCounter) -> tuple[list[Chunk], float]:
    """The chunks of a text, and the seconds of processor time that they took."""
    chunks: list[Chunk] = []
    seconds = processor_seconds(lambda: chunks.extend(chunks_of(document_of(text), counter)))
    return chunks, seconds


@pytest.mark.parametrize(
    "text",
    ["word " * 200_000, "Some words here. " * 60_000, "x" * 1_000_000, "\u6f22\u5b57" * 170_000, "a.b" * 330_000],
    ids=["words", "sentences", "blob", "wide", "dotted"],
)
def test_one_line_of_a_megabyte_is_cut_in_linear_time(counter: TokenCounter, text: str) -> None:
    tenth, small = timed(text[: len(text) // 10], counter)
    chunks, large = timed(text, counter)
    # Quadratic work would take a hundred times as long.
    assert large < 30 * max(small, 0.05)
    assert len(chunks) >= 5 * len(tenth)
    assert max(len(part.text) for part in chunks) <= CHARACTERS_PER_TOKEN * MAX_TOKENS


def test_a_document_of_ornaments_is_refused() -> None:
    with pytest.raises(UnreadableDocument):
        document_of("***", "---")


@pytest.mark.parametrize(
    ("title", "name", "expected"),
    [
        ("What is it?", "packages/httpx.md", "httpx: What is it?"),
        ("The httpx client", "packages/httpx.md", "The httpx client"),
        ("Getting started", "docs/billing/README.md", "billing: Getting started"),
        ("", "notes/parental-leave_2026.txt", "parental leave"),
        ("Returns", "faq-17", "Returns"),  # a record's id
        ("Returns", "2026-11.pdf", "Returns"),
    ],
)
def test_a_title_that_says_nothing_of_its_file_gets_its_name(title: str, name: str, expected: str) -> None:
    assert titled(title, name) == expected


def test_a_name_in_the_title_is_not_said_twice() -> None:
    assert embedding_text(Chunk("a.md", "t", 0, "Text.", 0, 5, "httpx: What is it?", "What is it? > More")) == (
        "httpx: What is it? > More\n\nText."
    )
