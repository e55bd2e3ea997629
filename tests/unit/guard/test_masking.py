"""Masking with the real rail for personal data: what is found, and that it can be undone."""

import itertools
import random
import time
from collections.abc import Sequence
from typing import Any

import pytest

from app.config import GuardConfig
from app.config.policy import PiiSettings
from app.guard.masking import Masking
from app.guard.pii.rail import PiiRail
from app.guard.restore import Restorer
from app.guard.spans import apart
from app.guard.types import Hit, Screened


class Masker:
    """The rail, and what becomes of its hits."""

    def __init__(self, threshold: float = 0.5, **settings: Any) -> None:
        allow = (*settings.pop("allow", ()), *GuardConfig().allow)
        self._rail = PiiRail(PiiSettings(allow=allow, **settings), GuardConfig().language_model)
        self._threshold = threshold

    def screen(self, texts: Sequence[str]) -> Screened:
        masking, masked, findings = Masking(texts), [], []
        for index, (text, hits) in enumerate(zip(texts, self._rail.examine(texts), strict=True)):
            shown, found = masking.mask(text, [hit for hit in hits if hit.score >= self._threshold], index)
            masked.append(shown)
            findings += found
        return Screened(tuple(masked), masking.vault, tuple(findings))


@pytest.fixture(scope="session")
def masker() -> Masker:
    """Takes seconds to load: one for all tests."""
    return Masker()


def restored(text: str, screened: Screened) -> str:
    restorer = Restorer(screened.vault)
    return restorer.feed(text) + restorer.flush()


@pytest.mark.parametrize(
    ("entity", "text", "value"),
    [
        ("PERSON", "My name is John Smith and I have a question.", "John Smith"),
        ("EMAIL_ADDRESS", "Write to jane.doe+work@mail.example.co.uk please.", "jane.doe+work@mail.example.co.uk"),
        ("CREDIT_CARD", "Charge the card 4111 1111 1111 1111 today.", "4111 1111 1111 1111"),
        ("CREDIT_CARD", "Charge the card 378282246310005 today.", "378282246310005"),
        ("US_SSN", "My SSN is 536-90-4399.", "536-90-4399"),
        ("IBAN_CODE", "Pay to DE89 3704 0044 0532 0130 00 now.", "DE89 3704 0044 0532 0130 00"),
        ("IBAN_CODE", "Pay to GB29NWBK60161331926819 now.", "GB29NWBK60161331926819"),
        ("IP_ADDRESS", "The host 192.168.10.4 is down.", "192.168.10.4"),
        ("IP_ADDRESS", "The host 2001:db8::8a2e:370:7334 is down.", "2001:db8::8a2e:370:7334"),
        ("PHONE_NUMBER", "Call me at +1 415 555 2671.", "+1 415 555 2671"),
        ("PHONE_NUMBER", "Call me at (212) 555-0199.", "(212) 555-0199"),
        ("PHONE_NUMBER", "Call me at +49 30 901820.", "+49 30 901820"),
    ],
)
def test_personal_data_is_masked_and_can_be_restored(masker: Masker, entity: str, text: str, value: str) -> None:
    screened = masker.screen([text])

    assert screened.vault == {f"<{entity}_1>": value}
    assert screened.texts == (text.replace(value, f"<{entity}_1>"),)
    assert screened.changed
    assert [(finding.entity, finding.text) for finding in screened.findings] == [(entity, 0)]
    assert restored(screened.texts[0], screened) == text


def test_the_same_value_has_the_same_placeholder_in_all_texts(masker: Masker) -> None:
    screened = masker.screen(["John Smith met Mary Jones.", "Then Mary Jones called John Smith."])

    assert screened.texts == ("<PERSON_1> met <PERSON_2>.", "Then <PERSON_2> called <PERSON_1>.")


def test_two_values_side_by_side_keep_their_own_placeholders(masker: Masker) -> None:
    screened = masker.screen(["To ann@example.com bob@example.com today.", "From bob@example.com."])

    assert screened.texts == ("To <EMAIL_ADDRESS_1> <EMAIL_ADDRESS_2> today.", "From <EMAIL_ADDRESS_2>.")


def test_a_name_and_its_possessive_are_the_same_person(masker: Masker) -> None:
    screened = masker.screen(["John Smith wrote.", "John Smith's e-mail is john@example.com."])

    assert screened.texts == ("<PERSON_1> wrote.", "<PERSON_1>'s e-mail is <EMAIL_ADDRESS_1>.")


def test_requests_that_differ_only_in_personal_data_are_equal_after_masking(masker: Masker) -> None:
    one = masker.screen(["I am John Smith, john@example.com. Which port is it?"])
    other = masker.screen(["I am Mary Jones, mary@example.org. Which port is it?"])

    assert one.texts == other.texts
    assert one.vault != other.vault


def test_a_placeholder_that_the_user_typed_is_not_turned_into_somebodys_data(masker: Masker) -> None:
    screened = masker.screen(["What does <PERSON_1> mean?", "John Smith asked about <PERSON_2> too."])

    assert screened.texts == ("What does <PERSON_1> mean?", "<PERSON_3> asked about <PERSON_2> too.")
    assert screened.vault == {"<PERSON_3>": "John Smith"}
    assert restored("<PERSON_1> <PERSON_2> <PERSON_3>", screened) == "<PERSON_1> <PERSON_2> John Smith"


