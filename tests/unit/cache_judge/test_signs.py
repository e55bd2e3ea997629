"""Signs, numbers, units, lone letters, scripts and accents: what makes another question, and what is only another
spelling."""

# ruff: noqa: RUF001 (the signs that look alike are what is tested)

import time

import pytest

from app.cache.judge.literal.signs import refusal
from app.cache.judge.seen import Seen, see
from app.cache.judge.words import read
from tests.unit.cache_judge.fakes import WordEmbedder

EMBEDDER = WordEmbedder()


def _look(text: str) -> Seen:
    return see(text, EMBEDDER.token_vectors(text))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("What is 9^2?", "What is 9²?"),
        ("What is x²?", "what is x squared"),
        ("What is √49?", "What is the square root of 49?"),
        ("What is 6 × 7?", "What is 6*7?"),
        ("What is 6 x 7?", "what is 6 times 7"),
        ("What is 20 ÷ 5?", "What is 20/5?"),
        ("What is 20 – 5?", "What is 20 minus 5?"),
        ("Solve 3x+5=20", "Solve: 3x + 5 = 20"),
        ("What is log(1000)?", "what is log 1000"),
        ("What does malloc() do?", "What does `malloc` do?"),
        ("Can I return it without a receipt?", "can i return it w/o a receipt"),
        ("What is a 401(k)?", "what is a 401k"),
        ("How much is $5?", "How much is 5 dollars?"),
        ("What is C++?", "what is c++"),
        ("Are you open 24/7?", "are you open 24-7?"),
        ("Does it take 3–5 days?", "Does it take 3 to 5 days?"),
        ("How do I reset my router? :)", "How do I reset my router?"),
        ("How do I reset my router 😀", "how do I reset my router 🙏"),
        ("Hi 👋 how do I reset my router?", "Hi, how do I reset my router?"),
        ("How do I pay (in euros)?", "How do I pay in euros?"),
        ("**How** do I cancel?!", "- How do I cancel??"),
        ("How do I send an e-mail?", "How do I send an email?"),
        ("Is vitamin D safe?", "is vitamin d safe"),
        ("How To Plan A Trip To Rome", "how to plan a trip to rome"),
        ("Is 2 kW enough?", "is 2 kw enough"),
        ("How big is 10 MB?", "how big is 10 megabytes"),
        ("How heavy is 5 lb?", "how heavy is 5 pounds"),
        ("How many ml in 1 cup?", "how many ml in a cup"),
        ("Is 1 1/2 cups of rice enough?", "is 1½ cups of rice enough"),
        ("Is half a cup of rice enough?", "Is 1/2 cup of rice enough?"),
        ("Where is the café?", "where is the cafe"),
        ("How do I get to Zürich?", "how do i get to zurich"),
        ("¿Cuándo llega mi paquete?", "cuando llega mi paquete"),
        ("如何更改密码？", "如何更改密码"),
        ("Как удалить включённый фильтр?", "как удалить включенный фильтр"),
        ("I'm 25! How do I get a card?", "I'm 25. How do I get a card?"),
        ("What does the 😂 emoji mean?", "what does 😂 mean?"),
        ("What is 1 + 1 ?", "what is 1+1"),
        ("Explain E = mc²", "explain E=mc2"),
        ("How do I cancel my plan (I paid yesterday!)?", "How do I cancel my plan? I paid yesterday!"),
        ("How do I set up Ctrl+C?", "How do I set up Ctrl-C?"),
        ("How do I use <div> in HTML?", "how do i use div in html"),
    ],
)
def test_another_spelling_is_no_difference(a: str, b: str) -> None:
    assert refusal(_look(a), _look(b)) == ""
    assert refusal(_look(b), _look(a)) == ""


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ("What is 12 ÷ 4?", "What is 12 × 4?", "wording"),
        ("What is 8 - 3?", "What is 8 + 3?", "wording"),
        (r"What does the regex \d+ match?", r"What does the regex \D+ match?", "entity"),
        (r"What is \b in a regex?", r"What is \B in a regex?", "entity"),
        ("What does %m mean in strftime?", "What does %M mean in strftime?", "entity"),
        ("What does %Y%m print?", "What does %Y%M print?", "entity"),
        ("What does grep -v do?", "What does grep -V do?", "entity"),
        ("What is 2^3?", "What is 2*3?", "wording"),
        ("What is 2**3?", "What is 2*3?", "wording"),
        ("Solve x ≤ 5", "Solve x ≥ 5", "wording"),
        ("What is √16?", "What is 16?", "wording"),
        ("What is ∫ x dx?", "What is ∑ x dx?", "wording"),
        ("What does → mean?", "What does ← mean?", "wording"),
        ("What is 5! in math?", "What is 5 in math?", "wording"),
        ("What does if (!x) mean in C?", "What does if (x) mean in C?", "wording"),
        ("What does a ? b : c mean?", "What does a b c mean?", "wording"),
        ("What does a == b do?", "What does a = b do?", "wording"),
        ("What does i++ do?", "What does ++i do?", "wording"),
        ("What is log(100)/2?", "What is log(100/2)?", "wording"),
        ("What is (2+3)*4?", "What is 2+3*4?", "wording"),
        ("What is f'(x)?", "What is f(x)?", "wording"),
        ("What's the GPA for a B-?", "What's the GPA for a B?", "wording"),
        ("What does 😂 mean?", "What does 🙏 mean?", "entity"),
        ("What does docker run -d do?", "What does docker run -t do?", "entity"),
        ("What does curl -O do?", "What does curl -o do?", "entity"),
        ("Open https://a.com/x", "Open https://a.com/y", "entity"),
        ("What is vitamin A?", "What is vitamin D?", "entity"),
        ("what is vitamin a good for", "what is vitamin d good for", "entity"),
        ("What is a Model S?", "What is a Model T?", "entity"),
        ("Is a 2 kW heater enough?", "Is a 2 W heater enough?", "unit"),
        ("Is 3 MW a lot?", "Is 3 mW a lot?", "unit"),
        ("What does 1 MB mean?", "What does 1 Mb mean?", "unit"),
        ("How much is 5 lb?", "How much is 5 GBP?", "unit"),
        ("Does it take 1 or 2 days?", "Does it take 2 days?", "number"),
        ("How many ml is 1 1/2 cups?", "How many ml is 1/2 cup?", "number"),
        ("दिन में कितनी बार?", "दान में कितनी बार?", "wording"),
        ("如何打开通知？", "如何关闭通知？", "wording"),
        ("Как включить уведомления?", "Как отключить уведомления?", "wording"),
        ("Wie kann ich das drucken?", "Wie kann ich das drücken?", "wording"),
        ("El papá está aquí, ¿no?", "El papa está aquí, ¿no?", "wording"),
        ("¿Cuántos años tiene la casa?", "cuantos anos tiene la casa", "wording"),
    ],
)
def test_a_difference_in_signs_refuses(a: str, b: str, reason: str) -> None:
    assert refusal(_look(a), _look(b)) == reason
    assert refusal(_look(b), _look(a)) == reason


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a 2,5 kg parcel", "a 2.5 kg parcel"),
        ("1 000 km away", "1000 km away"),
        ("1'000 km away", "1000 km away"),
        ("1.000.000 euros", "1000000 euros"),
    ],
)
def test_numbers_in_other_countries_spellings_are_read(one: str, other: str) -> None:
    assert read(one).key == read(other).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("error 4012", "error 4019"),
        ("401.50 dollars", "401.99 dollars"),
        ("401 miles", "4010 miles"),
        ("version 1.2.3", "version 123"),
        ("pages 1,2 and 3", "pages 1.2 and 3"),
    ],
)
def test_other_numbers_are_read_as_others(one: str, other: str) -> None:
    assert read(one).key != read(other).key


