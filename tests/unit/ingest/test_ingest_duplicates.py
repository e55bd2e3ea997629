"""Documents that say the same: the first by name stays, never across groups, and nothing that differs is dropped."""

import random
from pathlib import Path

import pytest

from app.ingest.document import Limits, ParsedDocument
from app.ingest.duplicates import Duplicate, DuplicateFinder
from app.ingest.parse import parse_bytes
from app.ingest.records import parse_record
from app.ingest.signature import Signature, sign
from app.ingest.signatures import SignatureFile
from tests.unit.ingest.targets import LengthEmbedder, MemoryTarget, run

WORDS = [f"{a}{b}{c}" for a in "bdfgklmp" for b in "aeiou" for c in ("r", "st", "nd", "ll")]


def text(seed: int, count: int = 400) -> list[str]:
    return random.Random(seed).choices(WORDS, k=count)


def document(words: list[str] | str, name: str = "a.txt") -> ParsedDocument:
    return parse_bytes((words if isinstance(words, str) else " ".join(words)).encode(), name)


def signature(words: list[str] | str) -> Signature:
    return sign(document(words))


def changed(words: list[str], places: int, word: str = "zz") -> list[str]:
    """So many words replaced, evenly over the text."""
    copy = list(words)
    for at in range(places):
        copy[at * len(words) // places] = f"{word}{'xyz'[at % 3]}"
    return copy


def similarity(one: list[str], other: list[str]) -> float:
    runs = [{tuple(each[at : at + 5]) for at in range(len(each) - 4)} for each in (one, other)]
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1])


def test_case_and_blanks_make_no_difference() -> None:
    assert signature("Some  words,\n\nhere.").exact == signature("some words, HERE.").exact
    assert signature("Some words here.").exact != signature("Some words there.").exact


def test_headings_are_part_of_what_a_document_says() -> None:
    one, other = (sign(document(f"# {title}\n\nSee below.", "a.md")) for title in ("Berlin", "Bern"))
    assert one.exact != other.exact


@pytest.mark.parametrize("words", ["From nine to five.", " ".join(text(8))])
def test_a_title_is_part_of_what_a_record_says(words: str) -> None:
    def titled(title: str) -> Signature:
        return sign(parse_record({"text": words, "title": title}, Limits()))

    finder = DuplicateFinder(0.9)
    assert finder.find("a", (), titled("Opening hours in Bern")) is None
    assert finder.find("b", (), titled("Opening hours in Basel")) is None
    assert finder.find("c", (), titled("Opening  Hours in Bern")) is not None


def test_a_title_from_the_name_of_a_file_makes_no_difference() -> None:
    assert sign(document("From nine to five.", "bern.txt")) == sign(document("From nine to five.", "basel.txt"))


def test_the_estimate_is_near_the_true_similarity() -> None:
    words = text(1, 2000)
    for places in (5, 20, 60):
        other = changed(words, places)
        finder = DuplicateFinder(0.01)
        finder.find("a", (), signature(words))
        found = finder.find("b", (), signature(other))
        assert found is not None
        assert found.similarity == pytest.approx(similarity(words, other), abs=0.12)


def test_near_duplicates_are_found_and_others_are_not() -> None:
    found, wrong = 0, 0
    for seed in range(100):
        words = text(seed)
        near, far = changed(words, 1), changed(words, 20)
        assert similarity(words, near) > 0.97
        assert similarity(words, far) < 0.7
        finder = DuplicateFinder(0.9)
        assert finder.find("a", (), signature(words)) is None
        found += finder.find("b", (), signature(near)) is not None
        wrong += finder.find("c", (), signature(far)) is not None
    assert (found, wrong) == (100, 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [("costs 90 euros", "costs 95 euros"), ("for Bern only", "for Basel only"), ("it is allowed", "it is not allowed")],
)
def test_a_number_a_name_or_a_negation_more_is_no_duplicate(one: str, other: str) -> None:
    around = " ".join(text(3, 2000))
    finder = DuplicateFinder(0.9)
    assert finder.find("a", (), signature(f"{around} {one}. {around}")) is None
    assert finder.find("b", (), signature(f"{around} {other}. {around}")) is None
    assert finder.find("c", (), signature(f"{around} {one}, {around}")) is not None


