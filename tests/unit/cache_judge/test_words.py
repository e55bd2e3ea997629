"""Reading a question: what is the same on paper is the same here."""

import pytest

from app.cache.judge.words import read


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What's the capital of France?", "what is the capital of france"),
        ("Hi, how tall is Everest, please?", "How tall is Everest"),
        ("How many metres is a mile?", "how many meters is a mile"),
        ("a 20kg bag", "a 20 kilograms bag"),
        ("at 3:30 pm", "at 15:30"),
        ("3 June", "June 3rd"),
        ("on 3 May 2026", "on 3 may 2026"),
        ("What is in the U.S. budget?", "What is in the US budget?"),
        ("Does it cost 3,000 euros?", "does it cost €3000"),
        ("twenty-five people", "25 people"),
        ("two hundred fifty-five", "255"),
        ("two and a half hours", "2.5 hours"),
        ("The 401(k) limit", "the 401k limit"),
        ("I can't log in", "I cannot log in"),
        ("São Paulo", "sao paulo"),
        ("20 °C", "20 degrees Celsius"),
        ("in km/h", "in kilometres per hour"),
        ("640 tokens/s", "640 tokens per second"),
        ("from a 5 V supply at 20 mA", "from a 5V supply at 20mA"),
        ("5 feet 9 inches", "5 ft 9 in"),
        ("bake at 180 °C", "bake at 180C"),
        ("farmers in the US", "farmers in the United States"),
        ("a visa for the USA", "a visa for the us"),
        ("How many euros for 100 US dollars?", "how many euros for 100 us dollars"),
        ("Do vegans eat honey?", "Do vegans eat honey, or not"),
        ("25 degrees celcius", "25 degrees Celsius"),
        ("Good afternoon. What is the rate?", "What is the rate?"),
        ("Hi team, how do I request leave?", "How do I request leave?"),
        ("Sorry to bother you, but is it open?", "Is it open?"),
        ("Is it open? Thank you in advance.", "Is it open?"),
        ("Is it open? Kind regards", "Is it open?"),
    ],
)
def test_surface_changes_leave_the_key(one: str, other: str) -> None:
    assert read(one).key == read(other).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("at 3:30 am", "at 3:30 pm"),
        ("3 GB", "3 GiB"),
        ("with sugar", "without sugar"),
        ("Python 3.10", "Python 3.1"),
        ("What is 3/8?", "What is -3/8?"),
        ("5 mg", "5 g"),
        ("the first", "the second"),
        ("Tell us about it", "Tell the US about it"),
        ("in 9 in total", "9 inches in total"),
        ("How do I end with kind regards in French?", "How do I end with in French?"),
        ("Is a good afternoon nap healthy?", "Is a nap healthy?"),
    ],
)
def test_what_changes_the_meaning_changes_the_key(one: str, other: str) -> None:
    assert read(one).key != read(other).key


def test_words_keep_their_places_in_the_text() -> None:
    text = "Hi — where's the “Zürich” office?"
    for word in read(text).words:
        assert 0 <= word.start < word.end <= len(text)
    assert text[slice(*next((w.start, w.end) for w in read(text).words if w.lemma == "zurich"))] == "Zürich"


@pytest.mark.parametrize(
    "text", ["", " \n\t", "\x00\x1b[31m", "\ud800\udfff", "?!?", "🙂🙂", "a" * 100_000, "1" * 5000]
)
def test_strange_texts_are_read(text: str) -> None:
    read(text)


def test_only_politeness_left_is_kept_as_it_is() -> None:
    assert read("Hello, please!").words