@pytest.mark.parametrize("column", ["PERSON_1_2", "PERSON_1A_2", "PERSON_1__2", "MY_PERSON_1", "PERSON_1_name"])
def test_nor_is_a_longer_name_that_the_user_typed(masker: Masker, column: str) -> None:
    screened = masker.screen([f"My name is Ann Lee and {column} is my column."])

    assert screened.texts[0].endswith(f" and {column} is my column.")
    assert [*screened.vault.values()] == ["Ann Lee"]
    assert restored(f"Select {column} from t", screened) == f"Select {column} from t"


def test_a_longer_name_is_no_placeholder_of_the_conversation_before() -> None:
    # Its numbers are kept, so that only the restorer can tell the two apart.
    text = "Ann Lee: what is PERSON_1_2?"
    masking = Masking([text], {"<PERSON_1>": "Ann Lee"})
    masked, _ = masking.mask(text, [Hit("PERSON", 1.0, 0, 7)])

    assert masked == "<PERSON_1>: what is PERSON_1_2?"
    assert restored(masked, Screened((masked,), masking.vault)) == text


def test_values_stay_themselves_in_json(masker: Masker) -> None:
    text = '{"name": "John Smith", "mail": "a.b@example.com"}'

    assert masker.screen([text]).texts == ('{"name": "<PERSON_1>", "mail": "<EMAIL_ADDRESS_1>"}',)


def test_findings_that_overlap_are_masked_without_saying_anything_twice(masker: Masker) -> None:
    # spaCy takes the beginning of each number for a part of the name in front of it.
    for text in (
        "O'Brien PII +1 415 555 2671",
        "John Smith 4111 1111 1111 1111 192.168.10.4",
        "192.168.10.4 536-90-4399",
    ):
        screened = masker.screen([text])
        assert restored(screened.texts[0], screened) == text
        assert not any(digits in screened.texts[0] for digits in ("2671", "4111", "4399", "192"))


def test_masking_can_be_undone_whatever_stands_beside_what(masker: Masker) -> None:
    parts = (
        "John Smith|Mary Jones|Müller|O'Brien|'s|Dr.|john.smith@example.com|JOHN@EXAMPLE.COM|4111 1111 1111 1111|"
        "+1 415 555 2671|192.168.10.4|DE89 3704 0044 0532 0130 00|536-90-4399|<PERSON_1>|<EMAIL_ADDRESS_2>|wrote to|"
        'about the invoice|PII|,|.|\n|"|{|}|https://example.com/john'
    ).split("|")
    chance = random.Random(20)
    for _ in range(80):
        texts = [" ".join(chance.choices(parts, k=chance.randint(1, 9))) for _ in range(2)]
        screened = masker.screen(texts)
        assert [restored(text, screened) for text in screened.texts] == texts
        assert not [value for value in screened.vault.values() if not value.strip()]


@pytest.mark.parametrize(
    "text",
    [
        "How do I paginate a REST API with cursors?",
        "Explain the difference between a mutex and a semaphore.",
        "Why does my Dockerfile rebuild every layer?",
        "Write a regular expression for ISO 8601 dates.",
        "Which port does PostgreSQL listen on, 5432 or 5433?",
        "SELECT name, count(*) FROM users GROUP BY name HAVING count(*) > 10;",
        "def add(a: int, b: int) -> int:\n    return a + b",
        "Kubernetes pod stuck in CrashLoopBackOff, exit code 137.",
        "The commit 9f86d081884c7d659a2feaa0c55ad015 broke the build on 2024-05-01.",
        "Order number 4111111111111112 has a wrong check digit.",
        "Is 0.1 + 0.2 == 0.3 in IEEE 754?",
        "What does HTTP 404 mean and how is it different from 410?",
        "",
        "  \n\t ",
    ],
)
def test_a_technical_question_stays_as_it_is(masker: Masker, text: str) -> None:
    screened = masker.screen([text])

    assert screened.texts == (text,)
    assert not screened.changed
    assert screened.vault == {}


def test_allowed_texts_are_never_masked_whatever_their_case(masker: Masker) -> None:
    allowing = Masker(allow=("john smith", "Info@Example.com"))
    text = "Ask John Smith or info@example.com, not Mary Jones."

    assert allowing.screen([text]).texts == ("Ask John Smith or info@example.com, not <PERSON_1>.",)


def test_only_chosen_entities_are_masked(masker: Masker) -> None:
    text = "John Smith, john@example.com, +1 415 555 2671"

    mail = Masker(entities=("EMAIL_ADDRESS",)).screen([text])

    assert mail.texts == ("John Smith, <EMAIL_ADDRESS_1>, +1 415 555 2671",)


def test_the_vault_does_not_show_in_a_repr(masker: Masker) -> None:
    assert "John" not in repr(masker.screen(["John Smith wrote."]))


def test_many_findings_in_a_large_text_take_time_in_proportion() -> None:
    hits = [Hit("PERSON", 0.5 + (i * 7919 % 50) / 100, i * 10, i * 10 + 8) for i in range(20_000)]
    overlapping = [Hit("EMAIL_ADDRESS", 0.9, hit.start + 4, hit.end + 4) for hit in hits]

    started = time.perf_counter()
    kept = apart([*hits, *overlapping])

    assert time.perf_counter() - started < 5  # it was minutes when each was compared with all
    assert all(one.end <= two.start for one, two in itertools.pairwise(kept))


def test_of_overlapping_findings_the_surer_stays_whole() -> None:
    whole, sure = Hit("PERSON", 0.5, 0, 30), Hit("US_SSN", 0.9, 10, 20)

    assert [(hit.rule, hit.start, hit.end) for hit in apart([whole, sure])] == [
        ("PERSON", 0, 10), ("US_SSN", 10, 20), ("PERSON", 20, 30),
    ]  # fmt: skip