def test_short_texts_are_only_compared_exactly() -> None:
    finder = DuplicateFinder(0.5)
    assert finder.find("a", (), signature("The door is red and the roof is old")) is None
    assert finder.find("b", (), signature("The door is red and the roof is new")) is None
    assert finder.find("c", (), signature("the door is red and the roof is new")) == Duplicate("c", "b", 1.0)


def test_documents_of_different_groups_are_never_compared() -> None:
    words, finder = text(5), DuplicateFinder(0.9)
    assert finder.find("a", ("hr",), signature(words)) is None
    assert finder.find("b", (), signature(words)) is None
    assert finder.find("c", ("hr", "legal"), signature(changed(words, 1))) is None
    assert finder.find("d", ("hr",), signature(changed(words, 1))) is not None


def test_near_duplicates_can_be_kept() -> None:
    words, finder = text(6), DuplicateFinder(None)
    assert finder.find("a", (), signature(words)) is None
    assert finder.find("b", (), signature(changed(words, 1))) is None
    assert finder.find("c", (), signature(words)) == Duplicate("c", "a", 1.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    words = text(7)
    (tmp_path / "docs/b.txt").write_text(" ".join(words))
    (tmp_path / "docs/c.txt").write_text(" ".join(words).upper())
    (tmp_path / "docs/d.txt").write_text(" ".join(changed(words, 1)))
    (tmp_path / "docs/e.txt").write_text("Something else.")
    return tmp_path


async def test_the_first_by_name_stays_and_the_others_are_reported(folder: Path) -> None:
    target, embedder = MemoryTarget(), LengthEmbedder()
    report = await run(folder, target, embedder=embedder)
    assert target.names() == ["docs/b.txt", "docs/e.txt"] == list(report.new)
    assert [(each.name, each.of) for each in report.duplicates] == [
        ("docs/c.txt", "docs/b.txt"),
        ("docs/d.txt", "docs/b.txt"),
    ]
    assert report.duplicates[0].similarity == 1 > report.duplicates[1].similarity > 0.9
    again = await run(folder, target)
    assert (again.new, again.duplicates) == ((), report.duplicates)


async def test_they_are_kept_when_asked(folder: Path) -> None:
    target = MemoryTarget()
    assert (await run(folder, target, drop_duplicates=False)).duplicates == ()
    assert len(target.names()) == 4
    target = MemoryTarget()
    assert [each.name for each in (await run(folder, target, near=None)).duplicates] == ["docs/c.txt"]


async def test_a_new_first_takes_the_place_of_the_one_that_stood(folder: Path) -> None:
    target = MemoryTarget()
    await run(folder, target)
    (folder / "docs/a.txt").write_text((folder / "docs/b.txt").read_text())
    report = await run(folder, target)
    assert target.names() == ["docs/a.txt", "docs/e.txt"]
    assert report.unchanged == ("docs/e.txt",)
    (folder / "docs/a.txt").unlink()
    await run(folder, target)
    assert target.names() == ["docs/b.txt", "docs/e.txt"]


async def test_what_is_remembered_gives_the_same_as_reading_again(folder: Path, tmp_path: Path) -> None:
    target = MemoryTarget()
    for _ in range(2):
        memory = SignatureFile(tmp_path / "memory.sqlite")
        report = await run(folder, target, memory=memory)
        memory.close()
        assert len(report.duplicates) == 2
    (tmp_path / "memory.sqlite").write_bytes(b"damaged")
    memory = SignatureFile(tmp_path / "memory.sqlite")
    assert len((await run(folder, target, memory=memory)).duplicates) == 2
    memory.close()
