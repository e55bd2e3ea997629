"""How findings are held against marked texts."""

from pathlib import Path

import pytest

from app.evals.errors import DatasetError
from app.evals.guard.pii import FRESH, Marked, Span, load_marked, measure


def marked(text: str, category: str = "chat", source: str = "chat") -> Marked:
    return Marked.parse(text, category, source)


def test_marks_are_taken_out_and_their_places_kept() -> None:
    text = marked("Ask [[PERSON|Ann]] at [[EMAIL_ADDRESS|a@b.example]].")

    assert text.text == "Ask Ann at a@b.example."
    assert text.spans == (Span("PERSON", 4, 7), Span("EMAIL_ADDRESS", 11, 22))


def test_half_a_span_is_found_and_less_is_missed() -> None:
    text = marked("[[PERSON|0123456789]]")

    assert measure([text], [[Span("PERSON", 5, 10)]]).types["PERSON"].recall == 1
    assert measure([text], [[Span("PERSON", 6, 10)]]).types["PERSON"].recall == 0


def test_another_type_covers_a_span_but_does_not_recall_it() -> None:
    found = measure([marked("[[US_SSN|536904399]]")], [[Span("PHONE_NUMBER", 0, 9)]])

    assert found.types["US_SSN"].covered == 1
    assert found.types["US_SSN"].recall == 0
    assert found.types["PHONE_NUMBER"].wrong == 1


def test_people_in_texts_about_public_figures_count_neither_way() -> None:
    text = marked("Who was Ada Byron?", category="public_figure")

    assert "PERSON" not in measure([text], [[Span("PERSON", 8, 17)]]).types


def test_the_fresh_set_trains_nothing_and_the_training_set_tests_nothing() -> None:
    assert not any(marked(f"text {number}", source=FRESH).is_for_training for number in range(50))
    assert all(marked(f"text {number}", source="training").is_for_training for number in range(50))
    assert 10 < sum(marked(f"text {number}").is_for_training for number in range(50)) < 40


def test_a_mark_that_is_not_closed_is_named_by_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"text": "fine"}\n{"text": "Ask [[PERSON|Ann"}\n')

    with pytest.raises(DatasetError, match=r"x\.jsonl:2"):
        load_marked(tmp_path)