@pytest.mark.parametrize("text", ["192.168.1.10k", "1.2.3k", "10.20.3bn", "1.2.3.4m"])
def test_an_address_with_a_letter_is_no_number_and_no_error(text: str) -> None:
    assert read(text).words


@pytest.mark.parametrize(
    "text",
    [
        "\ud800", "\x00\x07", "?", "\u0301" * 4000, "🙂" * 4000, "(" * 4000, "()" * 2000, "(a b" * 1000, "- " * 2000,
        "5! " * 1300, "'" * 4000, ":)" * 2000 + "x", "?" * 4000 + "x", "\n" * 4000 + "x", " " * 4000 + "#",
        "*a " * 1300, "1/2 " * 1000, "½" * 4000, "a." * 2000, "a?b:c " * 600, "x²" * 2000, "٣+٤/١ ①!",
    ],
)  # fmt: skip
def test_strange_texts_are_compared_quickly(text: str) -> None:
    one = _look(text)
    started = time.perf_counter()
    for other in (_look("What is 5 + 3?"), _look("é x 1 kW")):
        assert refusal(one, other) == refusal(other, one)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("accented", "plain"),
    [
        ("¿Cómo puedo cambiar mi contraseña?", "como puedo cambiar mi contraseña"),
        ("Comment réinitialiser le mot de passe reçu ?", "comment reinitialiser le mot de passe reçu"),
    ],
)
def test_who_types_without_accents_still_types_the_keys_of_his_keyboard(accented: str, plain: str) -> None:
    assert refusal(_look(accented), _look(plain)) == ""
    assert refusal(_look(plain), _look(accented)) == ""
