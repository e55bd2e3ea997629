"""Length and language."""

import time

import pytest

from app.config.policy import LanguageSettings, LengthSettings
from app.guard.policy_rails.language import LanguageRail
from app.guard.policy_rails.length import LengthRail
from app.guard.types import Hit

ENGLISH = "Could you please tell me where my parcel is? I have been waiting for it since Monday. "
GERMAN = "Wo ist mein Paket, bitte? Ich warte schon sehr lange darauf, und niemand antwortet mir. "
RUSSIAN = "Пожалуйста, скажите, где моя посылка? Я жду уже очень долго."
RAIL = LanguageRail(LanguageSettings(allow=("en", "fr")))


def test_too_long_is_what_is_over() -> None:
    rail = LengthRail(LengthSettings(max_characters=5))
    assert rail.examine(["12345", "1234567", ""]) == [[], [Hit("too_long", 1.0, 5, 7)], []]


@pytest.mark.parametrize(
    "text", [ENGLISH, "Bonjour, o\u00f9 est mon colis s'il vous pla\u00eet? J'attends depuis lundi matin."]
)
def test_allowed_languages_pass(text: str) -> None:
    assert RAIL.examine([text]) == [[]]


@pytest.mark.parametrize(("text", "code"), [(GERMAN, "de"), (GERMAN.upper(), "de"), (RUSSIAN, "ru")])
def test_another_language_is_a_hit_over_the_text(text: str, code: str) -> None:
    (hit,) = RAIL.examine([text])[0]
    assert (hit.rule, hit.start, hit.end) == (code, 0, len(text))
    assert hit.score > 0.9


def test_a_passage_in_another_language_is_found_inside_a_long_text() -> None:
    text = ENGLISH * 20 + GERMAN * 12 + ENGLISH * 20
    hits = RAIL.examine([text])[0]
    assert [hit.rule for hit in hits] == ["de"]
    at = text.index(GERMAN)
    assert hits[0].start < at + 500
    assert hits[0].end > at + len(GERMAN) * 12 - 500
    assert hits[0].end - hits[0].start < len(GERMAN) * 12 + 800


def test_invisible_characters_are_no_bypass() -> None:
    text = "\u200b".join(GERMAN)
    (hit,) = RAIL.examine([text])[0]
    assert hit.rule == "de"
    assert hit.end == len(text)


@pytest.mark.parametrize(
    "text",
    [
        "ok danke",  # too short to tell
        "1234 5678 " * 50,
        "```python\nfor wert in liste_aller_werte: drucke(wert)  # Kommentar auf Deutsch, der nicht stoert\n```",
        "https://beispiel.example/ein/langer/pfad/mit/deutschen/woertern/und/noch/mehr/davon/bitte",
        "",
        "\ud800" * 1000,
        "\u200b" * 1000,
        "\x00" * 1000,
    ],
)
def test_what_is_no_language_passes(text: str) -> None:
    assert RAIL.examine([text]) == [[]]


@pytest.mark.parametrize(
    "unit", ["a", "`", "``` ", "<a ", "a@", "http://", "a.b+", "e\u0301\u0323", "\u4f60", GERMAN + ENGLISH], ids=ascii
)
def test_a_megabyte_takes_a_moment(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    started = time.thread_time()
    hits = RAIL.examine([text])[0]
    assert time.thread_time() - started < 5
    assert len(hits) <= 200
